"""Build the Lambda layer that lets a managed Python runtime stream.

    python -m streamify_server.deploy.layer build/streamify-layer.zip
    python -m streamify_server.deploy.layer --each build/streamify-layer.zip
    python -m streamify_server.deploy.layer --python 3.13 --architecture arm64 build/streamify-layer.zip

The layer contains `streamify-wrapper`, the server half of this package, and its dependencies: awslambdaric,
simplejson and snapshot-restore-py, in the tested versions. awslambdaric and simplejson are private to it:
they are in a folder that functions do not search. awslambdaric's native extension is left out, because the
runtime does its own HTTP. One layer can serve several Python versions and both architectures: it contains
all of simplejson's accelerators, and the interpreter picks its own.

/opt is read-only on Lambda, so the bytecode must be in the layer: every Python version that the layer
supports must be installed on this machine. Without --python, these are all supported versions found here.
"""

import argparse
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["build", "main"]

PINS = {"awslambdaric": "4.2.2", "simplejson": "4.3.0", "snapshot-restore-py": "1.0.0"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {"x86_64": "manylinux2014_x86_64", "arm64": "manylinux2014_aarch64"}
SCRIPTS = ("streamify-wrapper", "bootstrap")
PRIVATE = "streamify"  # the folder of the runtime's dependencies
# What a function might import, beside this package itself; the rest is private to the runtime.
SHARED = "snapshot_restore_py"
# Parts that are only used on development machines.
NOT_IN_A_FUNCTION = {
    "__pycache__",
    "deploy",
    "dev",
    "local",
    "pytest_plugin.py",
    "testing.py",
}
EPOCH = (1980, 1, 1, 0, 0, 0)


class LayerError(Exception):
    """The layer cannot be built; the message is one sentence."""


def build(
    output: Path,
    wheels: Iterable[Path],
    interpreters: Sequence[str] = (sys.executable,),
    *,
    os_only: bool = False,
) -> None:
    """Write the layer to `output`, reproducibly: the same wheels and interpreters give the same bytes.

    Args:
        output: The zip file to write.
        wheels: Wheels of awslambdaric, simplejson and snapshot-restore-py; there can be several of one
            package, for several Python versions and architectures.
        interpreters: Python interpreters of the supported versions; each compiles the bytecode of its
            version.
        os_only: Add the bootstrap of an OS-only runtime. At least AWS's runtime interface emulator prefers
            /opt/bootstrap to that of a managed runtime, so a layer for managed runtimes must not have one.

    Raises:
        LayerError: A wheel of a pinned package is missing or has another version; this package is not
            installed; or an interpreter cannot compile.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _stage(root, _checked(list(wheels)), SCRIPTS if os_only else SCRIPTS[:1])
        for interpreter in interpreters:
            _compile(root, interpreter)
        partial = output.with_name(output.name + ".partial")
        _zip(root, partial)
        partial.replace(output)


def _checked(wheels: list[Path]) -> list[Path]:
    found = {tuple(wheel.name.split("-")[:2]) for wheel in wheels}
    expected = {(name.replace("-", "_"), version) for name, version in PINS.items()}
    if found != expected:
        raise LayerError(f"The layer is made of wheels of {sorted(expected)}, not of {sorted(found)}.")
    return wheels


def _stage(root: Path, wheels: list[Path], scripts: Iterable[str]) -> None:
    package = Path(__file__).parent.parent
    for script in scripts:
        shutil.copy(package / "deploy" / script, root / script)
    (root / PRIVATE).mkdir()
    shutil.copy(package / "deploy" / "launch.py", root / PRIVATE / "launch.py")
    shutil.copytree(
        package,
        root / "python" / package.name,
        ignore=lambda _folder, names: NOT_IN_A_FUNCTION.intersection(names),
    )
    _stage_metadata(root / "python")
    for wheel in wheels:
        folder = root / ("python" if wheel.name.startswith(SHARED) else PRIVATE)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if _serves(name)])


def _stage_metadata(folder: Path) -> None:
    """Add version and licence of this package, for `importlib.metadata` and for people who open the layer."""
    try:
        distribution = importlib.metadata.distribution("streamify")
    except importlib.metadata.PackageNotFoundError:
        raise LayerError("The layer states its version: first install streamify, pip install .") from None
    target = folder / f"streamify-{distribution.version}.dist-info"
    for file in distribution.files or ():
        if file.parts[0] == target.name and (file.name == "METADATA" or "licenses" in file.parts):
            path = target.joinpath(*file.parts[1:])
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), path)


def _serves(name: str) -> bool:
    """Return whether a file of a wheel belongs in the layer: code, simplejson's accelerators, metadata."""
    folder, _, rest = name.partition("/")
    if folder.endswith(".dist-info"):
        return rest == "METADATA" or "LICENSE" in rest or "NOTICE" in rest
    if rest.startswith("_speedups"):
        return True
    return name.endswith(".py") and not rest.startswith(("tests/", "tool.py"))


def _compile(root: Path, interpreter: str) -> None:
    # Unchecked hashes: time stamps would make each build differ, and checked ones read the source on start.
    command = [interpreter, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    folders = [str(root / name) for name in ("python", PRIVATE)]
    done = subprocess.run(
        [*command, "-s", str(root), "-p", "/opt", *folders], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LayerError(f"{interpreter} could not compile the layer: {(done.stdout + done.stderr).strip()}")


def _zip(root: Path, output: Path) -> None:
    with zipfile.ZipFile(output, "w") as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(root)), EPOCH)
                entry.external_attr = (0o100755 if path.name in SCRIPTS else 0o100644) << 16
                entry.create_system = 3  # Unix; otherwise the permissions above are ignored
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def fetch_wheels(folder: Path, pythons: Iterable[str], architectures: Iterable[str]) -> dict[str, list[Path]]:
    """Download the pinned packages' wheels for all these Python versions and architectures with pip.

    Returns:
        The wheels for each Python version.

    Raises:
        LayerError: pip failed; its reason is on stderr.
    """
    pins = [f"{name}=={version}" for name, version in PINS.items()]
    found = {}
    architectures = list(architectures)
    for python in pythons:
        for architecture in architectures:
            platform = PLATFORMS[architecture]
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
            wanted = ["--python-version", python, "--platform", platform, "--dest", str(folder / python)]
            if subprocess.run([*command, *wanted, *pins]).returncode:
                raise LayerError(
                    f"pip could not download {', '.join(pins)} for Python {python} on {platform}."
                )
        found[python] = sorted((folder / python).glob("*.whl"))
    return found


def find_interpreters(pythons: Iterable[str]) -> dict[str, str]:
    """Find the interpreters of these versions on this machine: on PATH, or pyenv's."""
    found = {}
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for python in pythons:
        on_path = shutil.which(f"python{python}")
        others = sorted(pyenv.glob(f"{python}.*/bin/python{python}"))
        for interpreter in [*([on_path] if on_path else []), *map(str, others)]:
            # pyenv's shims are also on PATH for versions that are not active.
            if subprocess.run([interpreter, "-V"], capture_output=True, check=False).returncode == 0:
                found[python] = interpreter
                break
    return found


def _interpreters(wanted: Sequence[str] | None) -> dict[str, str]:
    found = find_interpreters(wanted or PYTHONS)
    missing = [python for python in wanted or () if python not in found]
    if missing:
        raise LayerError(
            f"Bytecode for Python {missing[0]} is made by python{missing[0]}, which is not on this machine; "
            "install it, or build the layer on a machine that has it."
        )
    if not found:
        raise LayerError(f"None of Python {', '.join(PYTHONS)} is on this machine.")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the layer as the command line says; print its size and the supported Python versions."""
    parser = argparse.ArgumentParser(prog="python -m streamify_server.deploy.layer", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("output", type=Path, help="the zip file to write")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="may be repeated")
    parser.add_argument("--architecture", action="append", choices=[*PLATFORMS], help="default: both")
    parser.add_argument("--os-only", action="store_true", help="add a bootstrap, for provided.al2023")
    parser.add_argument(
        "--each",
        action="store_true",
        help="besides, one layer for each Python, the version in its name",
    )
    options = parser.parse_args(arguments)
    try:
        _build_all(options)
    except LayerError as error:
        parser.exit(1, f"{error}\n")


def _build_all(options: argparse.Namespace) -> None:
    interpreters = _interpreters(options.python)
    with tempfile.TemporaryDirectory() as folder:
        wheels = fetch_wheels(Path(folder), interpreters, options.architecture or PLATFORMS)
        targets = {options.output: list(interpreters)}
        if options.each:
            name: Path = options.output
            targets |= {
                name.with_name(f"{name.stem}-python{each}{name.suffix}"): [each] for each in interpreters
            }
        for output, pythons in targets.items():
            every = {wheel.name: wheel for python in pythons for wheel in wheels[python]}
            compilers = [interpreters[python] for python in pythons]
            build(output, every.values(), compilers, os_only=options.os_only)
            _report(output, pythons)


def _report(output: Path, pythons: Sequence[str]) -> None:
    with zipfile.ZipFile(output) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    sizes = f"{output.stat().st_size / 1000:,.0f} kB, {unpacked / 1000:,.0f} kB unpacked"
    print(f"{output}: for Python {', '.join(pythons)}; {sizes}")


if __name__ == "__main__":
    main()
