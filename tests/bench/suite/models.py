# SPDX-License-Identifier: Apache-2.0
"""Writes models of any size as safetensors files: the tensors of a llama in f32, values by a seed.

Values are pieces of one pool of normal numbers that begin at places drawn by the seed: speed does not depend
on what they are, and gigabytes come without numpy and with little memory.
"""
from __future__ import annotations

import array
import json
import pathlib
import random
import struct
from typing import Iterator, NamedTuple

POOL = (1 << 20) + 7


class Shape(NamedTuple):
    hidden: int
    key_values: int
    inner: int
    vocabulary: int
    layers: int

    @property
    def bytes(self) -> int:
        return 4 * sum(rows * columns for _, (rows, columns) in tensors(self))

    def config(self) -> dict:
        head = 64
        return {"model_type": "llama", "hidden_size": self.hidden, "intermediate_size": self.inner,
                "num_hidden_layers": self.layers, "num_attention_heads": self.hidden // head,
                "num_key_value_heads": self.key_values // head, "vocab_size": self.vocabulary}


def narrow(layers: int) -> Shape:
    """45 MB a layer: for sizes that differ in nothing but the number of layers."""
    return Shape(hidden=1024, key_values=256, inner=2816, vocabulary=2048, layers=layers)


def wide(layers: int) -> Shape:
    """With the 4096 columns of a model of 7 billion parameters; two layers are 1.2 GB."""
    return Shape(hidden=4096, key_values=1024, inner=6144, vocabulary=7680, layers=layers)


def of_size(size: float) -> Shape:
    """The number of narrow layers whose file comes closest to `size` bytes."""
    one = narrow(2).bytes - narrow(1).bytes
    return narrow(max(1, round((size - narrow(1).bytes) / one) + 1))


def tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, int]]]:
    """Names and extents; a norm has one row."""
    yield "model.embed_tokens.weight", (shape.vocabulary, shape.hidden)
    for i in range(shape.layers):
        name = f"model.layers.{i}."
        yield name + "input_layernorm.weight", (1, shape.hidden)
        yield name + "self_attn.q_proj.weight", (shape.hidden, shape.hidden)
        yield name + "self_attn.k_proj.weight", (shape.key_values, shape.hidden)
        yield name + "self_attn.v_proj.weight", (shape.key_values, shape.hidden)
        yield name + "self_attn.o_proj.weight", (shape.hidden, shape.hidden)
        yield name + "post_attention_layernorm.weight", (1, shape.hidden)
        yield name + "mlp.gate_proj.weight", (shape.inner, shape.hidden)
        yield name + "mlp.up_proj.weight", (shape.inner, shape.hidden)
        yield name + "mlp.down_proj.weight", (shape.hidden, shape.inner)
    yield "model.norm.weight", (1, shape.hidden)
    yield "lm_head.weight", (shape.vocabulary, shape.hidden)


def is_norm(name: str) -> bool:
    return name.endswith("norm.weight")


def header(shape: Shape) -> bytes:
    entries, offset = {}, 0
    for name, (rows, columns) in tensors(shape):
        end = offset + 4 * rows * columns
        entries[name] = {"dtype": "F32", "shape": [columns] if is_norm(name) else [rows, columns],
                         "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def write(path: pathlib.Path, shape: Shape, seed: int = 20260101) -> None:
    numbers = random.Random(seed)
    pool = memoryview(array.array("f", (numbers.gauss(0, 0.02) for _ in range(POOL)))).cast("B")
    with path.open("wb", buffering=0) as file:
        file.write(header(shape))
        for _, (rows, columns) in tensors(shape):
            left = 4 * rows * columns
            while left:
                at = 4 * numbers.randrange(POOL // 2)
                piece = pool[at:at + min(left, len(pool) - at)]
                file.write(piece)
                left -= len(piece)
