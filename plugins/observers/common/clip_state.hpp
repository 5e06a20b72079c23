// SPDX-License-Identifier: Apache-2.0
// ClipState: what a weight's ranges were, and what was chosen of them; its bytes, and the check of
// bytes from a file.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "shape_state.hpp"
#include <detent/kernels/affine.hpp>
#include <detent/kernels/clip_search.hpp>
#include <detent/sdk.hpp>

namespace detent {

// What the errors of a range depend on: another target would have another range. As bytes: u32
// symmetric, i32 qmin, i32 qmax, u32 rule (its flags, in order), f64 min_scale
struct SearchedFor {
  SearchedFor() = default;
  explicit SearchedFor(const kernels::SearchTarget& target)
      : symmetric(target.mapping == kernels::Mapping::symmetric ? 1 : 0),
        qmin(target.codes.min),
        qmax(target.codes.max),
        rule((target.rule.half_range ? 1U : 0U) | (target.rule.round_lo_first ? 2U : 0U) |
             (target.rule.float32 ? 4U : 0U) | (target.rule.floor_zero_only ? 8U : 0U)),
        min_scale(target.rule.min_scale) {}

  friend bool operator==(const SearchedFor&, const SearchedFor&) = default;

  std::uint32_t symmetric = 0;
  std::int32_t qmin = 0;
  std::int32_t qmax = 0;
  std::uint32_t rule = 0;
  double min_scale = 0;
};
static_assert(sizeof(SearchedFor) == 24);

// Little-endian bytes, version 1:
//   u32 started, SearchedFor, u32 ndim, i64 shape[ndim], u64 finite,
//   u64 non_finite, u64 n, (f64 lo, f64 hi)[n] the values', u64 n, (f64 lo, f64 hi)[n] the chosen
//   (empty slot: +inf, -inf in both)
struct ClipState {
  bool started = false;  // a tensor with elements was seen
  std::vector<std::int64_t> shape;
  std::uint64_t finite = 0;
  std::uint64_t non_finite = 0;
  std::vector<kernels::Range> values;
  std::vector<kernels::Range> chosen;
  static_assert(sizeof(kernels::Range) == 16);

  void save(sdk::Writer& out, const kernels::SearchTarget& target) const {
    static_assert(std::endian::native == std::endian::little, "states are little-endian");
    out.pod(static_cast<std::uint32_t>(started));
    out.pod(SearchedFor(target));
    write_shape(out, shape);
    out.pod(finite);
    out.pod(non_finite);
    out.vec(values);
    out.vec(chosen);
  }

  // What is wrong with the bytes, or nullptr. They are hostile: every size is checked before use.
  const char* load(sdk::Reader& in, const kernels::SearchTarget& target,
                   std::uint32_t expected_ndim) {
    constexpr std::uint64_t kMaxSlots = std::uint64_t{1} << 40;
    std::uint32_t has_started = 0;
    SearchedFor searched;
    if (!in.pod(has_started) || !in.pod(searched)) return "it is too short";
    if (searched != SearchedFor(target)) return "it was searched for other codes or scales";
    std::uint64_t slots = 0;
    if (const char* const wrong =
            read_shape(in, has_started, expected_ndim, kMaxSlots, shape, slots);
        wrong != nullptr)
      return wrong;
    started = has_started != 0;
    if (!in.pod(finite) || !in.pod(non_finite)) return "it is too short";
    if (!in.vec(values, slots) || values.size() != slots || !in.vec(chosen, slots) ||
        chosen.size() != slots)
      return "the ranges do not fit";
    return check(target.mapping);
  }

 private:
  static bool is_none(const kernels::Range& range) {
    const kernels::Range none;
    return range.lo == none.lo && range.hi == none.hi;
  }

  const char* check(kernels::Mapping mapping) {
    constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 62;
    if (finite > kMaxCount || non_finite > kMaxCount) return "a count is out of range";
    bool some = false;
    for (std::size_t i = 0; i < values.size(); ++i) {
      kernels::Range& range = values[i];
      if (is_none(range) && is_none(chosen[i])) continue;
      if (!std::isfinite(range.lo) || !std::isfinite(range.hi) || range.lo > range.hi)
        return "a range is not one";
      range = {range.lo + 0.0, range.hi + 0.0};  // no -0, as everywhere
      const kernels::Range whole = kernels::plain_range(range, mapping);
      const kernels::Range& part = chosen[i];
      if (!(part.lo >= whole.lo && part.lo <= 0 && part.hi >= 0 && part.hi <= whole.hi))
        return "a chosen range is no part of its values'";
      chosen[i] = {part.lo + 0.0, part.hi + 0.0};
      some = true;
    }
    if (some != (finite != 0)) return "the counts contradict the ranges";
    if (started != (finite + non_finite != 0)) return "the counts contradict";
    return nullptr;
  }
};

}  // namespace detent
