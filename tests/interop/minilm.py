# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2 as a model that runs, and sentences for it."""
import os
import pathlib
import warnings

import program

program.require("numpy", "safetensors", "torch", "transformers")
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

FOLDER = pathlib.Path(os.environ["DETENT_TEST_MINILM"])
if not (FOLDER / "model.safetensors").is_file():
    program.skip("the model all-MiniLM-L6-v2 is not here (see interop.fetch_minilm)")

SENTENCES = (program.REPOSITORY / "tests" / "data" / "sentences.txt").read_text(encoding="utf-8").splitlines()
CALIBRATION = 150  # sentences; the others are held out


class Encoder(torch.nn.Module):
    """A sentence to a vector of length 1: the mean over its tokens."""

    def __init__(self, attention):
        super().__init__()
        self.encoder = transformers.AutoModel.from_pretrained(
            FOLDER, local_files_only=True, attn_implementation=attention, dtype=torch.float32)

    def forward(self, ids, mask):
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=-1)


def quiet():
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def tokens(sentences):
    """Padded to the longest of all sentences of the file: every batch has one width."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)
    width = max(len(ids) for ids in tokenizer(SENTENCES)["input_ids"])
    batch = tokenizer(sentences, padding="max_length", max_length=width, return_tensors="pt")
    return {"ids": batch["input_ids"], "mask": batch["attention_mask"]}


def encoder(attention):
    quiet()
    return Encoder(attention).eval().requires_grad_(False)


def traced(model):
    few = tokens(SENTENCES[:2])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return torch.jit.trace(model, (few["ids"], few["mask"]), strict=False, check_trace=False)


def calibration_file(path):
    save_file(tokens(SENTENCES[:CALIBRATION]), path)
    return path


def held_out():
    return tokens(SENTENCES[CALIBRATION:])


def embed(model, batch):
    with torch.no_grad():
        return model(batch["ids"], batch["mask"])


def cosine(a, b):
    """Mean over the sentences."""
    return float(torch.nn.functional.cosine_similarity(a, b).mean())
