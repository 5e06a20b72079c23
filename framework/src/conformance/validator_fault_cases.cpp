// SPDX-License-Identifier: Apache-2.0
// Cases of validators that are called in another order, in blocks, together, or cannot report.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/validator_driver.hpp"

namespace detent::conformance {
namespace {

// Sound and kept tensors, and every fault twice.
std::vector<Exhibit> mixture(Subject& subject) {
  Random random = subject.random();
  std::vector<Exhibit> all = {quantized_exhibit("sound.weight", random),
                              kept_exhibit("kept.weight", {5}, random)};
  for (const char* round : {"first", "second"})
    for (const TensorFault& f : tensor_faults())
      all.push_back(
          faulty(quantized_exhibit(fmt::format("{}: {}", round, f.name), random), f.name));
  return all;
}

// In runs of which it is the only tensor.
std::vector<std::string> each_alone(Subject& subject, const std::vector<Exhibit>& exhibits) {
  std::vector<std::string> texts;
  for (const Exhibit& e : exhibits) {
    World world;
    ValidatorUnderTest v(subject, world);
    texts.push_back(text_of(v.check(e)));
  }
  return texts;
}

std::string first_line(const std::string& text) {
  return text.empty() ? "nothing" : printable(text.substr(0, text.find('\n')));
}

void expect_same(const std::string& got, const std::string& expected, const std::string& what) {
  if (got == expected) return;
  const auto end = std::mismatch(got.begin(), got.end(), expected.begin(), expected.end());
  const auto line = std::find(std::make_reverse_iterator(end.first), got.rend(), '\n').base();
  const auto at = line - got.begin();
  fail("{} it says: {}; alone and at once it says: {}", what,
       first_line(got.substr(static_cast<std::size_t>(at))),
       first_line(expected.substr(static_cast<std::size_t>(at))));
}

std::string order(Subject& subject) {
  const std::vector<Exhibit> all = mixture(subject);
  const std::vector<std::string> alone = each_alone(subject, all);
  const auto in_order = [&](const char* name, const auto& index) {
    World world;
    ValidatorUnderTest v(subject, world);
    for (std::size_t i = 0; i < all.size(); ++i)
      expect_same(text_of(v.check(all[index(i)])), alone[index(i)],
                  fmt::format("as number {} of {}, {}, about \"{}\"", i + 1, all.size(), name,
                              all[index(i)].target));
  };
  in_order("first to last", [](std::size_t i) { return i; });
  in_order("last to first", [&](std::size_t i) { return all.size() - 1 - i; });
  in_order("every seventh", [&](std::size_t i) { return i * 7 % all.size(); });
  return {};
}

std::string blocks(Subject& subject) {
  if (!subject.promises(DETENT_PLUGIN_ROWWISE))
    throw Skip{"it does not promise DETENT_PLUGIN_ROWWISE"};
  for (const Exhibit& e : mixture(subject)) {
    World world;
    ValidatorUnderTest whole(subject, world);
    const std::string expected = text_of(whole.check(e));
    for (const std::uint64_t rows : {1U, 5U, 11U}) {
      ValidatorUnderTest v(subject, world, {.rows = rows});
      // What is left of one tensor is not counted for the next.
      for (int round = 0; round < 2; ++round)
        expect_same(text_of(v.check(e)), expected,
                    fmt::format("in blocks of {} rows, about \"{}\"", rows, e.target));
    }
  }
  return {};
}

std::string deterministic(Subject& subject) {
  const std::vector<Exhibit> all = mixture(subject);
  const auto run = [&](Order order) {
    World world({.order = order});
    ValidatorUnderTest v(subject, world);
    return text_of(v.run(all, good_output()));
  };
  const std::string first = run(Order::forward);
  expect_same(run(Order::forward), first, "in a second run");
  expect_same(run(Order::reversed), first, "with parallel_for from last to first");
  expect_same(run(Order::threads), first, "with four threads");
  return {};
}

std::string instances(Subject& subject) {
  Random random = subject.random();
  const std::vector<Exhibit> sound = {quantized_exhibit("a.weight", random),
                                      quantized_exhibit("b.weight", random)};
  const std::vector<Exhibit> all = mixture(subject);
  const auto run = [&](World& world, const std::vector<Exhibit>& exhibits) {
    ValidatorUnderTest v(subject, world);
    return text_of(v.run(exhibits, good_output()));
  };
  World world;
  const std::string expected = run(world, sound);
  ValidatorUnderTest other(subject, world);
  std::string got;
  {
    ValidatorUnderTest v(subject, world);
    for (std::size_t i = 0; i < all.size(); ++i) {
      other.check(all[i]);
      if (i < sound.size()) got += text_of(v.check(sound[i]));
    }
    got += text_of(v.check_output(good_output()));
    other.finish(summary_of(all));
    got += text_of(v.finish(summary_of(sound)));
  }
  expect_same(got, expected, "while another instance is at work");
  expect_same(run(world, sound), expected, "after another instance");
  return {};
}

// The sink refuses the n-th report, and the call ends with the sink's status.
std::string sink(Subject& subject) {
  const std::vector<Exhibit> all = mixture(subject);
  World world;
  const auto run = [&](std::int64_t failing, std::int32_t status) {
    ValidatorUnderTest v(subject, world, {.failing = failing, .status = status});
    v.run(all, good_output());
    return v.reports();
  };
  const std::int64_t reports = run(INT64_MAX, DETENT_OK);
  if (reports == 0) throw Skip{"it reports nothing here"};
  for (std::int64_t n = 0; n < reports; ++n) {
    run(n, DETENT_E_NO_MEMORY);
    run(n, DETENT_E_CANCELLED);
  }
  return fmt::format("{} reports", reports);
}

}  // namespace

std::span<const Case> validator_fault_cases() {
  static constexpr std::array kCases = {
      Case{
          "validator.order", kValidator,
          "What check says of a tensor does not depend on the tensors before it (abi/validator.h).",
          "keep sums for finish, and judge each tensor by its own numbers", order},
      Case{
          "validator.blocks", kValidator,
          "DETENT_PLUGIN_ROWWISE: blocks of rows give the findings of the whole (abi/validator.h).",
          "begin to count at first_row 0, count every block, report at `last`", blocks},
      Case{"validator.deterministic", kValidator, "The same calls give the same findings (R6).",
           "sum in an order of your own, not in that of threads", deterministic},
      Case{"validator.instances", kValidator, "Instances share nothing (abi/validator.h).",
           "keep what you know in the instance, not in globals", instances},
      Case{"validator.sink", kValidator, "A status of the sink is passed on (abi/validator.h).",
           "return what report returned, at once", sink},
  };
  return kCases;
}

}  // namespace detent::conformance
