// SPDX-License-Identifier: Apache-2.0
// A host of a later minor version, and plugins of today's. Compiled with the headers that
// make_next.py makes: every struct that this host fills is longer than the plugins know, and every
// table of theirs is shorter than this host's.
#include <cmath>
#include <filesystem>

#include "support/catch.hpp"
#include <detent/sdk/testing.hpp>

namespace fs = std::filesystem;
namespace testing = detent::sdk::testing;

namespace {

detent_qspec int8_target() {
  detent_qspec target{};
  target.struct_size = sizeof target;
  target.qdtype = target.zero_dtype = DETENT_I8;
  target.scale_dtype = DETENT_F32;
  target.symmetric = 1;
  target.qmin = -127;
  target.qmax = 127;
  target.scheme = "detent.affine/1";
  return target;
}

std::vector<fs::path> kept() {
  std::vector<fs::path> found;
  for (const fs::directory_entry& e : fs::recursive_directory_iterator(DETENT_KEPT_BINARIES))
    if (e.path().filename() == "compat.detent.so") found.push_back(e.path());
  return found;
}

}  // namespace

TEST_CASE("a host of a later minor uses the kept binaries and sees what they lack") {
  static_assert(DETENT_ABI_MINOR == 31);
  REQUIRE(kept().size() >= 6);
  for (const fs::path& path : kept()) {
    CAPTURE(path);
    const testing::Library library(path.string());
    const detent_plugin& plugin = library.plugin("compat.absmax");
    CHECK(library.raw().abi_minor < DETENT_ABI_MINOR);
    CHECK_FALSE(DETENT_HAS(&plugin, detent_plugin, from_the_future));
    const auto* table = static_cast<const detent_observer_vtbl*>(plugin.vtbl);
    CHECK_FALSE(DETENT_HAS(table, detent_observer_vtbl, from_the_future));

    const detent_qspec target = int8_target();
    const testing::Params params{{"/margin", 2.0}};
    const testing::Observer observer(plugin, params.config("fc.weight", &target));
    testing::Call call;
    const testing::Tensor x({2, 2}, std::vector<float>{1, -63.5F, NAN, 127});
    REQUIRE(observer->observe(observer, call, x) == DETENT_OK);
    testing::Store result;
    REQUIRE(observer->compute_qparams(observer, call, &target, result.sink()) == DETENT_OK);
    CHECK(result.values<float>("scale") == std::vector<float>{2});
  }
}

TEST_CASE("a later host quantizes with the kept binaries") {
  for (const fs::path& path : kept()) {
    CAPTURE(path);
    const testing::Library library(path.string());
    const testing::Params params;
    const testing::Quantizer quantizer(library.plugin("compat.int8"), params.config("fc.weight"));
    testing::Call call;
    const testing::Tensor w({2, 2}, std::vector<float>{12.7F, -12.7F, 0.26F, 5.0F});
    testing::Store stats;
    testing::Store result;
    REQUIRE(quantizer->quantize(quantizer, call, w, stats.source(), result.sink()) == DETENT_OK);
    CHECK(result.values<std::int8_t>("qweight") == std::vector<std::int8_t>{127, -127, 3, 50});
  }
}
