#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The groups of metadata that every artefact carries, read with the stock safetensors library and zipfile,
for each serializer: what has to be there, what may not be, and that it is true."""
import hashlib
import json
import math
import pathlib
import tempfile
import unittest
import zipfile

import program

program.require("numpy", "safetensors")
import safetensors  # noqa: E402

DIGITS = program.EXAMPLES / "digits"
GROUPS = {"quantization", "architecture", "versions", "metrics", "configuration", "digests"}
RULES = [
    {"match": {"name": "fc1"}, "weight": {"observer": "minmax", "quantizer": "int8",
                                          "params": {"symmetric": False}}},
    {"match": {"type": "Linear"}, "weight": {"quantizer": "int4_groupwise",
                                             "params": {"group_size": 32, "symmetric": False}}},
    {"match": {"name": "conv2"}, "weight": {"quantizer": "fp16"}},
    {"match": {"name": "conv1"}, "weight": {"quantizer": "int8", "params": {"granularity": "per_tensor"}}}]
STATIC = {"match": {"type": "Linear"}, "weight": {"quantizer": "int8"},
          "activation": {"observer": "histogram", "quantizer": "int8"}}


def texts(path):
    """{key: text} of a safetensors file or of the extra records of a PyTorch archive."""
    if path.suffix == ".safetensors":
        with safetensors.safe_open(path, "numpy") as file:
            return file.metadata()
    with zipfile.ZipFile(path) as archive:
        return {name.split("/extra/", 1)[1]: archive.read(name).decode() for name in archive.namelist()
                if "/extra/" in name}


def strings(value):
    """Every string in a JSON document, keys among them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def has_libtorch():
    return json.loads(program.detent("doctor", "--json")[0])["libtorch"] is not None


class Written:
    """One run: {serializer: path}, the report, and the folder."""

    def __init__(self, folder, model, rules, serializers, **more):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.files = {s: self.folder / ("q.safetensors" if s == "safetensors" else f"{s}.pt")
                      for s in serializers}
        config = self.folder / "p.json"
        config.write_text(json.dumps({
            "model": {"path": str(model), "types": {"conv1": "Conv2d"}}, "rules": rules,
            "outputs": [{"serializer": s, "path": str(p)} for s, p in self.files.items()],
            "validation": {"validators": ["sqnr"]}, **more}), encoding="utf-8")
        self.report = json.loads(program.detent("run", config, "--json", "--overwrite")[0])

    def groups(self):
        for serializer, path in self.files.items():
            yield serializer, {k: json.loads(v) for k, v in texts(path).items() if k in GROUPS}


class Metadata(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.temporary.name)
        weights = DIGITS / "model.safetensors"
        cls.runs = {"weights": Written(root / "weights", weights, RULES, ["safetensors", "state_dict"])}
        if has_libtorch():
            cls.runs["static"] = Written(
                root / "static", DIGITS / "model.pt", [STATIC], ["safetensors", "state_dict", "torchscript"],
                calibration={"data": str(DIGITS / "calibration.safetensors"), "samples": 60, "batch_size": 7})

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def each(self):
        for name, run in self.runs.items():
            for serializer, groups in run.groups():
                with self.subTest(run=name, serializer=serializer):
                    yield run, serializer, groups

    def test_every_group_is_there_as_a_string_that_is_a_json_object(self):
        for run in self.runs.values():
            for path in run.files.values():
                found = texts(path)
                self.assertLessEqual(GROUPS, set(found))
                for key, text in found.items():
                    self.assertIsInstance(text, str)
                    if key != "format":  # a word that other readers of safetensors look for
                        self.assertIsInstance(json.loads(text), dict, key)

    def test_layers_say_how_they_are_quantized(self):
        kept = {"type", "dtype", "bits", "scheme", "observer", "quantizer", "tensors", "scales"}
        expected = {
            "fc1": {"type": "Linear", "dtype": "I8", "bits": 8, "scheme": "asymmetric",
                    "granularity": "per_channel", "axis": 0, "observer": "minmax", "quantizer": "int8",
                    "tensors": ["fc1.weight"], "scales": ["fc1.weight_scale"]},
            "fc2": {"type": "Linear", "dtype": "I4", "bits": 4, "scheme": "asymmetric",
                    "granularity": "per_group", "group_size": 32, "observer": None,
                    "quantizer": "int4_groupwise", "packing": "low_nibble_first",
                    "tensors": ["fc2.weight"], "scales": ["fc2.weight_scale"]},
            "conv2": {"type": "Conv2d", "dtype": "F16", "bits": 16, "scheme": "cast", "observer": None,
                      "quantizer": "fp16", "scales": []},
            "conv1": {"type": "Conv2d", "dtype": "I8", "bits": 8, "scheme": "symmetric",
                      "granularity": "per_tensor", "observer": None, "quantizer": "int8",
                      "tensors": ["conv1.weight"], "scales": ["conv1.weight_scale"]}}
        for _, groups in self.runs["weights"].groups():
            layers = groups["quantization"]["layers"]
            self.assertEqual(set(layers), set(expected))
            for name, facts in expected.items():
                with self.subTest(layer=name):
                    self.assertLessEqual(kept, set(layers[name]))
                    for key, value in facts.items():
                        self.assertEqual(layers[name][key], value, key)

    def test_what_the_layers_point_to_is_stored(self):
        for run, _, groups in self.each():
            with safetensors.safe_open(run.files["safetensors"], "numpy") as file:
                names = set(file.keys())
            for layer in groups["quantization"]["layers"].values():
                for side in [layer] + [layer[s] for s in ("input", "output") if s in layer]:
                    self.assertLessEqual(set(side["scales"]), names)
                self.assertLessEqual(set(layer["tensors"]), names)
            self.assertEqual(set(groups["digests"]["tensors"]), names)

    def test_the_architecture_has_the_type_and_shapes_of_every_layer(self):
        with safetensors.safe_open(DIGITS / "model.safetensors", "numpy") as file:
            original = {name: file.get_slice(name).get_shape() for name in file.keys()}
        for _, groups in self.runs["weights"].groups():
            layers = groups["architecture"]["layers"]
            found = {f"{layer}.{param}": shape for layer, facts in layers.items()
                     for param, shape in facts["shapes"].items()}
            self.assertEqual(found, original)
            self.assertEqual(layers["fc1"]["type"], "Linear")
            self.assertEqual(layers["conv2"]["type"], "Conv2d")

    def test_versions_name_every_plugin_that_made_the_file_with_its_hash(self):
        installed = json.loads(program.detent("plugins", "list", "--json")[0])["plugins"]
        paths = {p["id"]: pathlib.Path(p["path"]) for p in installed}
        for run, serializer, groups in self.each():
            versions = groups["versions"]
            self.assertEqual(versions["detent"], run.report["provenance"]["detent"])
            self.assertEqual(versions["sdk_abi"], run.report["provenance"]["sdk_abi"])
            self.assertIn("libtorch", versions)
            self.assertEqual(versions["libtorch"] is not None, run is self.runs.get("static"))
            ids = {p["id"] for p in versions["plugins"]}
            used = {"int8", "minmax", "int4_groupwise", "fp16"} if run is self.runs["weights"] else {
                "int8", "histogram"}
            self.assertEqual(ids, used | {serializer})
            for plugin in versions["plugins"]:
                self.assertTrue(plugin["version"])
                self.assertEqual(plugin["sha256"], hashlib.sha256(paths[plugin["id"]].read_bytes()).hexdigest())

    def test_metrics_are_those_of_the_report(self):
        for run, _, groups in self.each():
            metrics, totals = groups["metrics"], run.report["totals"]
            self.assertEqual(metrics["bytes_before"], totals["bytes_before"])
            self.assertEqual(metrics["bytes_after"], totals["bytes_after"])
            self.assertAlmostEqual(metrics["compression_ratio"],
                                   metrics["bytes_before"] / metrics["bytes_after"], places=4)
            of_layers = [float(v) for v in metrics["sqnr_db"].values() if v != "inf"]
            self.assertTrue(of_layers and all(math.isfinite(v) for v in of_layers))
            self.assertAlmostEqual(metrics["sqnr_db_min"], min(of_layers), places=4)
            quantized = {n for layer in groups["quantization"]["layers"].values() for n in layer["tensors"]}
            self.assertEqual(set(metrics["sqnr_db"]), quantized)

    def test_the_configuration_is_the_effective_one(self):
        for run, serializer, groups in self.each():
            found, effective = groups["configuration"], run.report["config"]["value"]
            self.assertEqual(found["rules"], effective["rules"])
            self.assertEqual(found["validation"], effective["validation"])
            self.assertEqual(found["model"], {"types": {"conv1": "Conv2d"}})
            self.assertEqual(found["serializer"]["id"], serializer)
        weight = next(self.runs["weights"].groups())[1]["configuration"]["rules"][1]["weight"]
        # search was not given: it is there all the same.
        self.assertEqual(weight["quantizer"]["params"]["search"], "none")

    def test_calibration_samples_are_counted(self):
        for run, _, groups in self.each():
            static = run is self.runs.get("static")
            self.assertEqual(groups["quantization"]["calibration_samples"], 60 if static else 0)
            configured = groups["configuration"]["calibration"]
            if static:
                self.assertEqual((configured["samples"], configured["batch_size"]), (60, 7))
                self.assertEqual(groups["quantization"]["layers"]["fc1"]["input"]["observer"], "histogram")
            else:
                self.assertIsNone(configured)

    def test_nothing_is_said_of_places_times_or_threads(self):
        for run, _, groups in self.each():
            said = list(strings(groups))
            self.assertFalse([s for s in said if s.startswith("/") or str(run.folder) in s])
            self.assertFalse({"path", "data", "threads", "time", "date", "host"} & set(said))

    def test_equal_runs_in_other_places_give_equal_metadata(self):
        root = pathlib.Path(self.temporary.name)
        other = root / "other"
        other.mkdir()
        model = other / "renamed.safetensors"
        model.write_bytes((DIGITS / "model.safetensors").read_bytes())
        again = Written(root / "again", model, RULES, ["safetensors"], runtime={"threads": 3})
        self.assertEqual(again.files["safetensors"].read_bytes(),
                         self.runs["weights"].files["safetensors"].read_bytes())


if __name__ == "__main__":
    program.main()
