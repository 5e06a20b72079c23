// SPDX-License-Identifier: Apache-2.0
// What DETENT_LIBRARY makes of a class: descriptors, tables, and the walls around exceptions.
#include <stdexcept>

#include "plugins.hpp"
#include "support/catch.hpp"

DETENT_LIBRARY(sdk_tests::Counter, sdk_tests::Least);

using namespace sdk_tests;

namespace {
const detent_observer_vtbl& table(const char* id) {
  static testing::Library library(detent_entry(DETENT_ABI_MAJOR));
  return *static_cast<const detent_observer_vtbl*>(library.plugin(id).vtbl);
}

struct Fixture {
  explicit Fixture(const char* throws = "")
      : qspec(target()),
        params{{"/throws", throws}},
        library(detent_entry(DETENT_ABI_MAJOR)),
        observer(library.plugin("test.counter"), params.config("fc", &qspec)) {}
  int32_t observe() { return observer->observe(observer, call, x); }
  uint64_t count() {
    testing::Store out;
    REQUIRE(observer->compute_stat(observer, call, "stat:count/1", out.sink()) == DETENT_OK);
    return out.values<uint64_t>("count")[0];
  }
  detent_qspec qspec;
  testing::Params params;
  testing::Library library;
  testing::Observer observer;
  testing::Call call;
  testing::Tensor x{{3}, std::vector<float>{1, 2, 3}};
};
}  // namespace

TEST_CASE("the entry point speaks its own major version only", "[sdk]") {
  REQUIRE(detent_entry(DETENT_ABI_MAJOR) != nullptr);
  CHECK(detent_entry(DETENT_ABI_MAJOR + 1) == nullptr);
  const detent_library& library = *detent_entry(DETENT_ABI_MAJOR);
  CHECK(library.magic == DETENT_MAGIC);
  CHECK(library.struct_size == sizeof(detent_library));
  CHECK(library.plugin_count() == 2);
  CHECK(library.plugin_at(2) == nullptr);
}

TEST_CASE("a descriptor has the class's fields and defaults for the rest", "[sdk]") {
  const detent_plugin& least = *detent_entry(DETENT_ABI_MAJOR)->plugin_at(1);
  CHECK(least.kind == DETENT_KIND_OBSERVER);
  CHECK(std::string(least.id) == "test.least");
  CHECK(std::string(least.vendor).empty());
  CHECK(least.aliases[0] == nullptr);
  CHECK(std::string(least.params_schema) == R"({"type":"object","additionalProperties":false})");
}

TEST_CASE("optional functions are NULL when the class has none", "[sdk]") {
  CHECK(table("test.counter").merge != nullptr);
  CHECK(table("test.counter").compute_stat != nullptr);
  CHECK(table("test.least").merge == nullptr);
  CHECK(table("test.least").compute_stat == nullptr);
}

TEST_CASE("no exception leaves a plugin, and each becomes a code and a text", "[sdk]") {
  const auto outcome = [](const char* what) {
    Fixture f(what);
    const int32_t status = f.observe();
    return std::pair<int32_t, std::string>(status, f.call.message);
  };
  using Outcome = std::pair<int32_t, std::string>;
  CHECK(outcome("") == Outcome{DETENT_OK, ""});
  CHECK(outcome("error") == Outcome{DETENT_E_NUMERIC, "NaN"});
  CHECK(outcome("memory") == Outcome{DETENT_E_NO_MEMORY, ""});
  CHECK(outcome("exception") == Outcome{DETENT_E_INTERNAL, "unexpected"});
  CHECK(outcome("other") == Outcome{DETENT_E_INTERNAL, "unknown exception"});
  CHECK(outcome("status") == Outcome{DETENT_E_UNSUPPORTED, "no such dtype"});
}

TEST_CASE("a constructor that throws makes create fail with its code", "[sdk]") {
  try {
    Fixture f("create");
    FAIL("made");
  } catch (const sdk::Error& e) {
    CHECK(e.code() == DETENT_E_PARAMS);
    CHECK(std::string(e.what()) == "refused\nuse another");
  }
}

TEST_CASE("state goes through streams that take a byte at a time", "[sdk]") {
  Fixture from, to;
  REQUIRE(from.observe() == DETENT_OK);
  testing::Stream stream({}, 1);
  REQUIRE(from.observer->save_state(from.observer, from.call, stream.out()) == DETENT_OK);
  REQUIRE(to.observer->load_state(to.observer, to.call, stream.in()) == DETENT_OK);
  CHECK(to.count() == 3);
}

TEST_CASE("a state with missing or trailing bytes is refused and leaves a fresh instance",
          "[sdk]") {
  for (const size_t size : {0, 7, 9}) {
    CAPTURE(size);
    Fixture f;
    REQUIRE(f.observe() == DETENT_OK);
    testing::Stream stream(std::string(size, '\x01'));
    CHECK(f.observer->load_state(f.observer, f.call, stream.in()) == DETENT_E_BAD_STATE);
    CHECK(f.count() == 0);
  }
}

TEST_CASE("a stream that fails is an input/output error with a text", "[sdk]") {
  Fixture f;
  testing::Stream full;
  full.room = 5;
  CHECK(f.observer->save_state(f.observer, f.call, full.out()) == DETENT_E_IO);
  CHECK(f.call.message == "the state could not be written");
  const detent_istream broken{nullptr,
                              [](const detent_istream*, void*, uint64_t) -> int64_t { return -1; }};
  CHECK(f.observer->load_state(f.observer, f.call, &broken) == DETENT_E_IO);
  CHECK(f.call.message == "the state could not be read");
}

TEST_CASE("an unknown statistic is not found", "[sdk]") {
  Fixture f;
  testing::Store out;
  CHECK(f.observer->compute_stat(f.observer, f.call, "stat:x/1", out.sink()) == DETENT_E_NOT_FOUND);
}
