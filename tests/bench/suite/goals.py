# SPDX-License-Identifier: Apache-2.0
"""The table of goals: what was wished for beside what was measured."""
from __future__ import annotations

import statistics
from typing import Any, NamedTuple, Optional

from . import results, tables
from .rows import BUDGETS, FILE_GOALS, GOALS, MEMORY, Budget, Row

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
    return [*rows_of_plugins(document, GOALS), *rows_of_files(document), *rows_of_budgets(document)]


def rows_of_files(document: dict[str, Any]) -> list[Line]:
    lines = []
    copy = results.find(document, "file/copy", "cp")
    for row in FILE_GOALS:
        ours = results.find(document, row.work, "detent")
        theirs = results.find(document, row.peer, "llama-quantize")
        if not ours:
            continue
        found = ratios(ours, theirs, row.key) if theirs else []
        ratio = statistics.median(found) if found else None
        show = tables.memory if row.key == MEMORY else tables.seconds
        lines.append(Line(row.label, "llama-quantize " + row.peer.split("/")[1],
                          show(results.median(theirs, row.key)), f"cp {show(results.median(copy, row.key))}",
                          show(results.median(ours, row.key)), ratio, middle_half(found) if found else "",
                          row.goal, f"{row.goal:g} x", ratio >= row.goal if ratio else None, row.why))
    return lines


def rows_of_budgets(document: dict[str, Any]) -> list[Line]:
    """Figures with a ceiling of their own instead of a peer."""
    lines = []
    for row in BUDGETS:
        found = budget(document, row)
        if found is None:
            continue
        show = tables.seconds if row.unit == "s" else tables.percent
        lines.append(Line(row.label, "", "-", "-", show(found), None, "", None, f"< {show(row.most)}",
                          found < row.most, row.why, False))
    return lines


def budget(document: dict[str, Any], row: Budget) -> Optional[float]:
    if row.unit == "s":
        return results.median(results.find(document, row.work, "detent"), TIME)
    case = document.get("calibration", {}).get("threads", {}).get("1", {}).get(row.work)
    return case["wall_over_percent"]["median"] / 100 if case else None


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
