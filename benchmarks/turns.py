"""Helpers for all benchmarks: contestants that take turns, ratios and their limits, tables."""

import argparse
import gc
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Cell = str | int
Results = dict[Cell, dict[str, float]]
"""Medians by cell and contestant."""

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
KEPT = ROOT / "build" / "benchmarks"


def command_line(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that shows a module's docstring unchanged."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def by_turns(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median of the measurements of each contestant.

    All take a turn in each round; the first round does not count.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            gc.collect()
            measured = run()
            if number:
                taken[name].append(measured)
    return {name: statistics.median(values) for name, values in taken.items()}


@dataclass(frozen=True, slots=True)
class Claim:
    """A ratio of two contestants, and its limits.

    Attributes:
        label: The name of the row.
        above: The contestant whose median is the numerator.
        below: The contestant whose median is the denominator.
        least: The smallest allowed ratio, by cell.
        most: The largest allowed ratio, by cell.
    """

    label: str
    above: str
    below: str
    least: Mapping[Cell, float] = field(default_factory=dict)
    most: Mapping[Cell, float] = field(default_factory=dict)

    def ratio(self, results: Results, cell: Cell) -> float | None:
        medians = results.get(cell, {})
        if self.above not in medians or self.below not in medians:
            return None
        return medians[self.above] / medians[self.below]

    def verdict(self, results: Results, cell: Cell) -> str:
        """Return the ratio and its limit for a table; a ratio that misses its limit is marked."""
        ratio = self.ratio(results, cell)
        if ratio is None:
            return ""
        if cell in self.least:
            return f"{ratio:.2f} (≥ {self.least[cell]:g}){'' if ratio >= self.least[cell] else ' ✗'}"
        if cell in self.most:
            return f"{ratio:.2f} (≤ {self.most[cell]:g}){'' if ratio <= self.most[cell] else ' ✗'}"
        return f"{ratio:.2f}"


def claims_rows(claims: Sequence[Claim], results: Results, cells: Sequence[Cell]) -> list[Sequence[str]]:
    """Return a row for each claim that was measured: its name, and its ratio in each cell."""
    rows = [(claim.label, *(claim.verdict(results, cell) for cell in cells)) for claim in claims]
    return [row for row in rows if any(row[1:])]


def claims_table(claims: Sequence[Claim], results: Results, cells: Sequence[Cell]) -> str:
    return table(cells, claims_rows(claims, results, cells))


def medians_table(results: Results, cells: Sequence[Cell], unit: Callable[[float], str]) -> str:
    """Return a table of the medians."""
    names = dict.fromkeys(name for cell in cells for name in results.get(cell, {}))
    rows = [
        (name, *(unit(results[cell][name]) if name in results.get(cell, {}) else "" for cell in cells))
        for name in names
    ]
    return table(cells, rows)


def table(cells: Sequence[Cell], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with a column for each cell."""
    head = ("", *map(title, cells))
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in (head, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def title(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if cell < 1024:
        return f"{cell} B"
    return f"{cell // 1024} KiB" if cell < 1 << 20 else f"{cell >> 20} MiB"


def merge_kept(name: str, found: dict[str, Results]) -> dict[str, Results]:
    """Add the results to those of earlier runs in build/benchmarks, and return all of them."""
    file = KEPT / f"{name}.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for topic, results in found.items():
        kept.setdefault(topic, {}).update({str(cell): medians for cell, medians in results.items()})
    KEPT.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept), encoding="utf-8")
    return {
        topic: {int(cell) if cell.isdigit() else cell: medians for cell, medians in results.items()}
        for topic, results in kept.items()
    }


def write_section(name: str, text: str) -> None:
    """Replace the text in docs/benchmarks.md between `<!-- NAME -->` and `<!-- end of NAME -->`."""
    page = DOCS / "benchmarks.md"
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, mark, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closing, after = rest.partition(end)
    if not mark or not closing:
        raise SystemExit(f"docs/benchmarks.md has no section {name!r}.")
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{after}", encoding="utf-8")
