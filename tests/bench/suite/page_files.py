# SPDX-License-Identifier: Apache-2.0
"""Sections of docs/benchmarks.md on whole files, and their plots."""
from __future__ import annotations

from typing import Any, Optional

from . import results, svg, tables

Document = dict[str, Any]
HEAD = ("Command", "Threads", "Wall (spread)", "Processor time", "Input", "Peak memory", "Of it not mapped", "Written")


def files(document: Document, plots: dict[str, str]) -> str:
    entries = [m for m in results.of_part(document, "files") if m["seconds"]]
    if not entries:
        return ""
    cells = [_cells(entry) for entry in entries]
    commands = "".join(f"\n- `{entry['command']}`" for entry in entries)
    size = entries[0]["bytes"] / 1e9
    return (f"## Whole files\n\nA model of {size:.2f} GB in f32, in the page cache, and the same values as GGUF. Every tensor of two "
            "dimensions is quantized on both sides; *checked* has the validators sqnr, size, weight_range and roundtrip.\n\n"
            + tables.table(HEAD, cells) + tables.plot("files", "Wall time of whole files", plots)
            + "\n\nMemory is the largest resident set (VmHWM); mapped pages of files, which are the page cache's, count in it. The next column "
            "leaves them out and is looked at every few milliseconds.\n\n<details><summary>The commands</summary>\n"
            + commands + "\n\n</details>")


def _cells(entry: results.Measurement) -> list[str]:
    kind, _, threads = entry["work"].partition("/")[2].partition("/")
    low, high = results.spread(entry) or (0, 0)
    return [f"{entry['who']} {kind}" if entry["who"] in ("detent", "llama-quantize") else entry["who"], threads or "1",
            f"{tables.seconds(results.median(entry))} ({tables.three(low)}-{tables.three(high)})",
            tables.seconds(results.median(entry, "cpu_seconds")), tables.rate(results.rate(entry)),
            tables.memory(results.median(entry, "peak_rss")), tables.memory(results.median(entry, "peak_anonymous")),
            tables.memory(entry.get("output_bytes"))]


def by_scheme(document: Document) -> dict[str, list[results.Measurement]]:
    """"int8/1" -> its measurements, smallest file first."""
    found: dict[str, list[results.Measurement]] = {}
    for entry in results.of_part(document, "scaling"):
        if entry["seconds"]:
            found.setdefault(entry["work"].partition("/")[2], []).append(entry)
    return {name: sorted(entries, key=lambda e: e["bytes"]) for name, entries in found.items()}


def fit(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Intercept and slope of the line with the least relative errors."""
    weights = [1 / (y * y) for _, y in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points)) / total
    variance = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points))
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points)) / variance
    return mean_y - slope * mean_x, slope


def deviation(points: list[tuple[float, float]]) -> float:
    """How far from that line a point is at most, as a share of the line."""
    start, slope = fit(points)
    return max(abs(y / (start + slope * x) - 1) for x, y in points)


def scaling(document: Document, plots: dict[str, str]) -> str:
    cells, straight = [], []
    for name, entries in by_scheme(document).items():
        scheme, _, threads = name.partition("/")
        for entry in entries:
            cells.append([scheme, threads, f"{entry['bytes'] / 1e9:.2f} GB", tables.seconds(results.median(entry)),
                          tables.seconds(results.median(entry, "cpu_seconds")), tables.rate(results.rate(entry)),
                          tables.memory(results.median(entry, "peak_rss"))])
        if len(entries) > 2:
            by = [tables.percent(deviation([(e["bytes"], results.median(e, key) or 0) for e in entries]))
                  for key in ("seconds", "cpu_seconds")]
            straight.append(f"{scheme}, threads {threads}: {by[0]} (processor time {by[1]})")
    if not cells:
        return ""
    head = ("Scheme", "Threads", "File", "Wall", "Processor time", "Input", "Peak memory")
    text = "## Size and threads\n\n" + tables.table(head, cells)
    if straight:
        text += "\n\nFarthest from a straight line of cost over size: " + "; ".join(straight) + "."
    return (text + tables.plot("scaling_time", "Wall time over size", plots)
            + tables.plot("scaling_memory", "Peak memory over size", plots))


def plot_scaling(document: Document, key: str, title: str, label: str, unit: float) -> Optional[str]:
    series = [svg.Series(f"{name.replace('/', ', threads ')}",
                         [(e["bytes"] / 1e9, (results.median(e, key) or 0) / unit) for e in entries],
                         name.endswith("/2")) for name, entries in by_scheme(document).items()]
    return svg.lines(title, "file, GB", label, series) if series else None


def plot_files(document: Document) -> Optional[str]:
    bars = []
    for entry in results.of_part(document, "files"):
        time = results.median(entry)
        if time and "_checked" not in entry["work"]:
            name = " ".join(_cells(entry)[:2])
            bars.append(svg.Bar(name, time, f"{tables.three(time)} s"))
    return svg.bars("Whole file", "wall time in seconds, logarithmic", bars) if bars else None
