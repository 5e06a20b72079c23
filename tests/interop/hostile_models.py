# SPDX-License-Identifier: Apache-2.0
"""Models that do what a model must not do, while they are loaded or while they run."""
import importlib.util
import pathlib
import pickle
import warnings
import zipfile

import torch

# TorchScript reads source files, so each model becomes one. TRACE is the file that betrays it.
SOURCE = '''
from typing import List, Tuple
import torch
from torch import nn

class Hostile(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(32, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        {forward}
        return torch.nn.functional.linear(x, self.weight)

    @torch.jit.export
    def __getstate__(self) -> Tuple[torch.Tensor, bool]:
        return (self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: Tuple[torch.Tensor, bool]) -> None:
        self.weight = state[0]
        self.training = state[1]
        {load}
'''
WRITE = 'torch.save([torch.ones(1)], "TRACE")'
READ = 'secret = torch.from_file("/etc/passwd", False, 16, dtype=torch.uint8)'
SPIN = '''i = torch.zeros(1)
        while bool(i < 1):
            i = i * 0.5'''
EAT = '''kept: List[torch.Tensor] = []
        while len(kept) < 100000:
            kept.append(torch.ones(1 << 26))'''
NOTHING = "pass"
# What is read has to be used, or TorchScript leaves the line out.
AT_LOAD = {"writes": WRITE, "reads": READ + "\n        self.weight = self.weight + secret.float()", "spins": SPIN,
           "eats": EAT}
IN_FORWARD = {"writes": WRITE, "reads": READ + "\n        x = x + secret.float()", "spins": SPIN, "eats": EAT}


def script(folder, name, trace, load=NOTHING, forward=NOTHING):
    """A TorchScript file whose load or forward does as the lines given say."""
    source = folder / f"{name}.py"
    source.write_text(SOURCE.format(load=load, forward=forward).replace("TRACE", str(trace)))
    spec = importlib.util.spec_from_file_location(f"hostile_{name}", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = folder / f"{name}.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module.Hostile().eval()).save(str(path))
    return path


class Command:
    """Unpickled by a trusting reader, it runs a command of the shell."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        import os

        return os.system, (self.command,)


def rewritten(source, target, change):
    """A copy of an archive; `change` maps a member's short name and bytes to its new bytes."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.infolist():
            short = item.filename.split("/", 1)[1]
            new.writestr(item.filename, change(short, old.read(item)))
    return target


def with_command(source, target, trace):
    """The same archive, its data.pkl replaced by a call of os.system."""
    call = pickle.dumps({"weight": Command(f"touch {trace}")}, protocol=2)
    return rewritten(source, target, lambda name, data: call if name == "data.pkl" else data)


def flipped(source, target):
    """One bit of the largest member (a weight) is another; the archive's check sums stay."""
    raw = bytearray(pathlib.Path(source).read_bytes())
    with zipfile.ZipFile(source) as archive:
        largest = max((item for item in archive.infolist() if "/data/" in item.filename),
                      key=lambda item: item.file_size)
    name_length = int.from_bytes(raw[largest.header_offset + 26:largest.header_offset + 28], "little")
    extra_length = int.from_bytes(raw[largest.header_offset + 28:largest.header_offset + 30], "little")
    begin = largest.header_offset + 30 + name_length + extra_length
    raw[begin + largest.file_size // 2] ^= 1
    pathlib.Path(target).write_bytes(raw)
    return target


def bomb(target, gigabytes=2):
    """A small archive whose one tensor would fill the memory."""
    zeros = bytes(1 << 20)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr("bomb/version", "10\n")
        archive.writestr("bomb/data.pkl", pickle.dumps({}, protocol=2))
        with archive.open("bomb/data/0", "w", force_zip64=True) as member:
            for _ in range(gigabytes << 10):
                member.write(zeros)
    return target
