#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads three-bit weights from what nf3.hpp writes down, without the plugin, and compares them with what it says.

    northwind.py ARTEFACT DEQUANTIZED
"""
import json
import struct
import sys
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("skipped: there is no numpy")
    sys.exit(77)

TYPES = {"F32": "<f4", "U8": "u1", "I8": "i1", "I64": "<i8"}


def read(path):
    raw = Path(path).read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    metadata = header.pop("__metadata__", {})
    tensors = {name: np.frombuffer(data[slice(*t["data_offsets"])], TYPES[t["dtype"]]).reshape(t["shape"]) for name, t in header.items()}
    return tensors, metadata


def main():
    tensors, metadata = read(sys.argv[1])
    floats, _ = read(sys.argv[2])
    quantization = json.loads(metadata["quantization"])
    compared = 0
    for name, record in quantization["tensors"].items():
        scheme = quantization["schemes"][record["scheme"]]
        if scheme["quantizer"]["id"] != "northwind.nf3":
            continue
        levels = np.array(scheme["meta"]["codebook"], np.float32)
        group, shape = scheme["meta"]["group_size"], floats[name].shape
        rows, columns = shape[0], int(np.prod(shape[1:]))
        bits = np.unpackbits(tensors[name], axis=1, bitorder="little")[:, : 3 * columns].reshape(rows, columns, 3)
        codes = bits[..., 0] + 2 * bits[..., 1] + 4 * bits[..., 2]
        scale = np.repeat(tensors[name + "_scale"], group, axis=1)[:, :columns]
        if not np.array_equal(levels[codes] * scale, floats[name].reshape(rows, columns)):
            print(f"{name}: the plugin reads it differently")
            return 1
        compared += 1
    print(f"{compared} tensors read as the plugin reads them")
    return 0 if compared else 1


if __name__ == "__main__":
    sys.exit(main())
