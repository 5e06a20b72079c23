// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/cancel.hpp"
#include "program/program.hpp"
#include "support/catch.hpp"
#include "support/program_model.hpp"
#include "support/temp_folder.hpp"

using namespace detent;

namespace {

// Opens a model whose worker does what is said, and runs it once.
std::unique_ptr<Program> open(const test::TempFolder& folder, const std::string& how,
                              std::int64_t timeout = 60) {
  ::setenv("DETENT_TORCH_WORKER", DETENT_BAD_WORKER, 1);
  const test::ProgramModel model(folder.write("model.pt", how));
  return open_program(model, {.threads = 3, .timeout_seconds = timeout});
}

Error failure_of(const std::string& how, std::int64_t timeout = 60, const Watch* watch = nullptr) {
  const test::TempFolder folder;
  try {
    open(folder, how, timeout)->run({}, watch);
  } catch (const Error& e) {
    CHECK(e.problems()[0].where.file == (folder / "model.pt").string());
    return e;
  }
  FAIL("no error");
  throw std::logic_error("unreachable");
}

std::string message_of(const Error& e) { return e.problems()[0].message; }

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

}  // namespace

TEST_CASE("A worker that ends, crashes or talks nonsense is an error that names the model") {
  for (const std::string when : {"", "later: "}) {
    const std::string doing = when.empty() ? "loading" : "running";
    const Error exited = failure_of(when + "exit");
    CHECK(exited.code() == ErrorCode::io);
    CHECK(message_of(exited) == doing + " the model: the process that runs it ended with status 7");
    CHECK(message_of(failure_of(when + "crash")) ==
          doing +
              " the model: the process that runs it was ended by signal 11 (Segmentation fault)");
    CHECK(message_of(failure_of(when + "nonsense")) ==
          doing +
              " the model: the process that runs it answered nonsense: what arrived is no message");
    CHECK(message_of(failure_of(when + "huge")).find("is larger than the limit") !=
          std::string::npos);
  }
  CHECK(message_of(failure_of("no facts")).find("has no list \"inputs\"") != std::string::npos);
}

TEST_CASE("A worker that hangs is ended in time") {
  for (const std::string how : {"hang", "later: hang"}) {
    const auto start = std::chrono::steady_clock::now();
    const Error e = failure_of(how, 1);
    CHECK(e.code() == ErrorCode::io);
    CHECK(message_of(e).find("did not come to an end within 1 seconds") != std::string::npos);
    CHECK(e.problems()[0].hint.find("model_timeout") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  }
}

TEST_CASE("An activation that repeats none, or has data of its own all the same, is nonsense") {
  int seen = 0;
  const Watch watch{{"w"}, {}, [&](const std::string&, Side, const detent_tensor&) { ++seen; }};
  const auto message = [&](const std::string& how) {
    return message_of(failure_of("later: again " + how, 60, &watch));
  };
  CHECK(message("at first").find("an activation is none that was seen") != std::string::npos);
  CHECK(message("of nothing").find("an activation is none that was seen") != std::string::npos);
  CHECK(message("with data").find("an activation that nobody asked for") != std::string::npos);
  CHECK(seen == 0);
  CHECK(message("by another name").find("that nobody asked for") != std::string::npos);
  CHECK(seen == 1);
}

TEST_CASE("Activations without an end are ended in time, whoever is the slower") {
  for (const int pause : {0, 20}) {
    const Watch watch{{"w"}, {}, [&](const std::string&, Side, const detent_tensor&) {
                        std::this_thread::sleep_for(std::chrono::milliseconds(pause));
                      }};
    const auto start = std::chrono::steady_clock::now();
    CHECK(message_of(failure_of("later: flood", 1, &watch)).find("did not come to an end") !=
          std::string::npos);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  }
}

// In a process of its own: the wish to stop is never taken back.
TEST_CASE("A signal ends a run while the worker computes and the host observes") {
  const test::TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    install_signal_handlers();
    const auto program = open(folder, "later: flood");
    int seen = 0;
    const Watch watch{{"w"}, {}, [&](const std::string&, Side, const detent_tensor&) {
                        if (++seen == 100) ::raise(SIGINT);
                      }};
    try {
      program->run({}, &watch);
    } catch (const Error& e) {
      ::_exit(e.code() == ErrorCode::interrupted ? 0 : 1);
    }
    ::_exit(2);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("What the worker says is wrong is the error, refused input the model's user's") {
  const Error loading = failure_of("error");
  CHECK(loading.code() == ErrorCode::io);
  CHECK(message_of(loading) == "loading the model: the archive is wrong");
  const Error running = failure_of("later: error");
  CHECK(running.code() == ErrorCode::quantization);
}

TEST_CASE("Without a sandbox a model runs only when it is trusted") {
  const Error e = failure_of("no sandbox");
  CHECK(e.code() == ErrorCode::io);
  CHECK(message_of(e).find("the kernel has no Landlock") != std::string::npos);
  CHECK(e.problems()[0].hint.find("--trust-model") != std::string::npos);
}

TEST_CASE("A worker inherits nothing: no environment, no open file") {
  ::setenv("DETENT_TEST_SECRET", "a password", 1);
  const test::TempFolder folder;
  const auto program = open(folder, "inherited");
  CHECK(program->facts().runtime ==
        "LC_ALL=C;TZ=UTC0;OMP_WAIT_POLICY=PASSIVE;OMP_NUM_THREADS=3;MKL_NUM_THREADS=3;");
}

TEST_CASE("Nothing is left of a worker: no process, no descriptor") {
  const test::TempFolder folder;
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 5; ++i) open(folder, "inherited");
  for (int i = 0; i < 5; ++i) failure_of("crash");
  CHECK(open_descriptors() == before);
}

TEST_CASE(
    "A model without a program, or an installation without LibTorch, says why it does not run") {
  const test::TempFolder folder;
  const test::ProgramModel model(folder.write("model.pt", "exit"));
  ::setenv("DETENT_TORCH_WORKER", "/nowhere/detent-torch", 1);
  CHECK(open_program(model, {}) == nullptr);
  CHECK(why_not_runnable(model).find("has no LibTorch") != std::string::npos);
}
