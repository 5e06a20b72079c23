// SPDX-License-Identifier: Apache-2.0
// Every case of the reference vectors with every observer, and that none is left out anywhere.
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "plugins/all_observers.hpp"
#include "support/catch.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

detent_qspec spec_of(const json::Value& c) {
  detent_qspec spec = qspec(int_at(c, "/params/qmin"), int_at(c, "/params/qmax"),
                            *member(c, "/params/symmetric").if_bool());
  if (c.at_pointer("/params/ch_axis") != nullptr)
    spec = per_channel(spec, static_cast<std::int32_t>(int_at(c, "/params/ch_axis")));
  return spec;
}

// The observer that the case is about, with the case's own parameters.
ObserverKind own_observer(const json::Value& c) {
  const std::string name = text_at(c, "/observer");
  const auto bins = [&] {
    return c.at_pointer("/params/bins") == nullptr ? 2048
                                                   : static_cast<int>(int_at(c, "/params/bins"));
  };
  if (name == "minmax") return {name, "minmax", {}, true};
  if (name == "moving_average")
    return {
        name, "ema", {{"/averaging_constant", number_at(c, "/params/averaging_constant")}}, false};
  if (name == "histogram")
    return {name, "histogram", {{"/method", "mse"}, {"/bins", bins()}}, true};
  if (name == "entropy") return {name, "histogram", {{"/method", "kl"}, {"/bins", bins()}}, true};
  if (name == "percentile")
    return {name,
            "histogram",
            {{"/method", "percentile"}, {"/percentile", number_at(c, "/params/percentile")}},
            true};
  throw std::runtime_error("no observer is said to be that of " + name);
}

bool has_finite_value(const std::vector<Tensor>& batches) {
  for (const Tensor& batch : batches)
    for (const float v : batch.values<float>())
      if (std::isfinite(v)) return true;
  return false;
}

std::size_t channels_of(const std::vector<Tensor>& batches, const detent_qspec& spec) {
  return spec.granularity == DETENT_PER_CHANNEL
             ? static_cast<std::size_t>(batches[0].shape()[static_cast<std::size_t>(spec.axis)])
             : 1;
}

void check_parameters(const Results& got, std::size_t channels, const detent_qspec& spec) {
  const auto scales = got.values<float>("scale");
  CHECK(scales.size() == channels);
  for (const float scale : scales) {
    CHECK(std::isfinite(scale));
    CHECK(scale >= std::numeric_limits<float>::min());  // not zero, negative or subnormal
  }
  const auto zeros = zero_points_of(got);
  // Symmetric signed codes have the zero point 0, which is not written.
  CHECK(zeros.size() == (spec.symmetric != 0 && spec.qmin < 0 ? 0 : channels));
  for (const std::int64_t zero : zeros) {
    CHECK(zero >= spec.qmin);
    CHECK(zero <= spec.qmax);
  }
  for (const char* const end : {"range_min", "range_max"})
    for (const double value : got.values<double>(end)) CHECK(std::isfinite(value));
}

}  // namespace

// The tests that check these rules count what they check: range_vectors_test, and
// histogram_vectors_test. A case with another observer or rule would be nobody's.
TEST_CASE("The 123 cases have the observers and rules that tests are written for",
          "[plugins][vectors]") {
  std::map<std::string, int> cases;
  std::set<std::string> ids;
  for (const json::Value& c : vector_cases("cases.json")) {
    ids.insert(text_at(c, "/id"));
    ++cases[text_at(c, "/observer") + ": " + text_at(c, "/rule").substr(0, 6)];
  }
  CHECK(ids.size() == 123);
  CHECK(cases == std::map<std::string, int>{{"minmax: exact_", 39},
                                            {"minmax: policy", 4},
                                            {"minmax: error", 2},
                                            {"moving_average: exact_", 16},
                                            {"moving_average: policy", 2},
                                            {"moving_average: error", 1},
                                            {"histogram: qualit", 25},
                                            {"histogram: policy", 4},
                                            {"entropy: qualit", 26},
                                            {"percentile: qualit", 4}});
  CHECK(vector_cases("weights.json").size() == 26);
  CHECK(vector_cases("packing.json").size() == 9);
}

TEST_CASE("Each case gives its own and every other observer a scale and zero point that are legal",
          "[plugins][vectors]") {
  std::size_t cases = 0;
  std::set<std::string> refused;
  for (const json::Value& c : vector_cases("cases.json")) {
    const auto batches = vector_input(text_at(c, "/input"));
    CHECK(static_cast<std::int64_t>(batches.size()) == int_at(c, "/n_batches"));
    const detent_qspec spec = spec_of(c);
    std::vector<ObserverKind> kinds = all_observers();
    kinds.push_back(own_observer(c));
    for (const ObserverKind& kind : kinds) {
      INFO(text_at(c, "/id") << " by " << kind.name);
      const Observer seen = saw(kind, batches, spec);
      Results got;
      const std::int32_t status = seen.try_qparams(spec, got);
      if (!has_finite_value(batches)) {
        CHECK(status == DETENT_E_NOT_READY);
        CHECK(seen.error().find("no data observed") == 0);
        refused.insert(text_at(c, "/id").substr(0, 3));
        continue;
      }
      REQUIRE(status == DETENT_OK);
      check_parameters(got, channels_of(batches, spec), spec);
    }
    ++cases;
  }
  CHECK(cases == 123);
  CHECK(refused == std::set<std::string>{"020", "021", "055", "083"});
}

}  // namespace detent::test
