// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>

#include "detent/kernels/pack_int4.hpp"
#include "detent/kernels/quantize_int4.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dequantize_int4.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "affine_steps.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {

// Elements [begin, end) of a row, whose codes are unpacked.
void dequantize_runs(const std::int8_t* codes, std::size_t begin, std::size_t end, RowGroups groups,
                     float* x) {
  std::size_t group = begin / groups.group_size;
  std::size_t group_end = (group + 1) * groups.group_size;
  for (std::size_t i = begin; i < end; ++group, group_end += groups.group_size) {
    const std::size_t count = std::min(group_end, end) - i;
    dequantize_run(codes + (i - begin), count, groups.params[group], x + i);
    i += count;
  }
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(dequantize_runs);

void dequantize_int4_row(const std::uint8_t* bytes, RowGroups groups, std::span<float> x) {
  constexpr std::size_t kBlock = 1024;  // even: every block starts on a byte
  assert(groups.group_size > 0);
  std::int8_t block[kBlock];
  for (std::size_t begin = 0; begin < x.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, x.size());
    unpack_int4(bytes + begin / 2, {block, end - begin});
    HWY_DYNAMIC_DISPATCH(dequantize_runs)(block, begin, end, groups, x.data());
  }
}

}  // namespace detent::kernels
#endif
