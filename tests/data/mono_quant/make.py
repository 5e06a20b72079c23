#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files beside this one with Mono Quant 1.1 itself, and what it computes from them.

    pip install --no-deps --target FOLDER mono-quant==1.1
    PYTHONPATH=FOLDER python make.py          # with torch and safetensors

NAME.safetensors and NAME.pt hold a quantized model as Mono Quant saves it (convert_to_native=False);
NAME.expected.safetensors the float32 state dict, its weights as Mono Quant itself dequantizes them."""
import os
import warnings
from pathlib import Path

import torch
from mono_quant.core.quantizers import static_quantize
from mono_quant.io import save_model
from mono_quant.io.formats import QuantizationInfo as FileInfo
from mono_quant.modules.linear import (QuantizedConv2d, QuantizedLinear, QuantizedLinearInt4,
                                       quantize_linear_module_int4)
from safetensors.torch import save_file
from torch import nn

warnings.filterwarnings("ignore")
HERE = Path(__file__).parent


def scramble(model, seed):
    """Weights of every kind of row: mixed, one-sided, constant, zero, tiny, spread."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape))
            if p.dim() > 1 and p.shape[0] >= 5:
                p[0].abs_()
                p[1] = 0.5
                p[2] = 0
                p[3] *= 1e-6
                p[4] *= torch.logspace(-3, 2, p[4].numel()).reshape(p[4].shape)
    return model.eval()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.fc1 = nn.Linear(24, 7)
        self.head = nn.Linear(7, 5, bias=False)

    def forward(self, x):
        return self.head(torch.relu(self.fc1(self.features(x).flatten(1))))


def save(name, model, info=None, extensions=(".safetensors", ".pt"), **metrics):
    for extension in extensions:
        save_model(model, str(HERE / (name + extension)), info, convert_to_native=False, **metrics)
    try:
        expected = floats_of(model)
    except RuntimeError as reason:
        print(f"{name}: Mono Quant cannot read it itself: {reason}")
        return
    save_file(expected, HERE / (name + ".expected.safetensors"))


def floats_of(model):
    """The state dict, with the weights that Mono Quant computes in the place of what it stores."""
    floats = {k: v for k, v in model.state_dict().items() if not k.rpartition(".")[2].startswith("_")}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, (QuantizedLinear, QuantizedConv2d, QuantizedLinearInt4)):
            floats[f"{name}.weight" if name else "weight"] = module.weight
    return {k: v.detach().clone() for k, v in floats.items()}


def int8(name, symmetric):
    net = scramble(Net(), 1)
    net.features[1].num_batches_tracked.fill_(3)
    quantized, _ = static_quantize(net, [torch.randn(1, 2, 4, 4) for _ in range(3)], symmetric=symmetric,
                                   run_validation=False, group_size=0)  # no INT4 defaults
    layers = ["features.0", "fc1", "head"]
    save(name, quantized, FileInfo(torch.qint8, symmetric, True, layers, 3, bits=8),
         original_size_mb=0.001, compression_ratio=3.5)


def shared_layer():
    """One module under two names: its scales share memory, its codes do not."""
    torch.manual_seed(5)
    layer = QuantizedLinear.from_linear(scramble(nn.Linear(4, 6), 5))
    save("int8_shared", nn.ModuleDict({"a": layer, "b": layer}), extensions=(".pt",))


def int4(name, outputs, inputs, symmetric, bias=True, with_info=True, group_size=128):
    layer = scramble(nn.Linear(inputs, outputs, bias=bias), 2)
    model = nn.Sequential(quantize_linear_module_int4(layer, group_size, symmetric), nn.ReLU())
    save(name, model, FileInfo(torch.qint8, symmetric, False, ["0"], group_size=group_size, bits=4)
         if with_info else None)


os.environ["CI"] = "1"
int8("int8_asymmetric", False)
int8("int8_symmetric", True)
save("int8_root", QuantizedLinear.from_linear(scramble(nn.Linear(6, 5), 3)))
shared_layer()
int4("int4_asymmetric", 160, 6, False)
int4("int4_symmetric", 160, 6, True, with_info=False)
int4("int4_groups_of_8", 20, 6, False, group_size=8)
int4("int4_fallback", 8, 6, True)                # fewer outputs than a group: stored as INT8
int4("int4_no_bias", 130, 4, False, bias=False)  # the number of outputs is nowhere
int4("int4_odd", 129, 3, False)                  # the last code is lost
