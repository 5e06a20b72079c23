# SPDX-License-Identifier: Apache-2.0
"""docs/benchmarks.md and its plots, from the document of results.py."""
from __future__ import annotations

import pathlib
from typing import Any, Optional

from . import goals, page_files, page_text, svg, tables

Document = dict[str, Any]


def summary(document: Document) -> str:
    """The table of goals, for a terminal."""
    return "\n" + tables.table(goals.HEAD, [row.cells() for row in goals.rows(document)])


def write(document: Document, docs: pathlib.Path) -> None:
    plots = docs / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    drawn = {name: text for name, text in _plots(document).items() if text}
    for name, text in drawn.items():
        (plots / f"{name}.svg").write_text(text, encoding="utf-8")
    page = page_text.page(document, drawn)
    (docs / "benchmarks.md").write_text(page, encoding="utf-8")
    print(f"==> wrote docs/benchmarks.md and {len(drawn)} plots")


def _plots(document: Document) -> dict[str, Optional[str]]:
    return {"goals": _goals(document), "files": page_files.plot_files(document),
            "scaling_time": page_files.plot_scaling(document, "seconds", "Time over size", "wall time, s", 1),
            "scaling_memory": page_files.plot_scaling(document, "peak_rss", "Peak memory over size", "MB", 1e6)}


def _goals(document: Document) -> Optional[str]:
    entries = [svg.Bar(f"{row.label} / {row.peer}", row.ratio, tables.three(row.ratio), row.goal)
               for row in goals.rows(document) if row.ratio and row.in_plot]
    return svg.bars("How many times as fast as the peer", "our speed / the peer's, logarithmic; red: the goal",
                    entries) if entries else None
