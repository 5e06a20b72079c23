// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "support/catch.hpp"
#include "support/mini_host.hpp"

namespace detent::test {
namespace {

const detent_plugin& ema() {
  static const Library library = Library::built_in("ema");
  return library.plugin("ema");
}

Observer make(double constant, const detent_qspec& spec = qspec()) {
  return Observer(ema(), {{"/averaging_constant", constant}}, spec);
}

double low(const Observer& o, std::size_t slot = 0) {
  return o.stat("stat:minmax/1").values<double>("min")[slot];
}
double high(const Observer& o, std::size_t slot = 0) {
  return o.stat("stat:minmax/1").values<double>("max")[slot];
}

Tensor pair(float a, float b) { return Tensor::of<float>({2}, {a, b}); }

const float kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("ends that pass one another in float32 are one value and not an empty range",
          "[plugins][observers]") {
  detent_qspec spec = qspec();
  spec.affine_rules = DETENT_AFFINE_FLOAT32;
  Observer observer = make(0.3, spec);
  observer.observe(pair(0x1.726256p+0F, 0x1.726258p+0F));  // neighbours
  observer.observe(pair(-0x1.b82dd8p+3F, -0x1.b82dd8p+3F));
  // numpy, in float32: the lower becomes -3.1139097, the upper -3.1139102.
  CHECK(low(observer) == static_cast<double>(-3.1139097F));
  CHECK(high(observer) == static_cast<double>(-3.1139097F));
}

TEST_CASE("ema copies the first batch and averages the others", "[plugins][observers]") {
  Observer observer = make(0.25);
  observer.observe(pair(-8, 4));
  CHECK(low(observer) == -8.0);
  CHECK(high(observer) == 4.0);
  observer.observe(pair(-4, 8));  // -8 + (8 - 4) / 4
  CHECK(low(observer) == -7.0);
  CHECK(high(observer) == 5.0);
  observer.observe(pair(1, 1));
  CHECK(low(observer) == -5.0);
  CHECK(high(observer) == 4.0);
}

TEST_CASE("ema follows the newest batch by a hundredth unless told otherwise",
          "[plugins][observers]") {
  Observer observer(ema(), {}, qspec());
  observer.observe(pair(0, 100));
  observer.observe(pair(0, 200));
  CHECK(high(observer) == Approx(101.0).margin(1e-12));
}

TEST_CASE("ema with the constant one keeps the last batch", "[plugins][observers]") {
  Observer observer = make(1.0);
  observer.observe(pair(-8, 4));
  observer.observe(pair(-1, 1));
  CHECK(low(observer) == -1.0);
  CHECK(high(observer) == 1.0);
}

TEST_CASE("ema skips batches without a finite value, the first one too", "[plugins][observers]") {
  Observer observer = make(0.5);
  observer.observe(pair(kNan, kNan));
  observer.observe(Tensor(DETENT_F32, {0}));
  observer.observe(pair(2, 4));
  observer.observe(pair(kNan, kNan));
  CHECK(low(observer) == 2.0);
  CHECK(high(observer) == 4.0);
  observer.observe(pair(kNan, 8));
  CHECK(low(observer) == 5.0);
  CHECK(high(observer) == 6.0);
  CHECK(observer.stat("stat:counts/1").values<std::int64_t>("non_finite")[0] == 5);
}

TEST_CASE("ema averages each channel over the batches where it has values",
          "[plugins][observers]") {
  Observer observer = make(0.5, per_channel(qspec(), 0));
  observer.observe(Tensor::of<float>({2, 1}, {2, kNan}));
  observer.observe(Tensor::of<float>({2, 1}, {4, 10}));
  CHECK(low(observer, 0) == 3.0);
  CHECK(low(observer, 1) == 10.0);
}

TEST_CASE("ema stays within the limits of float64", "[plugins][observers]") {
  const double most = std::numeric_limits<double>::max();
  Observer observer = make(0.3);
  for (int i = 0; i < 3; ++i) observer.observe(Tensor::of<double>({2}, {-most, most}));
  CHECK(std::isfinite(low(observer)));
  CHECK(high(observer) == Approx(most).margin(most * 1e-15));
  // 128 steps of it are the largest float.
  CHECK(observer.qparams().values<float>("scale")[0] ==
        Approx(std::numeric_limits<float>::max() / 128));
}

TEST_CASE("ema cannot be merged: its result is defined by the order of the batches",
          "[plugins][observers]") {
  CHECK_FALSE(make(0.5).can_merge());
  CHECK((ema().flags & DETENT_PLUGIN_MERGE_EXACT) == 0);
}

TEST_CASE("ema refuses constants that are no weight", "[plugins][observers]") {
  for (const double constant : {0.0, -0.1, 1.5, std::nan("")}) {
    CAPTURE(constant);
    CHECK_THROWS(make(constant));
  }
}

}  // namespace detent::test
