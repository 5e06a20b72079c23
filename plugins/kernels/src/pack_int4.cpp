// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/pack_int4.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pack_int4.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whole vectors only; both return the number of bytes done.
std::size_t pack_vectors(const std::int8_t* codes, std::size_t bytes, std::uint8_t* packed) {
  const hn::ScalableTag<std::int16_t> di16;
  const hn::Rebind<std::uint8_t, decltype(di16)> du8;
  const std::size_t lanes = hn::Lanes(di16);
  std::size_t i = 0;
  for (; i + lanes <= bytes; i += lanes) {
    const std::int8_t* from = codes + 2 * i;
    auto first = hn::Undefined(du8);
    auto second = hn::Undefined(du8);
    hn::LoadInterleaved2(du8, reinterpret_cast<const std::uint8_t*>(from), first, second);
    const auto low = hn::And(first, hn::Set(du8, std::uint8_t{15}));
    const auto high = hn::And(second, hn::Set(du8, std::uint8_t{15}));
    // 8-bit lanes have no shift of their own on x86; four doublings are one.
    const auto high2 = hn::Add(high, high);
    const auto high4 = hn::Add(high2, high2);
    const auto high8 = hn::Add(high4, high4);
    hn::StoreU(hn::Or(low, hn::Add(high8, high8)), du8, packed + i);
  }
  return i;
}

std::size_t unpack_vectors(const std::uint8_t* packed, std::size_t bytes, std::int8_t* codes) {
  const hn::ScalableTag<std::int16_t> di16;
  const hn::Rebind<std::uint8_t, decltype(di16)> du8;
  const hn::Rebind<std::int8_t, decltype(di16)> di8;
  const std::size_t lanes = hn::Lanes(di16);
  const auto eight = hn::Set(di8, std::int8_t{8});
  std::size_t i = 0;
  for (; i + lanes <= bytes; i += lanes) {
    const auto both = hn::LoadU(du8, packed + i);
    const auto low = hn::BitCast(di8, hn::And(both, hn::Set(du8, std::uint8_t{15})));
    const auto high = hn::BitCast(di8, hn::ShiftRight<4>(both));
    // (v ^ 8) - 8 extends the sign of the nibble.
    hn::StoreInterleaved2(hn::Sub(hn::Xor(low, eight), eight), hn::Sub(hn::Xor(high, eight), eight),
                          di8, codes + 2 * i);
  }
  return i;
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(pack_vectors);
HWY_EXPORT(unpack_vectors);

void pack_int4(std::span<const std::int8_t> codes, std::uint8_t* bytes) {
  const std::size_t whole = codes.size() / 2;
  const std::size_t done = HWY_DYNAMIC_DISPATCH(pack_vectors)(codes.data(), whole, bytes);
  pack_int4_ref(codes.subspan(2 * done), bytes + done);
}

void unpack_int4(const std::uint8_t* bytes, std::span<std::int8_t> codes) {
  const std::size_t whole = codes.size() / 2;
  const std::size_t done = HWY_DYNAMIC_DISPATCH(unpack_vectors)(bytes, whole, codes.data());
  unpack_int4_ref(bytes + done, codes.subspan(2 * done));
}

void pack_int4_ref(std::span<const std::int8_t> codes, std::uint8_t* bytes) {
  const auto nibble = [&](std::size_t i) {
    return i < codes.size() ? static_cast<unsigned>(codes[i]) & 15U : 0U;
  };
  for (std::size_t i = 0; i < codes.size(); i += 2)
    bytes[i / 2] = static_cast<std::uint8_t>(nibble(i) | nibble(i + 1) << 4);
}

void unpack_int4_ref(const std::uint8_t* bytes, std::span<std::int8_t> codes) {
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const int nibble = i % 2 == 0 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
    codes[i] = static_cast<std::int8_t>(nibble >= 8 ? nibble - 16 : nibble);
  }
}

}  // namespace detent::kernels
#endif
