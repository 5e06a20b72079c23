# SPDX-License-Identifier: Apache-2.0
"""What other software makes of the vectors' inputs, computed by that software itself: peers.json.

Usage: peer_vectors.py VECTORS_FOLDER

Needs torch, torchao, compressed-tensors and onnxruntime. TensorRT is not to be had without a GPU: its numbers
are those of its documented definition (scale = max|x| / 127, for 4 bits 7; codes -128..127, -8..7), in float32.

A case with "bits" is a weight, per channel or in groups; one without is a tensor of 8 bits. It has the sha256 of scales (float32), zero points (int8) and codes (int8), row-major. codes_differ: how many
of the peer's codes are not clamp(round(x / scale) + zero_point) with the peer's own scale and zero point, which
happens where it multiplies by a reciprocal, or rounds after it has added the zero point.
"""
import hashlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import quantize as ct_quantize
from compressed_tensors.quantization.utils.helpers import calculate_qparams
from onnx import TensorProto
from onnxruntime.quantization import quant_utils as ort
from safetensors.torch import load_file, save_file
from torch.ao.quantization import observer as torch_ao
from torchao.quantization import quant_primitives as torchao

warnings.filterwarnings("ignore")
GROUPS = [("weight_256x256", 128), ("weight_256x256", 64), ("weight_256x256", 32), ("weight_linear_16x64", 32),
          ("weight_linear_16x64", 64), ("weight_12x100", 25), ("weight_edges", 16)]
CHANNELS = ["weight_linear_16x64", "weight_conv_8x4x3x3", "weight_256x256", "weight_odd_5x7", "weight_edges"]
TENSORS = ["normal", "uniform01", "all_negative", "all_positive_offset10", "relu", "zeros", "constant_pos",
           "constant_neg", "single", "tiny_1e-20", "huge_1e20", "ints_0_255", "ties", "normal_2outliers"]


def edges():
    """Rows at which the definitions part: zero, tiny, constant, one-sided, ties, far apart."""
    g = torch.Generator().manual_seed(7)
    rows = torch.randn(10, 32, generator=g)
    rows[0] = 0
    rows[1] *= 1e-10
    rows[2] = 3.3
    rows[3] = -0.7
    rows[4] = -rows[4].abs() - 5
    rows[5] = torch.arange(32) / 2 - 7.5  # halves: ties of 4-bit codes with the scale 1
    rows[6] = torch.arange(32) * 8.0 - 127.5
    rows[7, 3] = 1e4
    rows[8] *= 1e30
    rows[9, 16:] = 0
    return rows.contiguous()


def digest(values, dtype):
    return hashlib.sha256(np.ascontiguousarray(values, dtype=dtype).tobytes()).hexdigest()


def fact(convention, name, symmetric, scale, zero, **more):
    scale, zero = np.asarray(scale, np.float32).ravel(), np.asarray(zero).astype(np.int64).ravel()
    return {"convention": convention, "input": f"inputs/{name}.safetensors", "symmetric": symmetric, **more,
            "scales_sha256": digest(scale, "<f4"), "zero_points_sha256": digest(zero, np.int8),
            "first_scale_hex": "%08x" % scale[:1].view("<u4")[0], "first_zero_point": int(zero[0])}


def weight_fact(convention, name, symmetric, scale, zero, codes, rows, lowest, highest, **more):
    """rows: the weight with one row for each scale."""
    out = fact(convention, name, symmetric, scale, zero, **more)
    s, z = (np.asarray(v, np.float32).reshape(-1, 1) for v in (scale, zero))
    ours = np.clip(np.rint(rows / s) + z, lowest, highest).astype(np.int8).ravel()
    codes = np.asarray(codes).astype(np.int8).ravel()
    out["codes_sha256"] = digest(codes, np.int8)
    out["codes_differ"] = int((codes != ours).sum())
    if out["codes_differ"]:
        out["codes_by_division_sha256"] = digest(ours, np.int8)
        assert np.abs(codes.astype(int) - ours).max() == 1
    return out


def int8_facts(name, w, symmetric):
    flat = w.reshape(w.shape[0], -1)
    rows = flat.numpy()
    lo, hi = flat.amin(1), flat.amax(1)
    more = {"bits": 8}
    scheme = torch.per_channel_symmetric if symmetric else torch.per_channel_affine
    observer = torch_ao.PerChannelMinMaxObserver(ch_axis=0, dtype=torch.qint8, qscheme=scheme)
    observer(w)
    s, z = observer.calculate_qparams()
    codes = torch.quantize_per_channel(w, s, z, 0, torch.qint8).int_repr()
    yield weight_fact("torch_ao", name, symmetric, s, z, codes, rows, -128, 127, **more)

    args = QuantizationArgs(num_bits=8, symmetric=symmetric, strategy="channel")
    s, z = calculate_qparams(lo[:, None], hi[:, None], args)
    codes = ct_quantize(flat, s, z, args, dtype=torch.int8)
    yield weight_fact("compressed_tensors", name, symmetric, s, z, codes, rows, -128, 127, **more)

    pairs = [ort.compute_data_quant_params(row, TensorProto.INT8, symmetric) for row in rows]
    codes = [ort.quantize_nparray(TensorProto.INT8, r, s, z) for r, (z, s) in zip(rows, pairs)]
    yield weight_fact("onnxruntime", name, symmetric, [s for _, s in pairs], [z for z, _ in pairs],
                      np.stack(codes), rows, -127 if symmetric else -128, 127, **more)
    if symmetric:
        yield tensorrt(name, rows, 8)


def tensorrt(name, rows, bits, **more):
    highest = 2 ** (bits - 1) - 1
    amax = np.abs(rows).max(1)
    s = np.where(amax == 0, np.float32(1), amax / np.float32(highest)).astype(np.float32)
    codes = np.rint(np.clip(rows / s[:, None], -highest - 1, highest))
    return weight_fact("tensorrt", name, True, s, np.zeros(len(s)), codes, rows, -highest - 1, highest, bits=bits,
                       **more)


def int4_facts(name, w, group, symmetric):
    rows = w.reshape(-1, group)
    more = {"bits": 4, "group_size": group}
    kind = torchao.MappingType.SYMMETRIC if symmetric else torchao.MappingType.ASYMMETRIC
    s, z = torchao.choose_qparams_affine(w, kind, (1, group), torch.int8, -8, 7)
    codes = torchao.quantize_affine(w, (1, group), s, z, torch.int8, -8, 7)
    yield weight_fact("torch_ao", name, symmetric, s, z, codes, rows.numpy(), -8, 7, **more)

    args = QuantizationArgs(num_bits=4, symmetric=symmetric, strategy="group", group_size=group)
    shape = (w.shape[0], w.shape[1] // group)
    s, z = calculate_qparams(rows.amin(1).reshape(shape), rows.amax(1).reshape(shape), args)
    codes = ct_quantize(w, s, z, args, dtype=torch.int8)
    yield weight_fact("compressed_tensors", name, symmetric, s, z, codes, rows.numpy(), -8, 7, **more)

    z, s = ort.compute_scale_zp_blocked(w.numpy(), TensorProto.INT4, 1, group, symmetric)
    z = np.asarray(z).astype(np.int8)
    codes = [ort.quantize_nparray(TensorProto.INT4, r, a, b) for r, a, b in zip(rows.numpy(), s.ravel(), z.ravel())]
    yield weight_fact("onnxruntime", name, symmetric, s, z, np.stack(codes), rows.numpy(), -8, 7, **more)
    if symmetric:
        yield tensorrt(name, rows.numpy(), 4, group_size=group)


def tensor_facts(name, batches, symmetric):
    x = torch.cat([b.reshape(-1) for b in batches])
    args = QuantizationArgs(num_bits=8, symmetric=symmetric, strategy="tensor")
    s, z = calculate_qparams(x.min(), x.max(), args)
    yield fact("compressed_tensors", name, symmetric, s, z)
    if symmetric:
        amax = x.abs().max().numpy()
        yield fact("tensorrt", name, True, [amax / np.float32(127) if amax != 0 else 1.0], [0])


def main(folder):
    inputs = Path(folder, "inputs")
    save_file({"batch_000": edges()}, inputs / "weight_edges.safetensors")

    def read(name):
        tensors = load_file(inputs / f"{name}.safetensors")
        return [tensors[key] for key in sorted(tensors)]

    weights, tensors = [], []
    for symmetric in (True, False):
        for name in CHANNELS:
            weights += int8_facts(name, read(name)[0], symmetric)
        for name, group in GROUPS:
            weights += int4_facts(name, read(name)[0], group, symmetric)
        for name in TENSORS:
            tensors += tensor_facts(name, read(name), symmetric)
    from importlib.metadata import version
    document = {"versions": {p: version(p) for p in ("torch", "torchao", "compressed-tensors", "onnxruntime")},
                "cases": weights + tensors}
    text = json.dumps(document, indent=1).replace(",\n   ", ", ").replace("{\n   ", "{").replace("\n  }", "}")
    Path(folder, "peers.json").write_text(text + "\n")
    for case in weights:
        if case["codes_differ"]:
            print(case["convention"], case["input"], case["bits"], case["symmetric"], case["codes_differ"])


if __name__ == "__main__":
    main(sys.argv[1])
