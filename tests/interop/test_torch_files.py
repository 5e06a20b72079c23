#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that PyTorch writes, read by detent, against what PyTorch itself reads in them."""
import collections
import json
import os
import pathlib
import sys
import tempfile
import unittest
import warnings
import zipfile

import program

program.require("torch", "safetensors")
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

warnings.simplefilter("ignore")
torch.manual_seed(0)

DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
          torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
          torch.bool: "BOOL", torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64",
          torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
          torch.float8_e4m3fnuz: "F8_E4M3FNUZ", torch.float8_e5m2fnuz: "F8_E5M2FNUZ",
          torch.float8_e8m0fnu: "F8_E8M0"}
# What safetensors.torch can load again.
LOADABLE = set(DTYPES) - {torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.rnn = nn.LSTM(8, 8)
        self.gain = nn.Parameter(torch.randn(8))

    def forward(self, x):
        y, _ = self.attention(x, x, x, need_weights=False)
        z, _ = self.rnn(self.norm(y))
        return z * self.gain


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(16, 8)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.conv = nn.Conv1d(8, 8, 3, groups=2)
        self.bn = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 16, bias=False)
        self.head.weight = self.embedding.weight  # tied
        self.low = nn.Linear(8, 8).half()
        self.register_buffer("steps", torch.arange(5))
        self.register_buffer("scratch", torch.ones(3), persistent=False)
        self.plain = torch.ones(4)

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        x = self.bn(self.conv(x.transpose(1, 2))).transpose(1, 2)
        return self.head(x + self.plain.sum() + self.steps.sum() + self.low.weight.sum().float())


class TorchFiles(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def inspect(self, path):
        return json.loads(program.detent("inspect", path, "--json")[0])

    def refused(self, path):
        return program.detent("inspect", path, expect=5)[1]

    def copied(self, path):
        """The tensors after a run without rules, which copies every tensor."""
        config = self.folder / "copy.json"
        config.write_text(json.dumps({
            "version": 1, "model": {"path": str(path)}, "rules": [],
            "outputs": [{"serializer": "safetensors", "path": str(self.folder / "copy.safetensors")}],
            "report": {"path": str(self.folder / "report")}}))
        program.detent("run", config, "--overwrite")
        return safetensors.torch.load_file(self.folder / "copy.safetensors")

    def check_same(self, path, expected):
        """detent sees these tensors, and no others, but for those that are tied."""
        seen = self.inspect(path)
        for alias, name in seen["aliases"].items():
            self.assertEqual(expected[alias].data_ptr(), expected[name].data_ptr(), alias)
        rest = {name: t for name, t in expected.items() if name not in seen["aliases"]}
        self.assertEqual({t["name"] for t in seen["tensors"]}, set(rest))
        for t in seen["tensors"]:
            self.assertEqual(t["shape"], list(rest[t["name"]].shape), t["name"])
            self.assertEqual(t["dtype"], DTYPES[rest[t["name"]].dtype], t["name"])
        copied = self.copied(path)
        for name, tensor in rest.items():
            self.assert_same_bytes(copied[name], tensor, name)
        return seen

    def assert_same_bytes(self, a, b, name):
        as_bytes = [t.detach().contiguous().flatten().view(torch.uint8) for t in (a, b)]
        self.assertTrue(torch.equal(*as_bytes), name)

    def save(self, value, name="m.pt", **options):
        torch.save(value, self.folder / name, **options)
        return self.folder / name

    def both_formats(self, value, **options):
        yield "torch-state-dict", self.save(value, "zip.pt", **options)
        yield "torch-state-dict-legacy", self.save(value, "legacy.pth", _use_new_zipfile_serialization=False,
                                                   **options)

    # ---- torch.save ----

    def test_state_dicts_of_a_module(self):
        state = Net().state_dict()
        for form, path in self.both_formats(state):
            with self.subTest(format=form):
                seen = self.check_same(path, state)
                self.assertEqual(seen["format"], form)
                self.assertEqual(seen["aliases"], {"head.weight": "embedding.weight"})
                types = {t["name"]: t["type"] for t in seen["tensors"]}
                self.assertEqual(types["conv.weight"], "Conv1d")
                self.assertEqual(types["embedding.weight"], "Embedding")

    def test_every_dtype(self):
        state = {}
        for dtype in LOADABLE:
            raw = torch.randint(0, 2 if dtype == torch.bool else 256, (3, 4 * 8), dtype=torch.uint8)
            state[str(dtype)] = raw.view(dtype)
        for form, path in self.both_formats(state):
            with self.subTest(format=form):
                self.check_same(path, state)

    def test_every_dtype_is_named(self):
        state = {str(dtype): torch.zeros(4, dtype=torch.uint8).repeat(8).view(dtype) for dtype in DTYPES}
        for form, path in self.both_formats(state):
            with self.subTest(format=form):
                seen = {t["name"]: t["dtype"] for t in self.inspect(path)["tensors"]}
                self.assertEqual(seen, {str(dtype): name for dtype, name in DTYPES.items()})

    def test_views(self):
        base = torch.randn(6, 7, 5)
        state = {"base": base, "transposed": base.permute(2, 0, 1), "column": base[:, 3, 2], "part": base[1:4, ::2],
                 "expanded": torch.randn(4, 1).expand(4, 6), "scalar": torch.tensor(2.5), "empty": torch.empty(0, 3),
                 "one": base[2, 3, 4], "flat": base.view(-1)}
        for form, path in self.both_formats(state):
            with self.subTest(format=form):
                self.check_same(path, state)

    def test_protocols(self):
        state = Net().state_dict()
        for protocol in (2, 3, 4, 5):
            with self.subTest(protocol=protocol):
                self.check_same(self.save(state, pickle_protocol=protocol), state)

    def test_parameters_and_plain_values(self):
        state = collections.OrderedDict(w=nn.Parameter(torch.randn(3, 2)), b=torch.zeros(2), epoch=3, name="\u00fc",
                                        loss=0.5, size=torch.Size([2, 3]), flag=None, big=2**70, raw=b"abc",
                                        dtype=torch.float16, device=torch.device("cpu"), tags={"a", "b"})
        for form, path in self.both_formats(state):
            with self.subTest(format=form):
                self.check_same(path, {"w": state["w"], "b": state["b"]})

    def test_checkpoints(self):
        model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        optimizer = torch.optim.Adam(model.parameters())
        model(torch.randn(5, 4)).sum().backward()
        optimizer.step()
        state = model.state_dict()
        for key in ("state_dict", "model", "model_state_dict", "weights"):
            for form, path in self.both_formats({"epoch": 3, key: state, "optimizer": optimizer.state_dict()}):
                with self.subTest(key=key, format=form):
                    self.assertEqual(self.check_same(path, state)["notes"],
                                     [f'{path}: the tensors of "{key}" are read; "optimizer" is left out'])

    def test_a_tensor_of_gigabytes_is_not_read_into_memory_to_look_at_it(self):
        path = self.save({"w": torch.zeros(64, 1 << 20)})  # 268 MB
        self.assertEqual(self.inspect(path)["tensors"][0]["bytes"], 4 * 64 << 20)

    def test_the_tensors_of_a_quantized_file_are_those_of_the_float_one(self):
        state = {"fc.weight": torch.randn(32, 64).t(), "fc.bias": torch.randn(64)}
        path = self.save(state)
        safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, self.folder / "m.safetensors")
        results = []
        for model in (path, self.folder / "m.safetensors"):
            config = self.folder / "int8.json"
            config.write_text(json.dumps({
                "version": 1, "model": {"path": str(model)},
                "rules": [{"match": {"type": "Linear"}, "weight": {"quantizer": "int8"}}],
                "outputs": [{"serializer": "safetensors", "path": str(self.folder / "q.safetensors")}],
                "report": {"path": str(self.folder / "report")}}))
            program.detent("run", config, "--overwrite")
            results.append(safetensors.torch.load_file(self.folder / "q.safetensors"))
        self.assertEqual(set(results[0]), {"fc.weight", "fc.weight_scale", "fc.bias"})
        for name, tensor in results[0].items():
            self.assert_same_bytes(tensor, results[1][name], name)

    # ---- quantized files of PyTorch's formats ----

    def quantized(self, scheme):
        """Tensors and metadata of a small quantized model, as the safetensors serializer stores them."""
        torch.manual_seed(1)
        state = {"fc.weight": torch.randn(16, 33), "fc.bias": torch.randn(16), "head.weight": torch.randn(4, 16)}
        original = self.save(state, "float.pt")
        config = self.folder / "q.json"
        config.write_text(json.dumps({
            "version": 1, "model": {"path": str(original)},
            "rules": [{"match": {"name": "fc"}, "weight": scheme}],
            "outputs": [{"serializer": "safetensors", "path": str(self.folder / "q.safetensors")}],
            "report": {"path": str(self.folder / "report")}}))
        program.detent("run", config, "--overwrite")
        with safetensors.safe_open(self.folder / "q.safetensors", "pt") as file:
            return original, {k: file.get_tensor(k) for k in file.keys()}, file.metadata()

    def check_artifact(self, path, original):
        program.detent("verify", path)
        program.detent("verify", self.folder / "q.safetensors")
        compared = [json.loads(program.detent("compare", original, p, "--json")[0])["tensors"]
                    for p in (path, self.folder / "q.safetensors")]
        self.assertEqual(*compared)
        self.assertIn("fc.weight", self.inspect(path)["quantization"]["tensors"])
        floats = []
        for p in (path, self.folder / "q.safetensors"):
            program.detent("dequantize", p, self.folder / "floats.safetensors", "--overwrite")
            floats.append(safetensors.torch.load_file(self.folder / "floats.safetensors"))
        self.assertEqual(set(floats[0]), set(floats[1]))
        for name, tensor in floats[0].items():
            self.assert_same_bytes(tensor, floats[1][name], name)

    def test_a_quantized_state_dict_is_an_artefact(self):
        for scheme in ({"quantizer": "int8"}, {"quantizer": "int4_groupwise", "params": {"group_size": 16}}):
            with self.subTest(scheme=scheme):
                original, tensors, metadata = self.quantized(scheme)
                path = self.save(collections.OrderedDict(tensors))
                self.add_extra(path, metadata)
                self.check_artifact(path, original)

    def test_a_quantized_torchscript_archive_is_an_artefact(self):
        class Holder(nn.Module):
            def forward(self, x):
                return x

        original, tensors, metadata = self.quantized({"quantizer": "int4_groupwise", "params": {"group_size": 16}})
        root = Holder()
        for name, tensor in tensors.items():
            layer, param = name.split(".")
            if not hasattr(root, layer):
                setattr(root, layer, Holder())
            getattr(root, layer).register_buffer(param, tensor)
        torch.jit.script(root).save(self.folder / "m.pt", _extra_files=metadata)
        self.check_artifact(self.folder / "m.pt", original)

    def add_extra(self, path, metadata):
        """What a serializer does; torch.save has no _extra_files."""
        writer = torch._C.PyTorchFileWriter(str(path) + ".new")
        reader = torch._C.PyTorchFileReader(str(path))
        for name in reader.get_all_records():
            if name not in ("version", ".data/serialization_id"):
                data = reader.get_record(name)
                writer.write_record(name, data, len(data))
        for key, text in metadata.items():
            writer.write_record(f"extra/{key}", text.encode(), len(text.encode()))
        writer.write_end_of_file()
        os.replace(str(path) + ".new", path)

    # ---- TorchScript ----

    def check_script(self, module, **extra):
        path = self.folder / "script.pt"
        torch.jit.save(module, path, _extra_files=extra)
        loaded = torch.jit.load(path)
        return self.check_same(path, loaded.state_dict())

    def test_scripted_and_traced_modules_have_the_names_of_their_state_dicts(self):
        model = Net().eval()
        scripted = self.check_script(torch.jit.script(model), note="some text")
        self.assertEqual(scripted["format"], "torchscript")
        self.assertEqual(scripted["metadata"], {"note": "some text"})
        traced = self.check_script(torch.jit.trace(model, torch.randint(0, 16, (2, 6)), check_trace=False))
        for seen in (scripted, traced):
            types = {t["layer"]: t["type"] for t in seen["tensors"]}
            modules = dict(model.named_modules())
            for layer, kind in types.items():
                if layer and not isinstance(modules[layer], (Net, Block)):
                    expected = type(modules[layer]).__name__
                    self.assertEqual(kind, {"NonDynamicallyQuantizableLinear": "Linear"}.get(expected, expected))

    def test_modules_of_other_precisions(self):
        for dtype in (torch.bfloat16, torch.float16, torch.float64):
            with self.subTest(dtype=dtype):
                self.check_script(torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.Conv2d(1, 1, 2)).to(dtype)))

    def test_a_module_with_shared_submodules_and_odd_values(self):
        class Odd(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Linear(3, 3)
                self.b = self.a
                self.names = ["x", "y"]
                self.table = {"k": 1}
                self.pair = (1, 2.5)
                self.tensors = [torch.ones(2)]

            def forward(self, x):
                return self.b(self.a(x)) + self.pair[1] + self.table["k"] + self.tensors[0].sum() + len(self.names)

        self.check_script(torch.jit.script(Odd()))

    def test_constants_of_a_frozen_module(self):
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
        path = self.folder / "frozen.pt"
        torch.jit.freeze(torch.jit.script(model)).save(path)
        self.assertEqual(torch.jit.load(path).state_dict(), {})
        seen = self.inspect(path)
        copied = self.copied(path)
        code = {t["name"]: copied[t["name"]] for t in seen["tensors"]}
        weights = [t for t in code.values() if t.dim() == 2]
        for layer in (model[0], model[2]):
            self.assertTrue(any(torch.equal(layer.weight, t) for t in weights))
        self.assertEqual({t["layer"] for t in seen["tensors"] if t["type"] == "Linear"},
                         {n.rsplit(".", 1)[0] for n in code if n.endswith(".weight")})

    # ---- what is refused ----

    def test_code_in_a_pickle_is_not_run(self):
        target = self.folder / "pwned"

        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {target}",)

        for form, path in self.both_formats({"w": torch.ones(2), "evil": Evil()}):
            with self.subTest(format=form):
                self.assertIn('refuses "posix.system"', self.refused(path))
                self.assertFalse(target.exists())
        torch.load(self.folder / "zip.pt", weights_only=False)
        self.assertTrue(target.exists(), "the file was harmless: the test showed nothing")

    def test_whole_modules_are_refused_with_what_to_do(self):
        for form, path in self.both_formats(nn.Linear(2, 2)):
            with self.subTest(format=form):
                error = self.refused(path)
                self.assertIn('refuses "torch.nn.modules.linear.Linear"', error)
                self.assertIn("model.state_dict()", error)

    def test_tensors_that_are_not_read_are_refused_by_name(self):
        for value, reason in ((torch.zeros(2, dtype=torch.complex64), "is complex"),
                              (torch.eye(3).to_sparse(), "is sparse"),
                              (torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8), "is quantized by PyTorch")):
            with self.subTest(reason=reason):
                self.assertIn(f'tensor "w" {reason}', self.refused(self.save({"w": value})))

    def test_a_flipped_bit_in_a_weight_is_found(self):
        path = self.save({"w": torch.zeros(1000)})
        raw = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as file:
            at = file.getinfo(next(n for n in file.namelist() if n.endswith("data/0"))).header_offset + 2000
        raw[at] ^= 4
        path.write_bytes(raw)
        self.assertEqual(torch.load(path)["w"].count_nonzero(), 1, "PyTorch does not notice")
        self.assertIn("were changed since they were written", self.refused(path))

    def test_other_archives_of_pytorch_are_named(self):
        path = self.folder / "m.pt2"
        torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), path)
        self.assertIn("is a model of torch.export (.pt2), which is not read", self.refused(path))


if __name__ == "__main__":
    sys.exit(program.main())
