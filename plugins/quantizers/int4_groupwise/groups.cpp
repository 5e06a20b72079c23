// SPDX-License-Identifier: Apache-2.0
#include "int4_groupwise/groups.hpp"

#include <algorithm>
#include <optional>
#include <span>

#include "common/tasks.hpp"
#include <detent/kernels/quantize_affine.hpp>
#include <detent/kernels/quantize_int4.hpp>
#include <detent/kernels/search_affine.hpp>

namespace detent::quantizers {
namespace {

using kernels::AffineParams;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

std::int64_t rows_per_task(const GroupedMatrix& matrix) {
  return std::max<std::int64_t>(1, kTaskElements / std::max<std::int64_t>(1, matrix.columns));
}

// f(row) for each row.
template <class MakeBody>
sdk::Status for_each_row(const GroupedMatrix& matrix, const sdk::Call& call, MakeBody make_body) {
  const std::int64_t at_once = rows_per_task(matrix);
  return run_tasks(call, divide_up(matrix.rows, at_once), [&](std::int64_t task) {
    auto body = make_body();  // with buffers of its own
    const std::int64_t end = std::min((task + 1) * at_once, matrix.rows);
    for (std::int64_t row = task * at_once; row < end; ++row) body(row);
  });
}

// Plain rounding's parameters for the groups of one row.
void choose_params(const BlockReader& weight, const GroupedMatrix& matrix, std::int64_t row,
                   const GroupRules& rules, AffineParams* params) {
  const std::int64_t first = row * matrix.columns;
  const std::int64_t whole = matrix.columns / matrix.group_size;
  std::vector<kernels::FiniteRange> ranges(size(matrix.groups_per_row));
  weight.find_ranges(first, whole, matrix.group_size, ranges.data());
  if (whole < matrix.groups_per_row)
    weight.find_ranges(first + whole * matrix.group_size, 1, matrix.columns % matrix.group_size,
                       &ranges.back());
  for (std::size_t g = 0; g < ranges.size(); ++g) {
    if (ranges[g].non_finite != 0) throw sdk::Error(DETENT_E_NUMERIC, "");
    params[g] = kernels::choose_affine(ranges[g].range.lo, ranges[g].range.hi, kInt4, rules.mapping,
                                       rules.rule);
  }
}

// The best near the given parameters and near plain rounding's.
AffineParams search(std::span<const float> group, AffineParams given, AffineParams plain,
                    const GroupRules& rules) {
  const AffineParams near_plain =
      kernels::search_affine(group, plain, kInt4, rules.mapping, rules.rule);
  if (given.scale == plain.scale && given.zero_point == plain.zero_point) return near_plain;
  const AffineParams near_given =
      kernels::search_affine(group, given, kInt4, rules.mapping, rules.rule);
  const double plain_error = kernels::squared_error(group, near_plain, kInt4);
  const double given_error = kernels::squared_error(group, near_given, kInt4);
  return given_error < plain_error ? near_given : near_plain;
}

// Rows as they lie in the tensor, each in one go: nothing is searched, and parameters are given or
// chosen by Detent's own rule. Nothing when the tensor does not lie like that.
std::optional<sdk::Status> quantize_rows(const BlockReader& weight, const GroupedMatrix& matrix,
                                         const GroupRules& rules, bool given, const sdk::Call& call,
                                         std::vector<AffineParams>& params, std::uint8_t* codes) {
  if (rules.search != ScaleSearch::none || !(given || rules.rule == kernels::AffineRule{}))
    return std::nullopt;
  const std::size_t group_size = size(matrix.group_size);
  std::optional<sdk::Status> status;
  weight.with_elements([&]<class T>(const T* x) {
    const auto make_body = [&] {
      return [&](std::int64_t row) {
        const std::span<const T> elements(x + row * matrix.columns, size(matrix.columns));
        AffineParams* const chosen = &params[size(row * matrix.groups_per_row)];
        std::uint8_t* const to = codes + row * matrix.row_bytes();
        if (given)
          kernels::quantize_int4_row(elements, {group_size, chosen}, kInt4, to);
        else if (!kernels::round_int4_row(elements, {group_size, kInt4, rules.mapping}, chosen, to))
          throw sdk::Error(DETENT_E_NUMERIC, "");
      };
    };
    status = for_each_row(matrix, call, make_body);
  });
  return status;
}

// Rows of any tensor, by way of a buffer, and with a search.
sdk::Status search_rows(const BlockReader& weight, const GroupedMatrix& matrix,
                        const GroupRules& rules, bool given, const sdk::Call& call,
                        std::vector<AffineParams>& params, std::uint8_t* codes) {
  const auto make_body = [&] {
    return [&, buffer = std::vector<float>(size(matrix.columns)),
            plain =
                std::vector<AffineParams>(size(matrix.groups_per_row))](std::int64_t row) mutable {
      AffineParams* const chosen = &params[size(row * matrix.groups_per_row)];
      const std::span<const float> x(
          weight.floats(row * matrix.columns, matrix.columns, buffer.data()), buffer.size());
      if (!given || rules.search == ScaleSearch::mse)
        choose_params(weight, matrix, row, rules, plain.data());
      if (!given) std::copy(plain.begin(), plain.end(), chosen);
      for (std::size_t g = 0; rules.search == ScaleSearch::mse && g < plain.size(); ++g) {
        const std::size_t first = g * size(matrix.group_size);
        const auto group = x.subspan(first, std::min(size(matrix.group_size), x.size() - first));
        chosen[g] = search(group, chosen[g], plain[g], rules);
      }
      kernels::quantize_int4_row(x, {size(matrix.group_size), chosen}, kInt4,
                                 codes + row * matrix.row_bytes());
    };
  };
  return for_each_row(matrix, call, make_body);
}

}  // namespace

GroupedMatrix::GroupedMatrix(const Shape& shape, std::int64_t wanted_group_size) {
  for (std::size_t d = 0; d < shape.size(); ++d)
    (d == 0 && shape.size() > 1 ? rows : columns) *= shape[d];
  group_size = std::clamp<std::int64_t>(wanted_group_size, 1, std::max<std::int64_t>(1, columns));
  groups_per_row = divide_up(columns, group_size);
}

sdk::Status quantize_groups(const BlockReader& weight, const GroupedMatrix& matrix,
                            GroupRules rules, const sdk::Call& call,
                            std::vector<AffineParams>& params, std::uint8_t* codes) {
  const bool given = !params.empty();
  params.resize(size(matrix.rows * matrix.groups_per_row));
  const std::optional<sdk::Status> in_place =
      quantize_rows(weight, matrix, rules, given, call, params, codes);
  const sdk::Status status = in_place.has_value()
                                 ? *in_place
                                 : search_rows(weight, matrix, rules, given, call, params, codes);
  if (status.code() != DETENT_E_NUMERIC) return status;
  return {DETENT_E_NUMERIC, "the weight holds NaN or infinite values"};
}

sdk::Status dequantize_groups(const std::uint8_t* codes, const GroupedMatrix& matrix,
                              const std::vector<AffineParams>& params, const sdk::Call& call,
                              float* x) {
  return for_each_row(matrix, call, [&] {
    return [&](std::int64_t row) {
      kernels::dequantize_int4_row(
          codes + row * matrix.row_bytes(),
          {size(matrix.group_size), &params[size(row * matrix.groups_per_row)]},
          {x + row * matrix.columns, size(matrix.columns)});
    };
  });
}

}  // namespace detent::quantizers
