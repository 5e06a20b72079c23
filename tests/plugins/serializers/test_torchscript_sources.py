#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The functions that the torchscript serializer defines, compiled by PyTorch and compared with numpy:
test_torchscript_sources.py PRINTER. The formulas here are those of docs/numerics.md, written anew."""
import itertools
import subprocess
import sys
import warnings

try:
    import numpy as np
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
import torchscript_dialect as dialect

warnings.simplefilter("ignore")
RANDOM = np.random.default_rng(7)
F32 = np.float32
NUMBERS = {torch.float32: 6, torch.float64: 7, torch.float16: 5, torch.bfloat16: 15}


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array)) if np.ndim(array) else torch.tensor(array)


def spread(values, ndim, axis):
    """One value for each index of axis, as an array that broadcasts; axis None: one for all."""
    shape = [1] * ndim
    if axis is not None:
        shape[axis] = -1
    return np.asarray(values).reshape(shape)


def same(got, expected, what, tolerance=0.0):
    expected = np.asarray(expected)
    assert tuple(got.shape) == expected.shape, f"{what}: {tuple(got.shape)}, not {expected.shape}"
    values = got.double().numpy()
    bad = ~np.isclose(values, expected.astype(np.float64), rtol=tolerance, atol=tolerance, equal_nan=True)
    assert not bad.any(), f"{what}: {bad.sum()} differ, {values[bad][:3]} and {expected[bad][:3]}"


def codes_of(dtype, shape, axis):
    info = np.iinfo(dtype)
    q = RANDOM.integers(info.min, info.max + 1, shape).astype(dtype)
    count = () if axis is None else (shape[axis],)
    scale = np.exp(RANDOM.normal(-4, 1, count)).astype(F32)
    zero = RANDOM.integers(info.min, info.max + 1, count).astype(dtype)
    return q, scale, zero


def dequantized(q, scale, zero, axis):
    z = spread(np.asarray(zero).astype(F32), q.ndim, axis if np.ndim(zero) else None)
    return (q.astype(F32) - z) * spread(scale, q.ndim, axis)


def affine_weights(f):
    shapes = [(5, 7), (4, 3, 3), (6, 2, 3, 3), (2, 3, 1, 2, 2), (9,)]
    for dtype, shape in itertools.product((np.int8, np.uint8), shapes):
        for axis in (None, *range(len(shape))):
            trailing = -1 if axis is None else len(shape) - 1 - axis
            q, scale, zero = codes_of(dtype, shape, axis)
            for kind, number in ((torch.float32, -1), (torch.float64, 7), (torch.bfloat16, 15), (torch.float16, 5)):
                constant = 0 if dtype == np.int8 else 128
                w = f.detent_affine(tensor(q), tensor(scale), constant, trailing, number)
                expected = torch.from_numpy(np.asarray(dequantized(q, scale, constant, axis))).to(kind)
                assert w.dtype == kind
                same(w, expected.double(), f"affine {dtype.__name__} {shape} along {axis} as {kind}")
                w = f.detent_affine_zero(tensor(q), tensor(scale), tensor(zero), trailing, number)
                expected = torch.from_numpy(np.asarray(dequantized(q, scale, zero, axis))).to(kind)
                same(w, expected.double(), f"affine with zero points {shape} along {axis} as {kind}")


def affine_linear(f):
    for outputs, inputs in ((1, 1), (7, 5), (64, 96)):
        for axis, batch, bias in itertools.product((None, 0), ((), (3,), (2, 4), (0,)), (False, True)):
            q, scale, _ = codes_of(np.int8, (outputs, inputs), axis)
            x = RANDOM.normal(size=(*batch, inputs)).astype(F32)
            b = RANDOM.normal(size=outputs).astype(F32) if bias else None
            expected = x.astype(np.float64) @ dequantized(q, scale, 0, axis).astype(np.float64).T
            expected = expected + (b if bias else 0)
            y = f.detent_affine_linear(tensor(x), tensor(q), tensor(scale), tensor(b) if bias else None)
            same(y, expected, f"linear {outputs}x{inputs} {batch}", 2e-5 * max(1.0, float(np.abs(expected).max(initial=0))))


def affine_embedding(f):
    for dtype, axis in itertools.product((np.int8, np.uint8), (None, 0, 1)):
        q, scale, zero = codes_of(dtype, (11, 6), axis)
        rows = "_rows" if axis == 0 else ""
        for ids in (np.array([[1, 10, 0], [3, 3, 3]]), np.array([], dtype=np.int64), np.array(4)):
            constant = 0 if dtype == np.int8 else 128
            w = getattr(f, "detent_affine_embedding" + rows)(tensor(ids), tensor(q), tensor(scale), constant, -1)
            same(w, dequantized(q, scale, constant, axis)[ids], f"embedding along {axis}")
            w = getattr(f, f"detent_affine_embedding{rows}_zero")(tensor(ids), tensor(q), tensor(scale), tensor(zero), 15)
            assert w.dtype == torch.bfloat16
            expected = torch.from_numpy(dequantized(q, scale, zero, axis)[ids]).bfloat16().double()
            same(w, expected, f"embedding with zero points along {axis}")


def casts(f):
    x = tensor(RANDOM.normal(size=(3, 4)).astype(np.float16))
    for kind, number in NUMBERS.items():
        assert torch.equal(f.detent_cast(x, number), x.to(kind)), kind
    assert torch.equal(f.detent_cast_embedding(torch.tensor([2, 0]), x, 6), x.float()[[2, 0]])


def packed_int4(rows, columns, group):
    """Codes -8..7, and their bytes as docs/formats/quantized_safetensors.md lays them out."""
    codes = RANDOM.integers(-8, 8, (rows, columns))
    data = np.zeros((rows, (columns + 1) // 2), np.uint8)
    for k in range(columns):
        data[:, k // 2] |= ((codes[:, k] & 15) << (4 * (k % 2))).astype(np.uint8)
    groups = -(-columns // group)
    scale = np.exp(RANDOM.normal(-3, 1, (rows, groups))).astype(F32)
    zero = RANDOM.integers(-8, 8, (rows, groups)).astype(np.int8)
    return codes, data, scale, zero


def dequantized_int4(codes, scale, zero, group):
    of = np.arange(codes.shape[1]) // group
    return (codes.astype(F32) - zero.astype(F32)[:, of]) * scale[:, of]


def int4_weights(f):
    cases = [((4, 8), 4), ((3, 7), 4), ((5, 9), 3), ((2, 5), 5), ((6, 1), 1), ((1, 130), 128), ((3, 33), 32),
             ((4, 3, 5), 8), ((4, 3, 3, 3), 9), ((2, 2, 3, 1, 3), 7), ((13,), 4)]
    for shape, group in cases:
        rows = shape[0] if len(shape) > 1 else 1
        columns = int(np.prod(shape)) // rows
        codes, data, scale, zero = packed_int4(rows, columns, group)
        for kind, number in ((torch.float32, -1), (torch.bfloat16, 15), (torch.float64, 7)):
            for zeros, suffix in ((np.zeros_like(zero), "d"), (zero, "d_zero")):
                extra = [tensor(zeros)] if suffix == "d_zero" else []
                name = f"detent_int4_{len(shape)}{suffix}"
                w = getattr(f, name)(tensor(data), tensor(scale), *extra, columns, group, *shape, number)
                expected = dequantized_int4(codes, scale, zeros, group).reshape(shape)
                assert w.dtype == kind
                same(w, torch.from_numpy(expected).to(kind).double(), f"{name} {shape} in groups of {group}")


def int4_embedding(f):
    for columns, group in ((8, 4), (7, 4), (5, 8)):
        group = min(group, columns)
        codes, data, scale, zero = packed_int4(10, columns, group)
        for ids in (np.array([[1, 9, 0], [3, 3, 3]]), np.array(4), np.array([], dtype=np.int64)):
            w = f.detent_int4_embedding(tensor(ids), tensor(data), tensor(scale), columns, group, -1)
            same(w, dequantized_int4(codes, scale, np.zeros_like(zero), group)[ids], "int4 embedding")
            w = f.detent_int4_embedding_zero(
                tensor(ids), tensor(data), tensor(scale), tensor(zero), columns, group, -1)
            same(w, dequantized_int4(codes, scale, zero, group)[ids], "int4 embedding with zero points")


def fake_quantized(x, scale, zero, axis, qmin, qmax):
    """float32 IEEE division, ties to even, as numerics say; NaN stays."""
    s, z = spread(scale, x.ndim, axis), spread(np.asarray(zero, F32), x.ndim, axis if np.ndim(zero) else None)
    with np.errstate(invalid="ignore", over="ignore"):
        q = np.clip(np.rint(x.astype(F32) / s) + z, F32(qmin), F32(qmax))
        return (q - z) * s


SPECIAL = np.array([0.0, -0.0, 127.5, 126.5, -0.5, 0.5, 1.5, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45], F32)


def static_activations(f):
    for qmin, qmax, fixed in ((-128, 127, 0), (-127, 127, 0), (0, 255, 128), (-8, 7, 0)):
        for shape, axis in (((13,), None), ((13,), 0), ((4, 13), 1), ((2, 3, 5), 1), ((2, 3, 5), 0), ((0, 3), 1)):
            x = RANDOM.normal(0, 3, shape).astype(F32)
            if shape[-1] == 13:
                x[...] = SPECIAL
            count = () if axis is None else (shape[axis],)
            scale = np.exp(RANDOM.normal(-3, 1, count)).astype(F32)
            zero = RANDOM.integers(qmin, qmax + 1, count).astype(np.int32)
            along = -1 if axis is None else axis
            y = f.detent_static(tensor(x), tensor(scale), fixed, along, qmin, qmax)
            same(y, fake_quantized(x, scale, fixed, axis, qmin, qmax), f"static {shape} along {axis}")
            y = f.detent_static_zero(tensor(x), tensor(scale), tensor(zero), along, qmin, qmax)
            same(y, fake_quantized(x, scale, zero, axis, qmin, qmax), f"static with zero points {shape}")
    ones = torch.tensor(1.0)
    assert f.detent_static(torch.tensor([127.5, 126.5, 0.5, 1.5]), ones, 0, -1, -128, 127).tolist() == [127, 126, 0, 2]
    x = torch.tensor([0.3, -7.0]).bfloat16()
    y = f.detent_static_zero(x, torch.tensor(0.1), torch.tensor(3, dtype=torch.int8), -1, -128, 127)
    assert y.dtype == torch.bfloat16 and torch.equal(y, torch.tensor([0.3, -7.0]).bfloat16()), y


def affine_parameters(lo, hi, qmin, qmax, symmetric):
    """docs/numerics.md: the range widened to zero, float64, scale stored as float32."""
    lo, hi = min(0.0, float(lo)), max(0.0, float(hi))
    if symmetric:
        zero = 0 if qmin < 0 else qmin + (qmax - qmin + 1) // 2
        scale = max(-lo, hi) / (qmax - zero)
        return (F32(scale), zero) if scale >= 1.1754943508222875e-38 else (F32(1), zero)
    scale = (hi - lo) / (qmax - qmin)
    if scale < 1.1754943508222875e-38:
        return F32(1), min(max(0, qmin), qmax)
    return F32(scale), int(np.clip(np.rint(qmin - lo / scale), qmin, qmax))


def dynamic_activations(f):
    data = [RANDOM.normal(0, 3, s).astype(F32) for s in ((6,), (4, 13), (2, 3, 5), (1, 1))]
    data += [np.abs(data[1]) + 1, -np.abs(data[1]) - 1, np.zeros((3, 4), F32), np.full((2, 2), 1e-44, F32),
             np.broadcast_to(SPECIAL, (2, 13)).copy(), np.full((2, 3), np.nan, F32), np.zeros((0, 4), F32),
             np.array([[3e38, -3e38, 1.0]], F32), np.array([[-np.inf, 1.0, 2.0]], F32),
             np.array([[np.inf, 1.0, -2.0]], F32)]
    for x, (qmin, qmax) in itertools.product(data, ((-128, 127), (0, 255), (-127, 127))):
        for axis, symmetric in itertools.product((None, *range(x.ndim)), (False, True)):
            along = -1 if axis is None else axis
            if symmetric:
                middle = 0 if qmin < 0 else 128
                y = f.detent_dynamic_symmetric(tensor(x), middle, along, qmin, qmax)
            else:
                y = f.detent_dynamic(tensor(x), along, qmin, qmax)
            if x.size == 0:
                same(y, x, "dynamic of nothing")
                continue
            rows = [x.reshape(-1)] if axis is None else np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
            found = [affine_parameters(np.min(r[np.isfinite(r)], initial=0), np.max(r[np.isfinite(r)], initial=0), qmin,
                                       qmax, symmetric) for r in rows]
            scale, zero = np.array([s for s, _ in found], F32), np.array([z for _, z in found])
            if axis is None:
                scale, zero = scale[0], zero[0]
            expected = fake_quantized(x, scale, zero, axis, qmin, qmax)
            same(y, expected, f"dynamic {x.shape} along {axis} symmetric {symmetric} {qmin}..{qmax}")
    y = f.detent_dynamic(torch.randn(3, 4, dtype=torch.float16), -1, -128, 127)
    assert y.dtype == torch.float16


def parameters_by_rule(lo, hi, qmin, qmax, divisor, least, zero_only, lo_first, single):
    """The DETENT_AFFINE_ flags, in numpy's float32 or float64. divisor: None when asymmetric."""
    real = F32 if single else np.float64
    lo, hi = real(min(0.0, float(lo))), real(max(0.0, float(hi)))
    with np.errstate(over="ignore"):
        if divisor is not None:
            scale = max(-lo, hi) / real(divisor)
        else:
            steps = real(qmax - qmin)
            scale = (hi - lo) / steps if np.isfinite(hi - lo) else hi / steps - lo / steps
    if not zero_only:
        scale = max(scale, real(least))
    if scale < 1.1754943508222875e-38:
        return F32(least or 1), 0 if divisor is None or qmin < 0 else 128
    zero = 0 if qmin < 0 else 128
    if divisor is None:
        steps = lo / scale
        zero = np.rint(real(qmin) - steps) if not lo_first else real(qmin) - np.rint(steps)
        zero = int(np.clip(zero, qmin, qmax))
    most = np.finfo(F32).max * (1 - 2.0 ** -23) / max(qmax - zero, zero - qmin)
    return F32(min(float(scale), float(most))), zero


def dynamic_rules(f):
    data = [RANDOM.normal(0, 3, s).astype(F32) for s in ((6,), (4, 13), (2, 3, 5))]
    data += [np.zeros((3, 4), F32), np.full((2, 2), 1e-44, F32), np.full((2, 2), -1e-9, F32), np.zeros((0, 4), F32),
             np.array([[3.4028235e38, -3.4028235e38, 1.0]], F32), np.array([[-0.5, 253.5]], F32), np.array([[np.inf, 1.0, -2.0]], F32)]
    rules = itertools.product((0.0, 2.0 ** -23), (False, True), (False, True), (False, True))
    for (least, zero_only, flag, single), x, (qmin, qmax) in itertools.product(
            list(rules), data, ((-128, 127), (0, 255), (-127, 127))):
        for axis, symmetric in itertools.product((None, *range(x.ndim)), (False, True)):
            along = -1 if axis is None else axis
            middle = 0 if qmin < 0 else 128
            divisor = None
            if symmetric:
                divisor = (qmax - qmin) / 2 if flag else float(qmax - middle)
                y = f.detent_dynamic_symmetric_rule(tensor(x), middle, along, qmin, qmax, divisor, least, zero_only,
                                                    single)
            else:
                y = f.detent_dynamic_rule(tensor(x), along, qmin, qmax, least, zero_only, flag, single)
            if x.size == 0:
                same(y, x, "dynamic of nothing")
                continue
            rows = [x.reshape(-1)] if axis is None else np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
            found = [parameters_by_rule(np.min(r[np.isfinite(r)], initial=0), np.max(r[np.isfinite(r)], initial=0),
                                        qmin, qmax, divisor, least, zero_only, flag, single) for r in rows]
            scale = np.array([s for s, _ in found], F32)
            zero = np.array([z for _, z in found])
            if axis is None:
                scale, zero = scale[0], zero[0]
            same(y, fake_quantized(x, scale, zero, axis, qmin, qmax),
                 f"dynamic {x.shape} along {axis} {qmin}..{qmax}: {divisor} {least} {zero_only} {flag} {single}")


def fast_int8(f):
    """Within what 7 bits of activation allow."""
    shapes = ((16, 32, (5,)), (7, 9, (2, 3)), (3, 4, ()), (8, 8, (0,)))
    for (outputs, inputs, batch), axis in itertools.product(shapes, (None, 0)):
        q, scale, _ = codes_of(np.int8, (outputs, inputs), axis)
        zero = RANDOM.integers(-3, 4, scale.shape).astype(np.int8)
        x = RANDOM.normal(size=(*batch, inputs)).astype(F32)
        b = RANDOM.normal(size=outputs).astype(F32)
        step = (x.max(initial=0) - x.min(initial=0)) / 127
        for zeros in (None, zero):
            parts = [tensor(q), tensor(scale)] + ([] if zeros is None else [tensor(zeros)])
            packed = (f.detent_pack8 if zeros is None else f.detent_pack8_zero)(*parts)
            w = dequantized(q, scale, 0 if zeros is None else zeros, axis)
            y = f.detent_linear8(tensor(x), packed, tensor(b)).numpy()
            bound = 0.51 * step * np.abs(w).sum(1) + 1e-3
            assert (np.abs(y - (x @ w.T + b)) <= bound).all(), "linear8 is off by more than its input's steps"
            assert f.detent_linear8(tensor(x), packed, None).shape == (*batch, outputs)


def fast_int4(f):
    for outputs, inputs, group in ((16, 64, 32), (32, 256, 128), (48, 192, 64)):
        codes, data, scale, zero = packed_int4(outputs, inputs, group)
        x = RANDOM.normal(size=(2, 3, inputs)).astype(F32)
        b = RANDOM.normal(size=outputs).astype(F32)
        for zeros in (np.zeros_like(zero), zero):
            s = f.detent_pack4_scale(tensor(scale)) if not zeros.any() else f.detent_pack4_scale_zero(
                tensor(scale), tensor(zeros))
            y = f.detent_linear4(tensor(x), f.detent_pack4(tensor(data)), s, group, tensor(b)).numpy()
            w = dequantized_int4(codes, scale, zeros, group)
            expected = x @ w.T + b
            error = np.linalg.norm(y - expected) / np.linalg.norm(expected)
            assert error < 0.01, f"linear4 {outputs}x{inputs}: relative error {error}"
            empty = f.detent_linear4(torch.zeros(0, inputs), f.detent_pack4(tensor(data)), s, group, None)
            assert empty.shape == (0, outputs)


def main():
    out = subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout
    texts = dict(part.split("\n", 1) for part in out.split("==== ")[1:])
    checks = {"affine": (affine_weights, affine_linear, affine_embedding), "cast": (casts,),
              "int4": (int4_weights, int4_embedding), "activation": (static_activations, dynamic_activations, dynamic_rules),
              "fast_int8": (fast_int8,), "fast_int4": (fast_int4,)}
    assert sorted(texts) == sorted(checks), sorted(texts)
    for name, text in texts.items():
        functions = dialect.compile_text(text)
        for check in checks[name]:
            for _ in range(3):  # the first runs only record types, later ones are optimized
                check(functions)
            print(f"{name}: {check.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
