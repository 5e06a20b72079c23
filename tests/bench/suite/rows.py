# SPDX-License-Identifier: Apache-2.0
"""What is compared with what, what for, and why a figure that falls short does.

`goal` is how many times as fast as the peer; `why` is printed only while the goal is not met.
"""
from __future__ import annotations

from typing import NamedTuple, Optional


class Row(NamedTuple):
    label: str
    work: str  # of ours, without the threads
    peer: str
    goal: Optional[float] = None
    limit: str = "memory_read/f32/256MiB/1"
    why: str = ""


class FileRow(NamedTuple):
    """A whole file beside llama-quantize; `key` is what counts, and less of it is better."""
    label: str
    work: str
    peer: str
    goal: float
    key: str = "seconds"
    why: str = ""


class Budget(NamedTuple):
    """At most `most` seconds of processor time, or ("%") more than the bare model takes, as a share."""
    label: str
    work: str
    most: float
    unit: str = "s"
    why: str = ""


INT4_FILES = ("More than half of the time is the system copying the file in and out. llama-quantize maps it, and makes no digests, "
              "measures no error and reads nothing back; without a second look our own work is the smaller half.")
MEMORY = "peak_rss"
COPY = "memory_copy/f32/256MiB/1"

# The table of goals: each row is timed on one thread, our turn and the peer's alternating.
GOALS = (
    Row("min/max, per tensor", "minmax_tensor/f32/large", "torch.aminmax", 1.0,
        why="Both read as fast as the memory gives; ours counts what is not finite besides."),
    Row("min/max, per channel", "minmax_channel/f32/large", "torch.ao PerChannelMinMaxObserver", 14,
        why="Bound by the memory: reading alone is not 14 x the peer on this machine."),
    Row("histogram, 2048 bins", "histogram/f32/large", "torch.ao HistogramObserver", 8,
        why="Bound by the scatter of counts, and reads twice: the range first, as the bins depend on it."),
    Row("histogram, 2048 bins", "histogram/f32/large", "ONNX Runtime collector", 8,
        why="Bound by the scatter of counts, and reads twice: the range first, as the bins depend on it."),
    Row("entropy search, 2048 bins", "entropy_search/f32/large", "ONNX Runtime entropy", 50),
    Row("INT8 per channel, observe and quantize", "int8_channel_blocks/f32/large", "torch.quantize_per_channel", 8),
    Row("INT4 g128, observe, quantize, pack", "int4_g128_blocks/f32/large", "gguf-py Q4_0", 20,
        why="20 x would be the speed of reading: half of the way to it is the quantizing."),
    Row("INT4 g128, observe, quantize, pack", "int4_g128_blocks/f32/large", "plain_int4_g128", 1.0,
        why="The loop does not refuse NaN, computes no scales in float64 and crosses no plugin interface."),
    Row("INT4 g32, observe, quantize, pack", "int4_g32_blocks/f32/large", "plain_int4_g32", 2.0,
        why="The loop computes its scales in float32; ours are float64 by definition, and one for every 32 values."),
)

# Without a goal: more peers, sizes and types.
OTHERS = (
    Row("min/max, per tensor, in the cache", "minmax_tensor/f32/cached", "torch.aminmax"),
    Row("min/max, per channel, in the cache", "minmax_channel/f32/cached", "torch.ao PerChannelMinMaxObserver"),
    Row("min/max, per tensor", "minmax_tensor/f32/large", "torch.ao MinMaxObserver"),
    Row("histogram, next batch", "histogram_next/f32/large", "torch.ao HistogramObserver, next batch"),
    Row("histogram, in the cache", "histogram/f32/cached", "torch.ao HistogramObserver"),
    Row("search for least squared error", "mse_search/f32/large", "torch.ao HistogramObserver search"),
    Row("INT8 per channel, the tensor in one piece", "int8_channel/f32/large", "torch.quantize_per_channel"),
    Row("INT4 g128, the tensor in one piece", "int4_g128/f32/large", "plain_int4_g128"),
    Row("INT4 g32, the tensor in one piece", "int4_g32/f32/large", "plain_int4_g32"),
    Row("INT8 per channel", "int8_channel_blocks/f32/large", "torchao int8 per channel"),
    Row("INT8 per channel", "int8_channel_blocks/f32/large", "gguf-py Q8_0"),
    Row("INT8 per channel, in the cache", "int8_channel/f32/cached", "torch.quantize_per_channel"),
    Row("INT8 per channel, with an observer", "int8_channel_observer/f32/large", "torch.quantize_per_channel"),
    Row("INT4 g128", "int4_g128_blocks/f32/large", "torchao int4 g128"),
    Row("INT4 g32", "int4_g32_blocks/f32/large", "torchao int4 g32"),
    Row("INT4 g32", "int4_g32_blocks/f32/large", "gguf-py Q4_0"),
    Row("INT4 g128, in the cache", "int4_g128/f32/cached", "plain_int4_g128"),
    Row("INT4 g32, in the cache", "int4_g32/f32/cached", "plain_int4_g32"),
    Row("INT4 g128, with an observer", "int4_g128_observer/f32/large", ""),
    Row("INT8 to f32", "int8_dequantize/f32/large", "torch dequantize", None, COPY),
    Row("INT4 g128 to f32", "int4_g128_dequantize/f32/large", "", None, COPY),
    Row("f32 to f16", "fp16/f32/large", "", None, COPY),
    Row("write safetensors", "write_safetensors/f32/large", "safetensors save_file", None, COPY),
    Row("write a state dict", "write_state_dict/f32/large", "torch.save", None, COPY),
    Row("min/max of f16", "minmax_tensor/f16/large", ""),
    Row("min/max of bf16", "minmax_tensor/bf16/large", ""),
    Row("min/max of f64", "minmax_tensor/f64/large", ""),
    Row("INT8 per channel of bf16", "int8_channel/bf16/large", ""),
    Row("INT4 g128 of bf16", "int4_g128/bf16/large", ""),
    Row("INT4 g32 of bf16", "int4_g32/bf16/large", ""),
    Row("INT8 per channel of f16", "int8_channel/f16/large", ""),
)

# Timed on two threads too.
PARALLEL = ("minmax_tensor/f32/large", "minmax_channel/f32/large", "histogram/f32/large",
            "int8_channel_blocks/f32/large", "int4_g128_blocks/f32/large", "int4_g32_blocks/f32/large",
            "int8_dequantize/f32/large")

# With one thread the peer has one; with two, the goal is still told in the peer's time on one.
FILE_GOALS = (
    FileRow("whole file to INT8, one thread", "file/int8/1", "file/Q8_0/1", 1.5),
    FileRow("whole file to INT8, two threads beside one", "file/int8/2", "file/Q8_0/1", 2.5),
    FileRow("whole file to INT4 g32, one thread", "file/int4_g32/1", "file/Q4_0/1", 1.5,
            why=INT4_FILES),
    FileRow("whole file to INT4 g32, two threads beside one", "file/int4_g32/2", "file/Q4_0/1", 2.5,
            why=INT4_FILES),
    FileRow("whole file to INT4 g128, one thread", "file/int4_g128/1", "file/Q4_0/1", 1.5,
            why=INT4_FILES),
    FileRow("whole file to INT4 g128, two threads beside one", "file/int4_g128/2", "file/Q4_0/1", 2.5,
            why=INT4_FILES),
    FileRow("peak memory, INT8, two threads", "file/int8/2", "file/Q8_0/1", 1.0, MEMORY),
    FileRow("peak memory, INT4 g128, two threads", "file/int4_g128/2", "file/Q4_0/1", 1.0, MEMORY),
)

BUDGETS = (
    Budget("calibration with minmax, over the bare model", "minmax", 0.15, "%"),
    Budget("calibration with histogram, over the bare model", "histogram", 0.40, "%"),
    Budget("`detent --version`", "startup/version", 0.015),
    Budget("`detent plan` of all-MiniLM-L6-v2", "startup/plan", 0.060),
    Budget("`detent plugins list` with 200 plugins more, warm", "startup/200 plugins", 0.050),
)
