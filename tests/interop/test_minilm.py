#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real transformer, all-MiniLM-L6-v2: sizes, errors, and what its sentence embeddings lose."""
import os
import pathlib
import sys
import tempfile
import unittest

import program

program.require("numpy")
import numpy as np  # noqa: E402

import reader  # noqa: E402

MINILM = pathlib.Path(os.environ["DETENT_TEST_MINILM"])
if not (MINILM / "model.safetensors").is_file():
    program.skip("the model all-MiniLM-L6-v2 is not here (see interop.fetch_minilm)")

SENTENCES = [
    "The library opens at nine and closes at six.",
    "A fox ran across the frozen field behind the barn.",
    "Quarterly revenue rose by four percent, mostly in Asia.",
    "She tuned the old violin before the concert began.",
    "Please restart the server after installing the update.",
    "The recipe needs two eggs, flour and a pinch of salt.",
    "Scientists measured the distance to the nearest galaxy.",
    "He missed the last train and walked home in the rain.",
    "The court will announce its decision on Friday.",
    "Children were building a castle of sand on the beach.",
    "This battery lasts about ten hours on a single charge.",
    "The museum bought a painting from the seventeenth century.",
    "Heavy snow closed the mountain pass for three days.",
    "My brother is learning to play chess against a computer.",
    "The vaccine trial included more than two thousand patients.",
    "Fresh bread smells best early in the morning.",
]

# Scheme -> (largest file in bytes, least mean SQNR of the weights in dB, least mean cosine). The
# figures are those of plain rounding to nearest in float32, with a margin for other sentences.
EXPECTED = {
    "minilm_int8": (23_100_000, 40.5, 0.9995),
    "minilm_int4": (18_100_000, 19.0, 0.94),
    "minilm_int4_asymmetric": (18_200_000, 20.4, 0.96),
    "minilm_fp16": (45_500_000, 70.0, 0.99999),
}
LINEARS = 37
EMBEDDINGS = 3


class MiniLm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.hash_before = program.sha256(MINILM / "model.safetensors")
        cls.original = reader.File(MINILM / "model.safetensors")
        cls.paths = {}
        for name in EXPECTED:
            cls.paths[name], _ = program.run_example(name, pathlib.Path(cls.folder.name) / name,
                                                     "--set", f"/model/path={MINILM}")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def each(self):
        for name, path in self.paths.items():
            yield name, path, reader.File(path)

    def test_the_input_is_not_touched(self):
        self.assertEqual(program.sha256(MINILM / "model.safetensors"), self.hash_before)

    def test_files_are_as_small_as_the_scheme_allows(self):
        for name, path, _ in self.each():
            with self.subTest(scheme=name):
                print(f"{name}: {path.stat().st_size} bytes")
                self.assertLessEqual(path.stat().st_size, EXPECTED[name][0])

    def test_every_linear_and_embedding_is_quantized(self):
        for name, _, file in self.each():
            with self.subTest(scheme=name):
                if name == "minilm_fp16":
                    continue
                layers = file.group("quantization")["layers"].values()
                types = [layer["type"] for layer in layers]
                self.assertEqual(types.count("Linear"), LINEARS)
                self.assertEqual(types.count("Embedding"), EMBEDDINGS)

    def test_kept_tensors_are_byte_identical(self):
        for name, _, file in self.each():
            with self.subTest(scheme=name):
                quantized = set(reader.quantized_names(file))
                kept = [name for name in self.original.bytes if name not in quantized]
                self.assertIn("embeddings.position_ids", kept)
                for name in kept:
                    self.assertEqual(file.bytes[name], self.original.bytes[name], name)

    def test_the_weights_keep_their_signal(self):
        for name, _, file in self.each():
            with self.subTest(scheme=name):
                values = [reader.sqnr_db(self.original.tensors[tensor], reader.dequantize(file, tensor))
                          for tensor in reader.quantized_names(file)]
                mean = float(np.mean([value for value in values if np.isfinite(value)]))
                print(f"{name}: SQNR {mean:.2f} dB mean, {min(values):.2f} dB min")
                self.assertGreaterEqual(mean, EXPECTED[name][1])

    def test_detent_dequantizes_to_the_same_bytes(self):
        for name, path, file in self.each():
            with self.subTest(scheme=name):
                restored_path = path.with_suffix(".float.safetensors")
                program.detent("dequantize", path, restored_path)
                restored = reader.File(restored_path)
                self.assertEqual(list(restored.tensors), list(self.original.tensors))
                for tensor in reader.quantized_names(file):
                    self.assertEqual(restored.bytes[tensor],
                                     reader.dequantize(file, tensor).astype("<f4").tobytes(), tensor)


class Embeddings(unittest.TestCase):
    """Runs the dequantized model with transformers; skipped where it is not installed."""

    @classmethod
    def setUpClass(cls):
        try:
            import safetensors.torch
            import torch
            import transformers
        except ImportError as missing:
            raise unittest.SkipTest(f"Python has no {missing.name}") from missing
        torch.set_num_threads(2)
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        cls.torch, cls.load = torch, staticmethod(safetensors.torch.load_file)
        tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM, local_files_only=True)
        cls.batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
        cls.model = transformers.AutoModel.from_pretrained(MINILM, local_files_only=True).eval().float()
        cls.reference = cls.embed()

    @classmethod
    def embed(cls):
        with cls.torch.no_grad():
            hidden = cls.model(**cls.batch).last_hidden_state
        mask = cls.batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(1) / mask.sum(1)

    def embed_with(self, path):
        state = {name: value.float() if value.is_floating_point() else value
                 for name, value in self.load(path).items() if name != "embeddings.position_ids"}
        report = self.model.load_state_dict(state, strict=False)
        self.assertEqual(report.unexpected_keys, [])
        self.assertLessEqual({name.split(".")[-1] for name in report.missing_keys},
                             {"position_ids", "token_type_ids"})
        return self.embed()

    def test_sentence_embeddings_stay_close(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, (_, _, least) in EXPECTED.items():
                with self.subTest(scheme=name):
                    path, _ = program.run_example(name, pathlib.Path(folder) / name,
                                                  "--set", f"/model/path={MINILM}")
                    restored = path.with_suffix(".float.safetensors")
                    program.detent("dequantize", path, restored)
                    cosine = self.torch.nn.functional.cosine_similarity(
                        self.embed_with(restored), self.reference)
                    print(f"{name}: cosine {cosine.mean():.5f} mean, {cosine.min():.5f} min")
                    self.assertGreaterEqual(float(cosine.mean()), least)

    def test_safetensors_reads_every_output(self):
        with tempfile.TemporaryDirectory() as folder:
            path, _ = program.run_example("minilm_int4", folder, "--set", f"/model/path={MINILM}")
            state = self.load(path)
            self.assertEqual(state["pooler.dense.weight"].dtype, self.torch.uint8)
            self.assertEqual(tuple(state["pooler.dense.weight_scale"].shape), (384, 3))


if __name__ == "__main__":
    sys.exit(program.main())
