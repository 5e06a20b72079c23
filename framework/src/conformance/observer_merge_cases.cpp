// SPDX-License-Identifier: Apache-2.0
// Cases of merging, resetting, determinism and of what ROWWISE promises.
#include <array>
#include <cmath>
#include <memory>
#include <thread>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/observer_data.hpp"
#include "conformance/observer_driver.hpp"

namespace detent::conformance {
namespace {

constexpr std::size_t kParts = 4;
// An observer that promises no exact merge may, say, keep a histogram whose bins move.
constexpr double kNear = 0.1;

bool is_exact(Subject& subject) { return subject.promises(DETENT_PLUGIN_MERGE_EXACT); }

Input part(const Subject& subject, std::size_t i) {
  // The parts differ in size, so that one that is lost or counted twice shows.
  constexpr std::array kSizes = {1.0, 6.0, 0.25, 3.0};
  return {DETENT_F32, kShape, sample(subject, kSizes[i], i + 1)};
}

struct Observed {
  World world;
  ObserverUnderTest o;
  Observed(Subject& subject, const Target& target) : o(subject, world, target) {}
  Observed(Subject& subject, const Target& target, std::initializer_list<std::size_t> parts)
      : Observed(subject, target) {
    for (const std::size_t i : parts) o.observe(*part(subject, i));
  }
};

template <class F>
void for_each_merging(Subject& subject, F&& f) {
  bool any = false;
  for_each_target(subject, [&](const Target& target) {
    if (!Observed(subject, target).o.can_merge()) return;
    any = true;
    f(target);
  });
  if (!any) throw Skip{"it has no merge"};
}

// States where merging is exact, answers otherwise.
void expect_same(Subject& subject, Observed& got, Observed& expected, const char* what) {
  const std::string d = difference(got.o.ask(), expected.o.ask(), is_exact(subject) ? 0 : kNear);
  expect(d.empty(), "{}: {}", what, d);
  if (is_exact(subject))
    expect(got.o.save() == expected.o.save(), "{}: the states have other bytes", what);
}

std::string whole(Subject& subject) {
  for_each_merging(subject, [&](const Target& target) {
    Observed all(subject, target, {0, 1, 2, 3});
    Observed first(subject, target, {0, 1});
    Observed second(subject, target, {2, 3});
    first.o.merge(second.o);
    expect_same(subject, first, all, "two halves merged, against all batches in one instance");
  });
  return {};
}

std::string fresh(Subject& subject) {
  for_each_merging(subject, [&](const Target& target) {
    Observed x(subject, target, {1});
    Observed left(subject, target);
    left.o.merge(x.o);
    const std::string state = x.o.save();
    expect(left.o.save() == state, "merge(fresh, x) has other bytes than x");
    Observed nothing(subject, target);
    x.o.merge(nothing.o);
    expect(x.o.save() == state, "merge(x, fresh) has other bytes than x");
    nothing.o.merge(Observed(subject, target).o);
    expect(nothing.o.save() == Observed(subject, target).o.save(),
           "merge(fresh, fresh) is not fresh");
  });
  return {};
}

std::string other(Subject& subject) {
  for_each_merging(subject, [&](const Target& target) {
    Observed a(subject, target, {0});
    Observed b(subject, target, {1});
    const std::string before = b.o.save();
    a.o.merge(b.o);
    expect(b.o.save() == before, "merge changed the other instance");
    const std::string merged = a.o.save();
    b.o.observe(*part(subject, 3));
    b.o.reset();
    expect(a.o.save() == merged, "the merged instance changed when the other one was used");
  });
  return {};
}

std::string order(Subject& subject) {
  if (!is_exact(subject)) throw Skip{"it does not promise DETENT_PLUGIN_MERGE_EXACT"};
  for_each_merging(subject, [&](const Target& target) {
    Observed forward(subject, target, {0});
    for (const std::size_t i : {1U, 2U, 3U}) forward.o.merge(Observed(subject, target, {i}).o);
    Observed backward(subject, target, {3});
    for (const std::size_t i : {2U, 1U, 0U}) backward.o.merge(Observed(subject, target, {i}).o);
    expect_same(subject, backward, forward, "parts 3, 2, 1, 0 against 0, 1, 2, 3");
    Observed left(subject, target, {0});
    left.o.merge(Observed(subject, target, {1}).o);
    Observed right(subject, target, {2});
    right.o.merge(Observed(subject, target, {3}).o);
    left.o.merge(right.o);
    expect_same(subject, left, forward, "(0 + 1) + (2 + 3) against ((0 + 1) + 2) + 3");
  });
  return {};
}

// A host merges what other processes saved.
std::string saved(Subject& subject) {
  for_each_merging(subject, [&](const Target& target) {
    Observed a(subject, target, {0});
    Observed b(subject, target, {1});
    Observed loaded(subject, target);
    expect(loaded.o.load(b.o.save()) == DETENT_OK, "a state that was just saved is refused");
    Observed c(subject, target, {0});
    a.o.merge(b.o);
    c.o.merge(loaded.o);
    expect(a.o.save() == c.o.save(), "a loaded instance merges into other bytes than the original");
  });
  return {};
}

std::string reset(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    Observed fresh_one(subject, target);
    Observed used(subject, target, {1});
    used.o.ask();
    used.o.reset();
    expect(used.o.save() == fresh_one.o.save(),
           "after reset the state has other bytes than a fresh one");
    used.o.observe(*part(subject, 0));
    fresh_one.o.observe(*part(subject, 0));
    const std::string d = difference(used.o.ask(), fresh_one.o.ask());
    expect(d.empty(), "after reset: {}", d);
  });
  return {};
}

std::string asking(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    Observed x(subject, target, {0});
    const std::string state = x.o.save();
    const Answers first = x.o.ask();
    const std::string d = difference(x.o.ask(), first);
    expect(d.empty(), "asked a second time, {}", d);
    expect(x.o.save() == state, "to be asked changed the state");
  });
  return {};
}

std::string instances(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    Observed alone(subject, target, {0});
    const std::string expected = alone.o.save();
    Observed first(subject, target, {0});
    Observed second(subject, target, {1});
    expect(first.o.save() == expected, "an instance changed when another one was made and used");
    second.o.reset();
    expect(first.o.save() == expected, "an instance changed when another one was reset");
  });
  return {};
}

struct Outcome {
  std::string state;
  Answers answers;
};

Outcome observe_all(Subject& subject, const Target& target, Order order) {
  World world({.order = order});
  ObserverUnderTest o(subject, world, target);
  // Long enough to be cut into pieces; of groups there would be many.
  const Shape shape = {8, target.spec.granularity == DETENT_PER_GROUP ? 1600 : 20000};
  const std::uint64_t batches = takes_batches(subject, target) ? 2 : 1;
  for (std::uint64_t i = 0; i < batches; ++i) {
    Random random(subject.seed() + i);
    o.observe(*Input(DETENT_F32, shape, random.bells(count_elements(shape), i == 0 ? 1 : 3)));
  }
  return {o.save(), o.ask()};
}

std::string deterministic(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    if (target.spec.granularity == DETENT_PER_CHANNEL && target.spec.axis == 1) return;
    const Outcome expected = observe_all(subject, target, Order::forward);
    for (const auto& [order, what] : {std::pair{Order::forward, "a second time"},
                                      {Order::reversed, "with parallel_for going backwards"},
                                      {Order::threads, "with parallel_for on four threads"}}) {
      const Outcome got = observe_all(subject, target, order);
      const std::string d = difference(got.answers, expected.answers);
      expect(d.empty(), "{}: {}", what, d);
      expect(got.state == expected.state, "{}: the state has other bytes", what);
    }
  });
  return {};
}

// Rows 0..1 and 2..5 in instances of their own, against the whole.
std::string rowwise(Subject& subject) {
  if (!subject.promises(DETENT_PLUGIN_ROWWISE))
    throw Skip{"it does not promise DETENT_PLUGIN_ROWWISE"};
  for_each_target(subject, [&](const Target& target) {
    const bool rows = target.spec.granularity == DETENT_PER_GROUP ||
                      (target.spec.granularity == DETENT_PER_CHANNEL && target.spec.axis == 0);
    if (!rows) return;
    const std::vector<double> values = uneven_sample(subject);
    const auto ask = [&](std::int64_t first, std::int64_t n) {
      Observed block(subject, target);
      const std::span<const double> all(values);
      block.o.observe(*Input(DETENT_F32, {n, kShape[1]},
                             all.subspan(static_cast<std::size_t>(first * kShape[1]),
                                         static_cast<std::size_t>(n * kShape[1]))));
      return block.o.qparams();
    };
    const Answers all = ask(0, 6);
    const Answers top = ask(0, 2);
    const Answers bottom = ask(2, 4);
    for (const auto& [name, made] : all) {
      expect(top.contains(name) && bottom.contains(name), "a block has no \"{}\"", name);
      expect(top.at(name).bytes + bottom.at(name).bytes == made.bytes,
             "\"{}\" of two blocks of rows, joined, is not that of the whole", name);
    }
  });
  return {};
}

constexpr std::array<Case, 10> kCases = {{
    {"observer.merge_equals_whole", kObserver,
     "Merged parts say what one instance says that saw all: the same bytes with MERGE_EXACT "
     "(abi/observer.h, merge).",
     "add every field of the other instance, counts included", &whole},
    {"observer.merge_fresh", kObserver,
     "Merging with a fresh instance changes nothing (abi/observer.h, merge).",
     "take the other's state whole when the own one is empty, and ignore one that is empty",
     &fresh},
    {"observer.merge_other", kObserver,
     "The other instance is unchanged and not kept (abi/observer.h, merge).",
     "copy from the other instance, never point into it", &other},
    {"observer.merge_order", kObserver,
     "With DETENT_PLUGIN_MERGE_EXACT order and grouping of parts do not matter (abi/observer.h, "
     "merge).",
     "drop the promise, or add up exactly: minima, maxima, integers", &order},
    {"observer.merge_loaded", kObserver,
     "A loaded state merges like the one that was saved (abi/observer.h, save_state).",
     "save everything that merge looks at", &saved},
    {"observer.reset", kObserver, "reset leaves what create left (abi/observer.h, reset).",
     "reset every field, or assign a fresh state", &reset},
    {"observer.instances", kObserver, "Instances know nothing of one another (R3).",
     "keep no state in globals or statics", &instances},
    {"observer.asking", kObserver, "To be asked changes nothing (abi/observer.h, compute_qparams).",
     "compute into locals: the instance is const", &asking},
    {"observer.deterministic", kObserver,
     "The same batches give the same bytes, whatever runs parallel_for (R6).",
     "give each index of parallel_for a place of its own and join them in order", &deterministic},
    {"observer.rowwise", kObserver,
     "With DETENT_PLUGIN_ROWWISE blocks of rows, joined, are the whole (abi.h).",
     "drop the promise, or let no row depend on another", &rowwise},
}};

}  // namespace

std::span<const Case> observer_merge_cases() { return kCases; }

}  // namespace detent::conformance
