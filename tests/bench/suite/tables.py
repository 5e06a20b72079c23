# SPDX-License-Identifier: Apache-2.0
"""Figures as text."""
from __future__ import annotations

from typing import Optional, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def three(value: float) -> str:
    """Three digits, never with an exponent."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def seconds(value: Optional[float]) -> str:
    if value is None:
        return "-"
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1:
            return f"{three(value * factor)} {unit}"
    return f"{three(value * 1e9)} ns"


def rate(value: Optional[float]) -> str:
    return f"{three(value / 1e9)} GB/s" if value else "-"


def percent(value: float) -> str:
    return f"{value * 100:.3g} %"


def memory(value: Optional[float]) -> str:
    return f"{value / 1e6:.0f} MB" if value else "-"


def plot(name: str, text: str, plots: dict[str, str]) -> str:
    """A paragraph with the picture, when there is one."""
    return f"\n\n![{text}](benchmarks/{name}.svg)" if name in plots else ""
