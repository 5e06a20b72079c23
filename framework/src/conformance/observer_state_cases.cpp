// SPDX-License-Identifier: Apache-2.0
// Cases of saved states and of statistics.
#include <algorithm>
#include <array>
#include <cmath>
#include <malloc.h>
#include <memory>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/observer_data.hpp"
#include "conformance/observer_driver.hpp"
#include "conformance/process_state.hpp"

namespace detent::conformance {
namespace {

constexpr std::uint64_t kPrime = 7;  // bytes that a stream takes at a time

struct Observed {
  World world;
  ObserverUnderTest o;
  Observed(Subject& subject, const Target& target) : o(subject, world, target) {}
  Observed(Subject& subject, const Target& target, const std::vector<double>& values)
      : Observed(subject, target) {
    o.observe(*Input(DETENT_F32, kShape, values));
  }
};

std::string round_trip(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    Observed a(subject, target, uneven_sample(subject));
    const std::string state = a.o.save();
    Observed b(subject, target, sample(subject, 100));  // what load replaces
    expect(b.o.load(state) == DETENT_OK, "a state that was just saved is refused: {}",
           printable(b.world.text()));
    expect(b.o.save() == state, "saved again after loading, it has other bytes");
    const std::string d = difference(b.o.ask(), a.o.ask());
    expect(d.empty(), "after loading: {}", d);
    const Input more(DETENT_F32, kShape, sample(subject, 2, 3));
    expect(a.o.try_observe(*more) == b.o.try_observe(*more),
           "after loading one more batch is not what it was before");
    expect(a.o.save() == b.o.save(), "after one more batch a loaded instance has another state");
    Observed c(subject, target);
    const std::string fresh = c.o.save();
    expect(b.o.load(fresh) == DETENT_OK && b.o.save() == fresh, "a fresh state cannot be loaded");
  });
  return {};
}

std::string short_counts(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    Observed a(subject, target, uneven_sample(subject));
    const std::string state = a.o.save();
    expect(a.o.save(kPrime) == state, "a stream that takes {} bytes at a time gets other bytes",
           kPrime);
    Observed b(subject, target);
    expect(b.o.load(state, kPrime) == DETENT_OK && b.o.save() == state,
           "a stream that gives {} bytes at a time is not understood", kPrime);
  });
  return {};
}

// malloc fills what it hands out, each time with something else.
std::string equal_bytes(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    const std::vector<double> values = uneven_sample(subject);
    std::array<std::unique_ptr<Observed>, 2> both;  // at two addresses
    std::array<std::string, 2> states;
    for (std::size_t i = 0; i < both.size(); ++i) {
      ::mallopt(M_PERTURB, i == 0 ? 0x55 : 0x2A);
      both[i] = std::make_unique<Observed>(subject, target, values);
      states[i] = both[i]->o.save();
    }
    ::mallopt(M_PERTURB, 0);
    expect(states[0].size() == states[1].size(), "the same data make states of {} and {} bytes",
           states[0].size(), states[1].size());
    for (std::size_t i = 0; i < states[0].size(); ++i)
      expect(states[0][i] == states[1][i], "byte {} of {} differs between two equal states", i,
             states[0].size());
  });
  return {};
}

void expect_reset(Subject& subject, const Target& target, Observed& o, const std::string& what) {
  expect(o.o.save() == Observed(subject, target).o.save(),
         "after a refused state ({}) the instance is not as after reset", what);
}

std::string truncated(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    const std::string state = Observed(subject, target, uneven_sample(subject)).o.save();
    const std::size_t step = std::max<std::size_t>(1, state.size() / 1000);
    Observed o(subject, target, sample(subject));
    for (std::size_t n = 0; n < state.size(); n += n < 256 ? 1 : step) {
      const std::int32_t status = o.o.load(state.substr(0, n));
      expect(status == DETENT_E_BAD_STATE,
             "the first {} of {} bytes of a state: load_state returned {} instead of "
             "DETENT_E_BAD_STATE",
             n, state.size(), status_name(status));
      expect(!o.world.text().empty(), "a refused state has no text");
      if (n % 50 == 0) expect_reset(subject, target, o, "truncated");
    }
  });
  return {};
}

std::string trailing(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    Observed o(subject, target, sample(subject));
    const std::string state = Observed(subject, target, uneven_sample(subject)).o.save();
    const std::int32_t status = o.o.load(state + '\0');
    expect(status == DETENT_E_BAD_STATE, "a byte too many: load_state returned {}",
           status_name(status));
    expect_reset(subject, target, o, "a byte too many");
  });
  return {};
}

// Damaged states may be understood; they must not crash, nor make scales of NaN, nor eat the
// memory.
std::string corrupted(Subject& subject) {
  constexpr std::uint64_t kMostMemory = std::uint64_t{1} << 30;
  for_each_target(subject, [&](const Target& target) {
    const std::string state = Observed(subject, target, uneven_sample(subject)).o.save();
    Random random = subject.random();
    Observed o(subject, target);
    const std::uint64_t before = peak_bytes();
    for (int i = 0; i < 2000; ++i) {
      std::string bytes = state;
      const bool noise = i % 20 == 0 || bytes.empty();
      if (noise) bytes.assign(random.below(300), '\0');
      for (char& c : bytes)
        if (noise) c = static_cast<char>(random.bits());
      if (!bytes.empty()) {
        char& c = bytes[i < 600 ? static_cast<std::size_t>(i) % bytes.size()
                                : random.below(bytes.size())];
        c = static_cast<char>(i % 3 == 0 ? 0xFF : c ^ (1 << random.below(8)));
      }
      const std::int32_t status = o.o.load(bytes);
      expect(status == DETENT_OK || status == DETENT_E_BAD_STATE || status == DETENT_E_NO_MEMORY,
             "a damaged state: load_state returned {}", status_name(status));
      if (status != DETENT_OK) continue;
      Answers answers;
      const std::int32_t asked = o.o.try_qparams(&answers);
      expect(is_status(asked), "after a damaged state compute_qparams returned {}",
             status_name(asked));
      expect(peak_bytes() - before < kMostMemory, "a damaged state took {} of memory",
             human_bytes(peak_bytes() - before));
    }
  });
  return {};
}

std::string failing_streams(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    Observed a(subject, target, uneven_sample(subject));
    const std::string state = a.o.save();
    for (const std::uint64_t good : {std::uint64_t{0}, std::uint64_t{state.size() / 2}}) {
      if (state.empty()) return;
      Bytes out({}, 1 + good / 4, good);
      const std::int32_t saved = a.world.call("save_state", [&](const detent_call* call) {
        return a.o.vtbl().save_state(a.o.handle(), call, out.out());
      });
      expect(saved == DETENT_E_IO,
             "a stream that fails: save_state returned {} instead of DETENT_E_IO",
             status_name(saved));
      expect(!a.world.text().empty(), "save_state returned DETENT_E_IO without a text");
      Bytes in(state, 1 + good / 4, good);
      Observed b(subject, target, sample(subject));
      const std::int32_t loaded = b.world.call("load_state", [&](const detent_call* call) {
        return b.o.vtbl().load_state(b.o.handle(), call, in.in());
      });
      expect(loaded == DETENT_E_IO || loaded == DETENT_E_BAD_STATE,
             "a stream that fails: load_state returned {}", status_name(loaded));
      expect_reset(subject, target, b, "the stream failed");
    }
  });
  return {};
}

constexpr std::array<Case, 7> kCases = {{
    {"observer.state_round_trip", kObserver,
     "A saved state, loaded, says and saves the same (abi/observer.h, load_state).",
     "save every field that observe, merge and compute_ look at", &round_trip},
    {"observer.state_short_counts", kObserver,
     "Streams may take and give fewer bytes than asked (abi/base.h, detent_ostream).",
     "loop until everything is written or read; sdk::Writer and sdk::Reader do", &short_counts},
    {"observer.state_equal_bytes", kObserver,
     "Equal states have equal bytes: no pointers, no padding, no time (abi/observer.h, "
     "save_state).",
     "write field by field, never a whole struct that has padding or pointers", &equal_bytes},
    {"observer.state_truncated", kObserver,
     "A state that is cut short is DETENT_E_BAD_STATE, and leaves what reset leaves "
     "(abi/observer.h).",
     "check that each read gave all its bytes, then replace the state", &truncated},
    {"observer.state_trailing", kObserver,
     "A state with bytes behind it is DETENT_E_BAD_STATE (abi/observer.h, load_state).",
     "read once more in the end: the stream must give 0", &trailing},
    {"observer.state_corrupted", kObserver,
     "Damaged states do no harm: no crash, no gigabytes (abi/observer.h, load_state).",
     "check each number that is used as a size, and each that must be finite", &corrupted},
    {"observer.state_failing_streams", kObserver,
     "A stream that fails is DETENT_E_IO with a text (abi/base.h, status).",
     "look at what read and write return: -1 is a failure", &failing_streams},
}};

}  // namespace

std::span<const Case> observer_state_cases() { return kCases; }

}  // namespace detent::conformance
