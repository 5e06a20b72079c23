#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models that run, one for each way in which a TorchScript file can use its weights.

Imported: ZOO maps names to functions that make an Entry. As a program: zoo.py FOLDER writes, for each
model, NAME.pt (TorchScript), NAME.calibration.safetensors (samples by input name) and
NAME.outputs.safetensors (what the float model gives for all samples at once).
"""
import dataclasses
import pathlib
import sys
import warnings
from typing import Dict, Tuple

import torch
from torch import nn
from torch.nn import functional

SAMPLES = 52  # no multiple of a batch: the last one is ragged
ZOO = {}


@dataclasses.dataclass
class Entry:
    name: str
    module: nn.Module  # eager, in evaluation mode
    samples: Dict[str, torch.Tensor]  # by input name, stacked on dimension 0
    package: str  # "script", "trace" or "freeze"
    # Weights that a quantizer for 8 bits must take, by their names in the eager model. Any other may be
    # taken, or kept for a reason that is given.
    must: Tuple[str, ...]

    def torchscript(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript says that it is deprecated, once for each call
            if self.package == "trace":
                few = tuple(value[:2] for value in self.samples.values())
                return torch.jit.trace(self.module, few, check_trace=False)
            scripted = torch.jit.script(self.module)
            return torch.jit.freeze(scripted) if self.package == "freeze" else scripted


def entry(package, samples, must, name=None):
    """Decorates a module's class: its instances, made from seed 0, become an Entry of the zoo."""

    def add(cls):
        key = name or cls.__name__.lower()

        def make():
            torch.manual_seed(0)
            module = cls()
            torch.manual_seed(1)
            data = samples()
            settle(module, data)
            return Entry(key, module.eval().requires_grad_(False), data, package, tuple(must.split()))

        ZOO[key] = make
        return cls

    return add


def settle(module, samples):
    """Gives batch normalizations statistics of their own instead of 0 and 1."""
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    if norms:
        for norm in norms:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.2)
        module.train()
        with torch.no_grad():
            for _ in range(3):
                module(**samples)


def rows(width=64, dtype=torch.float32):
    return lambda: {"x": torch.randn(SAMPLES, 3, width).to(dtype)}


def images(channels=3, size=12):
    return lambda: {"image": torch.randn(SAMPLES, channels, size, size)}


@entry("freeze", rows(), "fc1.weight fc2.weight out.weight", "mlp_frozen")
@entry("trace", rows(), "fc1.weight fc2.weight out.weight", "mlp_traced")
@entry("script", rows(), "fc1.weight fc2.weight out.weight", "mlp_scripted")
class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.fc2 = nn.Linear(128, 96, bias=False)
        self.out = nn.Linear(96, 16)

    def forward(self, x):
        return self.out(torch.relu(self.fc2(functional.gelu(self.fc1(x)))))


@entry("freeze", images(), "first.weight grouped.weight depthwise.weight point.weight head.weight",
       "convolutions_frozen")
@entry("trace", images(), "first.weight grouped.weight depthwise.weight point.weight head.weight",
       "convolutions_traced")
@entry("script", images(), "first.weight grouped.weight depthwise.weight point.weight head.weight")
class Convolutions(nn.Module):
    """Batch normalization, groups, a depthwise and a pointwise convolution, strides, dilation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(32)
        self.grouped = nn.Conv2d(32, 48, 3, stride=2, padding=1, groups=4, bias=False)
        self.norm2 = nn.BatchNorm2d(48)
        self.depthwise = nn.Conv2d(48, 48, 3, padding=2, dilation=2, groups=48)
        self.point = nn.Conv2d(48, 40, 1)
        self.head = nn.Linear(40, 10)

    def forward(self, image):
        x = torch.relu(self.norm1(self.first(image)))
        x = torch.relu(self.norm2(self.grouped(x)))
        x = torch.relu(self.point(self.depthwise(x)))
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


@entry("trace", images(), "zeros.weight reflect.weight replicate.weight circular.weight same.weight",
       "paddings_traced")
@entry("script", images(), "zeros.weight reflect.weight replicate.weight circular.weight same.weight")
class Paddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.zeros = nn.Conv2d(3, 24, 3, padding=1)
        self.reflect = nn.Conv2d(24, 24, 3, padding=(1, 2), padding_mode="reflect")
        self.replicate = nn.Conv2d(24, 24, 3, padding=1, padding_mode="replicate")
        self.circular = nn.Conv2d(24, 24, 3, padding=(2, 1), padding_mode="circular")
        self.same = nn.Conv2d(24, 24, (3, 4), padding="same", dilation=(2, 1))

    def forward(self, image):
        x = torch.relu(self.zeros(image))
        x = torch.relu(self.reflect(x))
        x = torch.relu(self.replicate(x))
        x = torch.relu(self.circular(x))
        return self.same(x)


@entry("script", lambda: {"x": torch.randn(SAMPLES, 16, 10)}, "line.weight up.weight plane.weight volume.weight")
class Transposed(nn.Module):
    """Convolutions of one, two and three dimensions, and transposed ones."""

    def __init__(self):
        super().__init__()
        self.line = nn.Conv1d(16, 24, 3, padding=1)
        self.up = nn.ConvTranspose1d(24, 20, 4, stride=2, padding=1)
        self.plane = nn.ConvTranspose2d(20, 16, 3, stride=2, output_padding=1, groups=2)
        self.volume = nn.Conv3d(16, 12, (1, 3, 3), padding=(0, 1, 1))

    def forward(self, x):
        x = torch.relu(self.line(x))
        x = torch.relu(self.up(x))
        x = torch.relu(self.plane(x.unflatten(2, (4, 5))))
        return self.volume(x.unsqueeze(2)).squeeze(2)


@entry("script", rows(dtype=torch.float16), "positive.weight negative.weight last.0.weight last.1.weight",
       "control_float16")
@entry("script", rows(dtype=torch.bfloat16), "positive.weight negative.weight last.0.weight last.1.weight",
       "control_bfloat16")
@entry("script", rows(), "positive.weight negative.weight last.0.weight last.1.weight")
class Control(nn.Module):
    """A loop over a count, a branch on data, an argument with a default, a second method."""

    def __init__(self):
        super().__init__()
        self.positive = nn.Linear(64, 64)
        self.negative = nn.Linear(64, 64, bias=False)
        self.last = nn.ModuleList([nn.Linear(64, 64), nn.Linear(64, 8)])

    def forward(self, x, rounds: int = 3):
        # Of the input alone: quantization must not decide which way a sample goes.
        upward = bool(x.float().sum() > 0)
        for _ in range(rounds):
            if upward:
                x = torch.tanh(self.positive(x))
            else:
                x = torch.tanh(self.negative(x))
            upward = not upward
        for layer in self.last:
            x = layer(x)
        return x

    @torch.jit.export
    def encode(self, x):
        return self.positive(x)


@entry("trace", images(), "kernel matrix", "functional_traced")
@entry("script", images(), "kernel matrix")
class Functional(nn.Module):
    """Parameters without a layer, read as they are and transposed."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(32, 3, 3, 3) * 0.2)
        self.matrix = nn.Parameter(torch.randn(32, 32) * 0.2)
        self.bias = nn.Parameter(torch.randn(32) * 0.1)

    def forward(self, image):
        x = functional.conv2d(image, self.kernel, self.bias, stride=2)
        x = torch.relu(x).mean((2, 3))
        x = functional.linear(x, self.matrix, self.bias)
        return torch.matmul(torch.relu(x), self.matrix.t())


def token_samples():
    return {"ids": torch.randint(0, 100, (SAMPLES, 7))}


@entry("trace", token_samples, "shared.weight embedding.weight", "tied_traced")
@entry("script", token_samples, "shared.weight embedding.weight")
class Tied(nn.Module):
    """One weight in an embedding and a linear layer, and one layer under two names and called in turn."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 64)
        self.shared = nn.Linear(64, 64)
        self.alias = self.shared
        self.head = nn.Linear(64, 100, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        x = self.embedding(ids)
        x = x + torch.relu(self.shared(x))
        x = x + torch.tanh(self.alias(2 * x))
        return self.head(self.shared(x))


@entry("trace", rows(), "before.weight after.weight", "recurrent_traced")
@entry("script", rows(), "before.weight after.weight")
class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.before = nn.Linear(64, 48)
        self.lstm = nn.LSTM(48, 32, batch_first=True)
        self.after = nn.Linear(32, 12)

    def forward(self, x):
        x, _ = self.lstm(torch.relu(self.before(x)))
        return self.after(x)


@entry("trace", rows(), "after.weight", "attention_traced")
@entry("script", rows(), "after.weight")
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(64, 4, batch_first=True)
        self.after = nn.Linear(64, 12)

    def forward(self, x):
        attended, _ = self.attention(x, x, x, need_weights=False)
        return self.after(x + attended)


@torch.jit.interface
class Block(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pass


class LinearBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(x))


@entry("script", rows(), "after.weight")
class Interface(nn.Module):
    """A submodule that is known by its interface alone: its graph cannot be inlined."""

    part: Block

    def __init__(self):
        super().__init__()
        self.part = LinearBlock()
        self.after = nn.Linear(64, 12)

    def forward(self, x):
        return self.after(self.part.forward(x))


@entry("script", rows(), "left.weight right.weight")
class Forked(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(64, 48)
        self.right = nn.Linear(64, 48)

    def forward(self, x):
        future = torch.jit.fork(self.left, x)
        return torch.tanh(self.right(x)) * torch.jit.wait(future)


@entry("script", lambda: {"query": torch.randn(SAMPLES, 64), "document": torch.rand(SAMPLES, 5, 48)},
       "query_part.weight document_part.weight")
class Pair(nn.Module):
    """Two inputs, a tuple as result."""

    def __init__(self):
        super().__init__()
        self.query_part = nn.Linear(64, 32)
        self.document_part = nn.Linear(48, 32)

    def forward(self, query, document):
        q = torch.tanh(self.query_part(query))
        d = self.document_part(document)
        return torch.einsum("bi,bji->bj", q, d), d.mean(1)


@entry("script", rows(), "first.weight second.weight")
class Named(nn.Module):
    """A dictionary as result."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 32)
        self.second = nn.Linear(32, 16)

    def forward(self, x) -> Dict[str, torch.Tensor]:
        hidden = torch.relu(self.first(x))
        return {"hidden": hidden, "result": self.second(hidden)}


def make(name):
    made = ZOO[name]()
    if name.endswith("_bfloat16"):
        made.module.bfloat16()
    elif name.endswith("_float16"):
        made.module.half()
    return made


def flat(result):
    """The tensors of a result, tuples and dictionaries taken apart, in order."""
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, dict):
        result = result.values()
    return [tensor for part in result for tensor in flat(part)]


def write(made, folder):
    """Writes one model and its samples; the paths of both."""
    from safetensors.torch import save_file

    model, data = folder / f"{made.name}.pt", folder / f"{made.name}.calibration.safetensors"
    made.torchscript().save(str(model))
    save_file({name: value.contiguous() for name, value in made.samples.items()}, data)
    return model, data


def main():
    from safetensors.torch import save_file

    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(ZOO):
        made = make(name)
        model, _ = write(made, folder)
        with torch.no_grad():
            outputs = flat(made.module(**made.samples))
        save_file({f"output{i}": value.contiguous() for i, value in enumerate(outputs)},
                  folder / f"{name}.outputs.safetensors")
        print(f"{model}: {model.stat().st_size} bytes")


if __name__ == "__main__":
    main()
