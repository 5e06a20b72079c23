// SPDX-License-Identifier: Apache-2.0
#include "evaluate/output_comparison.hpp"

#include <cmath>

#include "outputs.hpp"
#include "support/catch.hpp"

using namespace detent;
using namespace detent::test;

namespace {

ComparisonResult compared(const Outputs& expected, const Outputs& found, std::uint64_t samples) {
  OutputComparison c;
  c.add(expected, found, samples, nullptr);
  return c.result();
}

// Values of no pattern: six samples of an output [n, 3] and of one [n, 2].
Outputs some(std::size_t from, std::size_t to, double error) {
  std::vector<float> a;
  std::vector<float> b;
  for (std::size_t s = from; s < to; ++s) {
    for (std::size_t i = 0; i < 3; ++i)
      a.push_back(
          static_cast<float>(std::sin(double(7 * s + i)) + error * std::cos(double(s * i))));
    for (std::size_t i = 0; i < 2; ++i)
      b.push_back(
          static_cast<float>(std::cos(double(5 * s + i)) + error * std::sin(double(s + i))));
  }
  const auto n = static_cast<std::int64_t>(to - from);
  return outputs(floats({n, 3}, a), floats({n, 2}, b));
}

}  // namespace

TEST_CASE("the SQNR of all outputs is that of their sums, and each output has its own") {
  // 25 / 1 = 13.979400 dB; 1 / 0.25 = 6.020600 dB; 26 / 1.25 = 13.180633 dB
  const ComparisonResult r = compared(outputs(floats({1, 2}, {3, 4}), floats({1, 2}, {1, 0})),
                                      outputs(floats({1, 2}, {3, 5}), floats({1, 2}, {1, 0.5})), 1);
  CHECK(r.samples == 1);
  CHECK(r.all.sqnr_db == Approx(13.180633349627615).epsilon(1e-12));
  CHECK(r.all.max_abs_error == 1);
  REQUIRE(r.outputs.size() == 2);
  CHECK(r.outputs[0].sqnr_db == Approx(13.979400086720377).epsilon(1e-12));
  CHECK(r.outputs[1].sqnr_db == Approx(6.020599913279624).epsilon(1e-12));
  CHECK(r.outputs[1].max_abs_error == 0.5);
  CHECK(r.outputs[1].output == 1);
}

TEST_CASE("equal outputs have infinite SQNR and cosine one") {
  const ComparisonResult r = compared(one({2, 2}, {1, 2, 0, 0}), one({2, 2}, {1, 2, 0, 0}), 2);
  CHECK(r.all.sqnr_db == std::numeric_limits<double>::infinity());
  CHECK(r.all.cosine_min == 1);
  CHECK(r.all.max_abs_error == 0);
  CHECK(r.all.top1_agreement == 1);
}

TEST_CASE("cosines are of samples over all outputs, their mean and the least one") {
  // samples: (1, 0) and (0, 1) are orthogonal; (1, 1) and (2, 2) are parallel
  const ComparisonResult r = compared(one({2, 2}, {1, 0, 1, 1}), one({2, 2}, {0, 1, 2, 2}), 2);
  CHECK(r.all.cosine_mean == Approx(0.5));
  CHECK(r.all.cosine_min == Approx(0.0).margin(1e-15));
  // joined (3, 4 | 0) and (3, 4 | 5): 25 / (5 sqrt 50)
  const ComparisonResult joined = compared(outputs(floats({1, 2}, {3, 4}), floats({1, 1}, {0})),
                                           outputs(floats({1, 2}, {3, 4}), floats({1, 1}, {5})), 1);
  CHECK(joined.all.cosine_mean == Approx(0.7071067811865475).epsilon(1e-12));
  CHECK(joined.outputs[0].cosine_mean == Approx(1));
  CHECK(joined.outputs[1].cosine_mean == 0);
}

TEST_CASE("an output that is not stacked as the samples makes the batch one sample") {
  const ComparisonResult r = compared(outputs(floats({2, 1}, {1, 1}), floats({}, {2})),
                                      outputs(floats({2, 1}, {1, -1}), floats({}, {2})), 2);
  CHECK(r.all.cosine_mean == Approx(4.0 / 6.0));  // (1, 1, 2) and (1, -1, 2)
  CHECK(r.outputs[0].cosine_min == -1);
  CHECK(r.outputs[1].cosine_min == 1);
  const ComparisonResult reversed = compared(outputs(floats({}, {2}), floats({2, 1}, {1, 1})),
                                             outputs(floats({}, {2}), floats({2, 1}, {1, -1})), 2);
  CHECK(reversed.all.cosine_mean == Approx(4.0 / 6.0));
}

TEST_CASE("the sums are the same bits however the samples are batched") {
  const auto batched = [](std::size_t size) {
    OutputComparison c;
    for (std::size_t at = 0; at < 6; at += size) {
      const std::size_t to = std::min<std::size_t>(6, at + size);
      c.add(some(at, to, 0), some(at, to, 0.01), to - at, nullptr);
    }
    return c.result();
  };
  const ComparisonResult whole = batched(6);
  CHECK(whole.all.sqnr_db > 30);
  CHECK(whole.all.sqnr_db < 60);
  for (const std::size_t size : {1U, 4U, 5U}) {
    const ComparisonResult r = batched(size);
    CHECK(r.samples == 6);
    CHECK(r.outputs[0].sqnr_db == whole.outputs[0].sqnr_db);
    CHECK(r.outputs[1].sqnr_db == whole.outputs[1].sqnr_db);
    CHECK(r.all.sqnr_db == whole.all.sqnr_db);
    CHECK(r.all.cosine_mean == whole.all.cosine_mean);
    CHECK(r.all.cosine_min == whole.all.cosine_min);
    CHECK(r.all.top1_agreement == whole.all.top1_agreement);
  }
}

TEST_CASE("half, bfloat16 and double outputs are measured as their values") {
  const auto halves = [](std::uint16_t bits) {
    return outputs(tensor(DETENT_F16, {1}, std::vector<std::uint16_t>{bits}));
  };
  CHECK(compared(halves(0x4000), halves(0x3C00), 1).all.max_abs_error == 1);  // 2 and 1
  const auto brains = [](std::uint16_t bits) {
    return outputs(tensor(DETENT_BF16, {1}, std::vector<std::uint16_t>{bits}));
  };
  CHECK(compared(brains(0x4040), brains(0x3F80), 1).all.max_abs_error == 2);  // 3 and 1
  const auto doubles = [](double v) {
    return outputs(tensor(DETENT_F64, {1}, std::vector<double>{v}));
  };
  CHECK(compared(doubles(1), doubles(1 + 1e-12), 1).all.max_abs_error ==
        Approx(1e-12).epsilon(1e-3));
}

TEST_CASE("a value that is finite on one side only is an error without bounds") {
  const ComparisonResult r = compared(one({2, 2}, {1, 2, 3, 4}), one({2, 2}, {1, kNan, 3, 4}), 2);
  CHECK(r.non_finite == 1);
  CHECK(r.non_finite_expected == 0);
  CHECK(r.all.sqnr_db == -std::numeric_limits<double>::infinity());
  CHECK(r.all.max_abs_error == std::numeric_limits<double>::infinity());
  CHECK(r.all.cosine_min == 0);
  CHECK(r.all.cosine_mean == Approx(0.5));
  const ComparisonResult repaired = compared(one({1, 2}, {kInf, 2}), one({1, 2}, {1, 2}), 1);
  CHECK(repaired.non_finite == 0);
  CHECK(repaired.non_finite_expected == 1);
  CHECK(repaired.all.sqnr_db == -std::numeric_limits<double>::infinity());
}

TEST_CASE("the same infinity on both sides is agreement") {
  const ComparisonResult r = compared(one({1, 3}, {-kInf, 3, 4}), one({1, 3}, {-kInf, 3, 5}), 1);
  CHECK(r.non_finite == 0);
  CHECK(r.non_finite_expected == 1);
  CHECK(r.all.sqnr_db == Approx(13.979400086720377).epsilon(1e-12));
  const ComparisonResult signs = compared(one({1, 2}, {-kInf, 3}), one({1, 2}, {kInf, 3}), 1);
  CHECK(signs.all.sqnr_db == -std::numeric_limits<double>::infinity());
}

TEST_CASE("outputs of other number, shape or kind leave every number unknown and say why") {
  const auto mismatch = [](const Outputs& expected, const Outputs& found) {
    const ComparisonResult r = compared(expected, found, 1);
    CHECK(std::isnan(r.all.sqnr_db));
    CHECK(std::isnan(r.all.cosine_min));
    CHECK(r.outputs.empty());
    return r.mismatch;
  };
  CHECK(mismatch(one({1, 2}, {1, 2}), outputs()) == "0 outputs, not 1");
  CHECK(mismatch(one({1, 2}, {1, 2}), one({2, 1}, {1, 2})) ==
        "output 0 has the shape [2, 1], not [1, 2]");
  CHECK(mismatch(one({1}, {1}), outputs(longs({1}, {1}))) == "output 0 is I64, not F32");
  CHECK(mismatch(one({1}, {1}), outputs(std::unique_ptr<HostTensor>())) == "output 0 is no tensor");
}

TEST_CASE("a mismatch in a later batch is found too") {
  OutputComparison c;
  c.add(one({1, 2}, {1, 2}), one({1, 2}, {1, 2}), 1, nullptr);
  c.add(one({1, 2}, {1, 2}), one({1, 3}, {1, 2, 3}), 1, nullptr);
  c.add(one({1, 2}, {1, 2}), one({1, 2}, {1, 2}), 1, nullptr);
  CHECK(c.result().mismatch == "output 0 has the shape [1, 3], not [1, 2]");
  CHECK(std::isnan(c.result().all.sqnr_db));
}

TEST_CASE("integers and what is no tensor are not measured") {
  const ComparisonResult r =
      compared(outputs(longs({1, 2}, {1, 2}), std::unique_ptr<HostTensor>()),
               outputs(longs({1, 2}, {2, 1}), std::unique_ptr<HostTensor>()), 1);
  CHECK(r.samples == 1);
  CHECK(r.mismatch.empty());
  CHECK(r.outputs.empty());
  CHECK(std::isnan(r.all.sqnr_db));
  CHECK(std::isnan(r.all.cosine_mean));
  CHECK(std::isnan(r.all.top1_agreement));
}

TEST_CASE("empty outputs give no number") {
  const ComparisonResult r = compared(one({1, 0}, {}), one({1, 0}, {}), 1);
  CHECK(std::isnan(r.all.cosine_mean));
  CHECK(std::isnan(compared(outputs(), outputs(), 0).all.sqnr_db));
}
