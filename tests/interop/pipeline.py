# SPDX-License-Identifier: Apache-2.0
"""Pipeline files for models that run, written, run and looked up in the report."""
import json
import math
import pathlib
import zipfile

import program

INT8 = {"quantizer": "int8"}
STATIC = {"observer": "minmax", "quantizer": "int8"}
INT4 = {"quantizer": "int4_groupwise", "params": {"group_size": 32, "default_skip": False}}
EMBEDDINGS = {"match": {"type": "Embedding"}, "weight": INT8}

# Each ends with a rule for every tensor: the quantizers decline what is not for them.
SCHEMES = {
    "static_int8": [EMBEDDINGS, {"weight": INT8, "activation": STATIC}],
    "dynamic_int8": [EMBEDDINGS, {"weight": INT8, "activation": INT8}],
    "weight_int8": [{"weight": INT8}],
    "weight_int4": [{"weight": INT4}],
    "fp16": [{"weight": {"quantizer": "fp16"}}],
}


def write_config(folder, model, data, rules, *, samples=150, batch_size=8, serializer="torchscript", **more):
    """Writes a pipeline file whose artefact will be <folder>/model.pt (or .safetensors); both paths."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    artefact = folder / f"model.{'safetensors' if serializer == 'safetensors' else 'pt'}"
    document = {"model": {"path": str(model)}, "rules": rules,
                "outputs": [{"serializer": serializer, "path": str(artefact)}], **more}
    if data is not None:
        files = [str(path) for path in data] if isinstance(data, list) else str(data)
        document["calibration"] = {"data": files, "samples": samples, "batch_size": batch_size}
    config = folder / "pipeline.json"
    config.write_text(json.dumps(document, indent=1))
    return config, artefact


class Run:
    """One run that succeeds: .config, .artefact (paths) and .report."""

    def __init__(self, folder, model, data, rules, *, arguments=(), **more):
        self.config, self.artefact = write_config(folder, model, data, rules, **more)
        out, self.err = program.detent("run", self.config, "--json", "--overwrite", *arguments)
        self.report = json.loads(out)

    def load(self):
        import torch

        return torch.jit.load(str(self.artefact)).eval()

    def quantized_tensors(self):
        return [tensor["name"] for tensor in self.report["plan"]["tensors"] if tensor["action"] == "quantize"]

    def layers(self):
        return {layer["name"]: layer for layer in self.report["layers"]}


def number(value):
    return math.inf if value == "inf" else -math.inf if value == "-inf" else float(value)


def stored_bytes(path):
    """Bytes of all tensors in a TorchScript archive, without code and pickles."""
    with zipfile.ZipFile(path) as archive:
        return sum(item.file_size for item in archive.infolist()
                   if item.filename.split("/")[1] in ("data", "constants")
                   and not item.filename.endswith((".pkl", ".py")))
