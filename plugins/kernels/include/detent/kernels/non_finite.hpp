// SPDX-License-Identifier: Apache-2.0
// count_non_finite: how many elements are NaN or infinite.
//
// Shapes    x has n elements, perhaps none
// Errors    none. x need not be aligned to its element
// Truth     count_non_finite_ref; every SIMD target gives the same number
#pragma once
#include <cstddef>
#include <cstdint>

#include "detent/kernels/element.hpp"

namespace detent::kernels {

std::uint64_t count_non_finite(const float* x, std::size_t n);
std::uint64_t count_non_finite(const double* x, std::size_t n);
std::uint64_t count_non_finite(const Half* x, std::size_t n);
std::uint64_t count_non_finite(const BFloat16* x, std::size_t n);

template <class T>
std::uint64_t count_non_finite_ref(const T* x, std::size_t n);

}  // namespace detent::kernels
