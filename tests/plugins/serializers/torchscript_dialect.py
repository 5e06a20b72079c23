# SPDX-License-Identifier: Apache-2.0
"""Compiles TorchScript text as an archive spells it: torch.X is aten::X, ops.NS.X any other operator,
a dtype is a number, classes have their full names."""
import types

import torch

PACKED = "__torch__.torch.classes.quantized.LinearPackedParamsBase"


class _Aten(types.ModuleType):
    """Every aten operator, also those that Python's torch keeps elsewhere."""

    def __getattr__(self, name):
        return torch._C._nn.linear if name == "linear" else getattr(torch, name)


class _LinearPacked:
    """Stands for the C++ class in annotations."""


def _register():
    codes = torch.zeros(1, 1, dtype=torch.int8)
    weight = torch._make_per_channel_quantized_tensor(
        codes, torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64), 0)
    packed = torch.ops.quantized.linear_prepack(weight, None)
    torch.jit._state._add_script_class(_LinearPacked, packed._type())


def compile_text(text):
    if PACKED in text and torch.jit._state._get_script_class(_LinearPacked) is None:
        _register()
    names = {"torch": _Aten("torch"), "ops": torch.ops, PACKED: _LinearPacked}
    unit = torch.jit.CompilationUnit()
    unit.define(text, names.get)
    return unit
