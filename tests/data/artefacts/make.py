#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How the files of format1/ were made, with the first detent that wrote format version 1.

    python make.py DETENT

They are there to be read by every later detent and are never made again: a new format version gets a folder of its own.
expected.safetensors is computed from model.safetensors by tests/interop/reader.py, which shares no code with detent."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "interop"))
import reader  # noqa: E402

RULES = [
    {"match": {"name": "fc1.weight"}, "weight": {"observer": "minmax", "quantizer": "int8",
                                                 "params": {"symmetric": False}}},
    {"match": {"name": "fc2.weight"}, "weight": {"quantizer": "int4_groupwise",
                                                 "params": {"group_size": 5, "default_skip": False}}},
    {"match": {"name": "norm.weight"}, "weight": {"quantizer": "fp16"}},
]


def main(detent, folder):
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        config = Path(temporary, "p.json")
        config.write_text(json.dumps({
            "version": 1, "model": {"path": str(HERE.parent / "tiny/model.safetensors")}, "rules": RULES,
            "outputs": [{"serializer": "safetensors", "path": str(folder / "model.safetensors")},
                        {"serializer": "state_dict", "path": str(folder / "model.pt")}]}), encoding="utf-8")
        subprocess.run([detent, "run", config, "--overwrite"], check=True)
    file = reader.File(folder / "model.safetensors")
    quantized = reader.quantized_names(file)
    floats = {name: reader.dequantize(file, name) for name in quantized}
    for name, tensor in file.tensors.items():
        if not any(name == q or name.startswith(q + "_") for q in quantized):
            floats[name] = tensor
    save_file(floats, folder / "expected.safetensors")


if __name__ == "__main__":
    main(sys.argv[1], HERE / "format1")
