# SPDX-License-Identifier: Apache-2.0
"""The table of goals: what was wished for beside what was measured."""
from __future__ import annotations

import statistics
from typing import Any, NamedTuple, Optional

from . import results, tables
from .rows import GOALS, Row

HEAD = ("Work", "Peer", "Peer's figure", "Limit", "Ours", "Ratio (middle half)", "Goal", "Met")
TIME = "cpu_seconds"  # of what runs on one thread: what else the machine does does not count


class Line(NamedTuple):
    label: str
    peer: str
    theirs: str
    limit: str
    ours: str
    ratio: Optional[float]
    spread: str
    goal: Optional[float]
    goal_text: str
    met: Optional[bool]
    why: str
    in_plot: bool = True

    def cells(self) -> list[str]:
        ratio = f"{tables.three(self.ratio)} x {self.spread}".strip() if self.ratio else "-"
        met = "-" if self.met is None else "yes" if self.met else "no"
        return [self.label, self.peer or "-", self.theirs, self.limit, self.ours, ratio, self.goal_text, met]


def rows_of_plugins(document: dict[str, Any], wanted: tuple[Row, ...]) -> list[Line]:
    lines = []
    for row in wanted:
        ours = results.find(document, row.work + "/1", "detent", row.peer)
        if ours:
            lines.append(_line(document, row, ours, results.find(document, row.work, row.peer)))
    return lines


def rows(document: dict[str, Any]) -> list[Line]:
    return rows_of_plugins(document, GOALS)


def ratios(ours: results.Measurement, theirs: results.Measurement, key: str) -> list[float]:
    """The peer's time over ours, round by round: the two of a round ran one after the other."""
    return [t / o for o, t in zip(ours.get(key, []), theirs.get(key, [])) if o > 0]


def middle_half(values: list[float]) -> str:
    if len(values) < 4:
        return f"({tables.three(min(values))}-{tables.three(max(values))})"
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"({tables.three(low)}-{tables.three(high)})"


def figure(entry: Optional[results.Measurement], key: str) -> str:
    if entry is None:
        return "not run"
    if "error" in entry:
        return "not available"
    return tables.rate(results.rate(entry, key)) if entry["bytes"] else tables.seconds(results.median(entry, key))


def _line(document: dict[str, Any], row: Row, ours: results.Measurement,
          theirs: Optional[results.Measurement]) -> Line:
    found = ratios(ours, theirs, TIME) if theirs else []
    ratio = statistics.median(found) if found else None
    limit = results.find(document, row.limit, "detent") if ours["bytes"] else None
    return Line(row.label, row.peer.replace("plain_int4_", "plain C++ loop, "),
                figure(theirs, TIME) if row.peer else "-",
                tables.rate(results.rate(limit, TIME)) if limit else "-", figure(ours, TIME), ratio,
                middle_half(found) if found else "", row.goal, f"{row.goal:g} x" if row.goal else "-",
                ratio >= row.goal if ratio and row.goal else None, row.why)
