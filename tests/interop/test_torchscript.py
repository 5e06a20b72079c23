#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every model of the zoo by every scheme: the artefact runs in stock PyTorch and is as exact as an
independent computation says."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import program

program.require("numpy", "safetensors", "torch")
import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import pipeline  # noqa: E402
import reference  # noqa: E402
import zoo  # noqa: E402

BATCH = 8
TOLERANCE_DB = 0.1
WEIGHTS = {"static_int8": reference.int8_weight, "dynamic_int8": reference.int8_weight,
           "weight_int8": reference.int8_weight, "weight_int4": reference.int4_weight,
           "fp16": reference.half_weight}
ACTIVATION = {"static_int8": "static", "dynamic_int8": "dynamic"}


def batches(samples):
    return [{name: value[i:i + BATCH] for name, value in samples.items()}
            for i in range(0, zoo.SAMPLES, BATCH)]


def flat(results):
    return [tensor for result in results for tensor in zoo.flat(result)]


class Case:
    """The tests of one model; a subclass for each names it."""

    name = ""

    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.made = zoo.make(cls.name)
        cls.model, cls.data = zoo.write(cls.made, cls.root)
        cls.hash_before = program.sha256(cls.model)
        cls.batches = batches(cls.made.samples)
        with torch.no_grad():
            cls.floats = flat(cls.made.module(**batch) for batch in cls.batches)
        cls.runs = {}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_of(self, scheme):
        if scheme not in self.runs:
            self.runs[scheme] = pipeline.Run(self.root / scheme, self.model, self.data,
                                             pipeline.SCHEMES[scheme], batch_size=BATCH)
        return self.runs[scheme]

    # ---- which weights of the eager model a run has quantized ----

    def eager_names(self, run):
        """{name in the artefact: canonical name in the eager model} of what was quantized."""
        names = run.quantized_tensors()
        parameters = dict(self.made.module.named_parameters(remove_duplicate=False))
        tensors = {**parameters, **dict(self.made.module.named_buffers())}
        if self.made.package == "freeze":
            return self.by_shape(run, names)
        missing = [name for name in names if name not in tensors]
        self.assertEqual(missing, [])
        return {name: reference.canonical(self.made.module, name) if name in parameters else name
                for name in names}

    def by_shape(self, run, names):
        """Freezing leaves constants without names. Those of the frozen models that are quantized to 8 or 4
        bits differ in shape; a cast takes all of a shape, so that their order does not matter."""
        shapes = {tensor["name"]: tensor["shape"] for tensor in run.report["plan"]["tensors"]}
        left = {name: list(value.shape) for name, value in self.folded().named_parameters()}
        found = {}
        for name in names:
            alike = [parameter for parameter, shape in left.items() if shape == shapes[name]]
            self.assertTrue(alike, f"{name} {shapes[name]}")
            self.assertEqual(len(alike), sum(shapes[other] == shapes[name] for other in names
                                             if other not in found), name)
            found[name] = alike[0]
            del left[alike[0]]
        return found

    def folded(self):
        """The eager model as freezing leaves it."""
        return self.made.module

    # ---- tests ----

    def test_every_scheme_is_as_exact_as_an_independent_computation_says(self):
        for scheme, quantize in WEIGHTS.items():
            with self.subTest(scheme=scheme):
                run = self.run_of(scheme)
                names = self.eager_names(run)
                model = self.folded()
                tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
                weights = {name: quantize(tensors[name]) for name in names.values()}
                kind = ACTIVATION.get(scheme, "float")
                expected = reference.Reference(model, weights, self.batches, kind,
                                               self.activation_sites(run, names, kind))
                self.check_outputs(run, expected)
                self.check_local(run, names, expected)
                if kind == "static":
                    self.check_activation_parameters(run, names, expected)

    def activation_sites(self, run, names, kind):
        """The weights whose operators get a quantized input, as the report tells it."""
        if kind == "float":
            return []
        sites = {row["site"] for row in run.report["plan"]["activations"] if row["side"] == "input"}
        return [eager for name, eager in names.items() if name.removesuffix(".weight") in sites]

    def check_outputs(self, run, expected):
        loaded = run.load()
        with torch.no_grad():
            got = flat(loaded(**batch) for batch in self.batches)
        real = reference.sqnr_db(self.floats, got)
        independent = reference.sqnr_db(self.floats, flat(expected.outputs()))
        self.assert_close_db(real, independent, "the artefact beside the independent computation")
        said = run.report["evaluation"]
        self.assertEqual(said["subject"], "artefact")
        self.assert_close_db(pipeline.number(said["output_sqnr_db"]), real, "the report beside the artefact")

    def check_local(self, run, names, expected):
        local = expected.local_sqnr_db()
        weights_of = {layer["name"]: [names[name] for name in layer["tensors"] if name in names]
                      for layer in run.report["layers"]}
        for layer in run.report["layers"]:
            seen = [local[name] for name in weights_of[layer["name"]] if name in local]
            if layer["output_sqnr_db"] is not None and len(seen) == 1:
                self.assert_close_db(pipeline.number(layer["output_sqnr_db"]), seen[0],
                                     f"the output of layer {layer['name']}")

    def check_activation_parameters(self, run, names, expected):
        state = run.load().state_dict()
        for name, eager in names.items():
            if eager not in expected.ranges:
                continue
            # Of a layer; or beside a tensor that is no layer's weight.
            site = name.removesuffix("weight") if name.endswith(".weight") else f"{name}_"
            scale, zero_point = expected.input_parameters()[eager]
            self.assertAlmostEqual(float(state[f"{site}input_scale"]) / scale, 1, delta=1e-4, msg=name)
            self.assertLessEqual(abs(int(state[f"{site}input_zero_point"]) - zero_point), 1, name)

    def assert_close_db(self, got, expected, what):
        # Beyond 70 dB it is the order of additions in float32 that is measured.
        if got != expected and min(got, expected) < 70:
            self.assertAlmostEqual(got, expected, delta=TOLERANCE_DB, msg=what)

    def test_what_must_be_quantized_is_and_the_rest_has_a_reason(self):
        for scheme in WEIGHTS:
            with self.subTest(scheme=scheme):
                run = self.run_of(scheme)
                taken = set(self.eager_names(run).values())
                if not (scheme == "fp16" and "float16" in self.name):
                    self.assertLessEqual({reference.canonical(self.made.module, name)
                                          for name in self.made.must}, taken)
                layers = {layer["name"] for layer in run.report["layers"] if layer["params"]}
                skipped = {layer["name"]: layer["reason"] for layer in run.report["skipped"]}
                self.assertLessEqual(layers, set(run.report["selected"]) | set(skipped))
                self.assertFalse(set(run.report["selected"]) & set(skipped))
                self.assertTrue(all(skipped.values()))
                if self.made.package != "freeze":
                    self.assertLessEqual(self.layers_with_parameters(), layers)

    def layers_with_parameters(self):
        """Of the eager model; a layer with two names counts under the first."""
        return {name for name, part in self.made.module.named_modules()
                if any(reference.canonical(self.made.module, f"{name}.{own}" if name else own)
                       == (f"{name}.{own}" if name else own)
                       for own, _ in part.named_parameters(recurse=False))}

    def test_the_artefact_keeps_the_names_and_adds_its_own(self):
        if self.made.package == "freeze":
            self.skipTest("constants have no names")
        for scheme in WEIGHTS:
            with self.subTest(scheme=scheme):
                run = self.run_of(scheme)
                state = run.load().state_dict()
                for name in run.quantized_tensors():
                    self.assertIn(name, state)
                    if scheme == "fp16":
                        self.assertEqual(state[name].dtype, torch.float16, name)
                    else:
                        self.assertIn(state[name].dtype, (torch.int8, torch.uint8), name)
                        self.assertIn(f"{name}_scale", state)

    def test_the_artefact_holds_no_float_copy_of_what_is_quantized(self):
        for scheme in WEIGHTS:
            with self.subTest(scheme=scheme):
                run = self.run_of(scheme)
                said = sum(tensor["bytes_after"] for tensor in run.report["plan"]["tensors"])
                scales = 16 * len(run.report["plan"]["tensors"])  # and zero points of activations
                self.assertLessEqual(pipeline.stored_bytes(run.artefact), said + scales)

    def test_the_input_is_not_touched(self):
        self.run_of("weight_int8")
        self.assertEqual(program.sha256(self.model), self.hash_before)


class FoldedCase(Case):
    """Freezing folds batch normalizations into the convolutions before them."""

    def folded(self):
        model = zoo.make(self.name).module
        for convolution, norm in (("first", "norm1"), ("grouped", "norm2")):
            fused = torch.nn.utils.fusion.fuse_conv_bn_eval(getattr(model, convolution), getattr(model, norm))
            setattr(model, convolution, fused)
            setattr(model, norm, torch.nn.Identity())
        return model


class Interfaces(unittest.TestCase):
    """What callers of a model rely on beside its result."""

    def test_a_second_method_and_an_argument_with_a_default_stay(self):
        torch.set_num_threads(1)
        made = zoo.make("control")
        x = made.samples["x"][:BATCH]
        with tempfile.TemporaryDirectory() as work, torch.no_grad():
            model, data = zoo.write(made, pathlib.Path(work))
            for scheme in ("weight_int8", "static_int8"):
                with self.subTest(scheme=scheme):
                    loaded = pipeline.Run(pathlib.Path(work) / scheme, model, data,
                                          pipeline.SCHEMES[scheme]).load()
                    results = [(made.module.encode(x), loaded.encode(x))]
                    # After other counts the last layers see values that calibration did not.
                    if scheme == "weight_int8":
                        results += [(made.module(x, 1), loaded(x, 1)),
                                    (made.module(x, rounds=2), loaded(x, rounds=2))]
                    for expected, got in results:
                        self.assertGreater(reference.sqnr_db([expected], [got]), 30)

    def test_named_results_keep_their_names(self):
        made = zoo.make("named")
        with tempfile.TemporaryDirectory() as work, torch.no_grad():
            model, _ = zoo.write(made, pathlib.Path(work))
            run = pipeline.Run(pathlib.Path(work) / "run", model, None, pipeline.SCHEMES["weight_int8"])
            self.assertEqual(list(run.load()(**made.samples)), ["hidden", "result"])


RUN_ARTEFACT = """
import sys, torch
from safetensors.torch import load_file, save_file
with torch.no_grad():
    save_file({"y": torch.jit.load(sys.argv[1])(load_file(sys.argv[2])["x"])}, sys.argv[3])
"""


class Forms(unittest.TestCase):
    """The same codes in every form, on processors with other instructions too."""

    def outputs(self, run, data, capability):
        target = run.artefact.with_suffix(f".{capability}.safetensors")
        subprocess.run([sys.executable, "-W", "ignore", "-c", RUN_ARTEFACT, run.artefact, data, target], check=True,
                       env={**os.environ, "ATEN_CPU_CAPABILITY": capability})
        return load_file(target)["y"]

    def test_nothing_is_stored_that_depends_on_the_processor(self):
        made = zoo.make("mlp_scripted")
        with tempfile.TemporaryDirectory() as work, torch.no_grad():
            model, data = zoo.write(made, pathlib.Path(work))
            expected = made.module(**made.samples)
            # Scheme, form -> least SQNR beside the float model; PyTorch's 8-bit operator keeps 7 bits of its input.
            for scheme, form, least in (("dynamic_int8", "portable", 37), ("dynamic_int8", "fast", 30),
                                        ("static_int8", "static", 36), ("weight_int4", "portable", 19),
                                        ("weight_int4", "fast", 19)):
                with self.subTest(scheme=scheme, form=form):
                    run = pipeline.Run(pathlib.Path(work) / f"{scheme}_{form}", model, data, pipeline.SCHEMES[scheme],
                                       serializer={"id": "torchscript", "params": {"form": form}})
                    here = self.outputs(run, data, "avx2")
                    elsewhere = self.outputs(run, data, "default")
                    self.assertGreater(reference.sqnr_db([expected], [here]), least)
                    self.assertGreater(reference.sqnr_db([expected], [elsewhere]), least)
                    self.assertGreater(reference.sqnr_db([here], [elsewhere]), 35)


# One class for each model, so that each can be run alone: test_torchscript.py Zoo_tied
for each in zoo.ZOO:
    base = FoldedCase if each == "convolutions_frozen" else Case
    globals()[f"Zoo_{each}"] = type(f"Zoo_{each}", (base, unittest.TestCase), {"name": each})
del each, base

if __name__ == "__main__":
    sys.exit(program.main())
