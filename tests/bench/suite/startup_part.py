# SPDX-License-Identifier: Apache-2.0
"""Part `startup`: what a command costs before it does anything."""
from __future__ import annotations

import pathlib
import shutil
import subprocess
import tempfile
from typing import Any, Optional

from . import commands

PLUGINS = 200


def _plugins(repository: pathlib.Path) -> Optional[pathlib.Path]:
    """A folder of 200 plugins that do nothing, made once."""
    folder = repository / "build" / "cache" / "bench-plugins"
    source = repository / "tests" / "unit" / "plugin" / "fixtures" / "descriptor.c"
    compiler = shutil.which("cc")
    if compiler is None or not source.is_file():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(PLUGINS):
        target = folder / f"nothing{number}.detent.so"
        if target.is_file() and target.stat().st_mtime > source.stat().st_mtime:
            continue
        command = [compiler, "-shared", "-fPIC", "-O1", "-I", str(repository / "sdk" / "include"),
                   f'-DFIXTURE_ID="bench.nothing{number}"', str(source), "-o", str(target)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            return None
    return folder


def run(document: dict[str, Any], repository: pathlib.Path, binaries: pathlib.Path, rounds: int,
        quick: bool) -> None:
    notes = document["notes"].setdefault("startup", [])
    detent = str(binaries / "detent")
    jobs = [commands.Job("startup/version", "detent", 0, (detent, "--version"), (), "detent --version"),
            commands.Job("startup/list", "detent", 0, (detent, "plugins", "list"), (), "detent plugins list")]
    model = repository / "build" / "cache" / "minilm"
    with tempfile.TemporaryDirectory() as folder:
        if (model / "model.safetensors").is_file():
            jobs.append(_plan(detent, model, pathlib.Path(folder)))
        else:
            notes.append("all-MiniLM-L6-v2 is not here (tests/interop/fetch_minilm.py): its plan was not timed")
        many = None if quick else _plugins(repository)
        if many:
            jobs.append(commands.Job("startup/200 plugins", "detent", 0,
                                     (detent, "plugins", "list", "--plugin-path", str(many)), (),
                                     "detent plugins list --plugin-path FOLDER"))
        commands.take_turns(document, "startup", binaries, jobs, rounds)


def _plan(detent: str, model: pathlib.Path, folder: pathlib.Path) -> commands.Job:
    config = folder / "plan.json"
    config.write_text(f"""{{"model": {{"path": "{model}"}},
      "rules": [{{"weight": {{"quantizer": "int8"}}}}],
      "outputs": [{{"serializer": "safetensors", "path": "out.safetensors"}}]}}""", encoding="utf-8")
    return commands.Job("startup/plan", "detent", 0, (detent, "plan", str(config)), (), "detent plan minilm.json")
