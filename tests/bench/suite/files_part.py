# SPDX-License-Identifier: Apache-2.0
"""Parts `files` and `scaling`: whole files, beside llama-quantize and what the machine can do; and how time
and memory grow with the size of a file."""
from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import tempfile
from typing import Any, Iterator, Optional

from . import commands, machine, models

CHECKS = ("sqnr", "size", "weight_range", "roundtrip")
SCHEMES = {
    "int8": {"quantizer": "int8"},
    "int4_g128": {"quantizer": "int4_groupwise", "params": {"group_size": 128, "default_skip": False}},
    "int4_g32": {"quantizer": "int4_groupwise", "params": {"group_size": 32, "default_skip": False}},
}
SIZES = {"0.1 GB": 0.1e9, "0.5 GB": 0.5e9, "1 GB": 1e9, "4 GB": 4e9}


class Files:
    """One model, and the commands that make something of it."""

    def __init__(self, binaries: pathlib.Path, folder: pathlib.Path, shape: models.Shape):
        self.binaries, self.folder, self.shape = binaries, folder, shape
        self.model = folder / "model.safetensors"
        models.write(self.model, shape)
        self.bytes = self.model.stat().st_size

    def detent(self, work: str, scheme: str, threads: int, checks: bool = False) -> commands.Job:
        """Every tensor of two dimensions is quantized, as by the peers."""
        name = f"{scheme}{'_checked' if checks else ''}"
        out = self.folder / "out"
        config = self.folder / f"{name}.json"
        config.write_text(json.dumps({
            "model": {"path": self.model.name},
            "rules": [{"weight": SCHEMES[scheme]}],
            "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}],
            "validation": {"validators": list(CHECKS) if checks else []},
        }), encoding="utf-8")
        command = [str(self.binaries / "detent"), "run", str(config), "--overwrite", "--threads", str(threads)]
        return commands.Job(f"{work}/{name}/{threads}", "detent", self.bytes, tuple(command), (out,),
                            f"detent run {config.name} --overwrite --threads {threads}")

    def limits(self, work: str) -> Iterator[commands.Job]:
        model, copy = str(self.model), self.folder / "copy"
        yield commands.Job(f"{work}/copy", "cp", self.bytes, ("cp", model, str(copy)), (copy,),
                           "cp model.safetensors copy")
        yield commands.Job(f"{work}/read", "cat", self.bytes, ("sh", "-c", 'cat "$0" > /dev/null', model), (),
                           "cat model.safetensors > /dev/null")
        yield commands.Job(f"{work}/sha256", "sha256sum", self.bytes, ("sha256sum", model), (),
                           "sha256sum model.safetensors")

    def llama(self, work: str, program: pathlib.Path, kind: str, threads: int) -> commands.Job:
        out = self.folder / "out.gguf"
        command = (str(program), "--pure", str(self.folder / "model.gguf"), str(out), kind, str(threads))
        return commands.Job(f"{work}/{kind}/{threads}", "llama-quantize", self.bytes, command, (out,),
                            f"llama-quantize --pure model.gguf out.gguf {kind} {threads}")

    def write_gguf(self, python: pathlib.Path) -> str:
        """What went wrong, or nothing."""
        config = self.folder / "config.gguf.json"
        config.write_text(json.dumps(self.shape.config()), encoding="utf-8")
        ran = subprocess.run([str(python), str(pathlib.Path(__file__).with_name("gguf_file.py")), str(self.model),
                              str(config), str(self.folder / "model.gguf")], capture_output=True, text=True,
                             check=False)
        return "" if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["no reason"])[-1]


def room_for(folder: pathlib.Path, size: float) -> bool:
    """Is there room for files of that size, and memory where they lie in memory?"""
    free = shutil.disk_usage(folder).free
    if folder == pathlib.Path("/dev/shm"):
        free = min(free, machine.available_memory() - 2e9)
    return free > size


def run_files(document: dict[str, Any], binaries: pathlib.Path, base: pathlib.Path, python: Optional[pathlib.Path],
              llama: Optional[pathlib.Path], rounds: int, quick: bool) -> None:
    """The file of the peers' comparison: 1.2 GB, or 0.3 GB for a first look."""
    notes = document["notes"].setdefault("files", [])
    shape = models.of_size(0.3e9) if quick else models.wide(2)
    if not room_for(base, 4.5 * shape.bytes):
        notes.append("files: there is no room for the model and its copies")
        return
    with tempfile.TemporaryDirectory(prefix="detent-bench-", dir=base) as folder:
        files = Files(binaries, pathlib.Path(folder), shape)
        jobs = [files.detent("file", scheme, threads) for scheme in SCHEMES for threads in (1, 2)]
        if not quick:
            jobs += [files.detent("file", scheme, threads, True) for scheme in SCHEMES for threads in (1, 2)]
        jobs += files.limits("file")
        problem = "it is not installed" if llama is None or python is None else files.write_gguf(python)
        if problem:
            notes.append(f"llama-quantize was not run: {problem}")
        elif llama:
            jobs += [files.llama("file", llama, kind, n) for kind in ("Q8_0", "Q4_0") for n in (1, 2)]
        print(f"    {files.bytes / 1e9:.2f} GB, {len(jobs)} commands, {rounds} rounds", flush=True)
        commands.take_turns(document, "files", binaries, jobs, rounds)


def run_scaling(document: dict[str, Any], binaries: pathlib.Path, base: pathlib.Path, rounds: int,
                quick: bool) -> None:
    notes = document["notes"].setdefault("scaling", [])
    for label, size in SIZES.items():
        shape = models.of_size(size)
        if quick and size > 0.6e9:
            continue
        if not room_for(base, 2 * shape.bytes):
            notes.append(f"scaling: there is no room for {label}")
            continue
        with tempfile.TemporaryDirectory(prefix="detent-bench-", dir=base) as folder:
            files = Files(binaries, pathlib.Path(folder), shape)
            print(f"    {label}", flush=True)
            jobs = [files.detent(f"size {label}", scheme, threads)
                    for scheme in ("int8", "int4_g128") for threads in (1, 2)]
            commands.take_turns(document, "scaling", binaries, jobs, rounds)
