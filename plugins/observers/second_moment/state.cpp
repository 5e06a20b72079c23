// SPDX-License-Identifier: Apache-2.0
#include "state.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "../common/shape_state.hpp"

namespace detent {
namespace {

static_assert(std::endian::native == std::endian::little, "states are little-endian");

using kernels::SquareSum;

constexpr std::uint64_t kMaxValues = std::uint64_t{1} << 62;

// Every square is below 2^256, so the sum is below count * 2^256, and without values it is zero.
bool is_possible(const SquareSum& sum) {
  constexpr std::size_t kBit = 256 - SquareSum::kLowestBit;  // of 2^256: in limb 17
  constexpr std::size_t kLimb = kBit / 32;
  if (sum.finite == 0)
    return std::all_of(sum.limbs.begin(), sum.limbs.end(), [](std::int64_t v) { return v == 0; });
  const auto limb = [&](std::size_t i) { return static_cast<std::uint64_t>(sum.limbs[i]); };
  if (limb(kLimb + 2) >> (kBit % 32) != 0) return false;  // beyond 2^64 * 2^256
  const std::uint64_t above = limb(kLimb) >> (kBit % 32) | limb(kLimb + 1) << (32 - kBit % 32) |
                              limb(kLimb + 2) << (64 - kBit % 32);
  return above < sum.finite;
}

const char* read_slot(sdk::Reader& in, SquareSum& out) {
  std::uint32_t limbs[SquareSum::kLimbs];
  if (!in.pod(out.finite) || !in.pod(out.non_finite) || !in.pod(limbs)) return "it is too short";
  std::copy(std::begin(limbs), std::end(limbs), out.limbs.begin());
  if (out.finite > kMaxValues || out.non_finite > kMaxValues) return "a count is out of range";
  if (!is_possible(out)) return "a sum contradicts its count";
  return nullptr;
}

}  // namespace

sdk::Status MomentState::add(const MomentState& other) {
  if (!other.started) return {};
  if (finite() + other.finite() > kMaxValues || non_finite() + other.non_finite() > kMaxValues)
    return {DETENT_E_NUMERIC, "more than 2^62 values"};
  if (!started) {
    *this = other;
    return {};
  }
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i].add(other.slots[i]);
  return {};
}

std::uint64_t MomentState::finite() const noexcept {
  std::uint64_t sum = 0;
  for (const SquareSum& slot : slots) sum += slot.finite;
  return sum;
}

std::uint64_t MomentState::non_finite() const noexcept {
  std::uint64_t sum = 0;
  for (const SquareSum& slot : slots) sum += slot.non_finite;
  return sum;
}

void MomentState::save(sdk::Writer& out) const {
  out.pod(static_cast<std::uint32_t>(started));
  write_shape(out, shape);
  for (const SquareSum& slot : slots) {
    out.pod(slot.finite);
    out.pod(slot.non_finite);
    for (const std::int64_t limb : slot.limbs) out.pod(static_cast<std::uint32_t>(limb));
  }
}

const char* MomentState::load(sdk::Reader& in, std::uint32_t ndim) {
  constexpr std::uint64_t kMaxSlots = std::uint64_t{1} << 40;
  std::uint32_t has_started = 0;
  if (!in.pod(has_started)) return "it is too short";
  std::uint64_t count = 0;
  if (const char* const wrong = read_shape(in, has_started, ndim, kMaxSlots, shape, count);
      wrong != nullptr)
    return wrong;
  started = has_started != 0;
  std::uint64_t values = 0;
  std::uint64_t others = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    SquareSum slot;
    if (const char* const wrong = read_slot(in, slot); wrong != nullptr) return wrong;
    values +=
        slot.finite;  // neither can overflow: both are at most 2^62, and end the loop above it
    others += slot.non_finite;
    if (values > kMaxValues || others > kMaxValues) return "a count is out of range";
    slots.push_back(slot);
  }
  if (started != (values + others != 0)) return "the counts contradict";
  return nullptr;
}

}  // namespace detent
