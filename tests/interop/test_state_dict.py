#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""State dicts of the digit classifier, read by PyTorch and compared with the safetensors of the same run."""
import json
import pathlib
import sys
import tempfile
import unittest
import zipfile

import program

program.require("torch", "safetensors")
import safetensors  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402

MODEL = program.EXAMPLES / "digits" / "model.safetensors"
SCHEMES = {
    "int8": {"quantizer": "int8"},
    "uint8": {"quantizer": "int8", "params": {"dtype": "uint8", "symmetric": False}},
    "int4": {"quantizer": "int4_groupwise", "params": {"group_size": 32}},
    "fp16": {"quantizer": "fp16"},
}


class Tied(torch.nn.Module):
    """An embedding whose matrix is the last layer's, too."""

    def __init__(self):
        super().__init__()
        self.embed, self.fc = torch.nn.Embedding(20, 32), torch.nn.Linear(32, 32)
        self.head = torch.nn.Linear(32, 20, bias=False)
        self.head.weight = self.embed.weight


class Digits(torch.nn.Module):
    """The module that config_examples/digits/model.safetensors belongs to."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.BatchNorm2d(16)
        self.conv2, self.bn2 = torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.BatchNorm2d(32)
        self.fc1, self.fc2 = torch.nn.Linear(512, 64), torch.nn.Linear(64, 10)


def pipeline(folder, weight, model=MODEL):
    """A pipeline file in `folder` that writes a.safetensors and a.pt beside itself."""
    path = pathlib.Path(folder, "pipeline.json")
    path.write_text(json.dumps({
        "model": {"path": str(model)}, "rules": [{"weight": weight}],
        "outputs": [{"serializer": "safetensors", "path": "a.safetensors"},
                    {"serializer": "state_dict", "path": "a.pt"}],
        "validation": {"validators": ["sqnr", "roundtrip"]}}), encoding="utf-8")
    return path


def extras(path):
    """The metadata of a state dict: {key: text}."""
    start = "archive/extra/"
    with zipfile.ZipFile(path) as archive:
        return {name[len(start):]: archive.read(name).decode() for name in archive.namelist()
                if name.startswith(start)}


class StateDicts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.files = {}
        for name, weight in SCHEMES.items():
            folder = pathlib.Path(cls.folder.name, name)
            folder.mkdir()
            program.detent("run", pipeline(folder, weight), "--threads", "2")
            cls.files[name] = folder / "a.pt"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def each(self):
        for name, path in self.files.items():
            with self.subTest(scheme=name):
                yield path, safetensors.torch.load_file(path.with_suffix(".safetensors"))

    def assert_same(self, tensors, expected):
        self.assertEqual(tensors.keys(), expected.keys())
        for name, tensor in tensors.items():
            self.assertEqual(tensor.dtype, expected[name].dtype, name)
            self.assertTrue(torch.equal(tensor, expected[name]), name)
            self.assertTrue(tensor.is_contiguous(), name)

    def test_tensors_are_those_of_safetensors(self):
        for path, expected in self.each():
            self.assert_same(torch.load(path, weights_only=True), expected)

    def test_a_mapped_file_has_the_same_tensors(self):
        for path, expected in self.each():
            self.assert_same(torch.load(path, weights_only=True, mmap=True), expected)

    def test_the_archive_is_sound(self):
        for path, _ in self.each():
            with zipfile.ZipFile(path) as archive:
                self.assertIsNone(archive.testzip())

    def test_a_flipped_bit_shows_in_the_checksum(self):
        damaged = pathlib.Path(self.folder.name, "damaged.pt")
        with zipfile.ZipFile(self.files["int8"]) as archive:
            entry = archive.getinfo("archive/data/0")
        data = bytearray(self.files["int8"].read_bytes())
        data[(entry.header_offset // 64 + 1) * 64] ^= 1  # the data begin at the next multiple of 64
        damaged.write_bytes(data)
        with zipfile.ZipFile(damaged) as archive:
            self.assertEqual(archive.testzip(), "archive/data/0")
        program.detent("verify", damaged, expect=5)

    def test_detent_reads_its_own_state_dicts(self):
        for path, _ in self.each():
            program.detent("verify", path)
            back = {}
            for extension in (".pt", ".safetensors"):
                back[extension] = path.with_name("float" + extension)
                program.detent("dequantize", path.with_suffix(extension), back[extension])
            self.assert_same(torch.load(back[".pt"], weights_only=True),
                             safetensors.torch.load_file(back[".safetensors"]))

    def test_shared_weights_stay_shared(self):
        for scheme in ("int8", "fp16"):
            with self.subTest(scheme=scheme), tempfile.TemporaryDirectory() as folder:
                model = pathlib.Path(folder, "tied.pt")
                torch.save(Tied().state_dict(), model)
                program.detent("run", pipeline(folder, SCHEMES[scheme], model))
                quantized = torch.load(pathlib.Path(folder, "a.pt"), weights_only=True)
                endings = ["", "_scale"] if scheme == "int8" else [""]
                for ending in endings:
                    self.assertEqual(quantized["head.weight" + ending].data_ptr(),
                                     quantized["embed.weight" + ending].data_ptr())
                restored = pathlib.Path(folder, "float.pt")
                program.detent("dequantize", pathlib.Path(folder, "a.pt"), restored)
                module = Tied()
                module.load_state_dict(torch.load(restored, weights_only=True), strict=True)
                with safetensors.safe_open(pathlib.Path(folder, "a.safetensors"), "pt") as file:
                    self.assertEqual(json.loads(file.metadata()["aliases"]), {"head.weight": "embed.weight"})

    def test_metadata_are_those_of_safetensors(self):
        for path, _ in self.each():
            with safetensors.safe_open(path.with_suffix(".safetensors"), "pt") as file:
                expected = file.metadata()
            found = extras(path)
            del expected["format"]  # of safetensors alone
            self.assertEqual(found.keys(), expected.keys())
            for key in found.keys() - {"versions", "configuration"}:  # name the serializer
                self.assertEqual(found[key], expected[key])
            plugins = {p["id"] for p in json.loads(found["versions"])["plugins"]}
            self.assertIn("state_dict", plugins)

    def test_bytes_do_not_depend_on_threads_or_paths(self):
        for name, weight in SCHEMES.items():
            with self.subTest(scheme=name), tempfile.TemporaryDirectory() as folder:
                program.detent("run", pipeline(folder, weight), "--threads", "1")
                again = pathlib.Path(folder, "a.pt").read_bytes()
                self.assertEqual(again, self.files[name].read_bytes())

    def test_a_module_takes_the_float16_state_dict(self):
        module = Digits().half()
        state = torch.load(self.files["fp16"], weights_only=True)
        module.load_state_dict(state, strict=True)
        self.assertTrue(torch.equal(module.fc1.weight, state["fc1.weight"]))


if __name__ == "__main__":
    sys.exit(program.main())
