// SPDX-License-Identifier: Apache-2.0
#include "plugin/host.hpp"

#include <string>

#include "support/catch.hpp"

using namespace detent;

TEST_CASE("the host tells its version and keeps what plugins log, with their library") {
  const auto services = std::make_shared<HostServices>();
  const Host host(services, "/p/x.detent.so");
  const detent_host* c = host.c();
  CHECK(c->abi_major == DETENT_ABI_MAJOR);
  CHECK(c->abi_minor == DETENT_ABI_MINOR);
  CHECK(std::string(c->name) == "detent");
  CHECK(c->get_extension(c, "detent.future/1") == nullptr);
  c->log(c, DETENT_LOG_WARN, "careful\x1b[31m!", 13);
  c->log(c, 99, "loud", 4);
  c->log(c, DETENT_LOG_INFO, nullptr, 7);
  const std::vector<PluginLogLine> lines = services->take_log();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].level == DETENT_LOG_WARN);
  CHECK(lines[0].library == "/p/x.detent.so");
  CHECK(lines[0].text.find('\x1b') == std::string::npos);
  CHECK(lines[1].level == DETENT_LOG_ERROR);
  CHECK(services->take_log().empty());
}

TEST_CASE("a plugin that logs in a loop costs a bounded amount of memory") {
  const auto services = std::make_shared<HostServices>();
  const Host host(services, "x");
  for (int i = 0; i < 5000; ++i) host.c()->log(host.c(), 0, "x", 1);
  CHECK(services->dropped_log_lines() == 4000);
  CHECK(services->take_log().size() == 1000);
}

TEST_CASE("memory of plugins is aligned, counted and limited") {
  const auto services = std::make_shared<HostServices>();
  const Host host(services, "x");
  const detent_host* c = host.c();
  services->set_memory_limit(10000);
  void* a = c->alloc(c, 6000, 256);
  REQUIRE(a != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(a) % 256 == 0);
  CHECK(services->memory_in_use() == 6000);
  CHECK(c->alloc(c, 4001, 8) == nullptr);
  CHECK(c->alloc(c, UINT64_MAX, 8) == nullptr);
  void* b = c->alloc(c, 4000, 1);
  CHECK(b != nullptr);
  c->free(c, a, 6000, 256);
  c->free(c, b, 4000, 1);
  c->free(c, nullptr, 0, 1);
  CHECK(services->memory_in_use() == 0);
  services->set_memory_limit(UINT64_MAX);
  CHECK(c->alloc(c, UINT64_MAX - 10, 64) == nullptr);
  CHECK(c->alloc(c, 8, 3) == nullptr);  // no power of two
  CHECK(c->alloc(c, 8, 0) == nullptr);
  CHECK(services->memory_in_use() == 0);
}
