// SPDX-License-Identifier: Apache-2.0
// What the ABI costs: the same observation through it and by a direct call of the kernel.
#include "works.hpp"
#include <detent/kernels/finite_range.hpp>

namespace detent::bench {
namespace {

constexpr Size kMebibyte{"1MiB", 256, 1024};
constexpr Size kPage{"4KiB", 1, 1024};

void add_through_abi(std::vector<Work>& works, const Size& size) {
  const auto make = [size]() -> std::function<void()> {
    const Plugin& plugin = plugins().get(PluginKind::observer, "minmax");
    auto target = std::make_shared<QuantTarget>();
    target->spec.qdtype = DETENT_I8;
    InstanceConfig config = instance_config(plugin, "{}", DETENT_ROLE_ACTIVATION);
    config.qspec = target.get();
    auto observer = std::make_shared<Observer>(plugin, pool(1), config);
    auto x = weight(DETENT_F32, size);
    return [target, observer, x] { observer->observe(x->read_only()); };
  };
  works.push_back({work_name("boundary_abi", DETENT_F32, size, 1),
                   static_cast<std::uint64_t>(size.rows * size.columns) * 4, make});
}

// In one run of elements: the plugin cuts what it is given into tasks of 65536 or more.
void add_direct(std::vector<Work>& works, const Size& size) {
  const auto make = [size]() -> std::function<void()> {
    auto x = weight(DETENT_F32, size);
    auto range = std::make_shared<kernels::FiniteRange>();
    return [x, range] {
      kernels::finite_ranges(static_cast<const float*>(x->view().data), 1, x->numel(), range.get());
    };
  };
  works.push_back({work_name("boundary_direct", DETENT_F32, size, 1),
                   static_cast<std::uint64_t>(size.rows * size.columns) * 4, make});
}

}  // namespace

void add_boundary(std::vector<Work>& works) {
  for (const Size& size : {kMebibyte, kPage}) {
    add_through_abi(works, size);
    add_direct(works, size);
  }
}

}  // namespace detent::bench
