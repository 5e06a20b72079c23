// SPDX-License-Identifier: Apache-2.0
// The searches for ranges against brute force that shares nothing with them but the task: least
// squared error on the codes of the target.
#include <algorithm>
#include <cmath>
#include <utility>

#include "plugins/all_observers.hpp"
#include "plugins/quantizers/quantizing.hpp"
#include "support/property.hpp"

namespace detent::test {
namespace {

struct Grid {
  double qmin, qmax;
  bool symmetric;
};

// Of the range's scale as a double, and of values as they come.
double error_of(const std::vector<std::pair<double, double>>& weighted, double lo, double hi,
                const Grid& grid) {
  lo = std::min(lo, 0.0), hi = std::max(hi, 0.0);
  const double scale =
      grid.symmetric ? std::max(-lo, hi) / grid.qmax : (hi - lo) / (grid.qmax - grid.qmin);
  if (scale <= 0) return HUGE_VAL;
  const double zero = grid.symmetric ? 0 : std::rint(grid.qmin - lo / scale);
  double sum = 0;
  for (const auto& [value, weight] : weighted) {
    const double code = std::clamp(std::rint(value / scale) + zero, grid.qmin, grid.qmax);
    const double error = value - (code - zero) * scale;
    sum += weight * error * error;
  }
  return sum;
}

double least_error(const std::vector<std::pair<double, double>>& weighted, double lo, double hi,
                   const Grid& grid) {
  lo = std::min(lo, 0.0), hi = std::max(hi, 0.0);
  constexpr int kSteps = 40;
  double least = HUGE_VAL;
  if (grid.symmetric) {
    const double most = std::max(-lo, hi);
    for (int k = 1; k <= 10 * kSteps; ++k)
      least = std::min(
          least, error_of(weighted, -most * k / (10 * kSteps), most * k / (10 * kSteps), grid));
    return least;
  }
  for (int a = lo < 0 ? 1 : kSteps; a <= kSteps; ++a)
    for (int b = hi > 0 ? 1 : kSteps; b <= kSteps; ++b)
      least = std::min(least, error_of(weighted, lo * a / kSteps, hi * b / kSteps, grid));
  return least;
}

// A histogram's values, spread evenly inside their bins, as points in the middles of 16 parts.
std::vector<std::pair<double, double>> points_of(const Results& histogram) {
  constexpr int kParts = 16;
  std::vector<std::pair<double, double>> points;
  const auto counts = histogram.values<std::uint64_t>("counts");
  const double origin = histogram.values<double>("origin")[0];
  const double width = histogram.values<double>("width")[0];
  for (std::size_t i = 0; i < counts.size(); ++i)
    for (int k = 0; counts[i] != 0 && k < kParts; ++k)
      points.emplace_back(origin + width * (static_cast<double>(i) + (k + 0.5) / kParts),
                          static_cast<double>(counts[i]) / kParts);
  return points;
}

// Lumps of any size in any places: nothing that a search would be tuned to.
std::vector<float> any_lumps() {
  std::vector<float> values;
  for (int lumps = *rc::gen::inRange(1, 6); lumps > 0; --lumps) {
    const int at = *rc::gen::inRange(-400, 401);
    const int width = *rc::gen::inRange(1, 200);
    for (int n = *rc::gen::element(1, 5, 50); n > 0; --n)
      values.push_back(static_cast<float>(at + *rc::gen::inRange(-width, width + 1)) / 16.0F);
  }
  return values;
}

std::vector<double> group_errors(const std::vector<float>& x, const std::vector<float>& y,
                                 std::size_t group) {
  std::vector<double> errors((x.size() + group - 1) / group);
  for (std::size_t i = 0; i < x.size(); ++i)
    errors[i / group] += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
  return errors;
}

}  // namespace

TEST_CASE("The histogram's mse search is as good as brute force over both ends", "[properties]") {
  const Grid grids[] = {{-128, 127, false}, {-127, 127, true}, {-8, 7, false}, {-8, 7, true}};
  property("error <= 1.05 * the least of brute force", [&] {
    const Grid grid = grids[*rc::gen::inRange(0, 4)];
    const auto values = any_lumps();
    const int bins = *rc::gen::element(32, 256);
    ObserverKind kind = all_observers()[3];
    kind.params = {{"/method", "mse"}, {"/bins", bins}};
    const auto spec = qspec(static_cast<std::int64_t>(grid.qmin),
                            static_cast<std::int64_t>(grid.qmax), grid.symmetric);
    const Observer seen =
        saw(kind, {Tensor::of({static_cast<std::int64_t>(values.size())}, values)}, spec);
    const Results chosen = seen.qparams();
    const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
    const auto points = points_of(seen.stat("stat:histogram/1"));
    const double found = error_of(points, chosen.values<double>("range_min")[0],
                                  chosen.values<double>("range_max")[0], grid);
    const double least = least_error(points, double{*lo}, double{*hi}, grid);
    RC_LOG() << found << " against " << least;
    RC_ASSERT(*lo == *hi || found <= 1.05 * least);
  });
}

TEST_CASE("INT4's mse search is worse than plain rounding on no group of any weight",
          "[properties]") {
  property("error of each group with a search <= without", [] {
    const bool symmetric = *rc::gen::arbitrary<bool>();
    const auto n = *rc::gen::inRange(std::size_t{1}, std::size_t{90});
    const int group = *rc::gen::element(1, 3, 16, 32);
    const auto x = *rc::gen::arbitrary<bool>()
                       ? layer_values(n)
                       : *rc::gen::container<std::vector<float>>(n, finite_float());
    const Shape shape = {1, static_cast<std::int64_t>(n)};
    const auto errors = [&](const char* search) {
      Quantizer q("int4_groupwise",
                  {{"/symmetric", symmetric}, {"/group_size", group}, {"/search", search}});
      return group_errors(x, q.dequantize(q.quantize(Tensor::of(shape, x)), shape),
                          static_cast<std::size_t>(group));
    };
    const auto plain = errors("none");
    const auto searched = errors("mse");
    for (std::size_t g = 0; g < plain.size(); ++g) RC_ASSERT(searched[g] <= plain[g]);
  });
}

TEST_CASE("INT4's mse search is on average near what brute force finds and well below rounding",
          "[properties]") {
  constexpr std::size_t kGroup = 32, kGroups = 60;
  for (const bool symmetric : {false, true}) {
    const auto uniform = random_weights(kGroup * kGroups, 17);
    std::vector<float> x;
    for (const float u : uniform) x.push_back(u * u * u);
    const Shape shape = {1, static_cast<std::int64_t>(x.size())};
    const auto errors = [&](const char* search) {
      Quantizer q("int4_groupwise",
                  {{"/symmetric", symmetric}, {"/group_size", 32}, {"/search", search}});
      return group_errors(x, q.dequantize(q.quantize(Tensor::of(shape, x)), shape), kGroup);
    };
    const auto plain = errors("none"), searched = errors("mse");
    double sum_plain = 0, sum_searched = 0, sum_least = 0;
    for (std::size_t g = 0; g < kGroups; ++g) {
      std::vector<std::pair<double, double>> points;
      for (std::size_t i = g * kGroup; i < (g + 1) * kGroup; ++i) points.emplace_back(x[i], 1);
      const auto [lo, hi] = std::minmax_element(points.begin(), points.end());
      // An end beyond the data can be better: then the inner codes lie better.
      sum_least += least_error(points, 1.125 * lo->first, 1.125 * hi->first, {-8, 7, symmetric});
      sum_plain += plain[g];
      sum_searched += searched[g];
    }
    CAPTURE(symmetric, sum_plain, sum_searched, sum_least);
    CHECK(sum_searched <= 1.05 * sum_least);
    CHECK(sum_searched < 0.92 * sum_plain);
  }
}

}  // namespace detent::test
