#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What calibration data do to a model that runs: scaled, split over files, in pairs, by observer."""
import pathlib
import sys
import tempfile
import unittest

import program

program.require("numpy", "safetensors", "torch")
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import pipeline  # noqa: E402
import reference  # noqa: E402
import zoo  # noqa: E402

SITES = ("fc1", "fc2", "out")


def static(observer):
    return [{"weight": pipeline.INT8, "activation": {"observer": observer, "quantizer": "int8"}}]


class Calibration(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.made = zoo.make("mlp_scripted")
        cls.model, cls.data = zoo.write(cls.made, cls.root)
        cls.x = cls.made.samples["x"]
        cls.plain = cls.state_of(cls.run_with("plain", cls.data))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def run_with(cls, name, data, observer="minmax", model=None, **more):
        return pipeline.Run(cls.root / name, model or cls.model, data, static(observer), **more)

    @staticmethod
    def state_of(run):
        return run.load().state_dict()

    def saved(self, name, tensors):
        path = self.root / f"{name}.safetensors"
        save_file({key: value.contiguous() for key, value in tensors.items()}, path)
        return path

    def scale(self, state, site):
        return float(state[f"{site}.input_scale"])

    def test_data_a_thousand_times_larger_give_a_scale_a_thousand_times_larger(self):
        state = self.state_of(self.run_with("scaled", self.saved("scaled", {"x": 1000 * self.x})))
        self.assertAlmostEqual(self.scale(state, "fc1") / self.scale(self.plain, "fc1"), 1000, delta=0.01)
        for site in SITES:
            self.assertGreater(self.scale(state, site), 100 * self.scale(self.plain, site))

    def test_observers_differ_and_each_is_right(self):
        x = self.x.clone()
        x[20] *= 50  # one sample of 52: the average over samples and the histogram see past it
        data = self.saved("outlier", {"x": x})
        found = {}
        for observer in ("minmax", {"id": "ema", "params": {"averaging_constant": 0.1}}, "histogram"):
            name = observer if isinstance(observer, str) else observer["id"]
            found[name] = self.state_of(self.run_with(f"by_{name}", data, observer, batch_size=1))
        scales = {name: self.scale(state, "fc1") for name, state in found.items()}
        self.assertEqual(len(set(scales.values())), 3, scales)
        self.assertAlmostEqual(scales["minmax"], reference.affine(x.min(), x.max())[0], delta=1e-6)
        low, high = float(x[0].min()), float(x[0].max())
        for sample in x[1:]:
            low, high = 0.9 * low + 0.1 * float(sample.min()), 0.9 * high + 0.1 * float(sample.max())
        self.assertAlmostEqual(scales["ema"], reference.affine(low, high)[0], delta=1e-6)
        self.assertLess(scales["histogram"], scales["minmax"])

    def test_histogram_by_squared_error_is_no_worse_than_the_whole_range(self):
        x = self.x.clone()
        x[20] *= 50
        data = self.saved("outlier_mse", {"x": x})
        run = self.run_with("mse", data, {"id": "histogram", "params": {"method": "mse"}})
        state = self.state_of(run)
        clipped = reference.through_codes(x, self.scale(state, "fc1"), int(state["fc1.input_zero_point"]))
        whole = reference.through_codes(x, *reference.affine(x.min(), x.max()))
        self.assertLessEqual(float(((x - clipped) ** 2).sum()), 1.02 * float(((x - whole) ** 2).sum()))

    def test_several_files_are_one_after_the_other(self):
        files = [self.saved(f"part{i}", {"x": part}) for i, part in enumerate(self.x.split([10, 1, 41]))]
        run = self.run_with("parts", files)
        self.assertEqual(run.artefact.read_bytes(), (self.root / "plain" / "model.pt").read_bytes())

    def test_minmax_does_not_depend_on_the_batch_size(self):
        for size in (1, 7, 52, 100):
            with self.subTest(batch_size=size):
                state = self.state_of(self.run_with(f"batch{size}", self.data, batch_size=size))
                self.assertEqual(self.scale(state, "fc1"), self.scale(self.plain, "fc1"))

    def test_samples_count_samples(self):
        run = self.run_with("few", self.data, samples=10, batch_size=4)
        expected, _ = reference.affine(self.x[:10].min(), self.x[:10].max())
        self.assertAlmostEqual(self.scale(self.state_of(run), "fc1"), expected, delta=1e-6)
        self.assertTrue(any("sample" in warning["message"] for warning in run.report["warnings"]))

    def test_fifty_samples_are_enough_for_no_warning_and_49_are_not(self):
        for count, warned in ((49, True), (50, False)):
            with self.subTest(samples=count):
                run = self.run_with(f"count{count}", self.data, samples=count)
                words = [w for w in run.report["warnings"] if "sample" in w["code"] + w["message"]]
                self.assertEqual(bool(words), warned, words)

    def test_pairs_that_torch_saved_are_calibration_data(self):
        path = self.root / "pairs.pt"
        torch.save([[sample, torch.tensor(i % 16)] for i, sample in enumerate(self.x)], path)
        state = self.state_of(self.run_with("pairs", path))
        for site in SITES:
            self.assertEqual(self.scale(state, site), self.scale(self.plain, site))

    def test_pairs_of_batches_too(self):
        path = self.root / "batches.pt"
        pairs = [(part, torch.zeros(len(part), dtype=torch.long)) for part in self.x.split(8)]
        torch.save(pairs, path)
        state = self.state_of(self.run_with("batches", path))
        for site in SITES:
            self.assertEqual(self.scale(state, site), self.scale(self.plain, site))

    def test_inputs_go_by_name_whatever_their_order_in_the_file(self):
        made = zoo.make("pair")
        model, _ = zoo.write(made, self.root)
        data = self.saved("named", dict(reversed(made.samples.items())))
        state = self.state_of(self.run_with("by_name", data, model=model))
        for site, name in (("query_part", "query"), ("document_part", "document")):
            sample = made.samples[name]
            expected, _ = reference.affine(sample.min(), sample.max())
            self.assertAlmostEqual(self.scale(state, site), expected, delta=1e-6)

    def test_a_file_without_one_of_the_inputs_is_refused_by_name(self):
        made = zoo.make("pair")
        model, _ = zoo.write(made, self.root)
        data = self.saved("half", {"query": made.samples["query"]})
        self.assertIn("document", self.refused("half", data, model))

    def test_no_samples_are_an_error_that_says_so(self):
        data = self.saved("empty", {"x": self.x[:0]})
        self.assertIn("no data", self.refused("empty", data, self.model).lower())

    def test_a_model_that_was_saved_while_it_was_trained_runs_in_evaluation_mode(self):
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(64, 48), torch.nn.BatchNorm1d(48), torch.nn.Dropout(0.5),
                                     torch.nn.Linear(48, 8)).train()
        model = self.root / "trained.pt"
        torch.jit.script(module).save(str(model))
        data = self.saved("trained", {"input": self.x[:, 0]})
        runs = [self.run_with(f"trained{i}", data, model=model) for i in range(2)]
        self.assertEqual(runs[0].artefact.read_bytes(), runs[1].artefact.read_bytes())
        with torch.no_grad():
            hidden = module.eval()[:3](self.x[:, 0])
        expected, _ = reference.affine(hidden.min(), hidden.max())
        self.assertAlmostEqual(self.scale(self.state_of(runs[0]), "3"), expected, delta=1e-6)

    def refused(self, name, data, model):
        config, artefact = pipeline.write_config(self.root / f"refused_{name}", model, data, static("minmax"))
        result = program.attempt("run", config)
        self.assertIn(result.returncode, (2, 3, 5), result.stderr)
        self.assertFalse(artefact.exists())
        return result.stderr


class States(unittest.TestCase):
    """observe, then run from its states."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        made = zoo.make("mlp_scripted")
        cls.model, cls.data = zoo.write(made, cls.root)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_two_steps_give_the_bytes_of_one(self):
        for observer in ("minmax", "ema", "histogram"):
            with self.subTest(observer=observer):
                one = pipeline.Run(self.root / observer, self.model, self.data, static(observer))
                states = self.root / f"{observer}_states"
                program.detent("observe", one.config, "--state", states)
                before = one.artefact.read_bytes()
                program.detent("run", one.config, "--state", states, "--overwrite")
                self.assertEqual(one.artefact.read_bytes(), before)

    def test_shards_merge_to_the_bytes_of_one_step(self):
        for observer in ("minmax", "histogram"):
            with self.subTest(observer=observer):
                one = pipeline.Run(self.root / f"{observer}_whole", self.model, self.data, static(observer))
                states = self.root / f"{observer}_shards"
                for shard in ("2/2", "1/2"):
                    program.detent("observe", one.config, "--state", states, "--shard", shard)
                before = one.artefact.read_bytes()
                program.detent("run", one.config, "--state", states, "--overwrite")
                self.assertEqual(one.artefact.read_bytes(), before)


if __name__ == "__main__":
    sys.exit(program.main())
