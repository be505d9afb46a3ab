"""Bar charts as plain SVG: a group for each cell, a bar for each contestant, on a logarithmic scale."""

import math
from collections.abc import Mapping
from html import escape

from turns import DOCS

BAR, GAP, LEFT, WIDTH = 16, 14, 190, 460
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#bab0ac", "#555555")
STYLE = (
    "text{font:12px sans-serif;fill:#444}.t{font-size:14px;font-weight:bold}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}}"
)


def bars(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Return the SVG; each bar is labelled with its value."""
    values = [value for group in groups.values() for value in group.values()]
    low, high = math.log10(min(values) / 1.5), math.log10(max(values))
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    shapes: list[str] = [f'<text class="t" x="8" y="20">{escape(title)}</text>']
    y = 40
    for heading, group in groups.items():
        shapes.append(f'<text class="t" x="8" y="{y + 12}">{escape(heading)}</text>')
        y += BAR + 4
        for name, value in group.items():
            length = (math.log10(value) - low) / (high - low) * WIDTH
            colour = COLOURS[names.index(name) % len(COLOURS)]
            shapes.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
            shapes.append(
                f'<rect x="{LEFT}" y="{y + 1}" width="{length:.1f}" height="{BAR - 3}" fill="{colour}"/>'
            )
            shapes.append(f'<text x="{LEFT + length + 6:.1f}" y="{y + 12}">{value:.2g}</text>')
            y += BAR
        y += GAP
    size = f'width="{LEFT + WIDTH + 60}" height="{y}" viewBox="0 0 {LEFT + WIDTH + 60} {y}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{"".join(shapes)}</svg>\n'


def write_bars(file: str, title: str, groups: Mapping[str, Mapping[str, float]]) -> None:
    """Write the SVG into docs/images, unless it is empty."""
    if not groups:
        return
    (DOCS / "images" / file).write_text(bars(title, groups), encoding="utf-8")
