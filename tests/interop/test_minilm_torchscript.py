#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A traced transformer, calibrated on 150 sentences: sizes, and what sentences it never saw lose."""
import pathlib
import sys
import tempfile
import unittest

import program

program.require("numpy", "safetensors", "torch", "transformers")
import torch  # noqa: E402

import minilm  # noqa: E402
import pipeline  # noqa: E402
import reference  # noqa: E402

LINEAR_STATIC = {"match": {"type": "Linear"}, "weight": pipeline.INT8, "activation": pipeline.STATIC}
LINEAR_DYNAMIC = {"match": {"type": "Linear"}, "weight": pipeline.INT8, "activation": pipeline.INT8}
LINEAR_WEIGHT = {"match": {"type": "Linear"}, "weight": pipeline.INT8}
# Scheme -> (rules, largest file in bytes, least mean cosine).
SCHEMES = {
    "static_int8": ([pipeline.EMBEDDINGS, LINEAR_STATIC], 24_500_000, 0.99),
    "dynamic_int8": ([pipeline.EMBEDDINGS, LINEAR_DYNAMIC], 24_500_000, 0.99),
    "weight_int8": ([pipeline.EMBEDDINGS, LINEAR_WEIGHT], 24_500_000, 0.9995),
    "float_embeddings": ([LINEAR_WEIGHT], 60_000_000, 0.9995),
    "fp16": ([{"weight": {"quantizer": "fp16"}}], 46_500_000, 0.99999),
}
LINEARS = 37  # with the pooler, which the trace keeps although nothing uses its result
EMBEDDINGS = 3


class Case:
    attention = ""

    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(2)
        cls.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.folder.name)
        model = minilm.encoder(cls.attention)
        cls.batch = minilm.held_out()
        cls.floats = minilm.embed(model, cls.batch)
        cls.path = root / "minilm.pt"
        minilm.traced(model).save(str(cls.path))
        cls.hash_before = program.sha256(cls.path)
        data = minilm.calibration_file(root / "sentences.safetensors")
        cls.runs = {name: pipeline.Run(root / name, cls.path, data if name == "static_int8" else None, rules)
                    for name, (rules, _, _) in SCHEMES.items()}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_files_are_small(self):
        for name, run in self.runs.items():
            size = run.artefact.stat().st_size
            print(f"{self.attention} {name}: {size} bytes of {self.path.stat().st_size}")
            with self.subTest(scheme=name):
                self.assertLessEqual(size, SCHEMES[name][1])

    def test_sentence_embeddings_stay_close(self):
        for name, run in self.runs.items():
            with self.subTest(scheme=name):
                cosine = minilm.cosine(minilm.embed(run.load(), self.batch), self.floats)
                print(f"{self.attention} {name}: cosine {cosine:.5f} mean")
                self.assertGreaterEqual(cosine, SCHEMES[name][2])

    def test_every_linear_layer_is_quantized(self):
        for name, run in self.runs.items():
            if name == "fp16":
                continue
            types = [layer["type"] for layer in run.report["layers"] if layer["action"] == "quantize"]
            with self.subTest(scheme=name):
                self.assertEqual(types.count("Linear"), LINEARS)
                self.assertEqual(types.count("Embedding"), 0 if name == "float_embeddings" else EMBEDDINGS)

    def test_other_numbers_of_tokens_work_too(self):
        few = {name: value[:3, :9] for name, value in self.batch.items()}
        for name, run in self.runs.items():
            with self.subTest(scheme=name):
                self.assertEqual(tuple(minilm.embed(run.load(), few).shape), (3, 384))

    def test_the_input_is_not_touched(self):
        self.assertEqual(program.sha256(self.path), self.hash_before)


class Eager(Case, unittest.TestCase):
    attention = "eager"

    def test_static_int8_is_as_exact_as_an_independent_computation_says(self):
        model = minilm.encoder(self.attention)
        state = self.runs["static_int8"].load().state_dict()
        weights = {name: reference.int8_weight(parameter) for name, parameter in model.named_parameters()
                   if name in state and state[name].dtype == torch.int8}
        self.assertEqual(len(weights), LINEARS + EMBEDDINGS)
        samples = minilm.tokens(minilm.SENTENCES[:minilm.CALIBRATION])
        batches = [{name: value[i:i + 10] for name, value in samples.items()}
                   for i in range(0, minilm.CALIBRATION, 10)]
        expected = reference.Reference(model, weights, batches, "static", weights)
        expected.batches = [self.batch]
        got = minilm.embed(self.runs["static_int8"].load(), self.batch)
        self.assertAlmostEqual(reference.sqnr_db([self.floats], [got]),
                               reference.sqnr_db([self.floats], expected.outputs()), delta=0.1)


class Sdpa(Case, unittest.TestCase):
    attention = "sdpa"


if __name__ == "__main__":
    sys.exit(program.main())
