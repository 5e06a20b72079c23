# SPDX-License-Identifier: Apache-2.0
"""What the figures were taken on. No names of hosts or folders."""
from __future__ import annotations

import json
import os
import pathlib
import platform
import subprocess
from typing import Any


def _first(path: str, key: str) -> str:
    try:
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    except OSError:
        pass
    return "unknown"


def _caches() -> list[str]:
    found = []
    for folder in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found.append(f"L{level} {size.replace('K', ' KiB')}")
    return found


def _instruction_sets() -> list[str]:
    flags = _first("/proc/cpuinfo", "flags").split()
    return [name for name in ("avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "amx_int8") if name in flags]


def _memory_bytes(key: str) -> int:
    text = _first("/proc/meminfo", key).split()
    return int(text[0]) * 1024 if text and text[0].isdigit() else 0


def available_memory() -> int:
    return _memory_bytes("MemAvailable")


def facts(binaries: pathlib.Path) -> dict[str, Any]:
    about = subprocess.run([str(binaries / "detent_bench_once"), "--about"], capture_output=True, text=True,
                           check=True)
    return {
        "cpu": _first("/proc/cpuinfo", "model name"),
        "processors": len(os.sched_getaffinity(0)),
        "caches": _caches(),
        "instruction_sets": _instruction_sets(),
        "memory_bytes": _memory_bytes("MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_at_start": os.getloadavg()[0],
        "build": json.loads(about.stdout),
    }


def commit(repository: pathlib.Path) -> tuple[str, bool]:
    """Its short name, and whether the tree differs from it."""
    def git(*arguments: str) -> str:
        result = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True,
                                check=False)
        return result.stdout.strip()
    return git("rev-parse", "--short", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
