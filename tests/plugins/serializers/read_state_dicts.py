#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The files of the state_dict plugin, read by PyTorch and by zipfile: read_state_dicts.py WRITER PLUGIN."""
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

EVERY_DTYPE = 20


def ways_to_load(path):
    """The dict by every reader that PyTorch has: copied, mapped, and mapped at computed offsets."""
    yield torch.load(path, weights_only=True)
    try:
        yield torch.load(path, weights_only=True, mmap=True)
        from torch.utils.serialization import config
    except (TypeError, ImportError):  # an old PyTorch
        return
    with config.patch("load.calculate_storage_offsets", True):
        yield torch.load(path, weights_only=True, mmap=True)


def bytes_of(tensor):
    return bytes(tensor.contiguous().view(torch.uint8).flatten().tolist())


def every_dtype(path):
    for tensors in ways_to_load(path):
        assert len(tensors) == EVERY_DTYPE, len(tensors)
        for name, tensor in tensors.items():
            assert tensor.dtype == getattr(torch, name), (name, tensor.dtype)
            assert tensor.shape == (3, 2) and tensor.stride() == (2, 1) and not tensor.requires_grad
            n = 6 * tensor.element_size()
            expected = b"\1" * n if name == "bool" else bytes(range(1, n + 1))
            assert bytes_of(tensor) == expected, name
            assert tensor.data_ptr() % tensor.element_size() == 0


def unusual(path):
    for tensors in ways_to_load(path):
        assert list(tensors)[0] == 'gew\u00f6hnlich \U0001f600 "quoted"\n'
        assert next(iter(tensors.values())).tolist() == [1, 2]
        assert tensors["scalar"].shape == () and tensors["scalar"] == 7
        assert tensors["empty"].shape == (0, 4)
        assert tensors["codes"].dtype == torch.uint8
        assert tensors["codes"].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
        assert tensors["transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]
        assert tensors["tied"].data_ptr() == tensors["transposed"].data_ptr()
        tensors["tied"][0, 0] = 42
        assert tensors["transposed"][0, 0] == 42
        assert len(tensors) == 6
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        assert not any(name.endswith("data/5") for name in archive.namelist())
        note = json.loads(archive.read("archive/extra/quantization"))["codes"]
        assert note == {"bits": 4, "note": 'a"b\\c \u00e9'}
        assert json.loads(archive.read("archive/extra/metrics"))["db"] == 41.5


def large(path):
    """More than 4 GiB in one record, and one behind it: zip64."""
    tensors = torch.load(path, weights_only=True, mmap=True)
    assert tensors["large"].numel() == 2**28 + 1 and tensors["large"][-1] == 0
    assert tensors["behind"].tolist() == [1, 2, 3]
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("archive/data/0").file_size == 2**32 + 16
        assert archive.getinfo("archive/data/1").header_offset > 2**32
        assert archive.read("archive/version") == b"3\n"
        assert archive.testzip() is None


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], sys.argv[2], folder], check=True)
    every_dtype(Path(folder, "dtypes.pt"))
    unusual(Path(folder, "unusual.pt"))
    large(Path(folder, "large.pt"))
    for none in ways_to_load(Path(folder, "none.pt")):
        assert len(none) == 0
print("read and compared")
