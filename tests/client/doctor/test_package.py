"""What can be read from a function's package."""

import io
import zipfile

import pytest

from streamify_client.doctor._package import Package, read_package


def zipped(files: dict[str, bytes], executable: tuple[str, ...] = ()) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100755 if name in executable else 0o100644) << 16
            archive.writestr(info, content)
    file.seek(0)
    return file


def read(files: dict[str, bytes], handler: str = "app.handler", executable: tuple[str, ...] = ()) -> Package:
    return read_package(zipped(files, executable), handler)


def test_distributions_have_their_versions() -> None:
    package = read(
        {"streamify-0.2.0.dist-info/METADATA": b"", "aws_x-1.dist-info/METADATA": b"", "x/y-2.txt": b""}
    )
    assert package.versions == {"streamify": "0.2.0", "aws_x": "1"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("logging.py", ("logging.py",)),
        ("types/__init__.py", ("types/",)),
        ("app/logging.py", ()),
        ("json", ()),
        ("requests.py", ()),
        ("email/templates/hello.txt", ()),
    ],
)
def test_files_that_hide_the_standard_library(name: str, expected: tuple[str, ...]) -> None:
    assert read({name: b""}).shadowing == expected


def test_executable_files() -> None:
    package = read({"bootstrap": b"", "run.sh": b"", "bin/tool": b""}, executable=("run.sh", "bin/tool"))
    assert package.modes == {"bootstrap": False, "run.sh": True, "bin/tool": True}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.py", True),
        ("app.pyc", True),
        ("app/__init__.py", True),
        ("app.cpython-313-x86_64-linux-gnu.so", True),
        ("application.py", False),
        ("lib/app.py", False),
        ("app.txt", False),
    ],
)
def test_whether_the_handlers_module_is_there(name: str, expected: bool) -> None:
    assert read({name: b""}).has_handler is expected


def test_bytecode_names_its_versions() -> None:
    package = read({"__pycache__/a.cpython-312.pyc": b"", "x/__pycache__/b.cpython-39.opt-1.pyc": b""})
    assert package.bytecode == ("3.12", "3.9")


@pytest.mark.parametrize(
    ("files", "handler", "expected"),
    [
        ({"app.py": b"from streamify_server import streaming_handler"}, "app.handler", True),
        ({"app.py": b"import json"}, "app.handler", False),
        ({"src/app/__init__.py": b"import streamify_server"}, "src/app.handler", True),
        ({"src/app.py": b"import streamify_server"}, "src.app.handler", True),
        ({"other.py": b"import streamify_server"}, "app.handler", None),
    ],
)
def test_whether_the_handler_uses_streamify(
    files: dict[str, bytes], handler: str, expected: bool | None
) -> None:
    assert read(files, handler).handler_uses_streamify is expected


def test_what_is_not_a_zip_file_is_refused() -> None:
    with pytest.raises(zipfile.BadZipFile):
        read_package(io.BytesIO(b"not a zip file"), "app.handler")
