// SPDX-License-Identifier: Apache-2.0
// Work: something that is timed, by name. The programs of this folder differ in what they do with
// works: bench.cpp times them, once.cpp does them a given number of times under a simulator.
#pragma once
#include <cstdint>
#include <detent/abi.h>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "json/value.hpp"
#include "plugin/instance.hpp"
#include "plugin/registry.hpp"

namespace detent::bench {

struct Work {
  std::string name;     // subject/dtype/size/threads, "minmax_tensor/f32/large/1"
  std::uint64_t bytes;  // of input, that one call goes through
  // Sets up, and gives what is timed. What it needs lives as long as the function.
  std::function<std::function<void()>()> make;
};

// How large an operand is: larger than every cache, or small enough for the second level together
// with what is made of it.
struct Size {
  const char* name;
  std::int64_t rows;
  std::int64_t columns;
};
inline constexpr Size kLarge{"large", 4096, 4096};
inline constexpr Size kCached{"cached", 64, 1024};

// The built-in plugins, loaded once.
const Registry& plugins();
// Lives as long as the program; 1 and 2 threads.
ThreadPool& pool(unsigned threads);

// Values of a normal distribution, the same in every run, in f32, f16, bf16 or f64. Kept until
// another is asked for.
std::shared_ptr<const HostTensor> weight(detent_dtype dtype, const Size& size);
std::string work_name(const std::string& subject, detent_dtype dtype, const Size& size,
                      unsigned threads);

// With the defaults of the plugin's schema for the role filled in.
InstanceConfig instance_config(const Plugin& plugin, const std::string& params_json,
                               std::uint32_t role);

// One subject each.
void add_observers(std::vector<Work>& works);
void add_quantizers(std::vector<Work>& works);
void add_serializers(std::vector<Work>& works);
void add_boundary(std::vector<Work>& works);
void add_plain(std::vector<Work>& works);
std::vector<Work> all_works();

// One JSON object: compiler, build type, instruction sets that Highway may use here.
std::string about();

}  // namespace detent::bench
