// SPDX-License-Identifier: Apache-2.0
// histogram against the reference vectors, by their rules. The quality is computed here from the
// data.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/mini_host.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

struct Quality {
  double sqnr_db;
  double inlier_sqnr_db;  // of the 99.5 % of the values that are nearest the median
};

std::vector<double> finite_values(const std::vector<Tensor>& batches) {
  std::vector<double> values;
  for (const Tensor& batch : batches)
    for (const float v : batch.values<float>())
      if (std::isfinite(v)) values.push_back(v);
  return values;
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const double next = values[std::min(below + 1, values.size() - 1)];
  return values[below] + (next - values[below]) * (at - std::floor(at));
}

double decibels(double signal, double noise) {
  if (noise == 0) return INFINITY;
  return signal > 0 ? 10 * std::log10(signal / noise) : -INFINITY;
}

Quality quality_of(const std::vector<double>& values, double scale, double zero, double qmin,
                   double qmax) {
  const double median = quantile(values, 0.5);
  std::vector<double> distances;
  for (const double v : values) distances.push_back(std::fabs(v - median));
  const double limit = quantile(distances, 0.995);
  double signal = 0, noise = 0, inlier_signal = 0, inlier_noise = 0;
  for (const double v : values) {
    const double code = std::clamp(std::rint(v / scale) + zero, qmin, qmax);
    const double error = v - (code - zero) * scale;
    signal += v * v;
    noise += error * error;
    if (std::fabs(v - median) > limit) continue;
    inlier_signal += v * v;
    inlier_noise += error * error;
  }
  return {decibels(signal, noise), decibels(inlier_signal, inlier_noise)};
}

struct Case {
  explicit Case(const json::Value& c)
      : json(&c),
        id(text_at(c, "/id")),
        symmetric(*member(c, "/params/symmetric").if_bool()),
        qmin(int_at(c, "/params/qmin")),
        qmax(int_at(c, "/params/qmax")),
        batches(vector_input(text_at(c, "/input"))),
        values(finite_values(batches)) {
    if (symmetric && qmin == -128) qmin = -127;
  }

  int integer(const char* at, int fallback) const {
    return json->at_pointer(at) == nullptr ? fallback : static_cast<int>(int_at(*json, at));
  }

  const json::Value* json;
  std::string id;
  bool symmetric;
  std::int64_t qmin;
  std::int64_t qmax;
  std::vector<Tensor> batches;
  std::vector<double> values;
};

struct Chosen {
  double scale;
  double zero;
  Quality quality;
};

double zero_point_of(const Results& results) {
  if (!results.has("zero_point")) return 0;
  const Tensor& zero = results.tensor("zero_point");
  if (zero.dtype() == DETENT_I8) return zero.values<std::int8_t>()[0];
  if (zero.dtype() == DETENT_U8) return zero.values<std::uint8_t>()[0];
  return static_cast<double>(zero.values<std::int32_t>()[0]);
}

Observer observe(const Case& c, const Params& params) {
  Observer observer(Library::built_in("histogram").plugin("histogram"), params,
                    qspec(c.qmin, c.qmax, c.symmetric));
  for (const Tensor& batch : c.batches) observer.observe(batch);
  return observer;
}

Chosen choose(const Case& c, const Params& params) {
  const Results results = observe(c, params).qparams();
  const double scale = static_cast<double>(results.values<float>("scale")[0]);
  const double zero = zero_point_of(results);
  return {
      scale, zero,
      quality_of(c.values, scale, zero, static_cast<double>(c.qmin), static_cast<double>(c.qmax))};
}

// The minimum and maximum mapped as they are: what percentile 100 is.
Chosen choose_minmax(const Case& c) {
  return choose(c, {{"/method", "percentile"}, {"/percentile", 100.0}});
}

double best_of(const Case& c, std::initializer_list<const char*> peers, const char* what) {
  double best = -INFINITY;
  for (const char* const peer : peers) {
    const std::string at = std::string("/quality/") + peer;
    if (c.json->at_pointer(at) != nullptr && c.json->at_pointer(at)->if_object() != nullptr)
      best = std::max(best, number_at(*c.json, at + "/" + what));
  }
  return best;
}

std::vector<Case> cases_of(const std::string& observer, std::size_t count) {
  std::vector<Case> cases;
  for (const json::Value& c : vector_cases("cases.json"))
    if (text_at(c, "/observer") == observer) cases.emplace_back(c);
  REQUIRE(cases.size() == count);
  return cases;
}

bool in_codes(const Case& c, double zero) {
  return zero >= static_cast<double>(c.qmin) && zero <= static_cast<double>(c.qmax);
}

}  // namespace

TEST_CASE("mse is as good as the best peer and as the best range there is", "[plugins]") {
  std::size_t checked = 0, with_optimum = 0;
  for (const Case& c : cases_of("histogram", 29)) {
    if (c.values.empty()) continue;  // 083: an error, see below
    INFO(c.id);
    ++checked;
    const Chosen chosen =
        choose(c, {{"/method", "mse"}, {"/bins", c.integer("/params/bins", 2048)}});
    CHECK(in_codes(c, chosen.zero));
    CHECK(std::isfinite(chosen.scale));
    const double sqnr = chosen.quality.sqnr_db;
    CHECK(sqnr >= best_of(c, {"torch_ao", "onnxruntime"}, "sqnr_db") - 0.1);
    const json::Value* const optimum = c.json->at_pointer("/mse_optimum/sqnr_db");
    if (optimum == nullptr) continue;
    // A single value: the optimum is exact, and any scale has the rounding of float32.
    const double best = number_at(*c.json, "/mse_optimum/sqnr_db");
    CHECK(sqnr >= std::min(best, 140.0) - 0.5);
    ++with_optimum;
  }
  CHECK(checked == 28);
  CHECK(with_optimum == 25);
}

TEST_CASE("mse gives data of one sign the zero point at the end of the codes", "[plugins]") {
  for (const Case& c : cases_of("histogram", 29)) {
    if (c.values.empty() || c.symmetric) continue;
    const auto [lo, hi] = std::minmax_element(c.values.begin(), c.values.end());
    if (*lo == *hi || (*lo < 0 && *hi > 0)) continue;
    INFO(c.id);
    for (const char* const method : {"mse", "kl", "percentile"}) {
      const Chosen chosen = choose(c, {{"/method", method}});
      CHECK(chosen.zero == static_cast<double>(*lo >= 0 ? c.qmin : c.qmax));
    }
  }
}

TEST_CASE("kl keeps the inliers as well as minmax and the whole nearly as well as peers",
          "[plugins]") {
  for (const Case& c : cases_of("entropy", 26)) {
    INFO(c.id);
    const Chosen chosen =
        choose(c, {{"/method", "kl"}, {"/bins", c.integer("/params/bins", 2048)}});
    CHECK(in_codes(c, chosen.zero));
    const double peers = best_of(c, {"onnxruntime", "ort_algorithm_vectorised"}, "sqnr_db");
    CHECK(chosen.quality.inlier_sqnr_db >= choose_minmax(c).quality.inlier_sqnr_db);
    CHECK(chosen.quality.sqnr_db >= peers - 0.5);
  }
}

TEST_CASE("kl clips where a few outliers take most of the codes", "[plugins]") {
  int outliers = 0;
  for (const Case& c : cases_of("entropy", 26)) {
    if (c.id.find("outlier") == std::string::npos || c.integer("/params/bins", 0) < 2048) continue;
    INFO(c.id);
    ++outliers;
    const double gain = choose(c, {}).quality.inlier_sqnr_db -
                        choose_minmax(c).quality.inlier_sqnr_db;  // kl is the default
    CHECK(gain > 4);
  }
  CHECK(outliers == 2);
}

TEST_CASE("percentile is not worse than ONNX Runtime's", "[plugins]") {
  for (const Case& c : cases_of("percentile", 4)) {
    INFO(c.id);
    const Chosen chosen = choose(
        c, {{"/method", "percentile"}, {"/percentile", number_at(*c.json, "/params/percentile")}});
    CHECK(chosen.quality.sqnr_db >= best_of(c, {"onnxruntime"}, "sqnr_db") - 0.1);
  }
}

}  // namespace detent::test
