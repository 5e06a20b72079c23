#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Statistics of the inputs of weights, against PyTorch's hooks on the eager model.

Most with the plugins of $DETENT_TEST_STATISTICS: a quantizer that stores the mean squares it was told, and an
observer that provides them.
"""
import json
import os
import pathlib
import sys
import tempfile
import unittest

import program

program.require("numpy", "safetensors", "torch")
import numpy  # noqa: E402
import torch  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

import pipeline  # noqa: E402

PLUGINS = ("--plugin-path", os.environ.get("DETENT_TEST_STATISTICS", ""))
MOMENT = "stat:second_moment/1"


class Network(nn.Module):
    """Every kind of operator that has channels; `twice` is used twice, `matrix` by x @ w."""

    def __init__(self):
        super().__init__()
        self.whole = nn.Conv2d(3, 8, 3, padding=1)
        self.grouped = nn.Conv2d(8, 6, 3, groups=2)
        self.turned = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.fc = nn.Linear(4, 10)
        self.twice = nn.Linear(10, 10)
        self.matrix = nn.Parameter(torch.randn(10, 7))
        self.out = nn.Linear(7, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.turned(torch.relu(self.grouped(self.whole(x)))))
        y = self.fc(y.mean(dim=[2, 3]))
        y = self.twice(torch.tanh(self.twice(y)))
        return self.out(torch.matmul(y, self.matrix))


CHANNEL_AXES = {"whole": 1, "grouped": 1, "turned": 1, "fc": -1, "twice": -1, "out": -1}


def mean_squares(network, data, batch_size):
    """E[x^2] of each channel of what goes into each layer, in float64."""
    seen = {name: [] for name in CHANNEL_AXES}
    hooks = [getattr(network, name).register_forward_pre_hook(
        lambda _, inputs, name=name: seen[name].append(inputs[0].double())) for name in CHANNEL_AXES]
    with torch.no_grad():
        for batch in data.split(batch_size):
            network(batch)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat([x.movedim(CHANNEL_AXES[name], 0).flatten(1) for x in parts], 1).square().mean(1)
            for name, parts in seen.items()}


class Statistics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        torch.manual_seed(3)
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.network = Network().eval().requires_grad_(False)
        cls.x = torch.randn(23, 3, 9, 9) * torch.tensor([0.1, 1.0, 10.0]).reshape(3, 1, 1)
        cls.model = cls.root / "network.pt"
        torch.jit.script(cls.network).save(str(cls.model))
        cls.data = cls.root / "data.safetensors"
        save_file({"x": cls.x}, cls.data)
        cls.expected = mean_squares(cls.network, cls.x, 8)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_with(self, name, scheme, *arguments, **more):
        return pipeline.Run(self.root / name, self.model, self.data, [{"weight": scheme}], serializer="safetensors",
                            arguments=(*PLUGINS, *arguments), **more)

    def test_quantizers_are_told_what_went_into_the_layers(self):
        run = self.run_with("told", {"quantizer": "a.asking"})
        told = load_file(run.artefact)
        for layer, expected in self.expected.items():
            if layer in ("grouped", "turned"):
                continue  # the fixture stores as many as the weight's second dimension has
            with self.subTest(layer=layer):
                numpy.testing.assert_allclose(told[f"{layer}.weight_told"], expected.numpy(), rtol=1e-4)

    def test_observers_weigh_by_what_each_element_meets(self):
        """The fixture's scale is 1 + sum of importance * w^2 over the first dimension."""
        scales = load_file(self.run_with("weighed", {"observer": "a.weighing", "quantizer": "int8"}).artefact)
        for layer, mean in self.expected.items():
            weight = getattr(self.network, layer).weight.double()
            with self.subTest(layer=layer):
                numpy.testing.assert_allclose(scales[f"{layer}.weight_scale"],
                                              1 + (self.importance(layer, mean) * weight**2).flatten(1).sum(1),
                                              rtol=1e-4)

    def importance(self, layer, mean):
        weight = getattr(self.network, layer).weight
        behind = (1,) * (weight.dim() - 2)
        if layer == "turned":
            return mean.reshape(-1, 1, *behind)
        if layer == "grouped":  # outputs 0 to 2 see channels 0 to 3, outputs 3 to 5 the others
            return torch.stack([mean[:4]] * 3 + [mean[4:]] * 3).reshape(6, 4, *behind)
        return mean.reshape(1, -1, *behind)

    def test_the_weighted_error_is_that_of_the_stored_codes(self):
        """Also with built-in plugins alone: imatrix has second_moment watch the inputs."""
        for observer, arguments in (("a.weighing", PLUGINS), ("imatrix", ())):
            run = pipeline.Run(self.root / f"error_{observer}", self.model, self.data,
                               [{"weight": {"observer": observer, "quantizer": "int8"}}], serializer="safetensors",
                               arguments=arguments)
            stored = load_file(run.artefact)
            for layer, mean in self.expected.items():
                weight = getattr(self.network, layer).weight.double()
                h = self.importance(layer, mean)
                scale = torch.tensor(stored[f"{layer}.weight_scale"]).double()
                back = torch.tensor(stored[f"{layer}.weight"]).double() * scale.reshape(-1, *(1,) * (weight.dim() - 1))
                noise, signal = (h * (weight - back)**2).sum(), (h * weight**2).sum()
                with self.subTest(observer=observer, layer=layer):
                    self.assertAlmostEqual(pipeline.number(run.layers()[layer]["weighted_sqnr_db"]),
                                           float(10 * torch.log10(signal / noise)), delta=1e-3)

    def test_the_report_counts_the_values_that_were_seen(self):
        run = self.run_with("counted", {"observer": "a.weighing", "quantizer": "int8"})
        found = {s["tensor"]: s for s in run.report["calibration"]["statistics"]}
        self.assertEqual(found["fc.weight"]["observed"], 23 * 4)
        self.assertEqual(found["twice.weight"]["observed"], 2 * 23 * 10)
        self.assertEqual(found["grouped.weight"]["channels"], 8)
        self.assertEqual(found["whole.weight"]["observed"], 23 * 3 * 81)
        self.assertTrue(all(s["statistic"] == MOMENT and s["observer"] == "a.mean_square" for s in found.values()))

    def test_states_in_parts_give_the_same_statistics(self):
        whole = self.run_with("whole", {"observer": "a.weighing", "quantizer": "int8"}, samples=23, batch_size=1)
        states = self.root / "states"
        for shard in ("2/2", "1/2"):
            program.detent("observe", whole.config, *PLUGINS, "--state", states, "--shard", shard)
        direct = load_file(whole.artefact)
        program.detent("run", whole.config, *PLUGINS, "--state", states, "--overwrite")
        merged = load_file(whole.artefact)
        for name, values in direct.items():  # the fixture adds in float64, in another order
            numpy.testing.assert_allclose(merged[name], values, rtol=1e-6)

    def test_the_built_in_plugins_weigh_without_being_told_who_collects(self):
        """imatrix asks, second_moment watches; what is stored is at least as good as plain rounding."""
        scheme = {"observer": "imatrix", "quantizer": {"id": "int4_groupwise", "params": {
            "group_size": 8, "default_skip": False}}}
        run = pipeline.Run(self.root / "built_in", self.model, self.data, [{"weight": scheme}],
                           serializer="safetensors", samples=23, batch_size=4)
        statistics = run.report["calibration"]["statistics"]
        self.assertEqual({s["observer"] for s in statistics}, {"second_moment"})
        self.assertEqual(len(statistics), len(CHANNEL_AXES))
        self.assertIn("second_moment", {p["id"] for p in run.report["provenance"]["plugins"]})
        for layer in CHANNEL_AXES:
            with self.subTest(layer=layer):
                self.assertGreaterEqual(pipeline.number(run.layers()[layer]["weighted_gain_db"]), -1e-9)
        states = self.root / "built_in_states"
        for shard in ("3/3", "1/3", "2/3"):
            program.detent("observe", run.config, "--state", states, "--shard", shard)
        direct = run.artefact.read_bytes()
        program.detent("run", run.config, "--state", states, "--overwrite")
        self.assertEqual(run.artefact.read_bytes(), direct)
        program.detent("run", run.config, "--overwrite", "--set", "/runtime/threads=1")
        self.assertEqual(run.artefact.read_bytes(), direct)

    def test_a_file_without_calibration_is_refused(self):
        config, artefact = pipeline.write_config(self.root / "refused", self.model, None,
                                                 [{"weight": {"observer": "a.weighing", "quantizer": "int8"}}])
        result = program.attempt("plan", config, *PLUGINS)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("the file has no \"calibration\"", result.stderr)

    def test_the_plan_says_who_collects_what(self):
        config, _ = pipeline.write_config(self.root / "planned", self.model, self.data,
                                          [{"weight": {"observer": "a.weighing", "quantizer": "int8"}}])
        plan = json.loads(program.detent("plan", config, "--json", *PLUGINS)[0])
        self.assertEqual({s["tensor"] for s in plan["statistics"]}, {f"{name}.weight" for name in CHANNEL_AXES})


if __name__ == "__main__":
    sys.exit(program.main())
