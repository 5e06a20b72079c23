#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""modules_to_not_convert keeps what transformers keeps, on the names of a real architecture."""
import json
import pathlib
import sys
import tempfile
import unittest

import program

program.require("numpy", "safetensors", "torch", "transformers")
import numpy as np  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402
from transformers.quantizers.quantizers_utils import should_convert_module  # noqa: E402

PARTS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate", "mlp.gate_proj", "mlp.fc1")
LAYERS = [f"model.layers.{i}.{part}" for i in (0, 1, 10, 11) for part in PARTS]
LAYERS += ["model.embed_tokens", "lm_head", "model.decoder.lm_head"]

# Names that mean the same to both. transformers takes them for regular expressions, we for globs,
# so these have no characters that are special in either but dots.
SAME = ("lm_head", "model.layers.1", "model.layers.11", "model.layers", "mlp.gate", "self_attn.q_proj", "q_proj",
        "fc1", "model.layers.0.mlp.fc1", "model", "decoder.lm_head", "model.layers.1.mlp.gate_proj")
# A module in the middle of a path: kept here, as by earlier versions of transformers.
INSIDE = {"self_attn": "self_attn.", "mlp": "mlp.", "layers.10": "layers.10."}


class Selection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        weight = np.arange(64, dtype=np.float32).reshape(8, 8)
        save_file({f"{layer}.weight": weight + i for i, layer in enumerate(LAYERS)}, cls.root / "model.safetensors")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def kept(self, names):
        config = self.root / "pipeline.json"
        config.write_text(json.dumps({
            "model": {"path": "model.safetensors"}, "modules_to_not_convert": names,
            "rules": [{"weight": {"quantizer": "int8"}}],
            "outputs": [{"serializer": "safetensors", "path": "out.safetensors"}]}))
        out, _ = program.detent("plan", config, "--json")
        return {t["layer"] for t in json.loads(out)["tensors"] if t["action"] == "keep"}

    def test_names_keep_what_they_keep_in_transformers(self):
        for name in SAME:
            with self.subTest(name=name):
                expected = {layer for layer in LAYERS if not should_convert_module(layer, [name])}
                self.assertTrue(expected)
                self.assertEqual(self.kept([name]), expected)
        self.assertEqual(self.kept(list(SAME[:2])),
                         {layer for layer in LAYERS if not should_convert_module(layer, list(SAME[:2]))})

    def test_a_module_inside_a_path_keeps_what_is_below_it(self):
        for name, part in INSIDE.items():
            with self.subTest(name=name):
                self.assertEqual(self.kept([name]), {layer for layer in LAYERS if part in layer})


if __name__ == "__main__":
    sys.exit(program.main())
