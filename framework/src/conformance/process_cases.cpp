// SPDX-License-Identifier: Apache-2.0
// Cases of rule R7: the process is the host's.
#include <array>
#include <chrono>
#include <thread>

#include "conformance/case.hpp"
#include "conformance/life.hpp"
#include "conformance/process_state.hpp"
#include "conformance/tables.hpp"
#include "plugin/fp_mode.hpp"

namespace detent::conformance {
namespace {

std::string floating_point(Subject& subject) {
  subject.start();
  const FpMode mode;
  World world;
  live(subject, world);
  expect(mode.restore(), "rounding or the treatment of denormals is another one afterwards");
  return {};
}

std::string process(Subject& subject) {
  subject.start();
  const ProcessState before = ProcessState::now();
  World world;
  live(subject, world);
  const std::string changes = ProcessState::now().changes_since(before);
  expect(changes.empty(), "{}", changes);
  return {};
}

std::string threads(Subject& subject) {
  const int before = count_threads();
  {
    World world;
    live(subject, world);
  }
  if (subject.library().deinit != nullptr) subject.library().deinit();
  int left = count_threads() - before;
  for (int i = 0; i < 20 && left > 0; ++i) {  // one that is just ending
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    left = count_threads() - before;
  }
  expect(left <= 0, "{} threads are left after deinit", left);
  return {};
}

std::string out(Subject& subject) {
  World world;
  live(subject, world);
  return {};
}

constexpr std::array<Case, 4> kCases = {{
    {"boundary.floating_point", kEveryPlugin, "The floating-point mode of the thread stays (R7).",
     "do not build with -ffast-math; put MXCSR back if you change it", &floating_point},
    {"boundary.process", kEveryPlugin,
     "Locale, working directory, environment, signals, umask and open files stay as they were "
     "(R7).",
     "undo what you changed, or better do not change it", &process},
    {"boundary.threads_left", kEveryPlugin, "After deinit no thread of it runs (abi.h, deinit).",
     "use parallel_for, or join threads in deinit", &threads},
    {"boundary.stdout", kEveryPlugin, "stdout is the program's: nothing was printed to it (R7).",
     "say things with detent_host.log", &out},
}};

}  // namespace

std::span<const Case> process_cases() { return kCases; }

}  // namespace detent::conformance
