// SPDX-License-Identifier: Apache-2.0
// Does one work a given number of times and nothing else: for simulators that count instructions.
//
//   detent_bench_once NAME TIMES       TIMES may be 0: the set-up alone
//   detent_bench_once --about          compiler, flags, instruction sets, as JSON
//   detent_bench_once --works          names and bytes
#include <cstdlib>
#include <iostream>

#include "works.hpp"

// Simulators count while this runs, and find it by its name.
extern "C" __attribute__((noinline)) void detent_bench_call(const std::function<void()>& call) {
  call();
  asm volatile("");  // not a tail call: the function ends after the call does
}

int main(int argc, char** argv) {
  using namespace detent::bench;
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "--about") {
    std::cout << about() << "\n";
    return 0;
  }
  const std::vector<Work> works = all_works();
  for (const Work& work : works) {
    if (name == "--works") std::cout << work.name << " " << work.bytes << "\n";
    if (name != work.name) continue;
    const std::function<void()> call = work.make();
    for (int times = argc > 2 ? std::atoi(argv[2]) : 1; times > 0; --times) detent_bench_call(call);
    return 0;
  }
  if (name == "--works") return 0;
  std::cerr << "usage: detent_bench_once NAME TIMES | --about | --works\n";
  return 2;
}
