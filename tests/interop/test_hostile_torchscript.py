#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile and damaged models: refused with the reason, nothing executed, nothing written, and what was
there before stays as it was."""
import json
import pathlib
import resource
import sys
import tempfile
import time
import unittest

import program

program.require("numpy", "safetensors", "torch")
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import hostile_models  # noqa: E402
import pipeline  # noqa: E402

BEFORE = b"what an earlier run left"
TIMEOUT = 3  # seconds that a step of the model may take
STATIC = [{"weight": pipeline.INT8, "activation": pipeline.STATIC}]
REFUSED, QUANTIZATION = 5, 3


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.trace = cls.root / "trace"
        cls.data = cls.root / "data.safetensors"
        save_file({"x": torch.randn(60, 16)}, cls.data)
        cls.good = hostile_models.script(cls.root, "good", cls.trace)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_on(self, model):
        """The finished process, and everything about it that holds for every refused model."""
        folder = self.root / f"run_{pathlib.Path(model).stem}"
        config, artefact = pipeline.write_config(folder, model, self.data, STATIC,
                                                 runtime={"model_timeout": TIMEOUT})
        artefact.write_bytes(BEFORE)
        there = sorted(self.root.rglob("*"))
        start = time.monotonic()
        result = program.attempt("run", config, "--overwrite", "--json")
        self.took = time.monotonic() - start
        self.assertFalse(self.trace.exists(), "the model's code left a trace")
        self.assertEqual(sorted(self.root.rglob("*")), there)
        self.assertEqual(artefact.read_bytes(), BEFORE)
        return result

    def refused(self, model, codes=(REFUSED,)):
        result = self.run_on(model)
        self.assertIn(result.returncode, codes, result.stderr)
        self.assertIn("error:", result.stderr)
        error = json.loads(result.stdout)["error"]
        self.assertEqual(error["code"] if isinstance(error["code"], int) else result.returncode,
                         result.returncode)
        self.assertTrue(error["message"])
        return result.stderr

    def changed(self, name, content):
        path = self.root / f"{name}.pt"
        path.write_bytes(content)
        return path

    def test_the_same_model_without_malice_is_quantized(self):
        run = pipeline.Run(self.root / "good_run", self.good, self.data, STATIC)
        self.assertEqual(run.load()(torch.zeros(2, 16)).shape, (2, 32))

    def test_models_that_act_while_they_are_loaded(self):
        for name, lines in hostile_models.AT_LOAD.items():
            with self.subTest(does=name):
                self.refused(hostile_models.script(self.root, f"load_{name}", self.trace, load=lines))
                self.assertLess(self.took, 10 * TIMEOUT)

    def test_models_that_act_while_they_run(self):
        for name, lines in hostile_models.IN_FORWARD.items():
            with self.subTest(does=name):
                model = hostile_models.script(self.root, f"forward_{name}", self.trace, forward=lines)
                self.refused(model, (REFUSED, QUANTIZATION))
                self.assertLess(self.took, 10 * TIMEOUT)

    def test_a_pickle_that_calls_a_command(self):
        path = hostile_models.with_command(self.good, self.root / "command.pt", self.trace)
        self.assertIn("system", self.refused(path))

    def test_a_state_dict_that_calls_a_command(self):
        path = self.root / "state.pt"
        torch.save({"weight": hostile_models.Command(f"touch {self.trace}")}, path)
        self.assertIn("system", self.refused(path))

    def test_a_state_dict_in_the_old_format_that_calls_a_command(self):
        path = self.root / "legacy.pt"
        torch.save({"weight": hostile_models.Command(f"touch {self.trace}")}, path,
                   _use_new_zipfile_serialization=False)
        self.refused(path)

    def test_one_bit_of_a_weight(self):
        self.refused(hostile_models.flipped(self.good, self.root / "flipped.pt"))

    def test_files_that_end_too_early(self):
        raw = self.good.read_bytes()
        for part in (0.02, 0.5, 0.9, 0.999):
            with self.subTest(part=part):
                self.refused(self.changed(f"truncated_{part}", raw[:int(len(raw) * part)]))

    def test_an_empty_file(self):
        self.refused(self.changed("empty", b""))

    def test_a_file_of_zeros(self):
        self.refused(self.changed("zeros", bytes(100_000)))

    def test_a_zip_bomb(self):
        path = hostile_models.bomb(self.root / "bomb.pt")
        self.assertLess(path.stat().st_size, 5 << 20)
        self.refused(path)
        self.assertLess(self.took, 20)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(f"largest process of this test: {peak >> 10} MiB")

    def test_calibration_data_that_call_a_command(self):
        path = self.root / "pairs.pt"
        torch.save([[torch.randn(16), hostile_models.Command(f"touch {self.trace}")] for _ in range(60)], path)
        config, artefact = pipeline.write_config(self.root / "pairs", self.good, path, STATIC)
        result = program.attempt("run", config)
        self.assertEqual(result.returncode, REFUSED, result.stderr)
        self.assertFalse(self.trace.exists())
        self.assertFalse(artefact.exists())


if __name__ == "__main__":
    sys.exit(program.main())
