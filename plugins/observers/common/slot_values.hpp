// SPDX-License-Identifier: Apache-2.0
// read_slot: elements of one slot side by side, as the float32 values that are quantized.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "pieces.hpp"
#include "slots.hpp"
#include <detent/kernels/convert.hpp>
#include <detent/sdk.hpp>

namespace detent {

template <class T>
void to_floats(const T* from, std::int64_t n, float* to) {
  const auto size = static_cast<std::size_t>(n);
  if constexpr (std::is_same_v<T, float>) {
    std::copy_n(from, size, to);
  } else if constexpr (std::is_integral_v<T>) {
    std::transform(from, from + size, to, [](T v) { return static_cast<float>(v); });
  } else {
    kernels::to_float({from, size}, to);
  }
}

// Room for values and what each counts; made before tasks run, because these must not throw.
struct SlotBuffer {
  SlotBuffer(std::int64_t length, bool weighted)
      : x(static_cast<std::size_t>(length)), importance(weighted ? x.size() : 0) {}

  std::vector<float> x;
  std::vector<double> importance;
};

struct SlotValues {
  std::span<const float> x;
  const double* importance;  // nullptr: each counts 1
};

// Drops NaN and infinities, and what they count. The number left.
inline std::size_t keep_finite(std::span<float> x, double* importance) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) continue;
    x[kept] = x[i];
    if (importance != nullptr) importance[kept] = importance[i];
    ++kept;
  }
  return kept;
}

// The finite ones of the slot's elements [begin, end), in order. Requires T to be x's element type,
// importance (f64, of x's shape) exactly where the buffer has room for it.
template <class T>
SlotValues read_slot(const sdk::TensorView& x, const sdk::TensorView* importance,
                     const Slots& slots, std::int64_t slot, std::int64_t begin, std::int64_t end,
                     SlotBuffer& buffer) {
  for (std::int64_t k = begin; k < end;) {
    const std::int64_t n = std::min(end - k, slots.run_length() - k % slots.run_length());
    const std::int64_t at = slots.element_of(slot, k);
    const std::int64_t offset = k - begin - at;
    for_each_piece<T>(x, at, at + n, [&](const T* piece, std::int64_t first, std::int64_t count) {
      to_floats(piece, count, buffer.x.data() + (first + offset));
    });
    if (importance != nullptr)
      for_each_piece<double>(*importance, at, at + n,
                             [&](const double* piece, std::int64_t first, std::int64_t count) {
                               std::copy_n(piece, count,
                                           buffer.importance.data() + (first + offset));
                             });
    k += n;
  }
  double* const counts = importance != nullptr ? buffer.importance.data() : nullptr;
  const std::span<float> read(buffer.x.data(), static_cast<std::size_t>(end - begin));
  return {read.first(keep_finite(read, counts)), counts};
}

}  // namespace detent
