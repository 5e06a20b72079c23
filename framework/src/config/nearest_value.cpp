// SPDX-License-Identifier: Apache-2.0
#include "config/nearest_value.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

namespace detent {
namespace {

using json::Object;
using json::Value;

// In doubles: limits beyond 2^53 give no suggestion.
constexpr double kExact = 9007199254740992.0;

struct Limits {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_is_open = false;
  bool high_is_open = false;
  double step = 0;  // 0: none
};

double number_at(const Object& schema, const char* key, double otherwise) {
  const Value* found = schema.find(key);
  double number = otherwise;
  if (found != nullptr) found->to_double(&number);
  return number;
}

Limits limits_of(const Object& schema) {
  Limits l;
  l.low = number_at(schema, "minimum", l.low);
  l.high = number_at(schema, "maximum", l.high);
  const double above = number_at(schema, "exclusiveMinimum", l.low);
  const double below = number_at(schema, "exclusiveMaximum", l.high);
  l.low_is_open = schema.contains("exclusiveMinimum") && above >= l.low;
  l.high_is_open = schema.contains("exclusiveMaximum") && below <= l.high;
  if (l.low_is_open) l.low = above;
  if (l.high_is_open) l.high = below;
  l.step = number_at(schema, "multipleOf", 0);
  const Value* type = schema.find("type");
  const bool integers = type != nullptr && *type == Value("integer");
  if (integers && l.step != std::floor(l.step)) l.step = 0;
  if (integers && l.step == 0) l.step = 1;
  return l;
}

bool is_within(double x, const Limits& l) {
  const bool above = l.low_is_open ? x > l.low : x >= l.low;
  const bool below = l.high_is_open ? x < l.high : x <= l.high;
  return above && below;
}

// The multiple of the step that is nearest to x within the limits; NaN when there is none.
double nearest_multiple(double x, const Limits& l) {
  const double clamped = std::fmin(std::fmax(x, l.low), l.high);
  const double below = std::floor(clamped / l.step) * l.step;
  double best = std::numeric_limits<double>::quiet_NaN();
  // One beyond on either side: an open end may forbid the first.
  for (const double candidate : {below - l.step, below, below + l.step, below + 2 * l.step}) {
    if (!is_within(candidate, l)) continue;
    if (std::isnan(best) || std::abs(candidate - x) < std::abs(best - x)) best = candidate;
  }
  return best;
}

std::optional<Value> as_value(double x) {
  if (!std::isfinite(x) || std::abs(x) >= kExact) return std::nullopt;
  if (x == std::floor(x)) return Value(static_cast<std::int64_t>(x));
  return Value(x);
}

std::optional<Value> nearest_listed(double x, const json::Array& listed) {
  const Value* best = nullptr;
  double best_distance = std::numeric_limits<double>::infinity();
  double best_value = 0;
  for (const Value& one : listed) {
    double y = 0;
    if (!one.is_number() || !one.to_double(&y)) continue;
    const double distance = std::abs(y - x);
    if (distance > best_distance || (distance == best_distance && y > best_value)) continue;
    best = &one;
    best_distance = distance;
    best_value = y;
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

}  // namespace

std::optional<Value> nearest_allowed(const Value& value, const Object& schema) {
  double x = 0;
  if (!value.is_number() || !value.to_double(&x) || std::abs(x) >= kExact) return std::nullopt;
  if (const Value* only = schema.find("const")) return *only;
  if (const Value* listed = schema.find("enum")) return nearest_listed(x, *listed->if_array());
  const Limits limits = limits_of(schema);
  if (limits.step > 0) return as_value(nearest_multiple(x, limits));
  const double clamped = std::fmin(std::fmax(x, limits.low), limits.high);
  return is_within(clamped, limits) ? as_value(clamped) : std::nullopt;
}

}  // namespace detent
