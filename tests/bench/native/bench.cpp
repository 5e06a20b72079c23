// SPDX-License-Identifier: Apache-2.0
// Times works with google-benchmark.
//
//   detent_plugins_bench [--benchmark_...]   a table of all works; --benchmark_filter=REGEX
//   detent_plugins_bench --serve             reads names of works, one a line, times each once and
//                                            prints one JSON object a line: so another program can
//                                            take turns with it without paying for the set-up again
//   detent_plugins_bench --about             compiler, flags, instruction sets, as JSON
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <iostream>
#include <map>

#include "works.hpp"

namespace {

using detent::bench::Work;

void time_work(benchmark::State& state, const Work& work) {
  try {
    const std::function<void()> call = work.make();
    call();  // memory of results is touched a first time
    for (auto _ : state) call();
  } catch (const std::exception& e) {
    state.SkipWithError(e.what());
    return;
  }
  if (work.bytes != 0)
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(work.bytes));
}

void register_works(const std::vector<Work>& works, double seconds) {
  for (const Work& work : works) {
    auto* entry = benchmark::RegisterBenchmark(
        work.name.c_str(), [&work](benchmark::State& state) { time_work(state, work); });
    entry->UseRealTime()->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);
    if (seconds > 0) entry->MinTime(seconds);
  }
}

// The time of one call, in seconds; none when the work failed.
class OneResult : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.iterations == 0) continue;
      const auto n = static_cast<double>(run.iterations);
      text =
          fmt::format(R"({{"seconds": {:.9g}, "cpu_seconds": {:.9g}, "iterations": {}}})",
                      run.real_accumulated_time / n, run.cpu_accumulated_time / n, run.iterations);
    }
  }
  std::string text = R"({"error": "the work failed, or there is none of this name"})";
};

// Names hold no character that means something in a regular expression.
int serve() {
  for (std::string name; std::getline(std::cin, name);) {
    OneResult result;
    benchmark::RunSpecifiedBenchmarks(&result, "^" + name + "/");
    std::cout << result.text << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "--about") {
    std::cout << detent::bench::about() << "\n";
    return 0;
  }
  const std::vector<Work> works = detent::bench::all_works();
  if (mode == "--works") {
    for (const Work& work : works) std::cout << work.name << " " << work.bytes << "\n";
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  const bool serves = mode == "--serve";
  register_works(works, serves ? 0.15 : 0);
  if (serves) return serve();
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
