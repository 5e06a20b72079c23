// SPDX-License-Identifier: Apache-2.0
// load_float, load_double: a vector of elements of any floating-point type as float32 or float64,
// for kernels that take them all. The elements need not be aligned.
// Included once for each target of Highway, after hwy/highway.h, as its own headers are.
#if defined(DETENT_KERNELS_LOAD_FLOAT) == defined(HWY_TARGET_TOGGLE)
#ifdef DETENT_KERNELS_LOAD_FLOAT
#undef DETENT_KERNELS_LOAD_FLOAT
#else
#define DETENT_KERNELS_LOAD_FLOAT
#endif

#include <cstdint>

#include "detent/kernels/element.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load_float(D df, const float* from) {
  return hn::LoadU(df, from);
}

template <class D>
HWY_INLINE hn::Vec<D> load_float(D df, const BFloat16* from) {
  const hn::RebindToUnsigned<D> du32;
  const hn::Rebind<std::uint16_t, D> du16;
  const auto bits = hn::LoadU(du16, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(df, hn::ShiftLeft<16>(hn::PromoteTo(du32, bits)));
}

// With float32 arithmetic and integers on targets without an instruction for it: Highway's
// emulation gives other NaNs. Source: Marat Dukhan, github.com/Maratyszcza/FP16.
template <class D>
HWY_INLINE hn::Vec<D> load_float(D df, const Half* from) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !defined(HWY_DISABLE_F16C)
  const hn::Rebind<hwy::float16_t, D> df16;
  return hn::PromoteTo(df, hn::LoadU(df16, reinterpret_cast<const hwy::float16_t*>(from)));
#else
  const hn::RebindToUnsigned<D> du32;
  const hn::Rebind<std::uint16_t, D> du16;
  const auto word = hn::ShiftLeft<16>(
      hn::PromoteTo(du32, hn::LoadU(du16, reinterpret_cast<const std::uint16_t*>(from))));
  const auto sign = hn::And(word, hn::Set(du32, 0x80000000U));
  const auto twice = hn::Add(word, word);  // without the sign
  const auto normal =
      hn::Mul(hn::BitCast(df, hn::Add(hn::ShiftRight<4>(twice), hn::Set(du32, 0xE0U << 23))),
              hn::Set(df, 0x1.0p-112F));
  const auto subnormal =
      hn::Sub(hn::BitCast(df, hn::Or(hn::ShiftRight<17>(twice), hn::Set(du32, 126U << 23))),
              hn::Set(df, 0.5F));
  const auto is_subnormal = hn::Lt(twice, hn::Set(du32, 1U << 27));
  const auto magnitude = hn::IfThenElse(hn::RebindMask(df, is_subnormal), subnormal, normal);
  return hn::BitCast(df, hn::Or(sign, hn::BitCast(du32, magnitude)));
#endif
}

// To the nearest, ties to even.
template <class D>
HWY_INLINE hn::Vec<D> load_float(D df, const double* from) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> dh;
    const hn::Rebind<double, decltype(dh)> dd;
    const auto low = hn::DemoteTo(dh, hn::LoadU(dd, from));
    const auto high = hn::DemoteTo(dh, hn::LoadU(dd, from + hn::Lanes(dh)));
    return hn::Combine(df, high, low);
  }
#endif
  const hn::CappedTag<double, 1> one;
  const hn::CappedTag<float, 1> to;
  return hn::Set(df, hn::GetLane(hn::DemoteTo(to, hn::LoadU(one, from))));
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load_double(D dd, const T* from) {
  return hn::PromoteTo(dd, load_float(hn::Rebind<float, D>(), from));
}

template <class D>
HWY_INLINE hn::Vec<D> load_double(D dd, const double* from) {
  return hn::LoadU(dd, from);
}

}  // namespace
}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
