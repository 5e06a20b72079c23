// SPDX-License-Identifier: Apache-2.0
#include "state.hpp"

#include <bit>

#include "../common/shape_state.hpp"

namespace detent {
namespace {

static_assert(std::endian::native == std::endian::little, "states are little-endian");

constexpr std::uint64_t kMaxValues = std::uint64_t{1} << 62;

const char* read_slot(sdk::Reader& in, std::int64_t bins, kernels::Histogram& out) {
  std::int64_t exponent = 0;
  in.pod(out.range.lo);
  in.pod(out.range.hi);
  in.pod(exponent);
  in.pod(out.grid.first);
  if (!in.vec(out.counts, static_cast<std::uint64_t>(bins))) return "it is too short";
  if (exponent < -1074 || exponent > 1024) return "an exponent is out of range";
  out.grid.exponent = static_cast<std::int32_t>(exponent);
  out.grid.count = static_cast<std::int64_t>(out.counts.size());
  if (!kernels::is_canonical(out, bins)) return "its bins are not those of its range";
  return nullptr;
}

}  // namespace

sdk::Status HistogramState::add(const HistogramState& other, std::int64_t bins) {
  if (!other.started) return {};
  if (finite + other.finite > kMaxValues || non_finite + other.non_finite > kMaxValues)
    return {DETENT_E_NUMERIC, "more than 2^62 values"};
  if (!started) {
    *this = other;
    return {};
  }
  for (std::size_t i = 0; i < slots.size(); ++i) kernels::merge(slots[i], other.slots[i], bins);
  finite += other.finite;
  non_finite += other.non_finite;
  return {};
}

void HistogramState::save(sdk::Writer& out, std::int64_t bins) const {
  out.pod(static_cast<std::uint32_t>(started));
  write_shape(out, shape);
  out.pod(bins);
  out.pod(finite);
  out.pod(non_finite);
  for (const kernels::Histogram& slot : slots) {
    out.pod(slot.range.lo);
    out.pod(slot.range.hi);
    out.pod(std::int64_t{slot.grid.exponent});
    out.pod(slot.grid.first);
    out.vec(slot.counts);
  }
}

const char* HistogramState::load(sdk::Reader& in, std::int64_t bins, std::uint32_t ndim) {
  std::uint32_t has_started = 0;
  if (!in.pod(has_started)) return "it is too short";
  std::uint64_t count = 0;
  const auto most = static_cast<std::uint64_t>(kMaxCounts / bins);
  if (const char* const wrong = read_shape(in, has_started, ndim, most, shape, count);
      wrong != nullptr)
    return wrong;
  started = has_started != 0;
  std::int64_t has_bins = 0;
  if (!in.pod(has_bins) || !in.pod(finite) || !in.pod(non_finite)) return "it is too short";
  if (has_bins != bins) return "it was made with another number of bins";
  if (finite > kMaxValues || non_finite > kMaxValues) return "a count is out of range";
  std::uint64_t left = finite;
  for (std::uint64_t i = 0; i < count; ++i) {
    kernels::Histogram slot;
    if (const char* const wrong = read_slot(in, bins, slot); wrong != nullptr) return wrong;
    if (slot.total() > left) return "the counts contradict";
    left -= slot.total();
    slots.push_back(std::move(slot));
  }
  if (left != 0 || started != (finite + non_finite != 0)) return "the counts contradict";
  return nullptr;
}

}  // namespace detent
