// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "detent/kernels/finite_range.hpp"

namespace detent::kernels {
namespace {

template <class T>
void include_element(T element, FiniteRange& out) {
  const double value = to_double(element);
  if (std::isfinite(value)) {
    out.range.include(value + 0.0);  // -0 becomes +0
  } else {
    ++out.non_finite;
  }
}

}  // namespace

template <class T>
void finite_ranges_ref(const T* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  for (std::size_t r = 0; r < runs; ++r)
    for (std::size_t i = 0; i < length; ++i) include_element(x[r * length + i], out[r]);
}

template <class T>
void finite_columns_ref(const T* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) include_element(x[r * columns + c], out[c]);
}

template void finite_ranges_ref(const float*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const double*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const Half*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const BFloat16*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const std::int8_t*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const std::uint8_t*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const std::int16_t*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const std::uint16_t*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const std::int32_t*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const std::uint32_t*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const std::int64_t*, std::size_t, std::size_t, FiniteRange*);
template void finite_ranges_ref(const std::uint64_t*, std::size_t, std::size_t, FiniteRange*);
template void finite_columns_ref(const float*, std::size_t, std::size_t, FiniteRange*);
template void finite_columns_ref(const double*, std::size_t, std::size_t, FiniteRange*);
template void finite_columns_ref(const Half*, std::size_t, std::size_t, FiniteRange*);
template void finite_columns_ref(const BFloat16*, std::size_t, std::size_t, FiniteRange*);

}  // namespace detent::kernels
