// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/quantize_int4.hpp"

#include <algorithm>
#include <cassert>

#include "detent/kernels/pack_int4.hpp"
#include "detent/kernels/quantize_affine.hpp"

namespace detent::kernels {
namespace {

// Codes pass through a block on the stack; even, so that every block starts on a byte.
constexpr std::size_t kBlock = 1024;

// f(from, count, group) for the runs of [begin, end) that lie in one group each.
template <class F>
void for_each_run(std::size_t begin, std::size_t end, std::size_t group_size, F f) {
  for (std::size_t i = begin; i < end;) {
    const std::size_t group = i / group_size;
    const std::size_t left_in_group = group_size - i % group_size;
    const std::size_t count = std::min(left_in_group, end - i);
    f(i, count, group);
    i += count;
  }
}

}  // namespace

void quantize_int4_row(std::span<const float> x, RowGroups groups, Codes codes,
                       std::uint8_t* bytes) {
  assert(groups.group_size > 0 && codes.min >= -8 && codes.max <= 7);
  std::int8_t block[kBlock];
  for (std::size_t begin = 0; begin < x.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, x.size());
    for_each_run(begin, end, groups.group_size,
                 [&](std::size_t from, std::size_t count, std::size_t group) {
                   quantize_affine(x.subspan(from, count), groups.params[group], codes,
                                   block + (from - begin));
                 });
    pack_int4({block, end - begin}, bytes + begin / 2);
  }
}

void dequantize_int4_row(const std::uint8_t* bytes, RowGroups groups, std::span<float> x) {
  assert(groups.group_size > 0);
  std::int8_t block[kBlock];
  for (std::size_t begin = 0; begin < x.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, x.size());
    unpack_int4(bytes + begin / 2, {block, end - begin});
    for_each_run(begin, end, groups.group_size,
                 [&](std::size_t from, std::size_t count, std::size_t group) {
                   dequantize_affine(std::span<const std::int8_t>(block + (from - begin), count),
                                     groups.params[group], x.data() + from);
                 });
  }
}

}  // namespace detent::kernels
