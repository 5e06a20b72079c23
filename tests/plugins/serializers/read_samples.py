#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The files of the safetensors plugin, read by the format's own library: read_samples.py WRITER PLUGIN."""
import ctypes
import json
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy
    import safetensors
    import safetensors.numpy
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def spec(dtype, shape, data):
    """What serialize() takes for one tensor: an object from 0.8 on, a dictionary before."""
    if not hasattr(safetensors, "TensorSpec"):
        return {"dtype": dtype, "shape": shape, "data": data}
    address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    return safetensors.TensorSpec(dtype=dtype, shape=shape, data_ptr=address, data_len=len(data))


def same_bytes_as_the_library(path):
    """Names are "<a|b>.<dtype>" with bytes 1, 2, 3, ...: what would the library have written?"""
    written = path.read_bytes()
    header = json.loads(written[8 : 8 + int.from_bytes(written[:8], "little")])
    tensors, keep = {}, []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        kind = name.split(".", 1)[1]
        begin, end = entry["data_offsets"]
        shape = list(entry["shape"])
        if kind == "float4_e2m1fn_x2":
            shape[-1] //= 2  # serialize() counts pairs
        data = bytes(i + 1 & 255 for i in range(end - begin))
        keep.append(data)
        tensors[name] = spec(kind, shape, data)
    assert len(tensors) == 36, len(tensors)
    expected = safetensors.serialize(tensors, metadata={"format": "pt"})
    if written != bytes(expected):
        print("ours  :", written[:3000])
        print("theirs:", bytes(expected)[:3000])
        raise AssertionError("not the library's bytes")


def unusual(path):
    tensors = safetensors.numpy.load_file(path)
    assert tensors['gew\u00f6hnlich \U0001f600 "quoted"\n'].tolist() == [1, 2]
    assert tensors["scalar"].shape == () and tensors["scalar"] == 7
    assert tensors["empty"].shape == (0, 4)
    assert tensors["codes"].dtype == numpy.uint8 and tensors["codes"].shape == (3, 3)
    assert tensors["codes"].ravel().tolist() == list(range(1, 10))
    assert tensors["transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]
    with safetensors.safe_open(path, "np") as f:
        metadata = f.metadata()
    assert metadata["format"] == "pt"
    assert json.loads(metadata["detent.quantization"])["codes"] == {"bits": 4, "note": 'a"b\\c \u00e9'}
    assert json.loads(metadata["detent.metrics"])["db"] == 41.5


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], sys.argv[2], folder], check=True)
    same_bytes_as_the_library(Path(folder, "dtypes.safetensors"))
    unusual(Path(folder, "unusual.safetensors"))
    assert safetensors.numpy.load_file(Path(folder, "none.safetensors")) == {}
print("read and compared")
