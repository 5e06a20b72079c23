#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes clip_cases.json beside this file: what clip searches of small weights must find.

Each slot (tensor, channel or group) is searched twice, in float64:
  range, error  by plain loops over the grid with this project's arithmetic (float32 scales,
                quotients and products), and each candidate's error by numpy's power and math.fsum
  peer_error    by the search as GPTQ's quant.py and llm-compressor's observers/imatrix.py write it
                (torch, one batched loop, scale and zero point unrounded float64), its error
                measured on the same footing as ours

Run it with the packages of tests/interop; the file it writes is committed.
"""
import json
import math
import pathlib

import numpy
import torch

GRID = {"norm": 2.4, "grid": 100, "maxshrink": 0.8, "patience": 0, "separate_ends": False}


def steps(rule):
    return max(1, min(int(rule["maxshrink"] * rule["grid"]), rule["grid"]))


def affine(lo, hi, codes, symmetric):
    """Scale (float32) and zero point of a range that holds zero."""
    qmin, qmax = codes
    if symmetric:
        zero = 0 if qmin < 0 else qmin + (qmax - qmin + 1) // 2
        scale = max(-lo, hi) / (qmax - zero)
        return numpy.float32(scale if scale >= 2.0**-126 else 1.0), zero
    scale = (hi - lo) / (qmax - qmin)
    if scale < 2.0**-126:
        return numpy.float32(1.0), min(max(0, qmin), qmax)
    zero = min(max(round(qmin - lo / scale), qmin), qmax)  # Python's round: ties to even
    return numpy.float32(scale), zero


def back(x, lo, hi, codes, symmetric):
    """float32 x through codes and back."""
    scale, zero = affine(lo, hi, codes, symmetric)
    q = numpy.clip(numpy.rint(x / scale) + zero, codes[0], codes[1])
    return (q - numpy.float32(zero)).astype(numpy.float32) * scale


def error_of(x, weights, lo, hi, codes, symmetric, norm):
    e = numpy.abs(x.astype(numpy.float64) - back(x, lo, hi, codes, symmetric).astype(numpy.float64))
    return math.fsum(weights * e**norm)


def whole_range(x, symmetric):
    lo, hi = min(0.0, float(x.min())), max(0.0, float(x.max()))
    if symmetric:
        hi = max(-lo, hi)
        lo = 0.0 - hi
    return lo, hi


def search(x, weights, codes, symmetric, rule):
    lo, hi = whole_range(x, symmetric)
    best = {"range": (lo, hi), "error": error_of(x, weights, lo, hi, codes, symmetric, rule["norm"])}

    def sweep(make, first):
        stale = 0
        for i in range(first, steps(rule)):
            if best["error"] == 0:
                return
            candidate = make(1 - i / rule["grid"])
            error = error_of(x, weights, *candidate, codes, symmetric, rule["norm"])
            if error < best["error"] * (1 - 1e-9):
                best.update(range=candidate, error=error)
                stale = 0
            else:
                stale += 1
                if stale == rule["patience"]:
                    return

    sweep(lambda p: (lo * p, hi * p), 1)
    if rule["separate_ends"] and not symmetric and lo < 0 < hi:
        kept_lo = best["range"][0]
        sweep(lambda p: (kept_lo, hi * p), 0)
        kept_hi = best["range"][1]
        sweep(lambda p: (lo * p, kept_hi), 0)
    return best["range"], best["error"]


def peer_range(x, weights, codes, symmetric, rule):
    """GPTQ's loop: everything float64, both ends together, no patience."""
    x, weights = torch.tensor(x, dtype=torch.float64), torch.tensor(weights)
    lo, hi = whole_range(x.numpy(), symmetric)
    best_error, best_range = math.inf, (lo, hi)
    for i in range(steps(rule)):
        p = 1 - i / rule["grid"]
        low, high = p * lo, p * hi
        if symmetric:
            zero = 0 if codes[0] < 0 else (codes[1] + 1) // 2
            scale = high / (codes[1] - zero)
        else:
            scale = (high - low) / (codes[1] - codes[0])
            zero = torch.clamp(torch.round(torch.tensor(codes[0] - low / scale)), *codes) if scale else 0
        if scale == 0:
            break
        q = torch.clamp(torch.round(x / scale) + zero, *codes)
        error = float((((q - zero) * scale - x).abs().pow(rule["norm"]) * weights).sum())
        if error < best_error:
            best_error, best_range = error, (low, high)
    return best_range


def slots_of(shape, granularity, axis, group_size):
    """For each slot the flat indices of its elements."""
    index = numpy.arange(math.prod(shape)).reshape(shape)
    if granularity == "tensor":
        return [index.ravel()]
    if granularity == "channel":
        return [numpy.take(index, c, axis).ravel() for c in range(shape[axis])]
    rows = index.reshape(shape[0], -1) if len(shape) > 1 else index.reshape(1, -1)
    return [row[i:i + group_size] for row in rows for i in range(0, len(row), group_size)]


def case(name, x, codes, symmetric, granularity, axis=0, group_size=0, columns=None, **rule):
    x = numpy.asarray(x, dtype=numpy.float32)
    rule = {**GRID, **rule}
    weights = numpy.ones(x.size) if columns is None else numpy.broadcast_to(columns, x.shape).ravel()
    slots = []
    for index in slots_of(x.shape, granularity, axis, group_size):
        part, counts = x.ravel()[index], weights[index]
        if not counts.any():
            counts = numpy.ones(len(index))
        plain = error_of(part, counts, *whole_range(part, symmetric), codes, symmetric, rule["norm"])
        found, error = search(part, counts, codes, symmetric, rule)
        peer = peer_range(part, counts, codes, symmetric, rule)
        slots.append({"range": found, "error": error, "plain_error": plain,
                      "peer_error": error_of(part, counts, *peer, codes, symmetric, rule["norm"])})
    return {"name": name, "shape": x.shape, "bits": x.ravel().view(numpy.uint32).tolist(),
            "qmin": codes[0], "qmax": codes[1], "symmetric": symmetric, "granularity": granularity,
            "axis": axis, "group_size": group_size, "rule": rule,
            "importance": None if columns is None else list(columns), "slots": slots}


def make_cases():
    random = numpy.random.default_rng(7)
    heavy = random.standard_t(3, (12, 20))
    normal = random.standard_normal((6, 40)) * 0.05
    int4, int8, narrow, uint8 = (-8, 7), (-128, 127), (-127, 127), (0, 255)
    awkward = numpy.concatenate([
        numpy.zeros(8), -numpy.abs(random.standard_normal(8)), numpy.full(8, 0.3), [5.0],
        random.standard_normal(7) * 1e-3, random.standard_normal(4) * 1e30])[None, :]
    importance = random.chisquare(1, 20) * numpy.where(numpy.arange(20) % 7 == 3, 30, 1)
    some_zero = numpy.where(numpy.arange(20) < 8, 0.0, importance)
    yield case("tensor, int4", heavy, int4, False, "tensor")
    yield case("tensor, int4 symmetric", heavy, int4, True, "tensor")
    yield case("tensor, int8", heavy, int8, False, "tensor")
    yield case("tensor, uint8 symmetric", heavy, uint8, True, "tensor")
    yield case("tensor, uint8", heavy, uint8, False, "tensor")
    yield case("rows, int8 narrow", normal, narrow, True, "channel")
    yield case("columns, int4", heavy, int4, False, "channel", axis=1)
    yield case("middle axis, int4", heavy.reshape(3, 4, 20), int4, True, "channel", axis=1)
    yield case("groups of 8 and a short one", heavy, int4, True, "group", group_size=8)
    yield case("groups of 8 and a short one, asymmetric", heavy, int4, False, "group", group_size=8)
    yield case("a convolution's groups", heavy.reshape(6, 2, 4, 5), int4, False, "group", group_size=16)
    yield case("zeros, negatives, one constant, tiny and huge", awkward, int4, False, "group", group_size=8)
    yield case("zeros, negatives, one constant, tiny and huge, symmetric", awkward, int4, True, "group",
               group_size=8)
    yield case("one element", [[-0.7]], int4, False, "group", group_size=32)
    yield case("one constant", numpy.full((2, 5), -3.5), int8, False, "channel")
    yield case("scales below float32", heavy * 1e-38, int4, False, "group", group_size=10)
    for norm in (0.5, 1, 2, 3, 3.5, 8):
        yield case(f"norm {norm}", heavy, int4, False, "group", group_size=20, norm=norm)
    yield case("llm-compressor's grid", heavy, int4, True, "group", group_size=10, maxshrink=0.2, patience=5)
    yield case("patience 1", heavy, int4, True, "group", group_size=10, patience=1)
    yield case("no shrinking", heavy, int4, True, "channel", maxshrink=0)
    yield case("all of the grid", heavy, int4, True, "channel", maxshrink=1, grid=7)
    yield case("ends apart", heavy, int4, False, "group", group_size=10, separate_ends=True)
    for symmetric in (False, True):
        sign = ", symmetric" if symmetric else ""
        yield case("importance" + sign, heavy, int4, symmetric, "group", group_size=10, columns=importance,
                   norm=2, separate_ends=True)
        yield case("importance, llm-compressor's grid" + sign, heavy, int4, symmetric, "channel",
                   columns=importance, norm=3, grid=20, maxshrink=0.95)
        yield case("importance that is zero for some groups" + sign, heavy, int4, symmetric, "group",
                   group_size=4, columns=some_zero, norm=2, separate_ends=True)
    yield case("importance, tensor", heavy, int4, False, "tensor", columns=importance, norm=2, separate_ends=True)
    yield case("importance, columns", heavy, int4, False, "channel", axis=1, columns=importance, norm=2.4)


if __name__ == "__main__":
    cases = list(make_cases())
    with open(pathlib.Path(__file__).with_name("clip_cases.json"), "w", encoding="utf-8") as out:
        out.write('{"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
    print(len(cases), "cases")
