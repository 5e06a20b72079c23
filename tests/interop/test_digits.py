#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The examples on the digit classifier, read back by numpy, by safetensors and by PyTorch."""
import json
import pathlib
import sys
import tempfile
import unittest

import program

program.require("numpy")
import numpy as np  # noqa: E402

import reader  # noqa: E402

MODEL = program.EXAMPLES / "digits" / "model.safetensors"
NAMES = ["digits_int8", "digits_int4", "int8_weight_only", "int4_groupwise", "fp16", "mixed_rules",
         "layer_overrides", "histogram_weights", "int4_mse", "torch_ao"]
# What a scheme may cost in accuracy on the 360 test images; the float model gets 356 of them right.
ALLOWED_LOSS = 6


def plain_rounding(file, name, weight):
    """The weight through codes of the recorded target, scales of its own extremes; None for casts."""
    quantization = file.group("quantization")
    entry = quantization["tensors"][name]
    target = quantization["schemes"][entry["scheme"]].get("target")
    if target is None:
        return None
    rows = weight.reshape(len(weight), -1)
    low, high = np.minimum(rows, 0).astype(np.float64), np.maximum(rows, 0).astype(np.float64)
    if target["granularity"] == "per_group":
        starts = np.arange(0, rows.shape[1], target["group_size"])
        lengths = np.diff([*starts, rows.shape[1]])
        low = np.repeat(np.minimum.reduceat(low, starts, axis=1), lengths, axis=1)
        high = np.repeat(np.maximum.reduceat(high, starts, axis=1), lengths, axis=1)
    else:
        axis = {"per_channel": 1, "per_tensor": None}[target["granularity"]]
        low, high = low.min(axis, keepdims=True), high.max(axis, keepdims=True)
    qmin, qmax = target["qmin"], target["qmax"]
    if target["symmetric"]:
        half_range = "half_range" in target.get("rules", [])
        scale, zero = np.maximum(-low, high) / ((qmax - qmin) / 2 if half_range else qmax), 0
    else:
        scale = (high - low) / (qmax - qmin)
        zero = np.clip(np.rint(qmin - low / np.where(scale > 0, scale, 1)), qmin, qmax)
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    codes = np.clip(np.rint(rows / scale) + zero, qmin, qmax)
    return ((codes - zero).astype(np.float32) * scale).reshape(weight.shape)


class Digits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.hash_before = program.sha256(MODEL)
        cls.original = reader.File(MODEL)
        cls.files, cls.reports = {}, {}
        for name in NAMES:
            cls.files[name], cls.reports[name] = program.run_example(name, pathlib.Path(cls.folder.name) / name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def each_file(self):
        for name, path in self.files.items():
            yield name, path, reader.File(path)

    def dequantized(self, path):
        restored = path.with_suffix(".float.safetensors")
        program.detent("dequantize", path, restored)
        return restored

    def test_every_example_of_the_digits_is_here(self):
        here = {path.stem for path in program.EXAMPLES.glob("*.json")}
        others = {name for name in here if name.startswith("minilm_")} | {"digits_static", "digits_imatrix", "state_dict"}
        self.assertEqual(here - others, set(NAMES))

    def test_the_input_is_not_touched(self):
        self.assertEqual(program.sha256(MODEL), self.hash_before)

    def test_every_example_quantizes_something(self):
        for example, _, file in self.each_file():
            with self.subTest(example=example):
                self.assertTrue(reader.quantized_names(file))

    def test_kept_tensors_are_byte_identical(self):
        for example, _, file in self.each_file():
            with self.subTest(example=example):
                quantized = set(reader.quantized_names(file))
                for name, raw in self.original.bytes.items():
                    if name not in quantized:
                        self.assertEqual(file.bytes[name], raw, name)

    def test_the_format_page_is_enough_to_dequantize(self):
        for example, path, file in self.each_file():
            with self.subTest(example=example):
                restored = reader.File(self.dequantized(path))
                self.assertEqual(set(restored.tensors), set(self.original.tensors))
                for name in reader.quantized_names(file):
                    expected = reader.dequantize(file, name)
                    self.assertEqual(list(expected.shape), list(self.original.tensors[name].shape), name)
                    self.assertEqual(restored.bytes[name], expected.astype("<f4").tobytes(), name)

    def test_the_recorded_sqnr_is_the_real_one(self):
        for example, _, file in self.each_file():
            with self.subTest(example=example):
                recorded = file.group("metrics")["sqnr_db"]
                for name in reader.quantized_names(file):
                    real = reader.sqnr_db(self.original.tensors[name], reader.dequantize(file, name))
                    said = recorded[name]
                    self.assertAlmostEqual(float(said), real, delta=1e-3, msg=name)

    def test_the_report_says_what_numpy_computes_from_the_two_files(self):
        for example, path, file in self.each_file():
            report = self.reports[example]
            said = {error["tensor"]: error for layer in report["layers"] for error in layer.get("errors", [])}
            self.assertEqual(set(said), set(reader.quantized_names(file)))
            for name, errors in said.items():
                with self.subTest(example=example, tensor=name):
                    x = self.original.tensors[name].astype(np.float64)
                    y = reader.dequantize(file, name).astype(np.float64)
                    self.assertAlmostEqual(float(errors["sqnr_db"]), reader.sqnr_db(x, y), delta=1e-6)
                    self.assertAlmostEqual(errors["mse"], float(((x - y) ** 2).mean()), delta=1e-12)
                    self.assertAlmostEqual(errors["max_abs_error"], float(abs(x - y).max()), delta=1e-12)
                    cosine = float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
                    self.assertAlmostEqual(errors["cosine"], cosine, delta=1e-12)
                    plain = plain_rounding(file, name, self.original.tensors[name])
                    if plain is None:
                        self.assertIsNone(errors["gain_db"])
                        continue
                    self.assertAlmostEqual(errors["rtn_sqnr_db"], reader.sqnr_db(x, plain), delta=1e-6)
                    self.assertAlmostEqual(errors["gain_db"], errors["sqnr_db"] - errors["rtn_sqnr_db"], delta=1e-9)
            values = [reader.sqnr_db(self.original.tensors[name], reader.dequantize(file, name)) for name in said]
            self.assertAlmostEqual(report["totals"]["sqnr_db_mean"], float(np.mean(values)), delta=1e-6)
            before, after = (sum(map(len, each.bytes.values())) for each in (self.original, file))
            self.assertAlmostEqual(report["totals"]["ratio"], before / after, delta=1e-9)
            self.assertEqual(report["validation"]["compression_ratio"], report["totals"]["ratio"])
            compared, _ = program.detent("compare", MODEL, path, "--json")
            totals = json.loads(compared)["totals"]
            self.assertAlmostEqual(totals["ratio"], before / after, delta=1e-9)
            self.assertAlmostEqual(totals["sqnr_db_mean"], float(np.mean(values)), delta=1e-6)

    def test_the_metadata_of_every_group_are_json(self):
        for example, _, file in self.each_file():
            with self.subTest(example=example):
                self.assertLessEqual({"quantization", "architecture", "versions", "metrics"},
                                     set(file.metadata))
                for key in ("quantization", "architecture", "versions", "metrics"):
                    self.assertIsInstance(json.loads(file.metadata[key]), dict)

    def test_the_number_of_threads_does_not_change_a_byte(self):
        for name in NAMES:
            with self.subTest(example=name), tempfile.TemporaryDirectory() as folder:
                path, _ = program.run_example(name, folder, "--threads", "1")
                other, _ = program.run_example(name, pathlib.Path(folder) / "3", "--threads", "3")
                self.assertEqual(path.read_bytes(), other.read_bytes())
                self.assertEqual(path.read_bytes(), self.files[name].read_bytes())

    def test_int4_needs_half_a_byte_for_a_weight(self):
        file = reader.File(self.files["digits_int4"])
        self.assertEqual(file.tensors["fc1.weight"].dtype, np.uint8)
        self.assertEqual(len(file.bytes["fc1.weight"]), 64 * 512 // 2)
        self.assertEqual(file.tensors["fc1.weight_scale"].shape, (64, 512 // 32))


class WithTorch(unittest.TestCase):
    """What needs torch and safetensors; skipped without them."""

    @classmethod
    def setUpClass(cls):
        try:
            import safetensors.torch
            import torch
        except ImportError as missing:
            raise unittest.SkipTest(f"Python has no {missing.name}") from missing
        cls.torch, cls.load = torch, staticmethod(safetensors.torch.load_file)
        torch.set_num_threads(1)

    def classifier(self):
        torch = self.torch

        def forward(state, x):
            def normalized(x, name):
                return torch.nn.functional.batch_norm(
                    x, state[name + ".running_mean"], state[name + ".running_var"],
                    state[name + ".weight"], state[name + ".bias"])

            conv2d, linear = torch.nn.functional.conv2d, torch.nn.functional.linear
            x = normalized(conv2d(x, state["conv1.weight"], state["conv1.bias"], padding=1), "bn1").relu()
            x = normalized(conv2d(x, state["conv2.weight"], state["conv2.bias"], padding=1), "bn2").relu()
            x = torch.nn.functional.max_pool2d(x, 2).flatten(1)
            x = linear(x, state["fc1.weight"], state["fc1.bias"]).relu()
            return linear(x, state["fc2.weight"], state["fc2.bias"])

        return forward

    def right(self, state):
        test = self.load(program.EXAMPLES / "digits" / "test.safetensors")
        with self.torch.no_grad():
            return int((self.classifier()(state, test["input"]).argmax(1) == test["target"]).sum())

    def test_the_float_model_is_as_good_as_its_readme_says(self):
        self.assertEqual(self.right(self.load(MODEL)), 356)

    def test_quantized_models_load_and_keep_their_accuracy(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in NAMES:
                with self.subTest(example=name):
                    path, _ = program.run_example(name, pathlib.Path(folder) / name)
                    self.assertTrue(self.load(path))
                    restored = path.with_suffix(".float.safetensors")
                    program.detent("dequantize", path, restored)
                    right = self.right(self.load(restored))
                    print(f"{name}: {right} of 360 right")
                    self.assertGreaterEqual(right, 356 - ALLOWED_LOSS)


if __name__ == "__main__":
    sys.exit(program.main())
