# SPDX-License-Identifier: Apache-2.0
"""The sections of docs/benchmarks.md."""
from __future__ import annotations

from typing import Any

from . import goals, page_files, page_programs, results, rows, tables

Document = dict[str, Any]
GENERATED = "<!-- Written by ./dev bench --page; changes here are lost. -->"


def page(document: Document, plots: dict[str, str]) -> str:
    sections = [_head(document), _goals(document, plots), page_files.files(document, plots),
                page_files.scaling(document, plots), _plugins(document), page_programs.calibration(document),
                page_programs.startup(document), page_programs.instructions(document),
                page_programs.artefacts(document), _machine(document), _method(document)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(document: Document) -> str:
    quick = [name for name, part in document["parts"].items() if part.get("quick")]
    first_look = f" Of `--quick`, so with few rounds and small files: {', '.join(quick)}." if quick else ""
    changed = ", with changes" if document.get("dirty") else ""
    return f"""{GENERATED}
# Benchmarks

For whoever wants to know how fast Detent is, and beside what. `./dev bench --page` measures everything again and writes this page; it
never fails because of a figure. Measured on {document.get("date")}, commit {document.get("commit")}{changed}.{first_look}"""


def _goals(document: Document, plots: dict[str, str]) -> str:
    lines = goals.rows(document)
    if not lines:
        return ""
    text = "## Goals\n\n" + tables.table(goals.HEAD, [line.cells() for line in lines])
    missed = [line for line in lines if line.met is False]
    if missed:
        text += "\n\nRows that fall short:\n\n" + "\n".join(_shortfall(line) for line in missed)
    return text + tables.plot("goals", "Ratio to the peer for each row, with its goal", plots)


def _shortfall(line: goals.Line) -> str:
    assert line.ratio and line.goal
    why = line.why or "No reason is known yet."
    return (f"- {line.label}, beside {line.peer}: {tables.three(line.ratio)} of {line.goal_text}; the limit nearby is "
            f"{line.limit}. {why}")


def _plugins(document: Document) -> str:
    lines = goals.rows_of_plugins(document, rows.OTHERS)
    if not lines:
        return ""
    cells = [[line.label, line.peer or "-", line.theirs, line.limit, line.ours, line.cells()[5]] for line in lines]
    text = "## More of the plugins\n\n" + tables.table(goals.HEAD[:6], cells)
    pairs = []
    for work in rows.PARALLEL:
        one, two = (results.find(document, f"{work}/{n}", "detent") for n in (1, 2))
        if one and two and results.median(two):
            ratio = results.median(one) / results.median(two)
            pairs.append([f"`{work}`", goals.figure(one, "seconds"), goals.figure(two, "seconds"),
                          f"{tables.three(ratio)} x"])
    if pairs:
        text += "\n\nOne thread and two, wall time:\n\n" + tables.table(("Work", "1", "2", "Gain"), pairs)
    return text + _boundary(document)


def _boundary(document: Document) -> str:
    found = []
    for size in ("1MiB", "4KiB"):
        through, direct = (results.find(document, f"boundary_{side}/f32/{size}/1", "detent")
                           for side in ("abi", "direct"))
        a, b = results.median(through, "cpu_seconds"), results.median(direct, "cpu_seconds")
        if a and b:
            found.append(f"{size}: {tables.seconds(a)} through the interface, {tables.seconds(b)} by a direct call "
                         f"({(a / b - 1) * 100:+.1f} %)")
    return "\n\nWhat the plugin interface costs, observing a range: " + "; ".join(found) + "." if found else ""


def _machine(document: Document) -> str:
    machine, build = document["machine"], document["machine"].get("build", {})
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    facts = [
        f"{machine['cpu']}, {machine['processors']} processors for us, {', '.join(machine['caches'])}, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB of memory; {', '.join(machine['instruction_sets'])}",
        f"{machine['kernel']}; load when it began: {machine['load_at_start']:.1f}",
        f"{build.get('compiler')}, {build.get('build_type')} ({build.get('flags', '').strip()}); kernels for "
        f"{build.get('targets', ['?'])[0]}",
        f"Memory: {_memory(document)}",
        f"Peers: {versions or 'none were run'}",
        f"Files lie {'on disk' if document.get('folder') == 'disk' else 'in memory (tmpfs)'}",
    ]
    return "## The machine\n\n" + "\n".join(f"- {fact}" for fact in facts)


def _memory(document: Document) -> str:
    found = []
    for what in ("read", "copy"):
        speeds = [tables.rate(results.rate(results.find(document, f"memory_{what}/f32/256MiB/{n}", "detent")))
                  for n in (1, 2)]
        found.append(f"{what} 256 MiB at {speeds[0]} on one thread, {speeds[1]} on two")
    return "; ".join(found)


def _method(document: Document) -> str:
    took = ", ".join(f"`{name}` {part['seconds']:.0f} s" for name, part in document["parts"].items())
    notes = [sentence for part in document["notes"].values() for sentence in part]
    listed = "".join(f"\n- {note}" for note in notes)
    return f"""## How it was measured

- `./dev bench --page` does it all; `./dev bench --only PART` a part: {took}. `--quick` takes less than two minutes, `--no-peers` needs no
  network. Every round's figure is in `build/bench/results.json`, whose keys `tests/bench/suite/results.py` lists.
- Ours and the peer's turn alternate in one run, each for 0.15 s; a figure is the median of the rounds, a ratio the median of the rounds' ratios,
  in brackets their middle half. Works of one thread are given in processor time, which other work on the machine disturbs least; on an idle
  machine it is the wall time. Whole files and two threads are wall time.
- GB/s are 10^9 bytes of input a second, f32 unless said otherwise. A tensor is 4096 x 4096, 64 MiB; one in the cache is 64 x 1024, 256 KiB.
- Quantizers get a weight in blocks of rows of 1 MiB, as a run gives them, unless a row says otherwise.
- The plain C++ loop is `tests/bench/plain_loops.cpp`, `-O3 -march=native`; it rounds a product with the reciprocal. Peers run on one thread.{listed}"""
