"""Build the Lambda layer that lets a managed Python runtime stream.

    python -m streamify_server.deploy.layer build/streamify-layer.zip
    python -m streamify_server.deploy.layer --python 3.13 --architecture arm64 build/streamify-layer.zip

The layer holds `streamify-wrapper`, the server half of this package, and what it runs on: awslambdaric,
simplejson and snapshot-restore-py, in the versions that were tested. awslambdaric's native extension is left
out, because the runtime does its own HTTP. One layer can serve several Python versions and both
architectures: simplejson's accelerators lie side by side, and the interpreter picks its own.
"""

import argparse
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
# What serves development machines and never a function.
NOT_IN_A_FUNCTION = {
    "__pycache__",
    "cli.py",
    "demo.py",
    "deploy",
    "dev",
    "local",
    "pytest_plugin.py",
    "testing.py",
}
EPOCH = (1980, 1, 1, 0, 0, 0)


def build(
    output: Path,
    wheels: Iterable[Path],
    interpreters: Sequence[str] = (sys.executable,),
    *,
    os_only: bool = False,
) -> None:
    """Write the layer to `output`; the same wheels and interpreters give the same bytes.

    Args:
        output: The zip file to write.
        wheels: Wheels of awslambdaric, simplejson and snapshot-restore-py; several of one package for several
            Python versions and architectures.
        interpreters: Python interpreters that compile the bytecode of their version. /opt is read-only on
            Lambda, so a version that has no bytecode in the layer compiles its sources on every cold start.
        os_only: Add the bootstrap of an OS-only runtime. AWS's runtime interface emulator, at least, prefers
            /opt/bootstrap to that of a managed runtime, so a layer for managed runtimes must not have one.

    Raises:
        ValueError: a pinned package has no wheel, or one of another version.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _stage(root, _checked(list(wheels)), SCRIPTS if os_only else SCRIPTS[:1])
        for interpreter in interpreters:
            _compile(root / "python", interpreter)
        partial = output.with_name(output.name + ".partial")
        _zip(root, partial)
        partial.replace(output)


def _checked(wheels: list[Path]) -> list[Path]:
    found = {tuple(wheel.name.split("-")[:2]) for wheel in wheels}
    expected = {(name.replace("-", "_"), version) for name, version in PINS.items()}
    if found != expected:
        raise ValueError(f"the layer is made of wheels of {sorted(expected)}, not of {sorted(found)}")
    return wheels


def _stage(root: Path, wheels: list[Path], scripts: Iterable[str]) -> None:
    package = Path(__file__).parent.parent
    for script in scripts:
        shutil.copy(package / "deploy" / script, root / script)
    shutil.copytree(
        package,
        root / "python" / package.name,
        ignore=lambda _folder, names: NOT_IN_A_FUNCTION.intersection(names),
    )
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / "python", [name for name in archive.namelist() if _serves(name)])


def _serves(name: str) -> bool:
    """Whether a file of a wheel goes into the layer: code, simplejson's accelerators, version and licence."""
    folder, _, rest = name.partition("/")
    if folder.endswith(".dist-info"):
        return rest == "METADATA" or "LICENSE" in rest or "NOTICE" in rest
    if rest.startswith("_speedups"):
        return True
    return name.endswith(".py") and not rest.startswith(("tests/", "tool.py"))


def _compile(folder: Path, interpreter: str) -> None:
    # Unchecked hashes: no time stamp, which would make each build differ, and no look at the source on start.
    command = [interpreter, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, "-s", str(folder), "-p", "/opt/python", str(folder)], check=True)


def _zip(root: Path, output: Path) -> None:
    with zipfile.ZipFile(output, "w") as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(root)), EPOCH)
                entry.external_attr = (0o100755 if path.name in SCRIPTS else 0o100644) << 16
                entry.create_system = 3  # Unix: else the permissions above mean nothing
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def fetch_wheels(folder: Path, pythons: Iterable[str], architectures: Iterable[str]) -> list[Path]:
    """Download the pinned packages' wheels for every Python version and architecture with pip.

    Raises:
        OSError: pip failed; it has said why on stderr.
    """
    pins = [f"{name}=={version}" for name, version in PINS.items()]
    targets = [(python, PLATFORMS[architecture]) for python in pythons for architecture in architectures]
    for python, platform in targets:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        wanted = ["--python-version", python, "--platform", platform, "--dest", str(folder)]
        if subprocess.run([*command, *wanted, *pins]).returncode:
            raise OSError(f"pip could not download {', '.join(pins)} for Python {python} on {platform}.")
    return sorted(folder.glob("*.whl"))


def _interpreters(pythons: Iterable[str]) -> list[str]:
    """The interpreters of these versions on this machine; says which are missing."""
    found = []
    for python in pythons:
        interpreter = shutil.which(f"python{python}")
        if interpreter and subprocess.run([interpreter, "-V"], capture_output=True).returncode == 0:
            found.append(interpreter)
        else:
            print(f"no bytecode for Python {python}: python{python} is not on this machine", file=sys.stderr)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the layer as the command line says, and print its size."""
    parser = argparse.ArgumentParser(prog="python -m streamify_server.deploy.layer", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("output", type=Path, help="the zip file to write")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="default: all; may be repeated")
    parser.add_argument("--architecture", action="append", choices=[*PLATFORMS], help="default: both")
    parser.add_argument("--os-only", action="store_true", help="add a bootstrap, for provided.al2023")
    options = parser.parse_args(arguments)
    pythons = options.python or PYTHONS
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheels = fetch_wheels(Path(folder), pythons, options.architecture or PLATFORMS)
        except OSError as error:
            parser.exit(1, f"{error}\n")
        build(options.output, wheels, _interpreters(pythons), os_only=options.os_only)
    with zipfile.ZipFile(options.output) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    packed = options.output.stat().st_size
    print(f"{options.output}: {packed / 1000:,.0f} kB, {unpacked / 1000:,.0f} kB unpacked")


if __name__ == "__main__":
    main()
