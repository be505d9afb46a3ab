"""Layers, which Lambda unpacks into /opt, and exec wrappers, which it starts instead of the runtime."""

import os
import re
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"


def layer_name(layer: str | Path) -> str:
    """Return the name of a layer in its ARN, made from the name of its archive."""
    return re.sub(r"[^a-zA-Z0-9-_]+", "-", Path(layer).stem) or "layer"


def unpack_layers(layers: Sequence[str | Path]) -> Path:
    """Unpack layers, in order, into a new folder that is used as /opt.

    Raises:
        ValueError: A layer is not a zip archive, or has an entry outside of /opt.
    """
    for layer in layers:
        if not zipfile.is_zipfile(Path(layer)):
            raise ValueError(f"{layer} is not a zip archive; a layer is one, as `make layer` builds it.")
    opt = Path(tempfile.mkdtemp(prefix="streamify-opt-"))
    try:
        for layer in layers:
            with zipfile.ZipFile(layer) as archive:
                _unpack(archive, opt)
    except BaseException:
        shutil.rmtree(opt, ignore_errors=True)
        raise
    return opt


def _unpack(archive: zipfile.ZipFile, opt: Path) -> None:
    links = [entry for entry in archive.infolist() if stat.S_ISLNK(entry.external_attr >> 16)]
    for entry in archive.infolist():
        if entry not in links:
            _check_inside(opt / entry.filename, opt, entry.filename)
            path = Path(archive.extract(entry, opt))
            if mode := entry.external_attr >> 16 & 0o777:
                path.chmod(mode)
    for entry in links:  # last, so that no file is written through a link
        _link(opt / entry.filename, archive.read(entry).decode(), opt)


def _link(path: Path, target: str, opt: Path) -> None:
    # An absolute target refers to /opt on Lambda.
    own = opt / target.removeprefix("/opt").lstrip("/") if target.startswith("/opt/") else None
    _check_inside(own or path.parent / target, opt, f"{path.relative_to(opt)} -> {target}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(own or target)


def _check_inside(path: Path, opt: Path, named: str) -> None:
    if not path.resolve().is_relative_to(opt.resolve()):
        raise ValueError(f"The layer's entry {named} leads out of /opt: take it out of the layer.")


def wrapped_command(environment: Mapping[str, str], code: Path, opt: Path | None) -> tuple[str, ...] | None:
    """Return the command that starts a managed runtime through its exec wrapper; None if it has none.

    The wrapper gets the interpreter and the bootstrap as arguments
    (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper).
    """
    wrapper = environment.get(WRAPPER)
    if not wrapper:
        return None
    for folder, local in (("/opt/", opt), ("/var/task/", code)):
        if local and wrapper.startswith(folder):
            wrapper = str(local / wrapper.removeprefix(folder))
    return wrapper, sys.executable, "/var/runtime/bootstrap.py"


def python_paths(opt: Path) -> list[str]:
    """Return the folders in which a Python function finds the packages of its layers.

    https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html#packaging-layers-paths
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return [str(opt / "python" / "lib" / version / "site-packages"), str(opt / "python")]


def search_paths(opt: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return PATH and LD_LIBRARY_PATH, extended by the layers' programs and libraries."""
    extended = {}
    for name, folder in (("PATH", "bin"), ("LD_LIBRARY_PATH", "lib")):
        own = [environment[name]] if environment.get(name) else []
        extended[name] = os.pathsep.join([*own, str(opt / folder)])
    return extended
