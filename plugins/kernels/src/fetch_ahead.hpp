// SPDX-License-Identifier: Apache-2.0
// fetch_ahead: asks for elements that come later while the processor is busy with these.
//
// Rows that are looked at twice, for their range and for their codes, read no memory the second
// time. So the next row is fetched then: it is half as fast again where rows come from memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <hwy/cache_control.h>

namespace detent::kernels {

// Of so many bytes two fit the first-level cache: those in use, and those that come.
inline constexpr std::size_t kFetchBytes = 16384;

// The elements [distance, distance + n) from x on. A hint: they need not exist. Always inline: a
// call is left out by gcc, as one that does nothing.
template <class T>
HWY_INLINE void fetch_ahead(const T* x, std::size_t n, std::size_t distance) {
  constexpr std::size_t kLine = 64;
  const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(x) + distance * sizeof(T);
  for (std::size_t i = 0; i < n * sizeof(T); i += kLine)
    hwy::Prefetch(reinterpret_cast<const char*>(at + i));
}

}  // namespace detent::kernels
