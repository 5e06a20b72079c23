#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast each form of a TorchScript artefact runs beside the float model, and how large it is.

forms.py mlp|minilm prints a table of ratios (float time / time: above 1 is faster) for batches of 1 and
32 on one thread. Float and quantized model take turns, so that a busy machine slows both; the ratio is
the median over the rounds, the spread is that of the middle half. It judges nothing.
"""
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))
import program  # noqa: E402

program.require("numpy", "safetensors", "torch")
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import pipeline  # noqa: E402

INT4 = {"quantizer": "int4_groupwise", "params": {"group_size": 64}}


def serializer(form):
    return {"id": "torchscript", "params": {"form": form}}


def rules(weight, activation=None):
    linear = {"match": {"type": "Linear"}, "weight": weight}
    if activation:
        linear["activation"] = activation
    return [pipeline.EMBEDDINGS, linear]


# Name of the row -> rules, form of the artefact.
FORMS = {
    "int8 portable": (rules(pipeline.INT8), "portable"),
    "int8 fast": (rules(pipeline.INT8, pipeline.INT8), "fast"),
    "int8 static": (rules(pipeline.INT8, pipeline.STATIC), "static"),
    "int4 portable": (rules(INT4), "portable"),
    "int4 fast": (rules(INT4), "fast"),
}
BATCHES = (1, 32)
ROUNDS = {"mlp": 41, "minilm": 11}


class Mlp(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(512, 1024)
        self.fc2 = torch.nn.Linear(1024, 1024)
        self.out = torch.nn.Linear(1024, 64)

    def forward(self, x):
        return self.out(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


def mlp(folder):
    torch.manual_seed(0)
    model = Mlp().eval().requires_grad_(False)
    samples = torch.randn(64, 512)
    torch.jit.trace(model, samples[:2]).save(str(folder / "mlp.pt"))
    save_file({"x": samples}, folder / "mlp.safetensors")
    return folder / "mlp.pt", folder / "mlp.safetensors", lambda size: (samples[:size],)


def minilm(folder):
    import minilm as encoder

    encoder.traced(encoder.encoder("sdpa")).save(str(folder / "minilm.pt"))
    data = encoder.calibration_file(folder / "minilm.safetensors")
    tokens = encoder.tokens(encoder.SENTENCES[:max(BATCHES)])
    return folder / "minilm.pt", data, lambda size: (tokens["ids"][:size], tokens["mask"][:size])


def seconds(model, arguments, calls):
    start = time.perf_counter()
    for _ in range(calls):
        model(*arguments)
    return (time.perf_counter() - start) / calls


def ratios(original, quantized, arguments, rounds):
    """Float time / quantized time of every round, and the float times."""
    once = max(seconds(original, arguments, 2), 1e-6)
    seconds(quantized, arguments, 2)
    calls = max(1, round(0.01 / once))
    found, floats = [], []
    for _ in range(rounds):
        floats.append(seconds(original, arguments, calls))
        found.append(floats[-1] / seconds(quantized, arguments, calls))
    return found, floats


def described(values):
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def main():
    torch.set_num_threads(1)
    name = sys.argv[1]
    with tempfile.TemporaryDirectory() as work, torch.inference_mode():
        folder = pathlib.Path(work)
        model, data, inputs = {"mlp": mlp, "minilm": minilm}[name](folder)
        original = torch.jit.load(str(model)).eval()
        columns = " | ".join(f"batch {size}: speed-up (middle half)" for size in BATCHES)
        print(f"{name}, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, 1 thread\n")
        print(f"| Form | MB | {columns} |\n|---|---|{'---|' * len(BATCHES)}")
        times = {}
        rows = []
        for form, (form_rules, kind) in FORMS.items():
            needs_data = any("observer" in rule.get("activation", {}) for rule in form_rules)
            run = pipeline.Run(folder / form.replace(" ", "_"), model, data if needs_data else None,
                               form_rules, serializer=serializer(kind))
            cells = []
            for size in BATCHES:
                found, floats = ratios(original, run.load(), inputs(size), ROUNDS[name])
                times.setdefault(size, []).extend(floats)
                cells.append(described(found))
            rows.append(f"| {form} | {run.artefact.stat().st_size / 1e6:.2f} | {' | '.join(cells)} |")
        milliseconds = " | ".join(f"1 ({1e3 * statistics.median(times[size]):.3f} ms)" for size in BATCHES)
        print(f"| float | {model.stat().st_size / 1e6:.2f} | {milliseconds} |", *rows, sep="\n")


if __name__ == "__main__":
    main()
