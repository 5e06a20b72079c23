// SPDX-License-Identifier: Apache-2.0
#include "evaluate/classes.hpp"

#include <cmath>

#include "evaluate/output_comparison.hpp"
#include "outputs.hpp"
#include "support/catch.hpp"

using namespace detent;
using namespace detent::test;

namespace {

// Four samples of three classes; before they say 0, 1, 2, 0 and after 0, 1, 1, 2.
Outputs before() { return one({4, 3}, {9, 1, 1, 1, 9, 1, 1, 1, 9, 9, 1, 1}); }
Outputs after() { return one({4, 3}, {9, 1, 1, 1, 9, 1, 1, 9, 1, 1, 1, 9}); }

ComparisonResult judged(const std::unique_ptr<HostTensor>& target) {
  OutputComparison c;
  c.add(before(), after(), 4, &target->view());
  return c.result();
}

void check_accuracy(const ComparisonResult& r, double expected_before, double expected_after,
                    std::uint64_t count) {
  CHECK(r.no_accuracy.empty());
  CHECK(r.accuracy_before == Approx(expected_before));
  CHECK(r.accuracy_after == Approx(expected_after));
  CHECK(r.judged == count);
}

}  // namespace

TEST_CASE("the top class is the first of the largest, and NaN is above all as in PyTorch") {
  CHECK(top_classes(std::vector<double>{1, 3, 3, 2}, 4) == std::vector<std::int64_t>{1});
  CHECK(top_classes(std::vector<double>{-2, -1, -5, -9}, 2) == std::vector<std::int64_t>{1, 0});
  CHECK(top_classes(std::vector<double>{kInf, kNan, 0, kNan}, 4) == std::vector<std::int64_t>{1});
  CHECK(top_classes(std::vector<double>{}, 3).empty());
}

TEST_CASE("agreement is the share of rows with the same top class") {
  OutputComparison c;
  c.add(before(), after(), 4, nullptr);
  CHECK(c.result().all.top1_agreement == 0.5);
  CHECK(std::isnan(c.result().accuracy_before));
  CHECK(c.result().no_accuracy.empty());
}

TEST_CASE("the first output with classes is the answer; agreement of each is its own") {
  OutputComparison c;
  c.add(outputs(floats({2}, {1, 2}), floats({2, 1}, {1, 2}), floats({2, 2}, {0, 1, 0, 1}),
                floats({2, 2}, {0, 1, 0, 1})),
        outputs(floats({2}, {2, 1}), floats({2, 1}, {2, 1}), floats({2, 2}, {0, 1, 1, 0}),
                floats({2, 2}, {1, 0, 1, 0})),
        2, nullptr);
  const ComparisonResult r = c.result();
  CHECK(r.all.top1_agreement == 0.5);
  REQUIRE(r.outputs.size() == 4);
  CHECK(std::isnan(r.outputs[0].top1_agreement));
  CHECK(std::isnan(r.outputs[1].top1_agreement));
  CHECK(r.outputs[3].top1_agreement == 0);
}

TEST_CASE("targets are held against the answer and no other output") {
  OutputComparison c;
  const auto target = longs({2}, {1, 1});
  c.add(outputs(floats({2, 2}, {0, 1, 0, 1}), floats({2, 2}, {1, 0, 1, 0})),
        outputs(floats({2, 2}, {0, 1, 1, 0}), floats({2, 2}, {1, 0, 1, 0})), 2, &target->view());
  check_accuracy(c.result(), 1, 0.5, 2);
}

TEST_CASE("integer targets are indices of classes, as a list or as a column") {
  check_accuracy(judged(longs({4}, {0, 1, 2, 2})), 0.75, 0.75, 4);
  check_accuracy(judged(longs({4, 1}, {0, 1, 2, 0})), 1, 0.5, 4);
  check_accuracy(judged(tensor(DETENT_U8, {4}, std::vector<std::uint8_t>{0, 0, 2, 0})), 0.75, 0.25,
                 4);
}

TEST_CASE("a negative target does not count") {
  check_accuracy(judged(longs({4}, {-100, 1, 2, -1})), 1, 0.5, 2);
  const ComparisonResult none = judged(longs({4}, {-1, -1, -1, -1}));
  CHECK(std::isnan(none.accuracy_before));
  CHECK(none.judged == 0);
  CHECK_FALSE(none.no_accuracy.empty());
}

TEST_CASE("targets of the output's own shape are one-hot or shares") {
  check_accuracy(judged(floats({4, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5, 0.2, 0.3})), 1, 0.5, 4);
  check_accuracy(judged(longs({4, 3}, {1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1})), 0.25, 0.75, 4);
}

TEST_CASE("every position of a sequence has its own class") {
  OutputComparison c;
  const auto target = longs({1, 3}, {1, 0, -100});
  c.add(one({1, 3, 2}, {0, 1, 0, 1, 0, 1}), one({1, 3, 2}, {1, 0, 1, 0, 1, 0}), 1, &target->view());
  check_accuracy(c.result(), 0.5, 0.5, 2);
}

TEST_CASE("accuracy adds up over batches") {
  OutputComparison c;
  const auto first = longs({4}, {0, 1, 2, 0});
  const auto second = longs({4}, {1, 1, 1, 1});
  c.add(before(), after(), 4, &first->view());
  c.add(before(), after(), 4, &second->view());
  check_accuracy(c.result(), 5.0 / 8, 4.0 / 8, 8);
}

TEST_CASE("targets that fit no rule give no accuracy and say why") {
  const ComparisonResult shape = judged(longs({2}, {0, 1}));
  CHECK(std::isnan(shape.accuracy_before));
  CHECK(std::isnan(shape.accuracy_after));
  CHECK(shape.judged == 0);
  CHECK(shape.no_accuracy ==
        "the targets, I64 [2], are neither indices nor shares of the classes of the output, F32 "
        "[4, 3]");
  CHECK_FALSE(judged(floats({4}, {0, 1, 2, 0})).no_accuracy.empty());
  CHECK(judged(longs({4}, {0, 1, 3, 0})).no_accuracy ==
        "a target is class 3, and the output has 3 classes");
  OutputComparison regression;
  const auto target = floats({2}, {1, 2});
  regression.add(one({2}, {1, 2}), one({2}, {1, 2}), 2, &target->view());
  CHECK_FALSE(regression.result().no_accuracy.empty());
}
