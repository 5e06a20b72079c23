# SPDX-License-Identifier: Apache-2.0
"""Parts `calibration`, `artefacts` and `instructions`: programs of their own, whose figures are taken over."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tempfile
from typing import Any

SKIPPED = 77
BENCH = pathlib.Path(__file__).resolve().parents[1]


class Program:
    """Runs a script of tests/bench with the Python that tests run with."""

    def __init__(self, document: dict[str, Any], part: str, repository: pathlib.Path, binaries: pathlib.Path):
        self.notes = document["notes"].setdefault(part, [])
        self.part, self.repository = part, repository
        self.environment = {**os.environ, "DETENT_TEST_PROGRAM": str(binaries / "detent"),
                            "DETENT_BENCH_BUILD": str(binaries.parent),
                            "DETENT_TEST_MINILM": str(repository / "build" / "cache" / "minilm")}

    def run(self, script: str, *arguments: str) -> str:
        """What it printed; nothing, and a note, when it was skipped or failed."""
        if not (BENCH / script).is_file():
            self.notes.append(f"{self.part}: there is no {script}")
            return ""
        command = [str(self.repository / "tests" / "support" / "run_python.sh"), str(self.repository),
                   str(BENCH / script), *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment)
        if ran.returncode == 0:
            return ran.stdout
        last = (ran.stdout + ran.stderr).strip().splitlines()[-1:] or [f"exit status {ran.returncode}"]
        self.notes.append(f"{self.part}: {last[0]}")
        print(f"    {last[0]}", flush=True)
        return ""


def calibration(document: dict[str, Any], repository: pathlib.Path, binaries: pathlib.Path, quick: bool) -> None:
    program = Program(document, "calibration", repository, binaries)
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "calibration.json"
        program.run("calibration.py", "--json", str(result), *(["--rounds", "1"] if quick else []))
        if result.is_file():
            document["calibration"] = json.loads(result.read_text(encoding="utf-8"))


def artefacts(document: dict[str, Any], repository: pathlib.Path, binaries: pathlib.Path, quick: bool) -> None:
    program = Program(document, "artefacts", repository, binaries)
    program.run("../interop/fetch_minilm.py", program.environment["DETENT_TEST_MINILM"])  # a note says what went wrong
    for model in ("mlp",) if quick else ("mlp", "minilm"):
        printed = program.run("forms.py", model)
        if printed:
            document["tables"][model] = printed.strip()


def instructions(document: dict[str, Any], repository: pathlib.Path, binaries: pathlib.Path) -> None:
    program = Program(document, "instructions", repository, binaries)
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "counts.json"
        result.write_text('{"tolerance": 0.05, "counts": {}}', encoding="utf-8")
        program.run("instructions.py", str(binaries), "--update", "--expected", str(result))
        counts = json.loads(result.read_text(encoding="utf-8"))["counts"]
    for key, figures in counts.items():
        document["instructions"] = {"key": key, "counts": figures}
