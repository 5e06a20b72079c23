// SPDX-License-Identifier: Apache-2.0
// What quantize_int4.cpp (which groups, and all that the vectors leave) and int4_groups.cpp (the
// vectors) know of one another.
#pragma once
#include <cstddef>
#include <cstdint>

#include "detent/kernels/quantize_int4.hpp"

namespace detent::kernels {

inline constexpr std::size_t kGroupUnit = 32;  // groups of a multiple of these elements

// The elements that were quantized, a multiple of kGroupUnit: from the first on, in whole groups
// or, at the end, a part of one. Requires group_size a multiple of kGroupUnit.
template <class T>
std::size_t quantize_whole_groups(const T* x, std::size_t n, RowGroups groups, Codes codes,
                                  std::uint8_t* bytes);

// What round_whole_groups did: all of the first `groups`, but perhaps the last codes.
struct RoundedGroups {
  bool finite;  // otherwise the rest is of no use
  std::size_t groups;
  std::size_t elements;  // that have codes, as above
};

// The same, and chooses the parameters. Not for float64: its ranges are no pairs of float32.
template <class T>
RoundedGroups round_whole_groups(const T* x, std::size_t n, const Int4Rounding& how,
                                 AffineParams* params, std::uint8_t* bytes);

// Elements [begin, end) of a row, run by run. Requires begin to be even.
template <class T>
void quantize_int4_runs(const T* x, std::size_t begin, std::size_t end, RowGroups groups,
                        Codes codes, std::uint8_t* bytes);

}  // namespace detent::kernels
