// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <dlfcn.h>
#include <hwy/highway.h>

#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"

using namespace detent::test;

TEST_CASE("the instruction sets of this processor are those that Highway's own library finds") {
  void* library = ::dlopen(DETENT_HIGHWAY_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  void* symbol = ::dlsym(library, "_ZN3hwy16SupportedTargetsEv");
  REQUIRE(symbol != nullptr);
  using Function = std::int64_t (*)();
  const auto supported = reinterpret_cast<Function>(symbol);
  CHECK(supported != &hwy::SupportedTargets);
  CHECK((hwy::SupportedTargets() & HWY_TARGETS) == (supported() & HWY_TARGETS));
}

TEST_CASE("a test chooses an instruction set, and gives the choice back") {
  const std::vector<std::int64_t> all = all_targets();
  REQUIRE_FALSE(all.empty());
  for (const std::int64_t target : all) {
    const Target only(target);
    CHECK(hwy::SupportedTargets() == target);
    CHECK(all_targets() == std::vector<std::int64_t>{target});
    CHECK_FALSE(hwy::GetChosenTarget().IsInitialized());
  }
  CHECK(all_targets() == all);
  hwy::DisableTargets(all.front());
  CHECK((hwy::SupportedTargets() & all.front() & ~HWY_STATIC_TARGET) == 0);
  hwy::DisableTargets(0);
  CHECK(all_targets() == all);
}
