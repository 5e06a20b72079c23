// SPDX-License-Identifier: Apache-2.0
#include "sources.hpp"

namespace detent::torchscript {

// linear: the scale is applied to the result, which is smaller than the weight; that holds for
// symmetric codes with a scale per row of the weight, or one for all.
// embedding: the scales are those of the rows (..._rows), or broadcast over what was gathered.
const Source kAffine{"affine", R"(
def detent_spread(p, trailing: int):
    if trailing < 0:
        return p
    return p.reshape([-1] + [1] * trailing)

def detent_as(w, dtype: int):
    if dtype < 0:
        return w
    return w.to(dtype)

def detent_affine(q, scale, zero: int, trailing: int, dtype: int):
    s = detent_spread(scale, trailing)
    if zero != 0:
        return detent_as(q.to(scale.dtype).sub_(zero).mul_(s), dtype)
    return detent_as(torch.mul(q, s), dtype)

def detent_affine_zero(q, scale, zero, trailing: int, dtype: int):
    w = q.to(scale.dtype).sub_(detent_spread(zero, trailing))
    return detent_as(w.mul_(detent_spread(scale, trailing)), dtype)

def detent_affine_linear(x, q, scale, bias: Optional[Tensor]):
    y = torch.linear(x, q.to(scale.dtype)).mul_(scale)
    if bias is not None:
        y = y.add_(bias)
    return y

def detent_affine_embedding(ids, q, scale, zero: int, dtype: int):
    w = torch.embedding(q, ids).to(scale.dtype)
    if zero != 0:
        w = w.sub_(zero)
    return detent_as(w.mul_(scale), dtype)

def detent_affine_embedding_zero(ids, q, scale, zero, dtype: int):
    w = torch.embedding(q, ids).to(scale.dtype).sub_(zero)
    return detent_as(w.mul_(scale), dtype)

def detent_affine_embedding_rows(ids, q, scale, zero: int, dtype: int):
    w = torch.embedding(q, ids).to(scale.dtype)
    if zero != 0:
        w = w.sub_(zero)
    return detent_as(w.mul_(torch.embedding(scale.unsqueeze(1), ids)), dtype)

def detent_affine_embedding_rows_zero(ids, q, scale, zero, dtype: int):
    w = torch.embedding(q, ids).to(scale.dtype).sub_(torch.embedding(zero.unsqueeze(1), ids))
    return detent_as(w.mul_(torch.embedding(scale.unsqueeze(1), ids)), dtype)
)"};

// A cast is undone: operators want operands of one type.
const Source kCast{"cast", R"(
def detent_cast(q, dtype: int):
    return q.to(dtype)

def detent_cast_embedding(ids, q, dtype: int):
    return torch.embedding(q, ids).to(dtype)
)"};

}  // namespace detent::torchscript
