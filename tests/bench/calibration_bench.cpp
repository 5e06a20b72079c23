// SPDX-License-Identifier: Apache-2.0
// What observing costs over running the bare model: see calibration.py, which reads the output.
//
//   bench_calibration ROUNDS CONFIG NAME=OBSERVER...
//
// The bare model and each way of observing it take turns on every batch, in one process and with
// one worker: a busy machine slows all of them. One line of JSON for each measured batch.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include "calibrate/observe.hpp"
#include "config/config.hpp"
#include "model/model.hpp"
#include "plan/plan.hpp"
#include "plugin/registry.hpp"
#include "plugin/search_path.hpp"
#include "program/program.hpp"

namespace {

using namespace detent;

double seconds_of(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// The processor time of the one child that there is: the process in which the model runs.
clockid_t worker_clock() {
  std::ifstream children(fmt::format("/proc/self/task/{}/children", ::getpid()));
  pid_t child = 0;
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  children >> child;
  if (child <= 0 || ::clock_getcpuclockid(child, &clock) != 0)
    throw Error(ErrorCode::unexpected, "the process that runs the model is not to be found");
  return clock;
}

struct Case {
  std::string name;
  Config config;
  Plan plan;
};

Config configured(const char* file, const std::string& observer, const Registry& registry) {
  Config config = load_config(file, {{"/rules/0/activation/observer", observer}});
  check_plugins(config, registry);
  return config;
}

void measure(const std::string& name, clockid_t worker, const std::function<void()>& work) {
  const double start = seconds_of(CLOCK_MONOTONIC);
  const double host = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  const double model = seconds_of(worker);
  work();
  fmt::print(
      "{{\"case\": \"{}\", \"wall\": {:.9f}, \"host_cpu\": {:.9f}, \"model_cpu\": {:.9f}}}\n", name,
      seconds_of(CLOCK_MONOTONIC) - start, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - host,
      seconds_of(worker) - model);
}

int bench(int argc, char** argv) {
  const int rounds = std::atoi(argv[1]);
  const Registry registry = Registry::scan(plugin_search_path({}, {}));
  const Config first = configured(argv[2], "\"minmax\"", registry);
  const auto model = open_model(first.model_path, first.model_options);
  const auto program = open_program(
      *model, {.threads = first.model_threads, .timeout_seconds = first.model_timeout});
  if (program == nullptr) throw Error(ErrorCode::config, "no program: " + why_not_runnable(*model));
  ThreadPool pool(first.threads);
  std::vector<Case> cases;
  for (int i = 3; i < argc; ++i) {
    const std::string text = argv[i];
    const std::size_t split = text.find('=');
    Config config = configured(argv[2], text.substr(split + 1), registry);
    Plan plan = make_plan(config, *model, program.get(), pool);
    cases.push_back({text.substr(0, split), std::move(config), std::move(plan)});
  }
  const std::optional<Samples> samples = open_samples(first, program.get(), cases.at(0).plan);
  const std::vector<SampleRange> batches = planned_batches(first, *samples);
  const clockid_t worker = worker_clock();
  for (int round = 0; round < rounds; ++round) {
    std::vector<Observations> seen;
    for (const Case& c : cases) seen.push_back(fresh_observations(c.plan, pool));
    for (const SampleRange& range : batches) {
      measure("bare", worker, [&] { program->run(samples->read(range).lent()); });
      for (std::size_t i = 0; i < cases.size(); ++i)
        measure(cases[i].name, worker,
                [&] { observe(*program, cases[i].plan, *samples, {range}, {}, seen[i]); });
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 3) return bench(argc, argv);
    std::fputs("usage: bench_calibration ROUNDS CONFIG NAME=OBSERVER...\n", stderr);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
  }
  return 1;
}
