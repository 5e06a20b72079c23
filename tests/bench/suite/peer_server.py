# SPDX-License-Identifier: Apache-2.0
"""Does the peers' work, one line at a time: a name on standard input, a JSON object on standard output.

Runs in the peers' environment, on one thread. A peer that is not installed, or that does not know the work,
answers with an error. Takes the same time for a measurement as detent_plugins_bench.
"""
import functools
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")
SECONDS = 0.15
SIZES = {"large": (4096, 4096), "cached": (64, 1024)}


@functools.lru_cache(maxsize=1)
def array(size):
    import numpy
    return numpy.random.default_rng(1).standard_normal(SIZES[size], dtype=numpy.float32) * numpy.float32(0.02)


def tensor(size):
    import torch
    torch.set_num_threads(1)
    return torch.from_numpy(array(size))


def torch_aminmax(size):
    import torch
    x = tensor(size)
    return lambda: torch.aminmax(x)


def torch_minmax_observer(size):
    from torch.ao.quantization.observer import MinMaxObserver
    x, observer = tensor(size), MinMaxObserver()
    return lambda: observer(x)


def torch_channel_observer(size):
    from torch.ao.quantization.observer import PerChannelMinMaxObserver
    x, observer = tensor(size), PerChannelMinMaxObserver(ch_axis=0)
    return lambda: observer(x)


def torch_histogram(size):
    """A new observer each time: its first batch, like our first."""
    from torch.ao.quantization.observer import HistogramObserver
    x = tensor(size)
    return lambda: HistogramObserver(bins=2048)(x)


def torch_histogram_next(size):
    from torch.ao.quantization.observer import HistogramObserver
    x, observer = tensor(size), HistogramObserver(bins=2048)
    return lambda: observer(x)


def torch_histogram_search(size):
    """Its search minimizes the L2 error."""
    from torch.ao.quantization.observer import HistogramObserver
    observer = HistogramObserver(bins=2048)
    observer(tensor(size))
    return observer.calculate_qparams


def torch_quantize_channel(size):
    """With scales that are there already: what is timed is the quantization alone."""
    import torch
    x = tensor(size)
    scales = x.abs().amax(1) / 127
    zeros = torch.zeros(x.shape[0], dtype=torch.int64)
    return lambda: torch.quantize_per_channel(x, scales, zeros, 0, torch.qint8)


def torch_dequantize(size):
    import torch
    x = tensor(size)
    scales = x.abs().amax(1) / 127
    q = torch.quantize_per_channel(x, scales, torch.zeros(x.shape[0], dtype=torch.int64), 0, torch.qint8)
    return q.dequantize


def torch_save(size):
    import os
    import tempfile
    import torch
    x, path = tensor(size), os.path.join(tempfile.mkdtemp(), "model.pt")
    return lambda: torch.save({"layer.weight": x}, path)


def safetensors_save(size):
    import os
    import tempfile
    from safetensors.torch import save_file
    x, path = tensor(size), os.path.join(tempfile.mkdtemp(), "model.safetensors")
    return lambda: save_file({"layer.weight": x}, path)


def collector():
    from onnxruntime.quantization.calibrate import HistogramCollector
    return HistogramCollector("entropy", False, 2048, 128, 99.99, "same")


def ort_collect(size):
    x = array(size)
    return lambda: collector().collect({"x": [x]})


def ort_entropy(size):
    made = collector()
    made.collect({"x": [array(size)]})
    histogram = made.histogram_dict["x"]
    return lambda: made.get_entropy_threshold(histogram, 128)


def gguf_quantize(name, size):
    import gguf
    x, kind = array(size), getattr(gguf.GGMLQuantizationType, name)
    return lambda: gguf.quants.quantize(x, kind)


def torchao_affine(block, bits, size):
    """Ranges, codes in bytes; no packing."""
    import torch
    from torchao.quantization.quant_primitives import (MappingType, choose_qparams_affine, quantize_affine)
    x = tensor(size)
    shape = (1, block or x.shape[1])
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def work():
        scale, zero = choose_qparams_affine(x, MappingType.SYMMETRIC, shape, torch.int8, low, high)
        return quantize_affine(x, shape, scale, zero, torch.int8, low, high)
    return work


WORKS = {
    "torch.aminmax": torch_aminmax,
    "torch.ao MinMaxObserver": torch_minmax_observer,
    "torch.ao PerChannelMinMaxObserver": torch_channel_observer,
    "torch.ao HistogramObserver": torch_histogram,
    "torch.ao HistogramObserver, next batch": torch_histogram_next,
    "torch.ao HistogramObserver search": torch_histogram_search,
    "torch.quantize_per_channel": torch_quantize_channel,
    "torch dequantize": torch_dequantize,
    "torch.save": torch_save,
    "safetensors save_file": safetensors_save,
    "ONNX Runtime collector": ort_collect,
    "ONNX Runtime entropy": ort_entropy,
    "gguf-py Q8_0": functools.partial(gguf_quantize, "Q8_0"),
    "gguf-py Q4_0": functools.partial(gguf_quantize, "Q4_0"),
    "torchao int8 per channel": functools.partial(torchao_affine, 0, 8),
    "torchao int4 g128": functools.partial(torchao_affine, 128, 4),
    "torchao int4 g32": functools.partial(torchao_affine, 32, 4),
}


def measure(work):
    work()  # first calls allocate and import
    calls, cpu, start = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        work()
        calls += 1
    return {"seconds": (time.perf_counter() - start) / calls,
            "cpu_seconds": (time.process_time() - cpu) / calls, "iterations": calls}


@functools.lru_cache(maxsize=None)
def made(name, size):
    return WORKS[name](size)


def answer(line):
    name, _, size = line.rstrip("\n").rpartition("/")
    try:
        return measure(made(name, size))
    except Exception as error:  # whatever a peer says is a figure that is missing, not the end
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}


if __name__ == "__main__":
    out = sys.stdout
    sys.stdout = sys.stderr  # peers print
    for request in sys.stdin:
        print(json.dumps(answer(request)), file=out, flush=True)
