// SPDX-License-Identifier: Apache-2.0
// What a call of a plugin costs in a process of its own: an empty one, and observing a tensor,
// beside the same in this process. Prints the median of many.
//
//   bench_isolation PLUGIN_FOLDER ID_OF_OBSERVER
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <vector>

#include "config/schema.hpp"
#include "plugin/instance.hpp"
#include "plugin/registry.hpp"

namespace {

using namespace detent;
using Clock = std::chrono::steady_clock;

double median_us(int times, const std::function<void()>& work) {
  std::vector<double> all;
  for (int i = 0; i < times; ++i) {
    const auto start = Clock::now();
    work();
    all.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::nth_element(all.begin(), all.begin() + times / 2, all.end());
  return all[static_cast<std::size_t>(times) / 2];
}

struct Values : HostTensor {
  explicit Values(std::int64_t bytes_wanted)
      : HostTensor("x", DETENT_F32, {64, bytes_wanted / 4 / 64}) {
    auto* to = reinterpret_cast<float*>(bytes().data());
    for (std::uint64_t i = 0; i < numel(); ++i) to[i] = std::sin(static_cast<float>(i));
  }
};

QuantTarget target() {
  QuantTarget t;
  t.spec.qdtype = DETENT_I8;
  t.spec.scale_dtype = DETENT_F32;
  t.spec.zero_dtype = DETENT_I8;
  t.spec.symmetric = 1;
  t.spec.granularity = DETENT_PER_CHANNEL;
  t.spec.qmin = -127;
  t.spec.qmax = 127;
  t.scheme = "detent.affine/1";
  return t;
}

void measure(const char* where, const Plugin& plugin, ThreadPool& pool) {
  const QuantTarget aim = target();
  Observer observer(plugin, pool,
                    {.params = with_defaults({}, plugin.params_schema, "weight"),
                     .target = "x",
                     .role = DETENT_ROLE_WEIGHT,
                     .qspec = &aim});
  std::printf("%-8s reset %9.1f us", where, median_us(2000, [&] { observer.reset(); }));
  for (const std::int64_t mib : {1, 4}) {
    const Values x(mib << 20);
    std::printf("   observe %d MiB %9.1f us", static_cast<int>(mib),
                median_us(200, [&] { observer.observe(x.read_only()); }));
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const Registry registry = Registry::scan({{argv[1], "--plugin-path", true}});
    const Plugin& here = registry.get(PluginKind::observer, argv[2]);
    ThreadPool pool(1);
    measure("here", here, pool);
    measure("process", registry.isolated(here, {}), pool);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
