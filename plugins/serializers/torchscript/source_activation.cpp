// SPDX-License-Identifier: Apache-2.0
#include "sources.hpp"

namespace detent::torchscript {

// `axis`: the dimension of the channels, batch and all, -1 for one scale for all. Computed in
// float32, the result has the activation's own type. NaN stays NaN and what is infinite becomes the
// last code, so a dynamic range is that of the finite values; the extra pass over the data that
// this takes is spared when the extremes are finite.
// The dynamic scale is computed in float64 and rounded to float32; a range so small that the
// scale would not be a normal float32 counts as zero: scale 1; one that is so large that a code
// would stand for more than the largest float32 makes the scale smaller.
// The functions ..._rule are for targets with rules of their own (DETENT_AFFINE_): least is
// min_scale, divisor what the symmetric range is divided by.
const Source kActivation{"activation", R"(
def detent_along(p, x, axis: int):
    if axis < 0:
        return p
    return p.reshape([-1] + [1] * (x.dim() - 1 - axis))

def detent_static(x, scale, zero: int, axis: int, qmin: int, qmax: int):
    s = detent_along(scale, x, axis).to(6)
    y = torch.div(x.to(6), s).round_()
    if zero != 0:
        return y.add_(zero).clamp_(qmin, qmax).sub_(zero).mul_(s).to(x.dtype)
    return y.clamp_(qmin, qmax).mul_(s).to(x.dtype)

def detent_static_zero(x, scale, zero, axis: int, qmin: int, qmax: int):
    s = detent_along(scale, x, axis).to(6)
    z = detent_along(zero, x, axis).to(6)
    y = torch.div(x.to(6), s).round_()
    return y.add_(z).clamp_(qmin, qmax).sub_(z).mul_(s).to(x.dtype)

def detent_range(x, axis: int):
    f = x.to(6)
    if axis >= 0:
        f = f.movedim(axis, 0).reshape([x.size(axis), -1])
    else:
        f = f.reshape([1, -1])
    lo = torch.amin(f, [1])
    hi = torch.amax(f, [1])
    if not bool(torch.isfinite(hi - lo).all()):
        f = f.masked_fill(torch.isfinite(f).logical_not(), 0.0)
        lo = torch.amin(f, [1])
        hi = torch.amax(f, [1])
    if axis < 0:
        lo = lo.reshape([])
        hi = hi.reshape([])
    return lo.to(7).clamp_max(0.0), hi.to(7).clamp_min(0.0)

def detent_dynamic(x, axis: int, qmin: int, qmax: int):
    if x.numel() == 0:
        return x
    lo, hi = detent_range(x, axis)
    s = torch.div(hi - lo, float(qmax - qmin))
    small = torch.lt(s, 1.1754943508222875e-38)
    s = s.masked_fill(small, 1.0)
    z = torch.round(qmin - torch.div(lo, s)).masked_fill(small, 0.0).clamp(qmin, qmax)
    s = torch.minimum(s, torch.div(torch.full_like(z, 3.4028230607371207e+38), torch.maximum(qmax - z, z - qmin)))
    return detent_static_zero(x, s.to(6), z, axis, qmin, qmax)

def detent_dynamic_symmetric(x, zero: int, axis: int, qmin: int, qmax: int):
    if x.numel() == 0:
        return x
    lo, hi = detent_range(x, axis)
    s = torch.div(torch.maximum(torch.neg(lo), hi), float(qmax - zero))
    s = s.masked_fill(torch.lt(s, 1.1754943508222875e-38), 1.0)
    s = s.clamp_max(3.4028230607371207e+38 / float(max(qmax - zero, zero - qmin)))
    return detent_static(x, s.to(6), zero, axis, qmin, qmax)

def detent_scale_rule(s, least: float, zero_only: bool):
    if not zero_only:
        s = s.clamp_min(least)
    small = torch.lt(s, 1.1754943508222875e-38)
    zero_scale = 1.0
    if least > 0.0:
        zero_scale = least
    return s.masked_fill(small, zero_scale), small

def detent_dynamic_rule(x, axis: int, qmin: int, qmax: int, least: float, zero_only: bool, lo_first: bool, single: bool):
    if x.numel() == 0:
        return x
    lo, hi = detent_range(x, axis)
    if single:
        lo, hi = lo.to(6), hi.to(6)
    d = float(qmax - qmin)
    s = torch.div(hi - lo, d)
    if not bool(torch.isfinite(s).all()):
        s = torch.where(torch.isfinite(s), s, torch.div(hi, d) - torch.div(lo, d))
    s, small = detent_scale_rule(s, least, zero_only)
    z = torch.div(lo, s)
    if lo_first:
        z = qmin - torch.round(z)
    else:
        z = torch.round(qmin - z)
    z = z.masked_fill(small, 0.0).clamp(qmin, qmax)
    s = torch.minimum(s.to(7), torch.div(3.4028230607371207e+38, torch.maximum(qmax - z, z - qmin).to(7)))
    return detent_static_zero(x, s.to(6), z, axis, qmin, qmax)

def detent_dynamic_symmetric_rule(x, zero: int, axis: int, qmin: int, qmax: int, divisor: float, least: float, zero_only: bool, single: bool):
    if x.numel() == 0:
        return x
    lo, hi = detent_range(x, axis)
    s = torch.maximum(torch.neg(lo), hi)
    if single:
        s = s.to(6)
    s, small = detent_scale_rule(torch.div(s, divisor), least, zero_only)
    s = s.to(7).clamp_max(3.4028230607371207e+38 / float(max(qmax - zero, zero - qmin)))
    return detent_static(x, s.to(6), zero, axis, qmin, qmax)
)"};

}  // namespace detent::torchscript
