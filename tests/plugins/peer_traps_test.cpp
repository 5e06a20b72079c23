// SPDX-License-Identifier: Apache-2.0
// Mistakes that well-known quantization software makes or made, each as what is right.
#include <algorithm>
#include <cmath>
#include <limits>

#include "plugins/all_observers.hpp"
#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

const ObserverKind& kMinMax = all_observers()[0];
const ObserverKind& kEma = all_observers()[1];
const ObserverKind& kKl = all_observers()[2];
const ObserverKind& kMse = all_observers()[3];
const ObserverKind& kPercentile = all_observers()[4];

Tensor flat(const std::vector<float>& values) {
  return Tensor::of({static_cast<std::int64_t>(values.size())}, values);
}

std::vector<float> normal_values(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = normal(random);
  return values;
}

struct Ends {
  double lo, hi;
};

Ends range_of(const Observer& observer) {
  const Results results = observer.qparams();
  return {results.values<double>("range_min")[0], results.values<double>("range_max")[0]};
}

// Mean squared error of values that become codes and come back, in float64.
double mean_error(const std::vector<float>& x, double scale, double zero, double qmin,
                  double qmax) {
  double sum = 0;
  for (const float v : x) {
    const double code = std::clamp(std::rint(double{v} / scale) + zero, qmin, qmax);
    sum += (double{v} - (code - zero) * scale) * (double{v} - (code - zero) * scale);
  }
  return sum / static_cast<double>(x.size());
}

double sqnr_of(const std::vector<float>& x, const Results& got) {
  const double zero = got.has("zero_point") ? static_cast<double>(zero_points_of(got)[0]) : 0;
  double signal = 0;
  for (const float v : x) signal += double{v} * v;
  return 10 * std::log10(signal / static_cast<double>(x.size()) /
                         mean_error(x, double{got.values<float>("scale")[0]}, zero, -128, 127));
}

}  // namespace

// ONNX Runtime's entropy calibration has one candidate by default, and never clips.
TEST_CASE("By default two outliers among 100000 normal values are clipped", "[plugins][traps]") {
  auto values = normal_values(100000, 1);
  values.insert(values.end(), {-40.0F, 40.0F});
  const Ends ends = range_of(saw({"histogram", "histogram", {}, true}, {flat(values)}));
  CHECK(ends.lo > -32);
  CHECK(ends.hi < 32);
}

// Mono Quant cuts the upper end only, and never quantizes Q.
TEST_CASE("kl cuts both ends, each by itself, and by the number of codes", "[plugins][traps]") {
  auto values = normal_values(20000, 2);
  values.insert(values.end(), {-100.0F, 30.0F});
  const Ends both = range_of(saw(kKl, {flat(values)}));
  CHECK(both.lo > -60);
  CHECK(both.hi < 20);
  CHECK(-both.lo != both.hi);
  const auto smooth = normal_values(20000, 3);
  CHECK(range_of(saw(kKl, {flat(smooth)}, qspec(-8, 7))).hi <
        range_of(saw(kKl, {flat(smooth)}, qspec(-128, 127))).hi);
}

// ONNX Runtime threw whole chunks of samples away.
TEST_CASE("No batch is dropped: the first of five decides when it is the largest",
          "[plugins][traps]") {
  for (const std::size_t batches : {4U, 5U, 64U}) {
    std::vector<Tensor> data(batches, flat({-1, 1}));
    data[0] = flat({-100, 100});
    for (const ObserverKind& kind : merging_observers()) {
      INFO(kind.name);
      const Observer seen = saw(kind, data);
      CHECK(seen.stat("stat:minmax/1").values<double>("max")[0] == 100.0);
      CHECK(seen.stat("stat:counts/1").values<std::int64_t>("observed")[0] ==
            static_cast<std::int64_t>(2 * batches));
    }
  }
}

// NVIDIA's calibrator gave 316.8: its float32 counts stopped at 2^24. torch.quantile refuses.
TEST_CASE("percentile is right where one bin holds more than 2^24 values", "[plugins][traps]") {
  Observer seen = fresh(kPercentile);
  seen.observe(flat({0.5F}).strided({(std::int64_t{1} << 24) + 1000000}, {0}));
  seen.observe(flat({316.8F}).strided({800}, {0}));  // 0.0045 %, less than a half of 0.01 %
  CHECK(range_of(seen).hi < 1);
}

// torch.ao searches with 256 levels whatever the target, and takes the whole range: 24 times worse.
TEST_CASE("mse searches on 16 levels when the int8 container holds 16 levels", "[plugins][traps]") {
  auto values = normal_values(50000, 4);
  values.push_back(40.0F);
  double least = HUGE_VAL;
  for (int i = 1; i <= 4000; ++i)
    least = std::min(least, mean_error(values, i / 100.0 / 7, 0, -8, 7));
  CHECK(mean_error(values, 40.0 / 7, 0, -8, 7) == Approx(0.976).epsilon(0.03));
  CHECK(least == Approx(0.040).epsilon(0.1));
  const Results got = saw(kMse, {flat(values)}, qspec(-8, 7, true)).qparams();
  CHECK(mean_error(values, double{got.values<float>("scale")[0]}, 0, -8, 7) <= 1.05 * least);
}

TEST_CASE("What observed nothing has no parameters, and one NaN or Inf changes none",
          "[plugins][traps]") {
  const auto clean = normal_values(500, 5);
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF})
    for (const ObserverKind& kind : all_observers()) {
      INFO(kind.name << ", " << bad);
      Results none;
      CHECK(fresh(kind).try_qparams(qspec(), none) == DETENT_E_NOT_READY);
      CHECK(saw(kind, {flat({bad}), flat({})}).try_qparams(qspec(), none) == DETENT_E_NOT_READY);
      CHECK_FALSE(none.has("scale"));
      auto dirty = clean;
      dirty.insert(dirty.begin() + 250, bad);
      CHECK(parameters_of(saw(kind, {flat(dirty)})) == parameters_of(saw(kind, {flat(clean)})));
      CHECK(parameters_of(saw(kind, {flat({bad, bad}), flat(clean)})) ==
            parameters_of(saw(kind, {flat(clean), flat({bad, bad})})));
    }
}

TEST_CASE("Rows of padding that are NaN do not spoil the other rows", "[plugins][traps]") {
  const float nan = std::nanf("");
  for (const ObserverKind& kind : all_observers()) {
    INFO(kind.name);
    CHECK(parameters_of(saw(kind, {Tensor::of<float>({3, 2}, {1, -2, nan, nan, 3, 0.5F})})) ==
          parameters_of(saw(kind, {Tensor::of<float>({2, 2}, {1, -2, 3, 0.5F})})));
  }
}

TEST_CASE("ema has no bias to correct: the first batch is copied, and fades as defined",
          "[plugins][traps]") {
  const ObserverKind slow{"ema", "ema", {}, false};
  CHECK(range_of(saw(slow, {flat({-2, 6})})).hi == 6.0);
  CHECK(range_of(saw(slow, std::vector<Tensor>(50, flat({-2, 6})))).hi == Approx(6).epsilon(1e-14));
  std::vector<Tensor> outlier_first(65, flat({0, 0}));
  outlier_first[0] = flat({0, 100});
  // The documented price of 0.01: after 64 clean batches 53 % of a first outlier are left.
  CHECK(range_of(saw(slow, outlier_first)).hi == Approx(100 * std::pow(0.99, 64)).epsilon(1e-12));
}

TEST_CASE("Batches of any number of rows and any length are one histogram", "[plugins][traps]") {
  const auto values = normal_values(60, 6);
  const auto part = [&](const Shape& shape, std::ptrdiff_t from, std::ptrdiff_t to) {
    return Tensor::of(shape, std::vector<float>(values.begin() + from, values.begin() + to));
  };
  for (const ObserverKind& kind : merging_observers())
    CHECK(saw(kind, {part({1, 7}, 0, 7), part({3, 5}, 7, 22), part({2, 2, 4}, 22, 38),
                     part({22}, 38, 60)})
              .save() == saw(kind, {flat(values)}).save());
}

TEST_CASE("A histogram whose range grows counts old values in the new bins", "[plugins][traps]") {
  std::vector<float> small, large;
  for (int i = 0; i <= 200; ++i) small.push_back(static_cast<float>(i - 100) / 100);
  for (int i = 0; i <= 200; ++i) large.push_back(static_cast<float>(i - 100));
  const Results histogram = saw(kMse, {flat(small), flat(large)}).stat("stat:histogram/1");
  const auto counts = histogram.values<std::uint64_t>("counts");
  const double origin = histogram.values<double>("origin")[0];
  const double width = histogram.values<double>("width")[0];
  std::uint64_t near_zero = 0, all = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double edge = origin + width * static_cast<double>(i);
    all += counts[i];
    if (edge >= -1.5 && edge < 1.5) near_zero += counts[i];
  }
  CHECK(all == 402);
  CHECK(near_zero == 201 + 3);  // -1, 0 and 1 of the large ones
}

// Mono Quant's range is always around zero; its zero point was -2678 without a clamp.
TEST_CASE("Data far from zero have the SQNR of their range, and a zero point among the codes",
          "[plugins][traps]") {
  std::vector<float> offset, negative, relu;
  for (int i = 0; i < 4000; ++i) offset.push_back(10.0F + static_cast<float>(i) / 4000);
  for (const float v : offset) negative.push_back(-v);
  for (const float v : normal_values(4000, 7)) relu.push_back(std::max(v, 0.0F));
  for (const ObserverKind& kind : all_observers()) {
    INFO(kind.name);
    const Results high = saw(kind, {flat(offset)}).qparams();
    const Results low = saw(kind, {flat(negative)}).qparams();
    CHECK(zero_points_of(high)[0] == -128);
    CHECK(zero_points_of(low)[0] == 127);
    CHECK(zero_points_of(saw(kind, {flat(relu)}).qparams())[0] == -128);
    CHECK(sqnr_of(offset, high) > 58);
    CHECK(sqnr_of(negative, low) > 58);
    CHECK(sqnr_of(relu, saw(kind, {flat(relu)}).qparams()) > 37);
  }
}

TEST_CASE("The target's type is honoured: zero points of uint8 are 0..255, symmetric ones 128",
          "[plugins][traps]") {
  for (const ObserverKind& kind : all_observers()) {
    INFO(kind.name);
    const detent_qspec asymmetric = qspec(0, 255), symmetric = qspec(0, 255, true);
    const std::vector<Tensor> data = {flat({-51, 0, 204})};
    const Results plain = saw(kind, data, asymmetric).qparams();
    REQUIRE(plain.tensor("zero_point").dtype() == DETENT_U8);
    CHECK(zero_points_of(saw(kMinMax, data, asymmetric).qparams())[0] == 51);
    CHECK(zero_points_of(saw(kind, data, symmetric).qparams())[0] == 128);
  }
}

TEST_CASE("Zero points are rounded to the nearest, not cut", "[plugins][traps]") {
  // Scale 1: -128 + 64.34 = -63.66
  const std::vector<double> ends = {-64.34, 190.66};
  CHECK(zero_points_of(saw(kMinMax, {Tensor::of<double>({2}, ends)}).qparams())[0] == -64);
  CHECK(zero_points_of(saw(kEma, {Tensor::of<double>({2}, ends)}).qparams())[0] == -64);
}

TEST_CASE("Rows of a weight that do not straddle zero come back, and constant ones exactly",
          "[plugins][traps]") {
  std::vector<float> x;
  for (int i = 0; i < 64; ++i) x.push_back(5.0F + static_cast<float>(i) / 64);
  for (int i = 0; i < 64; ++i) x.push_back(-6.0F + static_cast<float>(i) / 64);
  x.resize(192, 0.5F);
  Quantizer q("int8", {{"/symmetric", false}});
  const Results got = q.quantize(Tensor::of({3, 64}, x));
  const auto back = q.dequantize(got, {3, 64});
  CHECK(sqnr_db(x, back) > 50);
  CHECK(zero_points_of(got) == std::vector<std::int64_t>{-128, 127, -128});
  CHECK(std::vector<float>(back.begin() + 128, back.end()) == std::vector<float>(64, 0.5F));
}

TEST_CASE("4-bit zero points are among the 4-bit codes before they are stored",
          "[plugins][traps]") {
  Quantizer q("int4_groupwise", {{"/symmetric", false}, {"/group_size", 4}});
  const Results got = q.quantize(
      Tensor::of<float>({1, 12}, {-5, -6, -7, -7.5F, 5, 6, 7, 7.5F, -1e-3F, -1e-3F, -1e-3F, 30}));
  CHECK(got.values<std::int8_t>("zero_point") == std::vector<std::int8_t>{7, -8, -8});
  const auto back = q.dequantize(got, {1, 12});
  CHECK(back[0] == -5.0F);
  CHECK(back[7] == 7.5F);
}

TEST_CASE("Values of 1e-20 are not all zero: there is no floor under the scale",
          "[plugins][traps]") {
  auto x = normal_values(4000, 8);
  for (float& v : x) v *= 1e-20F;
  for (const ObserverKind& kind : all_observers()) {
    INFO(kind.name);
    CHECK(sqnr_of(x, saw(kind, {flat(x)}).qparams()) > 30);
  }
  CHECK(sqnr_of(x, saw(kMinMax, {flat(x)}).qparams()) > 40);
}

}  // namespace detent::test
