// SPDX-License-Identifier: Apache-2.0
// What a call into a plugin may use, and what becomes of everything that it may do wrong.
#include <cfenv>
#include <csignal>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.hpp"
#include "fixtures.hpp"

using namespace detent;
using namespace detent::test;

namespace {

ThreadPool& pool() {
  static ThreadPool two(2);
  return two;
}

void observe(const std::string& mode) {
  Observer observer(good().get(PluginKind::observer, "fixture.observer"), pool(), with_mode(mode));
  const HostTensor x("x", DETENT_F32, {4});
  observer.observe(x.read_only());
}

void check_error(const std::string& mode, ErrorCode code, const std::string& message,
                 const std::string& hint = "") {
  CAPTURE(mode);
  const Error e = error_of([&] { observe(mode); });
  CHECK(e.code() == code);
  REQUIRE(e.problems().size() == 1);
  const Problem& p = e.problems()[0];
  CHECK(p.message == message);
  CHECK(p.hint == hint);
  CHECK(p.where.plugin == "fixture.observer");
  CHECK(p.where.tensor == "fc1.weight");
}

const std::string kPlace = "observer \"fixture.observer\" on \"fc1.weight\"";
const std::string kBroken = kPlace + " broke its contract: ";
const std::string kReport = "this is a mistake in the plugin: report it to its vendor";

}  // namespace

TEST_CASE("the refusals of a plugin become errors with plugin, tensor, reason and hint") {
  check_error("unsupported", ErrorCode::quantization, kPlace + ": no complex numbers");
  check_error("numeric", ErrorCode::quantization, kPlace + ": 3 NaN", "set non_finite");
  check_error("io", ErrorCode::io, kPlace + ": disk on fire");
  check_error("invalid_arg", ErrorCode::plugin, kPlace + ": what is this?");
  check_error("silent", ErrorCode::quantization,
              kPlace + ": observe failed: not supported (status 3)");
  check_error("made_up", ErrorCode::plugin,
              kPlace + ": observe failed: a status that the ABI does not define (status 4711)");
  check_error("cancelled", ErrorCode::plugin,
              kPlace + ": observe failed: cancelled, though nobody asked for it (status 6)");
}

TEST_CASE("a plugin's text reaches the terminal short and without control characters") {
  const Error escape = error_of([] { observe("escape"); });
  CHECK_FALSE(contains(escape.what(), "\x1b"));
  CHECK(contains(escape.what(), "red "));
  CHECK(std::string(error_of([] { observe("endless"); }).what()).size() < 5000);
}

TEST_CASE("an exception that a plugin lets out is caught and told apart from a refusal") {
  check_error("throw", ErrorCode::plugin,
              kBroken + "threw an exception across the boundary in observe: bad day", kReport);
  check_error("throw_int", ErrorCode::plugin,
              kBroken + "threw an exception across the boundary in observe", kReport);
  check_error("throw_in_thread", ErrorCode::plugin,
              kBroken + "threw an exception out of parallel_for in observe", kReport);
  check_error("create_throws", ErrorCode::plugin,
              kBroken + "threw an exception across the boundary in create: from create", kReport);
}

TEST_CASE("create may refuse the parameters but not succeed without an instance") {
  check_error("create_params", ErrorCode::config, kPlace + ": mode is odd", "use another");
  check_error("create_nothing", ErrorCode::plugin,
              kBroken + "create made no instance and did not say why", kReport);
}

TEST_CASE("a plugin that changes the rounding mode is refused and the mode put back") {
  REQUIRE(std::fegetround() == FE_TONEAREST);
  check_error("rounding", ErrorCode::plugin,
              kBroken + "observe changed the floating-point mode of the process", kReport);
  CHECK(std::fegetround() == FE_TONEAREST);
#if defined(__x86_64__)
  CHECK((__builtin_ia32_stmxcsr() & 0x6000U) == 0);  // fegetround reads the x87 unit
#endif
}

TEST_CASE("a call lends threads and aligned scratch memory, which it takes back") {
  const std::uint64_t before = good().services().memory_in_use();
  CHECK_NOTHROW(observe("parallel"));
  CHECK_NOTHROW(observe("scratch"));
  CHECK(good().services().memory_in_use() == before);
}

TEST_CASE("after a signal a plugin sees it and its answer becomes an interruption") {
  const pid_t child = ::fork();
  if (child == 0) {
    install_signal_handlers();
    ThreadPool alone(1);
    int code = 1;
    try {
      Observer observer(good().get(PluginKind::observer, "fixture.observer"), alone,
                        with_mode("obeys"));
      const HostTensor x("x", DETENT_F32, {4});
      observer.observe(x.read_only());  // no signal yet: no error
      std::raise(SIGTERM);
      observer.observe(x.read_only());
    } catch (const Error& e) {
      code = e.exit_code();
    }
    ::_exit(code);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 143);
}

TEST_CASE("a library is started once, before its first instance, and logs through the host") {
  const Registry registry = scan("good");
  CHECK(registry.services().take_log().empty());  // listing starts nothing
  const Plugin& plugin = registry.get(PluginKind::observer, "fixture.observer");
  for (int i = 0; i < 3; ++i) Observer(plugin, pool(), with_mode(""));
  const std::vector<PluginLogLine> lines = registry.services().take_log();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].library == fixture_folder("good") / "behaviour.detent.so");
  CHECK(lines[0].text.substr(0, 8) == "started ");
}

TEST_CASE("init and deinit come in pairs, and an instance keeps its library started") {
  const auto start_count = [](const Registry& registry) {
    Observer(registry.get(PluginKind::observer, "fixture.observer"), pool(), with_mode(""));
    return registry.services().take_log().at(0).text;
  };
  std::unique_ptr<Observer> instance;
  std::string first;
  {
    const Registry registry = scan("good");
    first = start_count(registry);
    instance = std::make_unique<Observer>(registry.get(PluginKind::observer, "fixture.observer"),
                                          pool(), with_mode(""));
  }
  CHECK(start_count(scan("good")) != first);  // nested: the instance holds the first start
  instance.reset();
  CHECK(start_count(scan("good")) == first);
}

TEST_CASE("a library that does not start is a plugin error with its file and its reason") {
  const Registry registry = scan("good");
  ::setenv("DETENT_FIXTURE_INIT_FAILS", "1", 1);
  const Error e = error_of([&] {
    Observer(registry.get(PluginKind::observer, "fixture.observer"), pool(), with_mode(""));
  });
  ::unsetenv("DETENT_FIXTURE_INIT_FAILS");
  CHECK(e.code() == ErrorCode::plugin);
  CHECK(e.problems()[0].message == "plugin library \"behaviour.detent.so\": no licence found");
  CHECK(e.problems()[0].hint == "buy one");
  CHECK_NOTHROW(
      Observer(registry.get(PluginKind::observer, "fixture.observer"), pool(), with_mode("")));
}
