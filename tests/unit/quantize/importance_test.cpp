// SPDX-License-Identifier: Apache-2.0
// How much the elements of a weight count: the expected values are worked out by hand.
#include "quantize/importance.hpp"

#include <cmath>
#include <cstring>

#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/statistics_job.hpp"
#include <detent/sdk/tensor_view.hpp>

namespace detent::test {
namespace {

using Values = std::vector<double>;
using Shape = std::vector<std::int64_t>;

TensorInfo weight_of(Shape shape) {
  TensorInfo info;
  info.name = "w";
  info.dtype = DETENT_F32;
  info.shape = std::move(shape);
  return info;
}

Importance make(Shape shape, ChannelDim dim, std::size_t inner, const Values& mean_square) {
  StatisticPlan plan;
  plan.op = "op";
  plan.inner = inner;
  plan.channel_dim = dim;
  HostTensor tensor("mean_square", DETENT_F64, {static_cast<std::int64_t>(mean_square.size())});
  std::memcpy(tensor.bytes().data(), mean_square.data(), mean_square.size() * sizeof(double));
  return {weight_of(std::move(shape)), plan, tensor};
}

// The importance of every element, as a plugin sees it, which has to be what the host measures
// with.
Values expanded(const Importance& importance) {
  const detent_tensor view = importance.view();
  Values values;
  sdk::TensorView(view).for_each(-1, [&](double v, std::int64_t) { values.push_back(v); });
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(importance[i] == values[i]);
  return values;
}

}  // namespace

TEST_CASE("the columns of a linear weight count as the channels of its input") {
  const Importance importance = make({2, 3}, ChannelDim::last, 0, {5, 10, 4.5});
  CHECK(expanded(importance) == Values{5, 10, 4.5, 5, 10, 4.5});
  CHECK(importance.view().nbytes == 3 * sizeof(double));  // once for each channel
  CHECK(importance.view().strides[0] == 0);
  CHECK((importance.view().flags & DETENT_TENSOR_READ_ONLY) != 0);
}

TEST_CASE("the second dimension of a convolution counts as the channels, over all positions") {
  const Importance importance = make({2, 2, 1, 2}, ChannelDim::second, 2, {3, 7});
  CHECK(expanded(importance) == Values{3, 3, 7, 7, 3, 3, 7, 7});
  CHECK(importance.view().nbytes == 2 * sizeof(double));
}

TEST_CASE("an output of a convolution with groups sees the channels of its group") {
  // Four outputs, two groups of two channels, kernels of two.
  const Importance grouped = make({4, 2, 2}, ChannelDim::second, 1, {1, 4, 9, 12});
  CHECK(expanded(grouped) == Values{1, 1, 4, 4, 1, 1, 4, 4, 9, 9, 12, 12, 9, 9, 12, 12});
  CHECK(grouped.view().nbytes == 8 * sizeof(double));
  const Importance depthwise = make({3, 1, 1, 2}, ChannelDim::second, 2, {2, 3, 5});
  CHECK(expanded(depthwise) == Values{2, 2, 3, 3, 5, 5});
  // Two outputs for each of three channels.
  CHECK(expanded(make({6, 1, 1}, ChannelDim::second, 1, {2, 3, 5})) == Values{2, 2, 3, 3, 5, 5});
}

TEST_CASE("the first dimension of a transposed convolution counts as the channels") {
  const Importance importance = make({3, 2, 2}, ChannelDim::first, 1, {1, 4, 9});
  CHECK(expanded(importance) == Values{1, 1, 1, 1, 4, 4, 4, 4, 9, 9, 9, 9});
}

TEST_CASE("of a product of matrices the dimension that is as long as the channels counts") {
  CHECK(expanded(make({3, 2}, ChannelDim::matching, 0, {1, 4, 9})) == Values{1, 1, 4, 4, 9, 9});
  CHECK(expanded(make({2, 3}, ChannelDim::matching, 0, {1, 4, 9})) == Values{1, 4, 9, 1, 4, 9});
}

TEST_CASE("channels that fit no dimension are refused with both numbers") {
  const auto text = [](Shape shape, ChannelDim dim, const Values& mean) {
    return refusal([&] { make(shape, dim, 0, mean); }, ErrorCode::quantization);
  };
  CHECK(contains(text({2, 3}, ChannelDim::last, {1, 2}),
                 "have 2 channels, which fit none of its shape [2, 3]"));
  CHECK(contains(text({2, 3}, ChannelDim::last, {}), "have 0 channels"));
  CHECK(contains(text({4, 2, 1}, ChannelDim::second, {1, 2, 3}), "have 3 channels"));  // no group
  CHECK(contains(text({4, 2, 1}, ChannelDim::second, {1, 2, 3, 4, 5, 6}), "6 channels"));  // 4 % 3
  CHECK(contains(text({4, 2, 1}, ChannelDim::second, {1}), "have 1 channels"));
  CHECK(contains(text({3, 2, 1}, ChannelDim::first, {1, 2}), "have 2 channels"));
  CHECK(contains(text({3, 3}, ChannelDim::matching, {1, 2, 3}), "have 3 channels"));
  CHECK(contains(text({3, 2}, ChannelDim::matching, {1}), "have 1 channels"));
}

TEST_CASE("a weight without elements has an importance without elements") {
  const detent_tensor view = make({0, 2}, ChannelDim::last, 0, {1, 2}).view();
  CHECK(view.data == nullptr);
  CHECK(view.nbytes == 0);
}

TEST_CASE("weighted sums count each square as often as its element counts") {
  HostTensor original("w", DETENT_F32, {2, 2});
  const std::vector<float> x{1, 2, 3, 4};
  std::memcpy(original.bytes().data(), x.data(), 16);
  const std::vector<float> back{1, 1, 3, 6};
  ThreadPool pool(1);
  const QuantizationError error = measure_weighted(
      DETENT_F32, original.bytes(), back, make({2, 2}, ChannelDim::last, 0, {1, 100}), pool);
  CHECK(error.signal == 1 + 400 + 9 + 1600);
  CHECK(error.noise == 100 + 400);
  CHECK(error.sqnr_db() == Approx(10 * std::log10(2010.0 / 500)));
}

TEST_CASE("weighted sums do not depend on the number of threads") {
  constexpr std::int64_t kRows = 1001;
  const TinyTensor values = random_f32("w", {kRows, 300}, 3);
  HostTensor original("w", DETENT_F32, {kRows, 300});
  std::memcpy(original.bytes().data(), values.bytes.data(), values.bytes.size());
  std::vector<float> back(original.numel());
  std::memcpy(back.data(), values.bytes.data(), values.bytes.size());
  double expected = 0;
  Values mean;
  for (int c = 0; c < 300; ++c) mean.push_back(c % 7);
  for (std::size_t i = 0; i < back.size(); ++i) {
    const float error = i % 3 == 0 ? 0.5F : 0.0F;
    expected += mean[i % 300] * std::pow(double{back[i]} - double{back[i] + error}, 2);
    back[i] += error;
  }
  const Importance importance = make({kRows, 300}, ChannelDim::last, 0, mean);
  ThreadPool one(1);
  ThreadPool three(3);
  const QuantizationError a = measure_weighted(DETENT_F32, original.bytes(), back, importance, one);
  const QuantizationError b =
      measure_weighted(DETENT_F32, original.bytes(), back, importance, three);
  CHECK(a.noise == Approx(expected));
  CHECK(a.noise == b.noise);
  CHECK(a.signal == b.signal);
}

TEST_CASE("plain rounding is weighed like what it is compared with") {
  // Codes are n / 127: -127..127 of a largest magnitude of 1. 0.5 is 63.5 steps, which becomes 64;
  // 0.25 is 31.75, which becomes 32.
  StatisticsJob job({f32("fc.weight", {1, 3}, {1, 0.5F, 0.25F})},
                    {{"fc.weight", "linear", "forward"}});
  job.write_samples({1, 3}, {5, 1, 2});
  job.quantize("fc.weight");
  REQUIRE(job.result.weighted_rounding.has_value());
  const double half = 0.5 / 127;
  const double quarter = 0.25 / 127;
  CHECK(job.result.weighted_rounding->signal == Approx(25 + 1 * 0.25 + 4 * 0.0625));
  CHECK(job.result.weighted_rounding->noise ==
        Approx(1 * half * half + 4 * quarter * quarter).epsilon(1e-4));
}

TEST_CASE("an observer of a linear weight is given the mean square of each input") {
  // Mean squares 5, 10, 4.5; the fixture's scale is 1 + sum of importance * w^2 of the row.
  StatisticsJob job({f32("fc.weight", {2, 3}, {1, 0, 0, 1, 2, 1})},
                    {{"fc.weight", "linear", "forward"}});
  job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
  CHECK(job.quantize("fc.weight") == Values{6, 50.5});
  CHECK(job.result.weighted.has_value());
}

TEST_CASE("an observer of convolutions is given what each group sees, whole and transposed") {
  // Channels of the one sample: 1 1 1, 2 2 2, 3 3 3, 0 0 6; mean squares 1, 4, 9, 12.
  StatisticsJob job(
      {f32("c.weight", {4, 2, 2},
           {0, 0, 1, 0,  //
            0, 3, 0, 0,  //
            1, 0, 0, 0,  //
            1, 0, 1, 0}),
       f32("t.weight", {4, 1, 2}, {1, 1, 1, 0, 1, 0, 0, 2})},
      {{"c.weight", "conv1d", "forward"}, {"t.weight", "conv_transpose1d", "forward"}});
  job.write_samples({1, 4, 3}, {1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 6});
  CHECK(job.quantize("c.weight") == Values{5, 10, 10, 22});
  CHECK(job.quantize("t.weight") == Values{3, 5, 10, 49});
}

TEST_CASE("an observer that asks for no importance gets none, and one without inputs neither") {
  StatisticsJob job({f32("fc.weight", {2, 3}, {1, 0, 0, 1, 2, 1})},
                    {{"fc.weight", "linear", "forward"}},
                    R"({"weight": {"observer": "a.modest", "quantizer": "int8"}})");
  job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
  CHECK(job.quantize("fc.weight") == Values{0.5, 0.5});
  CHECK_FALSE(job.result.weighted.has_value());
  StatisticsJob unseen({f32("e.weight", {2, 3}, {1, 0, 0, 1, 2, 1})},
                       {{"e.weight", "embedding", "forward"}});
  CHECK(unseen.quantize("e.weight") == Values{0.5, 0.5});
  CHECK_FALSE(unseen.result.weighted.has_value());
}

TEST_CASE("a quantizer is lent the statistic of the inputs that it asked for") {
  StatisticsJob job(
      {f32("fc.weight", {2, 3}, {1, 0, 0, 1, 2, 1}), f32("e.weight", {2, 3}, {1, 0, 0, 1, 2, 1})},
      {{"fc.weight", "linear", "forward"}, {"e.weight", "embedding", "forward"}},
      R"({"weight": {"quantizer": "a.asking"}})");
  job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
  CHECK(job.quantize("fc.weight", "told") == Values{5, 10, 4.5});
  CHECK(job.result.weighted->sqnr_db() == 0);  // it makes zeros of everything
  CHECK(job.quantize("e.weight", "told") == Values{-1, -1, -1});
}

TEST_CASE(
    "that a quantizer asks for a statistic gives no importance to an observer that does not") {
  const auto told = [](const std::string& observer) {
    StatisticsJob job({f32("fc.weight", {2, 3}, {1, 0, 0, 1, 2, 1})},
                      {{"fc.weight", "linear", "forward"}},
                      R"({"weight": {"observer": ")" + observer +
                          R"(", "quantizer": {"id": "a.asking", "params": {"observed": true}}}})");
    job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
    return job.quantize("fc.weight", "told");
  };
  CHECK(told("a.modest") == Values{0.5, 10, 4.5});
  CHECK(told("a.weighing") == Values{6, 10, 4.5});
}

TEST_CASE("inputs of another number of channels than the weight has are refused by name") {
  StatisticsJob job({f32("fc.weight", {2, 3}, {1, 0, 0, 1, 2, 1})},
                    {{"fc.weight", "linear", "forward"}});
  job.write_samples({1, 4}, {1, 2, 3, 4});
  CHECK(contains(refusal([&] { job.quantize("fc.weight"); }, ErrorCode::quantization),
                 "the inputs of linear that use \"fc.weight\" have 4 channels"));
}

}  // namespace detent::test
