# SPDX-License-Identifier: Apache-2.0
"""Reads quantized files with numpy and the standard library alone, by docs/formats/quantized_safetensors.md.

It shares no code with detent and none with the safetensors library: a second opinion on both.
"""
import json
import pathlib
import struct

import numpy as np

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
          "U8": "u1", "BOOL": "?"}


class File:
    """A safetensors file: .tensors {name: array} in the file's order, .metadata {key: text}."""

    def __init__(self, path):
        raw = pathlib.Path(path).read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8:8 + length])
        data = raw[8 + length:]
        self.metadata = header.pop("__metadata__", {})
        self.bytes, self.tensors = {}, {}
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            self.bytes[name] = data[begin:end]
            self.tensors[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(
                entry["shape"])

    def group(self, key):
        return json.loads(self.metadata[key])


def unpack_nibbles(packed, columns, signed):
    """Two codes a byte, the first in the low nibble; every row of `columns` codes starts on a byte."""
    rows = packed.reshape(-1, (columns + 1) // 2)
    codes = np.stack([rows & 15, rows >> 4], axis=-1).reshape(len(rows), -1)[:, :columns]
    codes = codes.astype(np.int32)
    return np.where(codes > 7, codes - 16, codes) if signed else codes


def spread(parameter, target, code_shape):
    """One parameter per code, from one per tensor, per channel or per group."""
    granularity = target["granularity"]
    if granularity == "per_tensor":
        return np.broadcast_to(parameter.reshape(()), code_shape)
    if granularity == "per_channel":
        shape = [1] * len(code_shape)
        shape[target["axis"]] = code_shape[target["axis"]]
        return np.broadcast_to(parameter.reshape(shape), code_shape)
    assert granularity == "per_group", granularity
    columns = code_shape[-1]
    rows = parameter.reshape(-1, -(-columns // target["group_size"]))
    return np.repeat(rows, target["group_size"], axis=1)[:, :columns].reshape(code_shape)


def dequantize(file, name):
    """(code - zero_point) * scale in float32, in the shape of the original."""
    quantization = file.group("quantization")
    entry = quantization["tensors"][name]
    scheme = quantization["schemes"][entry["scheme"]]
    stored = file.tensors[name]
    if "target" not in scheme:  # a cast
        return stored.astype(np.float32)
    code_shape = entry.get("code_shape", list(stored.shape))
    codes = stored
    if scheme["codes"] in ("I4", "U4"):
        codes = unpack_nibbles(stored, code_shape[-1], scheme["codes"] == "I4")
    codes = codes.astype(np.int32).reshape(code_shape)
    if "zero_point" in scheme["outputs"]:
        zero_point = file.tensors[name + "_zero_point"].astype(np.int32)
        codes = codes - spread(zero_point, scheme["target"], code_shape)
    else:  # symmetric: one zero point for all, 0 unless the metadata say otherwise
        codes = codes - scheme["meta"].get("zero_point", 0)
    scale = spread(file.tensors[name + "_scale"], scheme["target"], code_shape)
    return (codes.astype(np.float32) * scale).reshape(entry.get("shape", code_shape))


def quantized_names(file):
    return list(file.group("quantization")["tensors"])


def sqnr_db(original, restored):
    signal = original.astype(np.float64)
    noise = signal - restored.astype(np.float64)
    energy = float((noise * noise).sum())
    return np.inf if energy == 0 else 10 * np.log10(float((signal * signal).sum()) / energy)
