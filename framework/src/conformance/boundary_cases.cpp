// SPDX-License-Identifier: Apache-2.0
// Cases of the boundary itself: errors, memory, cancellation, hosts of other minors.
#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <malloc.h>
#include <sys/resource.h>
#include <thread>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/life.hpp"
#include "conformance/process_state.hpp"
#include "conformance/tables.hpp"

namespace detent::conformance {
namespace {

bool needs_text(std::int32_t status) {
  return status != DETENT_OK && status != DETENT_E_NO_MEMORY && status != DETENT_E_CANCELLED;
}

// Did a call of that life fail?
bool is_refusal(const std::string& life) {
  return life == "not made" || life == "no memory" || life.find("DETENT_E_") != std::string::npos;
}

std::string error_texts(Subject& subject) {
  World world;
  provoke(subject, world,
          [](const std::string& what, std::int32_t status, const std::string& text) {
            expect(!needs_text(status) || !text.empty(), "{} returned {} without a text", what,
                   status_name(status));
          });
  return {};
}

// World::call fails when something comes out of a function.
std::string exceptions(Subject& subject) {
  World world;
  provoke(subject, world, [](const std::string&, std::int32_t, const std::string&) {});
  return {};
}

std::string statuses(Subject& subject) {
  World world;
  provoke(subject, world, [](const std::string& what, std::int32_t status, const std::string&) {
    expect(is_status(status), "{} returned {}", what, status_name(status));
  });
  return {};
}

std::string refusals(Subject& subject) {
  World world;
  provoke(subject, world, [](const std::string& what, std::int32_t status, const std::string&) {
    expect(status != DETENT_OK, "{} returned DETENT_OK", what);
  });
  return {};
}

// What both lives gave from where they part.
std::string where_they_part(const std::string& got, const std::string& expected) {
  const auto at = static_cast<std::size_t>(
      std::mismatch(
          got.begin(),
          got.begin() + static_cast<std::ptrdiff_t>(std::min(got.size(), expected.size())),
          expected.begin())
          .first -
      got.begin());
  const std::size_t from = at < 20 ? 0 : at - 20;
  return fmt::format("byte {} of its results: ...{}, not ...{}", at,
                     printable(std::string_view(got).substr(from, 50)),
                     printable(std::string_view(expected).substr(from, 50)));
}

// The host has none left, and then the process has none.
std::string no_memory(Subject& subject) {
  World obliging;
  const std::string expected = live(subject, obliging);
  for (std::int64_t left = 0; left < 6; ++left) {
    World world({.memory_left = left});
    const std::string got = live(subject, world);
    expect(got == expected || is_refusal(got),
           "with {} grants of memory it succeeds with other results", left);
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  std::uint64_t pages = 0;
  if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
    const bool read = std::fscanf(f, "%lu", &pages) == 1;
    std::fclose(f);
    if (!read) throw Skip{"the size of the process is not known"};
  }
  const rlimit little{pages * 4096 + (1U << 20), RLIM_INFINITY};
  rlimit before{};
  ::getrlimit(RLIMIT_AS, &before);
  ::setrlimit(RLIMIT_AS, &little);
  World world;
  std::int32_t status = DETENT_OK;
  std::string thrown;
  try {
    status = work_long(subject, world, 1 << 24);
  } catch (const std::bad_alloc&) {  // of the check's own memory
  } catch (const Skip&) {
  }
  ::setrlimit(RLIMIT_AS, &before);
  expect(is_status(status), "without memory it returned {}", status_name(status));
#endif
  return {};
}

double seconds_of(const timespec& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double processor_time() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return seconds_of(t);
}

// Work that takes long enough to be cancelled, then the same with a host that says stop at once.
std::string cancellation(Subject& subject) {
  constexpr double kLong = 0.2;
  std::uint64_t elements = 1 << 20;
  double took = 0;
  for (; elements <= std::uint64_t{1} << 26; elements *= 4) {
    World world;
    const double begin = processor_time();
    const std::int32_t status = work_long(subject, world, elements);
    took = processor_time() - begin;
    if (status != DETENT_OK)
      throw Skip{fmt::format("{} elements: {}", elements, status_name(status))};
    if (took > kLong) break;
  }
  if (took <= kLong) throw Skip{fmt::format("its longest call takes {:.0f} ms", took * 1e3)};
  World world({.cancel_at = 0});
  const double begin = processor_time();
  const std::int32_t status = work_long(subject, world, elements);
  const double until = processor_time() - begin;
  expect(status == DETENT_E_CANCELLED,
         "told to stop at once, it returned {} after {:.0f} ms and asked {} times",
         status_name(status), until * 1e3, world.asks());
  expect(until < std::max(0.5, took / 2), "told to stop at once, it took {:.0f} of {:.0f} ms",
         until * 1e3, took * 1e3);
  return {};
}

std::string early_cancellation(Subject& subject) {
  World obliging;
  const std::string expected = live(subject, obliging);
  for (std::int64_t ask = 0; ask < 4; ++ask) {
    World world({.cancel_at = ask});
    const std::string got = live(subject, world);
    const bool cancelled = got.find("DETENT_E_CANCELLED") != std::string::npos;
    expect(got == expected || cancelled || got == "not made",
           "told to stop at its ask number {}, it ended with other results", ask + 1);
  }
  return {};
}

std::string older_host(Subject& subject) {
  World obliging;
  const std::string expected = live(subject, obliging);
  World world({.minor = Minor::older});
  const std::string got = live(subject, world);
  const bool refused = got == "not made" || got.starts_with("create:");
  expect(got == expected || refused,
         "with a host whose structs are shorter it succeeds with other results: {}",
         where_they_part(got, expected));
  return got == expected ? "" : "refuses: " + got;
}

std::string newer_host(Subject& subject) {
  World obliging;
  const std::string expected = live(subject, obliging);
  World world({.minor = Minor::newer});
  const std::string got = live(subject, world);
  expect(got == expected, "with a host whose structs are longer it gives other results: {}",
         where_they_part(got, expected));
  return {};
}

std::string leaks(Subject& subject) {
  constexpr int kRounds = 100;
  const auto round = [&] {
    World world;
    live(subject, world);
    expect(world.kept_bytes() == 0, "{} bytes of host.alloc were not freed until destroy",
           world.kept_bytes());
  };
  for (int i = 0; i < 20; ++i) round();
  // What the allocator keeps for later counts as used; a leak grows each time.
  std::int64_t grown = INT64_MAX;
  for (int batch = 0; batch < 8 && grown >= kRounds * 16; ++batch) {
    const auto before = static_cast<std::int64_t>(::mallinfo2().uordblks);
    for (int i = 0; i < kRounds; ++i) round();
    grown = std::min(grown, static_cast<std::int64_t>(::mallinfo2().uordblks) - before);
  }
  expect(grown < kRounds * 16, "{} rounds from create to destroy left {} bytes", kRounds, grown);
  return {};
}

std::string concurrent(Subject& subject) {
  constexpr std::size_t kThreads = 4;
  World alone;
  const std::string expected = live(subject, alone);
  std::array<std::string, kThreads> got;
  std::array<std::string, kThreads> wrong;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      try {
        for (int i = 0; i < 5; ++i) {
          World world;
          got[t] = live(subject, world);
          if (got[t] != expected) return;
        }
      } catch (const Failure& f) {
        wrong[t] = f.message;
      }
    });
  for (std::thread& t : threads) t.join();
  for (std::size_t t = 0; t < kThreads; ++t) {
    expect(wrong[t].empty(), "with four instances on four threads: {}", wrong[t]);
    expect(got[t] == expected, "with four instances on four threads the results differ");
  }
  return {};
}

constexpr std::array<Case, 11> kCases = {{
    {"boundary.exceptions", kObserver | kQuantizer | kSerializer,
     "No exception, panic or longjmp leaves a function (R2).",
     "catch everything before a function of the table returns, and return a DETENT_E_ code",
     &exceptions},
    {"boundary.error_texts", kObserver | kQuantizer | kSerializer, "An error has a text (R2).",
     "call detent_call.fail before you return a DETENT_E_ code", &error_texts},
    {"boundary.statuses", kObserver | kQuantizer | kSerializer,
     "Every status is one of abi/base.h (R2).",
     "return DETENT_E_INTERNAL for what has no code of its own", &statuses},
    {"boundary.refusals", kObserver | kQuantizer | kSerializer,
     "What cannot be done is refused: unknown dtypes, empty states, rules from the future "
     "(abi/base.h, DETENT_AFFINE_).",
     "check before you work; an unknown flag in affine_rules is DETENT_E_UNSUPPORTED", &refusals},
    {"boundary.no_memory", kEveryPlugin,
     "Without memory a call fails; it does not crash and nothing is thrown (R2).",
     "look at what alloc, scratch and create give; catch std::bad_alloc", &no_memory},
    {"boundary.cancellation", kObserver | kQuantizer,
     "A long call asks at least every 50 ms whether to stop, and stops (abi/base.h, cancelled).",
     "ask detent_call.cancelled in the outer loop, and return DETENT_E_CANCELLED", &cancellation},
    {"boundary.early_cancellation", kEveryPlugin,
     "A call that is cancelled returns DETENT_E_CANCELLED (abi/base.h, cancelled).",
     "clean up and return DETENT_E_CANCELLED", &early_cancellation},
    {"boundary.older_host", kEveryPlugin, "Structs of an older host are shorter (R4).",
     "test DETENT_HAS before you follow a pointer of detent_call, detent_host or detent_config",
     &older_host},
    {"boundary.newer_host", kEveryPlugin, "Structs of a newer host are longer (R4).",
     "compare struct_size with >=, never with ==", &newer_host},
    {"boundary.leaks", kEveryPlugin, "destroy frees what create and the calls after it took (R1).",
     "run it under valgrind or with -fsanitize=address", &leaks},
    {"boundary.concurrent", kEveryPlugin, "Instances on several threads do not meet (R3).",
     "keep no state in globals or statics", &concurrent},
}};

}  // namespace

std::span<const Case> boundary_cases() { return kCases; }

}  // namespace detent::conformance
