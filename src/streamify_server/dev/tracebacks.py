"""Reorders tracebacks in a log so that the function's own code comes first."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_MARK = "[ERROR] "
_HEADER = "Traceback (most recent call last):"
_FRAME = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)')
_INDENT = "\N{NO-BREAK SPACE}"
# Frames of these call the handler.
_CALLERS = (Path(__file__).resolve().parent.parent, "awslambdaric")


@dataclass(slots=True)
class Frame:
    """One frame of a traceback, with its source lines in the log."""

    file: Path
    line: str
    function: str
    source: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Record:
    """An error as awslambdaric logs it: its type and message, then the frames, outermost first.

    `before` is what the function printed last, without a line end.
    """

    error: list[str]
    before: str = ""
    frames: list[Frame] = field(default_factory=list)
    traced: bool = False

    @classmethod
    def begun_by(cls, line: str) -> "Record | None":
        """Return the record that starts with a line of the log, if one does."""
        before, found, error = line.partition(_MARK)
        return cls([error], before) if found else None

    def take(self, line: str) -> bool:
        """Take the next line and return True, if it belongs to this record."""
        if line == _HEADER:
            self.traced = True
        elif not self.traced and self.before:
            return False  # the function printed "[ERROR]", not awslambdaric
        elif not self.traced:
            self.error.append(line)
        elif not line.startswith((_INDENT, " ")):
            return False
        elif match := _FRAME.fullmatch(_plain(line).strip()):
            self.frames.append(Frame(Path(match["file"]), match["line"], match["function"]))
        elif self.frames:
            self.frames[-1].source.append(_plain(line).strip())
        return True


def readable(record: Record, code: Path) -> list[str]:
    """Return the lines to show: the error, then the function's own frames, innermost first, then the others.

    Args:
        record: The error.
        code: The function's code directory.
    """
    own = [frame for frame in record.frames if _is_own(frame, code)]
    if not own:
        return [*record.error, *(line for frame in reversed(record.frames) for line in _full(frame, code))]
    innermost = record.frames.index(own[-1])
    lines = [*record.error, *(line for frame in reversed(own) for line in _full(frame, code))]
    below = [frame for frame in record.frames[innermost + 1 :] if not _is_caller(frame)]
    if below:
        called = " > ".join(f"{_place(frame, code)} in {frame.function}" for frame in below)
        lines.append(f"  raised in {called}")
    return lines


def _full(frame: Frame, code: Path) -> list[str]:
    return [f"  {_place(frame, code)} in {frame.function}", *(f"      {line}" for line in frame.source)]


def _place(frame: Frame, code: Path) -> str:
    return f"{_short(frame.file, (code, *map(Path, sys.path)))}:{frame.line}"


def _short(file: Path, roots: Sequence[Path]) -> Path:
    inside = [root for root in roots if root.is_absolute() and file.is_relative_to(root)]
    return file.relative_to(max(inside, key=lambda root: len(root.parts))) if inside else file


def _is_own(frame: Frame, code: Path) -> bool:
    return (
        frame.file.is_relative_to(code) and "site-packages" not in frame.file.parts and not _is_caller(frame)
    )


def _is_caller(frame: Frame) -> bool:
    package, ric = _CALLERS
    return frame.file.is_relative_to(package) or ric in frame.file.parts


def _plain(line: str) -> str:
    return line.replace(_INDENT, " ")
