// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "support/catch.hpp"
#include <detent/kernels/range_search.hpp>

namespace detent::kernels {
namespace {

using Values = std::vector<double>;
constexpr SearchTarget kInt8{{-128, 127}, Mapping::asymmetric};
constexpr SearchTarget kInt8Symmetric{{-127, 127}, Mapping::symmetric};
constexpr SearchTarget kInt4{{-8, 7}, Mapping::asymmetric};

Values normal_values(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Values values(n);
  for (double& v : values) v = normal(random);
  return values;
}

Histogram histogram_of(const Values& values, std::int64_t bins) {
  Range range;
  for (const double v : values) range.include(v);
  Histogram h = make_histogram(range, bins);
  for (const double v : values)
    ++h.counts[static_cast<std::size_t>(bin_of(v, h.grid.exponent) - h.grid.first)];
  return h;
}

// The divergence by its definition: P and Q as arrays over the bins [begin, end). A bin whose
// middle lies between two codes goes to the upper one.
double divergence(const Histogram& h, std::size_t begin, std::size_t end, const Range& range,
                  const SearchTarget& target) {
  const AffineParams params = choose_affine(range.lo, range.hi, target.codes, target.mapping);
  std::vector<double> p, q;
  std::map<double, std::vector<std::size_t>> cells;  // a code, or the bin of zero
  double inside = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const std::int64_t at = h.grid.first + static_cast<std::int64_t>(i);
    const double middle = (static_cast<double>(at) + 0.5) * bin_width(h.grid);
    const double code =
        std::clamp<double>(std::floor(middle / params.scale + 0.5) + params.zero_point,
                           target.codes.min, target.codes.max);
    // The bin of zero also splits the code that it lies in.
    const double part = at == 0 ? 0.25 : at > 0 ? 0.5 : 0.0;
    cells[code + part].push_back(p.size());
    p.push_back(static_cast<double>(h.counts[i]));
    inside += p.back();
  }
  q.resize(p.size());
  double bins_with_data = 0;
  double cells_with_data = 0;
  for (const auto& [code, bins] : cells) {
    double sum = 0;
    double filled = 0;
    for (const std::size_t i : bins) {
      sum += p[i];
      filled += p[i] > 0 ? 1 : 0;
    }
    for (const std::size_t i : bins) q[i] = p[i] > 0 ? sum / filled : 0;
    bins_with_data += filled;
    cells_with_data += filled > 0 ? 1 : 0;
  }
  for (std::size_t i = 0; i < h.counts.size(); ++i) {
    if (i < begin) p.front() += static_cast<double>(h.counts[i]);
    if (i >= end) p.back() += static_cast<double>(h.counts[i]);
  }
  const auto total = static_cast<double>(h.total());
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i)
    if (p[i] > 0) sum += p[i] / total * std::log((p[i] / total) / (std::max(q[i], 1e-4) / inside));
  return sum - (bins_with_data - cells_with_data) / (2 * total);
}

struct Candidate {
  double divergence;
  Range range;
};

// Every pair of ends from the whole range down to half of each side.
Candidate brute_force(const Histogram& h, const SearchTarget& target) {
  const std::int64_t end = h.grid.first + h.grid.count;
  Candidate best{INFINITY, h.range};
  const std::int64_t last_lo = h.grid.first < 0 ? -((1 - h.grid.first) / 2) : h.grid.first;
  const std::int64_t last_hi = end > 0 ? (end + 1) / 2 : end;
  for (std::int64_t lo = h.grid.first; lo <= last_lo; ++lo) {
    for (std::int64_t hi = end; hi >= last_hi && hi > lo; --hi) {
      const Range range{std::max(h.range.lo, std::ldexp(static_cast<double>(lo), h.grid.exponent)),
                        std::min(h.range.hi, std::ldexp(static_cast<double>(hi), h.grid.exponent))};
      const auto begin = static_cast<std::size_t>(lo - h.grid.first);
      const double d =
          divergence(h, begin, static_cast<std::size_t>(hi - h.grid.first), range, target);
      if (d < best.divergence - 1e-12) best = {d, range};
    }
  }
  return best;
}

double divergence_of(const Histogram& h, const Range& range, const SearchTarget& target) {
  const double width = bin_width(h.grid);
  const auto begin =
      static_cast<std::size_t>(std::floor(range.lo / width) - static_cast<double>(h.grid.first));
  const auto end =
      static_cast<std::size_t>(std::ceil(range.hi / width) - static_cast<double>(h.grid.first));
  return divergence(h, begin, std::min(end, h.counts.size()), range, target);
}

double std_of_chance(const Histogram& h) {  // not less than the real one
  return std::sqrt(static_cast<double>(h.counts.size()) / 2) / static_cast<double>(h.total());
}

}  // namespace

TEST_CASE("search_kl finds what brute force over all pairs of ends finds, or as good as") {
  SearchScratch scratch;
  Values heavy = normal_values(200000, 1);
  for (double& v : heavy) v = v * v * v;
  Values skewed = normal_values(200000, 2);
  for (double& v : skewed) v = std::exp(v / 2) - 0.5;
  Values spiked = normal_values(100000, 3);
  for (const double v : {30.0, -25.0, 31.0}) spiked.push_back(v);
  for (const Values& values : {heavy, skewed, spiked})
    for (const SearchTarget& target : {kInt4, SearchTarget{{-32, 31}, Mapping::asymmetric}}) {
      const Histogram h = histogram_of(values, 160);
      const Range found = search_kl(h, target, scratch);
      const Candidate best = brute_force(h, target);
      const double whole = divergence_of(h, h.range, target);
      const double ours = divergence_of(h, found, target);
      INFO("codes to " << target.codes.max << ": " << found.lo << ".." << found.hi << " with "
                       << ours << "; best " << best.range.lo << ".." << best.range.hi << " with "
                       << best.divergence << "; whole " << whole);
      REQUIRE(ours <= whole + 1e-9);
      // At least nine tenths of what there is to gain.
      REQUIRE(whole - ours >= 0.9 * (whole - best.divergence) - 2 * std_of_chance(h));
    }
}

TEST_CASE("search_kl clips two outliers that lie far from everything else") {
  // ONNX Runtime's entropy calibration with its defaults keeps the range at +-40.
  SearchScratch scratch;
  Values values = normal_values(100000, 4);
  values.push_back(40);
  values.push_back(-40);
  const Range found = search_kl(histogram_of(values, 2048), kInt8, scratch);
  REQUIRE(found.lo > -30);
  REQUIRE(found.hi < 30);
  const Range symmetric = search_kl(histogram_of(values, 2048), kInt8Symmetric, scratch);
  REQUIRE(symmetric.hi < 30);
  REQUIRE(symmetric.lo == -symmetric.hi);
}

TEST_CASE("search_kl never clips to less than half of a side") {
  SearchScratch scratch;
  for (const double outlier : {10.0, 100.0, 1e4, 1e8}) {
    Values values = normal_values(20000, 5);
    values.push_back(outlier);
    for (const SearchTarget& target : {kInt8, kInt8Symmetric, kInt4}) {
      const Range found = search_kl(histogram_of(values, 2048), target, scratch);
      REQUIRE(found.hi >= outlier / 2);
    }
  }
}

TEST_CASE("search_kl does not take chance for structure: small samples are seldom clipped") {
  // By the plain divergence fewer keep their range. A few have an outlier that is worth clipping.
  SearchScratch scratch;
  int kept = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    Values values = normal_values(8192, 100 + seed);
    for (double& v : values) v = std::exp(v);
    const Histogram h = histogram_of(values, 2048);
    kept += search_kl(h, kInt8, scratch).hi > 0.9 * h.range.hi ? 1 : 0;
  }
  CHECK(kept >= 15);
}

TEST_CASE(
    "search_kl keeps the range of evenly spread values, and of what ReLU leaves of normal ones") {
  SearchScratch scratch;
  std::mt19937 random(6);
  Values values(50000);
  for (double& v : values) v = static_cast<double>(random()) / 4294967296.0;
  const Range even = search_kl(histogram_of(values, 2048), kInt8, scratch);
  REQUIRE(even.hi > 0.98);
  values = normal_values(4096, 7);
  for (double& v : values) v = std::max(v, 0.0);  // ReLU
  const Histogram relu = histogram_of(values, 2048);
  REQUIRE(search_kl(relu, kInt8, scratch).hi > 0.9 * relu.range.hi);
}

}  // namespace detent::kernels
