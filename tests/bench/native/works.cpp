// SPDX-License-Identifier: Apache-2.0
#include "works.hpp"

#include <bit>
#include <cctype>
#include <cstring>
#include <fmt/format.h>
#include <hwy/highway.h>
#include <stdexcept>

#include "base/dtype.hpp"
#include "config/schema.hpp"
#include "json/parse.hpp"

namespace detent::bench {
namespace {

// Sums of twelve uniform numbers, less their mean: normal enough for a histogram, the same with
// every standard library, and few instructions where a simulator counts them.
class Normal {
 public:
  float next() {
    double sum = -6;
    for (int i = 0; i < 3; ++i) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      for (int shift = 0; shift < 64; shift += 16)
        sum += static_cast<double>(state_ >> shift & 0xFFFFU) / 65536;
    }
    return static_cast<float>(sum);
  }

 private:
  std::uint64_t state_ = 20260101;
};

template <class T>
void store(HostTensor& tensor, std::uint64_t i, T value) {
  std::memcpy(tensor.bytes().data() + i * sizeof value, &value, sizeof value);
}

// Truncated, which is good enough: speed does not depend on the last bit.
std::uint16_t to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  const int exponent = static_cast<int>(bits >> 23 & 0xFFU) - 112;
  if (exponent <= 0) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(exponent) << 10 |
                                    (bits >> 13 & 0x3FFU));
}

void store_as(HostTensor& tensor, std::uint64_t i, float value) {
  switch (tensor.dtype()) {
    case DETENT_F32: return store(tensor, i, value);
    case DETENT_F64: return store(tensor, i, static_cast<double>(value));
    case DETENT_F16: return store(tensor, i, to_half(value));
    case DETENT_BF16:
      return store(tensor, i,
                   static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16));
    default: throw std::invalid_argument("no values of this type");
  }
}

}  // namespace

const Registry& plugins() {
  static const Registry registry = Registry::scan({{DETENT_TEST_PLUGINS, "bench", true}});
  return registry;
}

ThreadPool& pool(unsigned threads) {
  static ThreadPool one(1);
  static std::unique_ptr<ThreadPool> two;  // not before it is asked for: threads cost time to make
  if (threads == 1) return one;
  if (!two) two = std::make_unique<ThreadPool>(2);
  return *two;
}

std::shared_ptr<const HostTensor> weight(detent_dtype dtype, const Size& size) {
  static std::shared_ptr<const HostTensor> last;
  const std::vector<std::int64_t> shape{size.rows, size.columns};
  if (last && last->dtype() == dtype && last->shape() == shape) return last;
  last.reset();
  auto made = std::make_shared<HostTensor>("layer.weight", dtype, shape);
  Normal normal;
  for (std::uint64_t i = 0; i < made->numel(); ++i) store_as(*made, i, normal.next() * 0.02F);
  last = made;
  return made;
}

std::string work_name(const std::string& subject, detent_dtype dtype, const Size& size,
                      unsigned threads) {
  std::string type = dtype_name(dtype);
  for (char& c : type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return fmt::format("{}/{}/{}/{}", subject, type, size.name, threads);
}

InstanceConfig instance_config(const Plugin& plugin, const std::string& params_json,
                               std::uint32_t role) {
  const json::Value given = json::parse(params_json);
  const char* name = role == DETENT_ROLE_WEIGHT       ? "weight"
                     : role == DETENT_ROLE_ACTIVATION ? "activation"
                                                      : "";
  InstanceConfig config;
  config.params = with_defaults(*given.if_object(), plugin.params_schema, name);
  config.target = "layer.weight";
  config.role = role;
  return config;
}

std::vector<Work> all_works() {
  std::vector<Work> works;
  add_observers(works);
  add_quantizers(works);
  add_serializers(works);
  add_boundary(works);
  add_plain(works);
  return works;
}

std::string about() {
  std::string targets;
  const std::int64_t supported = hwy::SupportedTargets();
  for (std::int64_t bits = supported; bits != 0; bits &= bits - 1) {
    if (!targets.empty()) targets += ", ";
    targets += json::quote(hwy::TargetName(bits & -bits));
  }
  return fmt::format(
      R"({{"compiler": {}, "build_type": {}, "flags": {}, "targets": [{}], "detent": {}}})",
      json::quote(DETENT_BENCH_COMPILER), json::quote(DETENT_BENCH_BUILD_TYPE),
      json::quote(DETENT_BENCH_FLAGS), targets, json::quote(DETENT_VERSION));
}

}  // namespace detent::bench
