// SPDX-License-Identifier: Apache-2.0
#include <numeric>
#include <random>

#include "common/scan_ranges.hpp"
#include "support/catch.hpp"
#include "support/mini_host.hpp"

namespace detent {
namespace {

using test::Shape;
using test::Tensor;

Tensor random_tensor(const Shape& shape) {
  Tensor tensor(DETENT_F32, shape);
  std::mt19937 random(7);
  std::vector<float> values(tensor.bytes().size() / 4);
  for (float& v : values) v = static_cast<float>(random() % 20001) - 10000.0F;
  return Tensor::of(shape, values);
}

// The slot of every element, from its index in each dimension, as the ABI words it.
std::vector<std::int64_t> slots_by_index(const Shape& shape, const Grouping& grouping) {
  const std::int64_t n =
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  const std::int64_t row = shape.size() < 2 ? n : n / shape[0];
  std::vector<std::int64_t> slots;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t slot = 0;
    if (grouping.granularity == DETENT_PER_CHANNEL) {
      std::int64_t rest = i;
      for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d])
        if (static_cast<std::int32_t>(d) == grouping.axis) slot = rest % shape[d];
    } else if (grouping.granularity == DETENT_PER_GROUP) {
      const std::int64_t groups = (row + grouping.group_size - 1) / grouping.group_size;
      slot = i / row * groups + i % row / grouping.group_size;
    }
    slots.push_back(slot);
  }
  return slots;
}

struct Case {
  Shape shape;
  Grouping grouping;
};
const Case kCases[] = {
    {{}, {}},
    {{7}, {}},
    {{2, 3, 4}, {}},
    {{5}, {DETENT_PER_CHANNEL, 0, 0}},
    {{4, 6}, {DETENT_PER_CHANNEL, 0, 0}},
    {{4, 6}, {DETENT_PER_CHANNEL, 1, 0}},
    {{1, 6}, {DETENT_PER_CHANNEL, 1, 0}},
    {{4, 1}, {DETENT_PER_CHANNEL, 1, 0}},
    {{2, 3, 5, 4}, {DETENT_PER_CHANNEL, 1, 0}},
    {{2, 3, 5, 4}, {DETENT_PER_CHANNEL, 3, 0}},
    {{10}, {DETENT_PER_GROUP, 0, 4}},
    {{3, 8}, {DETENT_PER_GROUP, 0, 4}},
    {{3, 7}, {DETENT_PER_GROUP, 0, 4}},
    {{3, 7}, {DETENT_PER_GROUP, 0, 100}},
    {{3, 2, 2, 3}, {DETENT_PER_GROUP, 0, 5}},
    {{70000, 3}, {DETENT_PER_CHANNEL, 1, 0}},     // several tasks, channels last
    {{300, 5, 101}, {DETENT_PER_CHANNEL, 1, 0}},  // several tasks, rows repeat
    {{5, 50000}, {DETENT_PER_CHANNEL, 0, 0}},     // tasks that share a channel
    {{3, 70001}, {DETENT_PER_GROUP, 0, 32}},
    {{200000}, {}},
};

std::vector<kernels::Range> ranges_by_index(const sdk::TensorView& x, const Grouping& grouping) {
  const auto slots = slots_by_index(x.shape(), grouping);
  std::vector<kernels::Range> ranges(1U + static_cast<std::size_t>(slots.back()));
  std::size_t i = 0;
  x.for_each(-1, [&](double value, std::int64_t) {
    ranges[static_cast<std::size_t>(slots[i++])].include(value);
  });
  return ranges;
}

void check_scan(const detent_tensor& tensor, const Grouping& grouping, test::Order order) {
  const sdk::TensorView x(tensor);
  const test::Call call(order);
  const auto got = scan_ranges(x, Slots(x, grouping), sdk::Call(call.raw()));
  const auto expected = ranges_by_index(x, grouping);
  REQUIRE(got.size() == expected.size());
  bool equal = true;
  for (std::size_t i = 0; i < got.size(); ++i)
    equal = equal && got[i].range.lo == expected[i].lo && got[i].range.hi == expected[i].hi;
  CHECK(equal);
}

}  // namespace

TEST_CASE("Slots cuts a tensor into the runs that the target describes", "[plugins][observers]") {
  for (const Case& c : kCases) {
    const Tensor tensor = random_tensor(c.shape);
    const detent_tensor view = tensor.view();
    const Slots slots(sdk::TensorView(view), c.grouping);
    const auto expected = slots_by_index(c.shape, c.grouping);
    INFO("case " << &c - kCases);
    REQUIRE(slots.count() == expected.back() + 1);
    std::int64_t next = 0;
    bool right = true;
    slots.for_each_run(0, slots.elements(),
                       [&](std::int64_t slot, std::int64_t first, std::int64_t n) {
                         right = right && first == next && n >= 1;
                         for (std::int64_t i = first; i < first + n; ++i)
                           right = right && expected[static_cast<std::size_t>(i)] == slot;
                         next = first + n;
                       });
    CHECK(right);
    CHECK(next == slots.elements());
  }
}

TEST_CASE("Slots shapes the scales as the target says", "[plugins][observers]") {
  const Tensor tensor({DETENT_F32, {3, 2, 5}});
  const detent_tensor view = tensor.view();
  const sdk::TensorView x(view);
  CHECK(Slots(x, {}).shape() == Shape{});
  CHECK(Slots(x, {DETENT_PER_CHANNEL, 1, 0}).shape() == Shape{2});
  CHECK(Slots(x, {DETENT_PER_GROUP, 0, 4}).shape() == Shape{3, 3});
}

TEST_CASE("scan_ranges finds every slot's range in any order of its tasks",
          "[plugins][observers]") {
  for (const Case& c : kCases)
    for (const auto order : {test::Order::forward, test::Order::reversed, test::Order::threads}) {
      INFO("case " << &c - kCases);
      check_scan(random_tensor(c.shape).view(), c.grouping, order);
    }
}

TEST_CASE("scan_ranges reads negative, zero and permuted strides", "[plugins][observers]") {
  const Tensor tensor = random_tensor({6, 10});
  const Tensor transposed = tensor.strided({10, 6}, {1, 10});
  const Tensor backwards = tensor.strided({6, 10}, {-10, -1}, 59);
  const Tensor repeated = tensor.strided({4, 10}, {0, 1}, 20);
  const Tensor every_other = tensor.strided({3, 5}, {20, 2}, 1);
  for (const Tensor& t : {transposed, backwards, repeated, every_other})
    for (const Grouping& g : {Grouping{}, Grouping{DETENT_PER_CHANNEL, 0, 0},
                              Grouping{DETENT_PER_CHANNEL, 1, 0}, Grouping{DETENT_PER_GROUP, 0, 4}})
      check_scan(t.view(), g, test::Order::forward);
  check_scan(random_tensor({300, 700}).strided({700, 300}, {1, 700}).view(),
             {DETENT_PER_CHANNEL, 0, 0}, test::Order::reversed);
}

TEST_CASE("scan_ranges stops when the host cancels", "[plugins][observers]") {
  const Tensor tensor = random_tensor({100});
  const detent_tensor view = tensor.view();
  const sdk::TensorView x(view);
  test::Call call;
  call.cancel();
  CHECK_THROWS_AS(scan_ranges(x, Slots(x, {}), sdk::Call(call.raw())), sdk::Error);
}

}  // namespace detent
