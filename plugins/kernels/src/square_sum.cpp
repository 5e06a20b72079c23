// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/square_sum.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "square_sum.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef DETENT_KERNELS_SQUARE_SUM  // once, not for each target
#define DETENT_KERNELS_SQUARE_SUM
namespace detent::kernels {
// Squares below 2^32 are cut into four parts, multiples of these, that are at most 2^40 times as
// large; so up to kFlush of a part add up exactly in a double. Ordinary activations, all those from
// 2^-41 to 2^16 in magnitude, leave nothing.
constexpr int kParts = 4;
constexpr int kPartBits[kParts] = {-8, -48, -88, -128};
constexpr double kPerUnit[kParts] = {0x1p8, 0x1p48, 0x1p88, 0x1p128};
constexpr double kPartMagic[kParts] = {0x1.8p44, 0x1.8p4, 0x1.8p-36, 0x1.8p-76};
constexpr float kPartsBelow = 0x1p16F;
constexpr std::size_t kFlush = 4096;

// parts[p] is a multiple of 2^kPartBits[p], and at most 2^52 times that.
void add_parts(const double* parts, SquareSum& out) noexcept;
}  // namespace detent::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
struct Parts {
  using V = hn::Vec<D>;
  explicit Parts(D tag) : d(tag), sum0(hn::Zero(d)), sum1(sum0), sum2(sum0), sum3(sum0) {}

  // Adds the squares. False, and nothing added for these, in lanes which the parts do not hold.
  HWY_INLINE hn::Mask<D> add(hn::Vec<hn::Rebind<float, D>> x) {
    const auto value = hn::PromoteTo(d, x);
    const auto square = hn::Mul(value, value);
    const V part0 = cut(square, kPartMagic[0]);
    const V rest0 = hn::Sub(square, part0);
    const V part1 = cut(rest0, kPartMagic[1]);
    const V rest1 = hn::Sub(rest0, part1);
    const V part2 = cut(rest1, kPartMagic[2]);
    const V part3 = hn::Sub(rest1, part2);
    const auto fits = hn::And(hn::Lt(hn::Abs(value), hn::Set(d, double{kPartsBelow})),
                              hn::Eq(part3, cut(part3, kPartMagic[3])));
    if (HWY_LIKELY(hn::AllTrue(d, fits))) {
      sum0 = hn::Add(sum0, part0);
      sum1 = hn::Add(sum1, part1);
      sum2 = hn::Add(sum2, part2);
      sum3 = hn::Add(sum3, part3);
    } else {
      sum0 = hn::Add(sum0, hn::IfThenElseZero(fits, part0));
      sum1 = hn::Add(sum1, hn::IfThenElseZero(fits, part1));
      sum2 = hn::Add(sum2, hn::IfThenElseZero(fits, part2));
      sum3 = hn::Add(sum3, hn::IfThenElseZero(fits, part3));
    }
    return fits;
  }

  // The nearest multiple of the part's unit.
  HWY_INLINE V cut(V v, double magic) const {
    return hn::Sub(hn::Add(v, hn::Set(d, magic)), hn::Set(d, magic));
  }

  // of[lane][part]
  void store(double (*of)[kParts]) const {
    HWY_ALIGN double lanes[kParts][hn::MaxLanes(D())];
    hn::Store(sum0, d, lanes[0]);
    hn::Store(sum1, d, lanes[1]);
    hn::Store(sum2, d, lanes[2]);
    hn::Store(sum3, d, lanes[3]);
    for (std::size_t lane = 0; lane < hn::Lanes(d); ++lane)
      for (int p = 0; p < kParts; ++p) of[lane][p] = lanes[p][lane];
  }

  D d;
  V sum0, sum1, sum2, sum3;
};

// f(lane) for the lanes that are false.
template <class D, class F>
HWY_INLINE void for_each_other(D d, hn::Mask<D> fits, F&& f) {
  HWY_ALIGN double lanes[hn::MaxLanes(D())];
  hn::Store(hn::IfThenElseZero(fits, hn::Set(d, 1.0)), d, lanes);
  for (std::size_t lane = 0; lane < hn::Lanes(d); ++lane)
    if (lanes[lane] == 0.0) f(lane);
}

// At most kFlush elements.
void add_run(const float* x, std::size_t n, SquareSum& out) {
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> df;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  if (n >= 2 * lanes) {
    Parts parts(d);
    for (; i + lanes <= n; i += lanes) {
      const auto fits = parts.add(hn::LoadU(df, x + i));
      if (HWY_UNLIKELY(!hn::AllTrue(d, fits)))
        for_each_other(d, fits, [&](std::size_t lane) {
          add_square(x[i + lane], out);
          --out.finite;
        });
    }
    double sums[8][kParts];
    parts.store(sums);
    for (std::size_t lane = 1; lane < lanes; ++lane)
      for (int p = 0; p < kParts; ++p) sums[0][p] += sums[lane][p];
    add_parts(sums[0], out);
    out.finite += i;
  }
  for (; i < n; ++i) add_square(x[i], out);
}

// As many neighbouring columns as there are lanes, down at most kFlush rows.
template <class D>
HWY_INLINE void add_column_vector(D d, const float* x, std::size_t rows, std::size_t stride,
                                  SquareSum* out) {
  const hn::Rebind<float, D> df;
  Parts parts(d);
  for (std::size_t r = 0; r < rows; ++r) {
    const float* const row = x + r * stride;
    const auto fits = parts.add(hn::LoadU(df, row));
    if (HWY_UNLIKELY(!hn::AllTrue(d, fits)))
      for_each_other(d, fits, [&](std::size_t lane) {
        add_square(row[lane], out[lane]);
        --out[lane].finite;
      });
  }
  double sums[hn::MaxLanes(D())][kParts];
  parts.store(sums);
  for (std::size_t lane = 0; lane < hn::Lanes(d); ++lane) {
    add_parts(sums[lane], out[lane]);
    out[lane].finite += rows;
  }
}

}  // namespace

void squares(const float* x, std::size_t runs, std::size_t length, SquareSum* out) {
  for (std::size_t r = 0; r < runs; ++r)
    for (std::size_t i = 0; i < length; i += kFlush)
      add_run(x + r * length + i, std::min(kFlush, length - i), out[r]);
}

void square_columns(const float* x, std::size_t rows, std::size_t columns, SquareSum* out) {
  const hn::CappedTag<double, 8> d;
  const hn::CappedTag<double, 1> one;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= columns; c += lanes) add_column_vector(d, x + c, rows, columns, out + c);
  for (; c < columns; ++c) add_column_vector(one, x + c, rows, columns, out + c);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(squares);
HWY_EXPORT(square_columns);

namespace {

constexpr std::int64_t kLimbMask = 0xFFFFFFFF;

// value * 2^(bit + kLowestBit). A limb grows by less than 2^33, so 2^29 additions may wait.
void add_at(std::int64_t value, unsigned bit, SquareSum& out) noexcept {
  const unsigned shift = bit % 32;
  const std::int64_t low = (value & kLimbMask) << shift;
  const std::int64_t high = (value >> 32) * (std::int64_t{1} << shift);
  std::int64_t* const limb = &out.limbs[bit / 32];
  limb[0] += low & kLimbMask;
  limb[1] += (low >> 32) + (high & kLimbMask);
  limb[2] += high >> 32;
  if (++out.pending == 1U << 29) out.carry();
}

bool bit_of(const SquareSum& sum, int bit) noexcept {
  return bit >= 0 && (sum.limbs[static_cast<std::size_t>(bit / 32)] >> (bit % 32) & 1) != 0;
}

bool any_below(const SquareSum& sum, int bit) noexcept {
  while (--bit >= 0)
    if (bit_of(sum, bit)) return true;
  return false;
}

}  // namespace

void add_parts(const double* parts, SquareSum& out) noexcept {
  for (int p = 0; p < kParts; ++p)
    add_at(static_cast<std::int64_t>(parts[p] * kPerUnit[p]),
           static_cast<unsigned>(kPartBits[p] - SquareSum::kLowestBit), out);
}

void SquareSum::carry() noexcept {
  std::int64_t over = 0;
  for (std::size_t i = 0; i + 1 < kLimbs; ++i) {
    const std::int64_t sum = limbs[i] + over;
    limbs[i] = sum & kLimbMask;
    over = sum >> 32;
  }
  limbs.back() += over;
  pending = 0;
}

void SquareSum::add(const SquareSum& other) noexcept {
  carry();
  for (std::size_t i = 0; i < kLimbs; ++i) limbs[i] += other.limbs[i];
  finite += other.finite;
  non_finite += other.non_finite;
  carry();
}

void add_square(float x, SquareSum& out) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t exponent = bits >> 23 & 255;
  if (exponent == 255) {
    ++out.non_finite;
    return;
  }
  ++out.finite;
  const std::uint32_t fraction = bits & 0x7FFFFF;
  // mantissa * 2^(place - 149), subnormals and the smallest normals alike
  const std::int64_t mantissa = exponent == 0 ? fraction : fraction | 0x800000;
  const unsigned place = exponent == 0 ? 0 : exponent - 1;
  add_at(mantissa * mantissa, 2 * place, out);
}

void add_squares(const float* x, std::size_t runs, std::size_t length, SquareSum* out) {
  HWY_DYNAMIC_DISPATCH(squares)(x, runs, length, out);
}

void add_square_columns(const float* x, std::size_t rows, std::size_t columns, SquareSum* out) {
  for (std::size_t r = 0; r < rows; r += kFlush) HWY_DYNAMIC_DISPATCH(square_columns)
  (x + r * columns, std::min(kFlush, rows - r), columns, out);
}

// Long division, bit by bit, until there are the 53 bits of a double and one to round by.
double mean_square(const SquareSum& sum) noexcept {
  const bool zero =
      std::all_of(sum.limbs.begin(), sum.limbs.end(), [](std::int64_t limb) { return limb == 0; });
  if (zero || sum.finite == 0) return 0.0;
  std::uint64_t rest = 0;
  std::uint64_t mantissa = 0;
  int bit = static_cast<int>(SquareSum::kLimbs) * 32;
  while (mantissa >> 53 == 0) {
    --bit;
    rest = 2 * rest + (bit_of(sum, bit) ? 1 : 0);  // below 2^63
    const bool one = rest >= sum.finite;
    if (one) rest -= sum.finite;
    mantissa = 2 * mantissa + (one ? 1 : 0);
  }
  const bool inexact = rest != 0 || any_below(sum, bit);
  std::uint64_t rounded = mantissa >> 1;
  if ((mantissa & 1) != 0 && (inexact || (rounded & 1) != 0)) ++rounded;
  return std::ldexp(static_cast<double>(rounded), bit + 1 + SquareSum::kLowestBit);
}

}  // namespace detent::kernels
#endif
