#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The digit classifier as a model that runs: what quantization costs in right answers."""
import json
import pathlib
import sys
import tempfile
import unittest

import program

program.require("numpy", "safetensors", "torch")
import safetensors.torch  # noqa: E402
import torch  # noqa: E402

import pipeline  # noqa: E402
import reader  # noqa: E402

DIGITS = program.EXAMPLES / "digits"
POINTS = {"static": 0.5, "int4": 1.5}  # percent of the test images


class DigitsStatic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.test = safetensors.torch.load_file(DIGITS / "test.safetensors")
        cls.calibration = safetensors.torch.load_file(DIGITS / "calibration.safetensors")
        cls.original = torch.jit.load(str(DIGITS / "model.pt")).eval()
        cls.hash_before = program.sha256(DIGITS / "model.pt")
        cls.tensors, cls.artefact = cls.root / "model.safetensors", cls.root / "model.pt"
        out, _ = program.detent(
            "run", program.EXAMPLES / "digits_static.json", "--json", "--strict",
            "--set", f"/outputs/0/path={cls.tensors}", "--set", f"/outputs/1/path={cls.artefact}",
            "--set", f"/report/path={cls.root}")
        cls.report = json.loads(out)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def percent_right(self, model, data):
        with torch.no_grad():
            return 100 * float((model(data["input"]).argmax(1) == data["target"]).float().mean())

    def check_loss(self, path, allowed):
        before = self.percent_right(self.original, self.test)
        after = self.percent_right(torch.jit.load(str(path)).eval(), self.test)
        print(f"{path.parent.name}: {before:.2f} % right before, {after:.2f} % after")
        self.assertGreater(before, 98)
        self.assertGreaterEqual(after, before - allowed)

    def test_static_int8_costs_half_a_point_at_most(self):
        self.check_loss(self.artefact, POINTS["static"])

    def test_int4_in_groups_of_32_costs_a_point_and_a_half_at_most(self):
        rules = [{"match": {"type": ["Conv2d", "Linear"]}, "weight": pipeline.INT4}]
        run = pipeline.Run(self.root / "int4", DIGITS / "model.pt", None, rules)
        self.check_loss(run.artefact, POINTS["int4"])

    def test_the_report_tells_the_accuracy_that_pytorch_measures(self):
        findings = {finding["metric"]: finding["value"] for finding in self.report["validation"]["findings"]
                    if finding["validator"] == "accuracy"}
        quantized = torch.jit.load(str(self.artefact)).eval()
        self.assertAlmostEqual(100 * findings["accuracy_before"],
                               self.percent_right(self.original, self.calibration), delta=0.01)
        self.assertAlmostEqual(100 * findings["accuracy_after"],
                               self.percent_right(quantized, self.calibration), delta=0.01)

    def test_every_layer_has_weights_and_activations_in_8_bits(self):
        state = torch.jit.load(str(self.artefact)).state_dict()
        for layer in ("conv1", "conv2", "fc1", "fc2"):
            self.assertEqual(state[f"{layer}.weight"].dtype, torch.int8)
            self.assertGreater(float(state[f"{layer}.input_scale"]), 0)
        self.assertEqual(self.report["selected"], ["conv1", "conv2", "fc1", "fc2"])

    def test_both_files_hold_the_same_tensors(self):
        state = torch.jit.load(str(self.artefact)).state_dict()
        file = reader.File(self.tensors)
        self.assertLessEqual(set(state), set(file.tensors))
        for name, tensor in state.items():
            self.assertEqual(tensor.contiguous().numpy().tobytes(), file.bytes[name], name)

    def test_the_input_is_not_touched(self):
        self.assertEqual(program.sha256(DIGITS / "model.pt"), self.hash_before)


if __name__ == "__main__":
    sys.exit(program.main())
