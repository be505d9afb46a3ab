"""Layers and exec wrappers: what Lambda unpacks into /opt, and what it starts in place of the runtime."""

import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"


def unpack_layers(layers: Sequence[str | Path]) -> Path:
    """Unpack layers, one over the other, into a new folder that stands for /opt.

    Raises:
        ValueError: A layer is no zip archive.
    """
    for layer in layers:
        if not zipfile.is_zipfile(layer):
            raise ValueError(f"{layer} is not a zip archive; a layer is one, as `make layer` builds it.")
    opt = Path(tempfile.mkdtemp(prefix="streamify-opt-"))
    for layer in layers:
        with zipfile.ZipFile(layer) as archive:
            for entry in archive.infolist():
                path = Path(archive.extract(entry, opt))
                if mode := entry.external_attr >> 16 & 0o777:
                    path.chmod(mode)
    return opt


def wrapped_command(environment: Mapping[str, str], code: Path, opt: Path | None) -> tuple[str, ...] | None:
    """The command with which a managed runtime starts if an exec wrapper is set.

    The wrapper gets the interpreter and the bootstrap that it stands in for
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
    """Where a Python function finds the packages of its layers.

    https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html#packaging-layers-paths
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return [str(opt / "python" / "lib" / version / "site-packages"), str(opt / "python")]


def search_paths(opt: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """PATH and LD_LIBRARY_PATH with the programs and libraries of the layers."""
    extended = {}
    for name, folder in (("PATH", "bin"), ("LD_LIBRARY_PATH", "lib")):
        own = [environment[name]] if environment.get(name) else []
        extended[name] = os.pathsep.join([*own, str(opt / folder)])
    return extended
