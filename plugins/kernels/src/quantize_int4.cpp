// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/quantize_int4.hpp"

#include <algorithm>
#include <cassert>

#include "detent/kernels/finite_range.hpp"
#include "detent/kernels/pack_int4.hpp"
#include "detent/kernels/quantize_affine.hpp"
#include "int4_groups.hpp"

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

bool fits_vectors(std::size_t group_size) { return group_size % kGroupUnit == 0; }

// The parameters of groups [first, ...) of x. Runs of the groups' size, one of them short perhaps.
template <class T>
bool choose_params(std::span<const T> x, std::size_t first, const Int4Rounding& how,
                   AffineParams* params) {
  for (std::size_t g = first; g * how.group_size < x.size(); ++g) {
    const std::size_t begin = g * how.group_size;
    FiniteRange found;
    finite_ranges(x.data() + begin, 1, std::min(how.group_size, x.size() - begin), &found);
    if (found.non_finite != 0) return false;
    params[g] = choose_affine(found.range.lo, found.range.hi, how.codes, how.mapping);
  }
  return true;
}

}  // namespace

template <class T>
void quantize_int4_runs(const T* x, std::size_t begin, std::size_t end, RowGroups groups,
                        Codes codes, std::uint8_t* bytes) {
  std::int8_t block[kBlock];
  for (; begin < end; begin += kBlock) {
    const std::size_t block_end = std::min(begin + kBlock, end);
    for_each_run(begin, block_end, groups.group_size,
                 [&](std::size_t from, std::size_t count, std::size_t group) {
                   quantize_affine(x + from, count, groups.params[group], codes,
                                   block + (from - begin));
                 });
    pack_int4({block, block_end - begin}, bytes + begin / 2);
  }
}

template <class T>
void quantize_int4_row(std::span<const T> x, RowGroups groups, Codes codes, std::uint8_t* bytes) {
  assert(groups.group_size > 0 && codes.min >= -8 && codes.max <= 7);
  const std::size_t done = fits_vectors(groups.group_size)
                               ? quantize_whole_groups(x.data(), x.size(), groups, codes, bytes)
                               : 0;
  quantize_int4_runs(x.data(), done, x.size(), groups, codes, bytes);
}

template <class T>
bool round_int4_row(std::span<const T> x, const Int4Rounding& how, AffineParams* params,
                    std::uint8_t* bytes) {
  assert(how.group_size > 0 && how.codes.min >= -8 && how.codes.max <= 7);
  RoundedGroups rounded{true, 0, 0};
  if (fits_vectors(how.group_size))
    rounded = round_whole_groups(x.data(), x.size(), how, params, bytes);
  if (!rounded.finite || !choose_params(x, rounded.groups, how, params)) return false;
  quantize_int4_runs(x.data(), rounded.elements, x.size(), {how.group_size, params}, how.codes,
                     bytes);
  return true;
}

// Ranges of float64 first, all of them.
template <>
bool round_int4_row(std::span<const double> x, const Int4Rounding& how, AffineParams* params,
                    std::uint8_t* bytes) {
  if (!choose_params(x, 0, how, params)) return false;
  quantize_int4_row(x, {how.group_size, params}, how.codes, bytes);
  return true;
}

#define DETENT_INSTANTIATE(T)                                                            \
  template void quantize_int4_runs(const T*, std::size_t, std::size_t, RowGroups, Codes, \
                                   std::uint8_t*);                                       \
  template void quantize_int4_row(std::span<const T>, RowGroups, Codes, std::uint8_t*);  \
  template bool round_int4_row(std::span<const T>, const Int4Rounding&, AffineParams*,   \
                               std::uint8_t*);
DETENT_INSTANTIATE(float)
DETENT_INSTANTIATE(double)
DETENT_INSTANTIATE(Half)
DETENT_INSTANTIATE(BFloat16)
#undef DETENT_INSTANTIATE

}  // namespace detent::kernels
