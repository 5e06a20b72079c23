#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""INT4 with a search for better scales: what sentence embeddings of a real transformer lose."""
import pathlib
import sys
import tempfile
import unittest

import program

program.require("numpy", "safetensors", "torch", "transformers")
import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import minilm  # noqa: E402
import pipeline  # noqa: E402

SEARCHES = {
    "rounding": {},
    "search_mse": {"params": {"search": "mse"}},
    "mse": {"observer": "mse"},
    "imatrix": {"observer": "imatrix"},
}
# Symmetric or not -> the least cosine of plain rounding, on 16 sentences whose float embeddings an
# independent program wrote (tests/data). The figures of an independent quantizer in float32, less a margin.
ROUNDING = {True: 0.960, False: 0.976}


def rules(search, symmetric):
    params = {"group_size": 32, "symmetric": symmetric, **search.get("params", {})}
    weight = {"quantizer": "int4_groupwise", "params": params}
    if "observer" in search:
        weight["observer"] = search["observer"]
    return [pipeline.EMBEDDINGS, {"match": {"type": "Linear"}, "weight": weight}]


class Int4(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(2)
        cls.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.folder.name)
        cls.model = minilm.encoder("eager")
        cls.held_out = minilm.held_out()
        cls.floats = minilm.embed(cls.model, cls.held_out)
        cls.known = load_file(program.REPOSITORY / "tests" / "data" / "minilm_16_sentences.safetensors")
        path = root / "minilm.pt"
        minilm.traced(cls.model).save(str(path))
        data = minilm.calibration_file(root / "sentences.safetensors")
        cls.runs, cls.cosine, cls.known_cosine = {}, {}, {}
        for symmetric in (True, False):
            for name, search in SEARCHES.items():
                cls.quantize((name, symmetric), root, path, data if name == "imatrix" else None, search)

    @classmethod
    def quantize(cls, key, root, path, data, search):
        name, symmetric = key
        folder = root / f"{name}_{'symmetric' if symmetric else 'asymmetric'}"
        run = pipeline.Run(folder, path, data, rules(search, symmetric), serializer="safetensors")
        floats = folder / "float.safetensors"
        program.detent("dequantize", run.artefact, floats)
        state = {k: v for k, v in load_file(floats).items() if v.is_floating_point()}
        missing = cls.model.load_state_dict(state, strict=False)
        assert not missing.unexpected_keys, missing.unexpected_keys
        assert all(k.endswith("_ids") for k in missing.missing_keys), missing.missing_keys
        cls.runs[key] = run
        cls.cosine[key] = minilm.cosine(minilm.embed(cls.model, cls.held_out), cls.floats)
        cls.known_cosine[key] = minilm.cosine(minilm.embed(cls.model, cls.known), cls.known["embedding"])
        print(f"{folder.name}: cosine {cls.cosine[key]:.5f} of unseen sentences, {cls.known_cosine[key]:.5f} of 16")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_plain_rounding_is_as_close_as_an_independent_quantizer(self):
        for symmetric, least in ROUNDING.items():
            self.assertGreaterEqual(self.known_cosine["rounding", symmetric], least)

    def test_every_search_beats_plain_rounding(self):
        for (name, symmetric), cosine in self.cosine.items():
            if name != "rounding":
                with self.subTest(search=name, symmetric=symmetric):
                    self.assertGreater(cosine, self.cosine["rounding", symmetric])
                    self.assertGreater(self.known_cosine[name, symmetric], self.known_cosine["rounding", symmetric])

    def test_knowing_the_inputs_beats_not_knowing_them(self):
        for symmetric in ROUNDING:
            self.assertGreater(self.cosine["imatrix", symmetric], self.cosine["mse", symmetric])

    def test_the_report_says_the_gain_of_every_layer(self):
        for (name, symmetric), run in self.runs.items():
            gains = [pipeline.number(layer["gain_db"]) for layer in run.report["layers"] if layer["type"] == "Linear"]
            with self.subTest(search=name, symmetric=symmetric):
                self.assertEqual(len(gains), 37)
                if name == "rounding":
                    self.assertEqual(set(gains), {0.0})
                elif name != "imatrix":  # which may give up weights that matter little
                    self.assertGreater(min(gains), 0)


if __name__ == "__main__":
    sys.exit(program.main())
