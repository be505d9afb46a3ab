"""The layer holds what a function needs and nothing else, and its build is reproducible."""

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from streamify_server.deploy import layer
from support.layer import BARE_PYTHON, build_layer, build_layer_anew, unpack, wheels_of_what_is_installed

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_layer(tmp_path_factory.mktemp("layer") / "layer.zip")


def names(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


def test_the_same_wheels_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    assert build_layer_anew(tmp_path / "again.zip").read_bytes() == built.read_bytes()


def test_the_wrapper_is_executable_and_lies_at_the_top_of_opt(built: Path) -> None:
    with zipfile.ZipFile(built) as opened:
        assert opened.getinfo("streamify-wrapper").external_attr >> 16 == 0o100755


def test_only_a_layer_for_os_only_runtimes_has_a_bootstrap(built: Path, tmp_path: Path) -> None:
    """In a layer for managed runtimes it might be taken for theirs."""
    assert "bootstrap" not in names(built)
    with zipfile.ZipFile(build_layer(tmp_path / "layer.zip", os_only=True)) as opened:
        assert opened.getinfo("bootstrap").external_attr >> 16 == 0o100755


def test_the_layer_leaves_out_what_serves_development(built: Path) -> None:
    ours = {name.split("/", 2)[2] for name in names(built) if name.startswith("python/streamify_server/")}
    assert not {name for name in ours if name.split("/")[0] in layer.NOT_IN_A_FUNCTION - {"__pycache__"}}


def test_the_layer_carries_no_native_runtime_client_but_simplejsons_accelerator(built: Path) -> None:
    libraries = {name for name in names(built) if name.endswith(".so")}
    assert all(re.fullmatch(r"streamify/simplejson/_speedups\.[\w.-]+\.so", name) for name in libraries)
    assert libraries


def test_the_licences_of_what_the_layer_carries_are_in_it(built: Path) -> None:
    assert {name.split("-")[0] for name in names(built) if "LICENSE" in name} == {
        "python/snapshot_restore_py",
        "python/streamify",
        "streamify/awslambdaric",
        "streamify/simplejson",
    }


def test_the_layer_says_its_version(built: Path, tmp_path: Path) -> None:
    opt = unpack(built, tmp_path / "opt")
    (found,) = importlib.metadata.distributions(name="streamify", path=[str(opt / "python")])
    assert found.version == importlib.metadata.version("streamify")


def test_a_function_finds_nothing_of_the_runtimes_in_the_layer(built: Path) -> None:
    top = {
        name.split("/")[1].split(".")[0].split("-")[0] for name in names(built) if name.startswith("python/")
    }
    assert top == {"__pycache__", "snapshot_restore_py", "streamify", "streamify_server"}


def test_every_module_has_bytecode_that_needs_no_look_at_its_source(built: Path, tmp_path: Path) -> None:
    tag = sys.implementation.cache_tag
    with zipfile.ZipFile(built) as opened:
        modules = {name for name in opened.namelist() if name.endswith(".py")} - {"streamify/launch.py"}
        for module in modules:
            folder, _, name = module.rpartition("/")
            bytecode = opened.read(f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc")
            assert int.from_bytes(bytecode[4:8], "little") == 0b01, module


def test_every_module_in_the_layer_imports_with_nothing_but_the_layer(built: Path, tmp_path: Path) -> None:
    opt = unpack(built, tmp_path / "opt")
    modules = sorted(
        str(path.relative_to(opt / "python").with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for path in (opt / "python" / "streamify_server").rglob("*.py")
        if path.name != "tracing.py"  # imported only where OpenTelemetry is
    )
    script = f"import sys; sys.path[:0] = {[str(opt / 'python'), str(opt / 'streamify')]!r}\n"
    script += "\n".join(f"import {module}" for module in modules)
    done = subprocess.run([BARE_PYTHON, "-I", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "streamify_server.runtime.ric" in modules


def test_wheels_of_other_versions_are_refused(tmp_path: Path) -> None:
    wheels = [
        wheel.rename(tmp_path / wheel.name.replace("4.2.2", "3.0.0"))
        for wheel in wheels_of_what_is_installed(tmp_path)
    ]
    with pytest.raises(layer.LayerError, match=r"awslambdaric', '4.2.2'.*not of.*awslambdaric', '3.0.0'"):
        layer.build(tmp_path / "layer.zip", wheels, [])
    assert not list(tmp_path.glob("layer.zip*"))


def test_the_pins_are_the_ones_that_the_suite_runs_with() -> None:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert {f"{name}=={version}" for name, version in layer.PINS.items()} <= set(constraints)


def test_the_bare_interpreter_sees_nothing_of_the_environment() -> None:
    done = subprocess.run([BARE_PYTHON, "-c", "import awslambdaric"], capture_output=True, text=True)
    assert "No module named 'awslambdaric'" in done.stderr


def test_a_size_in_the_docs_is_the_size_of_the_layer(built: Path) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    stated = re.search(r"one Python version and one architecture takes less than (\d+) kB", page)
    assert stated
    assert 0.5 < built.stat().st_size / (int(stated[1]) * 1000) < 1


@pytest.fixture
def installed_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """No download: the wheels of what is installed, for every version; what was asked for."""
    asked: list[object] = []
    (tmp_path / "bin").mkdir()
    wheels = list(wheels_of_what_is_installed(tmp_path))

    def fetch_wheels(
        _folder: Path, pythons: Iterable[str], architectures: Iterable[str]
    ) -> dict[str, list[Path]]:
        asked.extend([list(pythons), list(architectures)])
        return dict.fromkeys(pythons, wheels)

    monkeypatch.setattr(layer, "fetch_wheels", fetch_wheels)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return asked


def install_python(folder: Path, version: str, *, works: bool = True) -> None:
    """This interpreter under another version's name."""
    folder.mkdir(parents=True, exist_ok=True)
    command = f'exec {BARE_PYTHON} "$@"' if works else "exit 127"
    (folder / f"python{version}").write_text(f"#!/bin/sh\n{command}\n")
    (folder / f"python{version}").chmod(0o755)


def test_the_command_says_how_large_the_layer_is_and_for_which_versions(
    tmp_path: Path, installed_wheels: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    install_python(tmp_path / "bin", "3.13")
    layer.main(["--python", "3.13", "--architecture", "arm64", "--os-only", str(tmp_path / "layer.zip")])
    said = capsys.readouterr()
    assert installed_wheels == [["3.13"], ["arm64"]]
    assert re.fullmatch(r".*layer\.zip: for Python 3\.13; [\d,]+ kB, [\d,]+ kB unpacked\n", said.out)
    assert said.err == ""
    assert "bootstrap" in names(tmp_path / "layer.zip")


def test_a_layer_for_a_python_that_is_not_here_is_not_built(
    tmp_path: Path, installed_wheels: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    install_python(tmp_path / "bin", "3.12")
    install_python(tmp_path / "bin", "3.13", works=False)  # a shim of pyenv's
    with pytest.raises(SystemExit):
        layer.main(["--python", "3.12", "--python", "3.13", str(tmp_path / "layer.zip")])
    assert capsys.readouterr().err == (
        "Bytecode for Python 3.13 is made by python3.13, which is not on this machine; "
        "install it, or build the layer on a machine that has it.\n"
    )
    assert not list(tmp_path.glob("layer*"))


def test_one_layer_is_for_all_that_is_here_and_one_for_each(
    tmp_path: Path, installed_wheels: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    install_python(tmp_path / "bin", "3.11")
    install_python(tmp_path / "pyenv" / "versions" / "3.13.1" / "bin", "3.13")
    layer.main(["--each", str(tmp_path / "layer.zip")])
    assert installed_wheels == [["3.11", "3.13"], ["x86_64", "arm64"]]
    assert {path.name for path in tmp_path.glob("layer*")} == {
        "layer.zip",
        "layer-python3.11.zip",
        "layer-python3.13.zip",
    }
    assert "layer.zip: for Python 3.11, 3.13;" in capsys.readouterr().out


def test_sources_that_do_not_compile_make_no_layer(tmp_path: Path) -> None:
    with pytest.raises(layer.LayerError, match=r"/bin/false could not compile the layer"):
        layer.build(tmp_path / "layer.zip", wheels_of_what_is_installed(tmp_path), ["/bin/false"])
    assert not list(tmp_path.glob("layer.zip*"))


def test_a_failed_download_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install_python(tmp_path / "bin", "3.13")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SystemExit) as caught:
        layer.main(["--python", "3.13", "--architecture", "arm64", str(tmp_path / "layer.zip")])
    assert caught.value.code == 1
    assert capsys.readouterr().err == (
        "pip could not download awslambdaric==4.2.2, simplejson==4.3.0, snapshot-restore-py==1.0.0 "
        "for Python 3.13 on manylinux2014_aarch64.\n"
    )
    assert not list(tmp_path.glob("layer*"))
