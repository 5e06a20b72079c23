// SPDX-License-Identifier: Apache-2.0
#include "evaluate/classes.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/dtype.hpp"
#include <detent/sdk/tensor_view.hpp>

namespace detent {
namespace {

template <class T>
std::vector<double> converted(const sdk::TensorView& t) {
  std::vector<double> values(static_cast<std::size_t>(t.numel()));
  const char* at = t.bytes();
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, at + i * sizeof(T), sizeof value);
    values[i] = static_cast<double>(value);
  }
  return values;
}

bool is_integer(detent_dtype dtype) {
  switch (dtype) {
    case DETENT_I8:
    case DETENT_I16:
    case DETENT_I32:
    case DETENT_I64:
    case DETENT_U8:
    case DETENT_U16:
    case DETENT_U32:
    case DETENT_U64:
    case DETENT_BOOL: return true;
    default: return false;
  }
}

std::string described(const detent_tensor& t) {
  return fmt::format("{} [{}]", dtype_name(t.dtype), fmt::join(sdk::TensorView(t).shape(), ", "));
}

std::vector<std::int64_t> indices(const detent_tensor& target, std::int64_t classes,
                                  std::string& problem) {
  std::vector<std::int64_t> rows;
  for (const double value : values_of(target)) {
    if (value >= static_cast<double>(classes)) {
      problem =
          fmt::format("a target is class {:.0f}, and the output has {} classes", value, classes);
      return {};
    }
    rows.push_back(value < 0 ? -1 : static_cast<std::int64_t>(value));
  }
  return rows;
}

}  // namespace

std::vector<double> values_of(const detent_tensor& t) {
  const sdk::TensorView view(t);
  if (t.dtype == DETENT_I64) return converted<std::int64_t>(view);
  if (t.dtype == DETENT_U64) return converted<std::uint64_t>(view);
  if (t.dtype == DETENT_BOOL) return converted<std::uint8_t>(view);
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(view.numel()));
  view.for_each(-1, [&](double value, std::int64_t) { values.push_back(value); });
  return values;
}

bool has_classes(const detent_tensor& t) {
  return is_float(t.dtype) && t.ndim >= 2 && t.shape[t.ndim - 1] > 1;
}

std::vector<std::int64_t> top_classes(std::span<const double> scores, std::int64_t classes) {
  const auto width = static_cast<std::size_t>(classes);
  const auto below = [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; };
  std::vector<std::int64_t> rows;
  for (std::size_t at = 0; at + width <= scores.size(); at += width) {
    const auto row = scores.subspan(at, width);
    rows.push_back(std::max_element(row.begin(), row.end(), below) - row.begin());
  }
  return rows;
}

WantedClasses wanted_classes(const detent_tensor& target, const detent_tensor& scores) {
  const std::vector<std::int64_t> shape = sdk::TensorView(scores).shape();
  const std::int64_t classes = shape.back();
  const std::vector<std::int64_t> given = sdk::TensorView(target).shape();
  const bool number = is_integer(target.dtype) || is_float(target.dtype);
  if (number && given == shape) return {top_classes(values_of(target), classes), ""};
  std::vector<std::int64_t> rows(shape.begin(), shape.end() - 1);
  std::vector<std::int64_t> column = rows;
  column.push_back(1);
  WantedClasses wanted;
  if (is_integer(target.dtype) && (given == rows || given == column)) {
    wanted.rows = indices(target, classes, wanted.problem);
  } else {
    wanted.problem = fmt::format(
        "the targets, {}, are neither indices nor shares of the classes of the output, {}",
        described(target), described(scores));
  }
  return wanted;
}

}  // namespace detent
