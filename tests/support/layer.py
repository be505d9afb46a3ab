"""The layer, built from the installed packages instead of downloaded wheels, and unpacked as Lambda does."""

import functools
import importlib.metadata
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from streamify_server.deploy import layer

# The interpreter under the virtual environment, which does not see the environment's packages.
BARE_PYTHON = str(Path(sys.executable).resolve())


def installed_files(name: str) -> Iterator[tuple[Path, str]]:
    """The files of an installed distribution, each with its path in a wheel."""
    for file in importlib.metadata.distribution(name).files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            yield Path(str(file.locate())), str(file)


def wheels_of_what_is_installed(folder: Path) -> Iterator[Path]:
    for name in layer.PINS:
        version = importlib.metadata.version(name)
        wheel = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for file, path in installed_files(name):
                archive.write(file, path)
        yield wheel


def build_layer(output: Path, *, os_only: bool = False) -> Path:
    """The layer, which is built once for all tests of a process."""
    output.write_bytes(_built(os_only))
    return output


def build_layer_anew(output: Path, *, os_only: bool = False) -> Path:
    scratch = output.parent / "wheels"
    scratch.mkdir()
    layer.build(output, wheels_of_what_is_installed(scratch), [BARE_PYTHON], os_only=os_only)
    return output


@functools.cache
def _built(os_only: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return build_layer_anew(Path(folder) / "layer.zip", os_only=os_only).read_bytes()


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a layer into a folder that stands for /opt, permissions and all, read-only."""
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            path = Path(opened.extract(entry, folder))
            path.chmod(entry.external_attr >> 16)
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)
    return folder
