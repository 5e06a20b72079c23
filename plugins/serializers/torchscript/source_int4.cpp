// SPDX-License-Identifier: Apache-2.0
#include "sources.hpp"

namespace detent::torchscript {

// Byte k of a row holds code 2k in its low nibble and code 2k + 1 in its high one, in two's
// complement: with the sign bits flipped they are the codes plus 8, without a sign. The columns
// that are whole groups are scaled as [rows, groups, group], a short last group beside them; a row
// of odd length has a nibble too many.
const Source kInt4{"int4", R"(
def detent_int4_codes(q, like):
    u = torch.bitwise_xor(q, 136)
    w = torch.empty([q.size(0), q.size(1), 2], dtype=like.dtype, device=q.device)
    w.select(2, 0).copy_(torch.bitwise_and(u, 15))
    w.select(2, 1).copy_(torch.bitwise_right_shift(u, 4))
    return w.view([q.size(0), q.size(1) * 2])

def detent_int4(q, scale, columns: int, group: int):
    w = detent_int4_codes(q, scale).narrow(1, 0, columns).sub_(8)
    whole = columns // group
    if whole > 0:
        part = w.narrow(1, 0, whole * group).view([w.size(0), whole, group])
        part.mul_(scale.narrow(1, 0, whole).unsqueeze(2))
    if whole * group < columns:
        w.narrow(1, whole * group, columns - whole * group).mul_(scale.narrow(1, whole, 1))
    return w

def detent_int4_zero(q, scale, zero, columns: int, group: int):
    w = detent_int4_codes(q, scale).narrow(1, 0, columns)
    z = zero.to(scale.dtype).add_(8)
    whole = columns // group
    if whole > 0:
        part = w.narrow(1, 0, whole * group).view([w.size(0), whole, group])
        part.sub_(z.narrow(1, 0, whole).unsqueeze(2)).mul_(scale.narrow(1, 0, whole).unsqueeze(2))
    if whole * group < columns:
        tail = w.narrow(1, whole * group, columns - whole * group)
        tail.sub_(z.narrow(1, whole, 1)).mul_(scale.narrow(1, whole, 1))
    return w

def detent_int4_as(w, dtype: int):
    if dtype < 0:
        return w
    return w.to(dtype)

def detent_int4_embedding(ids, q, scale, columns: int, group: int, dtype: int):
    flat = ids.reshape([-1])
    w = detent_int4(torch.embedding(q, flat), torch.embedding(scale, flat), columns, group)
    return detent_int4_as(w.reshape(ids.size() + [columns]), dtype)

def detent_int4_embedding_zero(ids, q, scale, zero, columns: int, group: int, dtype: int):
    flat = ids.reshape([-1])
    w = detent_int4_zero(torch.embedding(q, flat), torch.embedding(scale, flat),
                         torch.embedding(zero, flat), columns, group)
    return detent_int4_as(w.reshape(ids.size() + [columns]), dtype)
)"};

std::string int4_name(std::size_t dimensions, bool zero) {
  return "detent_int4_" + std::to_string(dimensions) + (zero ? "d_zero" : "d");
}

std::string int4_text(std::size_t dimensions, bool zero) {
  std::string parameters, shape;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::string extent = "e" + std::to_string(d);
    parameters += extent + ": int, ";
    shape += (d != 0 ? ", " : "") + extent;
  }
  return "\ndef " + int4_name(dimensions, zero) + "(q, scale, " + (zero ? "zero, " : "") +
         "columns: int, group: int, " + parameters + "dtype: int):\n    w = detent_int4" +
         (zero ? "_zero(q, scale, zero, " : "(q, scale, ") +
         "columns, group)\n    return detent_int4_as(w.reshape([" + shape + "]), dtype)\n";
}

}  // namespace detent::torchscript
