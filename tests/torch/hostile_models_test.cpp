// SPDX-License-Identifier: Apache-2.0
// Models that are code and mean harm.
#include <chrono>
#include <fstream>

#include "support/catch.hpp"
#include "worker.hpp"

using namespace detent;

namespace {

struct Failure {
  ErrorCode code = ErrorCode::unexpected;
  std::string message;
};

Failure failure_of(const std::string& model, std::int64_t timeout = 60) {
  const auto x = test::tensor<float>({2, 2}, {1, 2, 3, 4});
  const NamedTensor input{"x", x.view()};
  try {
    test::open_model_file(model, timeout)->run({&input, 1});
  } catch (const Error& e) {
    return {e.code(), e.problems()[0].message};
  }
  return {};
}

bool wrote() { return std::filesystem::exists(test::model_file("written_by_a_model")); }

}  // namespace

TEST_CASE("A model writes nothing, neither while it runs nor while it is loaded") {
  std::filesystem::remove(test::model_file("written_by_a_model"));
  for (const std::string model : {"writes.pt", "writes_at_load.pt"}) {
    const Failure f = failure_of(model);  // LibTorch says nothing of a file that it could not open
    CHECK(f.code == ErrorCode::io);
    CHECK(f.message.find("the model's code tried to get at the file") != std::string::npos);
    CHECK(f.message.find("written_by_a_model") != std::string::npos);
    CHECK_FALSE(wrote());
  }
}

TEST_CASE("A model reads no file") {
  const Failure f = failure_of("reads.pt");
  CHECK(f.code == ErrorCode::io);
  CHECK(f.message.find("/etc/passwd") != std::string::npos);
}

TEST_CASE("A model that never ends is ended") {
  for (const std::string model : {"loops.pt", "loops_at_load.pt"}) {
    const auto start = std::chrono::steady_clock::now();
    const Failure f = failure_of(model, 3);
    CHECK(f.code == ErrorCode::io);
    CHECK(f.message.find("did not come to an end") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
  }
}

TEST_CASE("A model that eats memory gets no more than its limit") {
  const Failure f = failure_of("eats.pt", 120);  // wants 40 GB
  CHECK(f.code == ErrorCode::quantization);
  CHECK(f.message.find("allocate memory") != std::string::npos);
}

TEST_CASE("What a model raises is told in its own words") {
  const Failure f = failure_of("raises.pt");
  CHECK(f.code == ErrorCode::quantization);
  CHECK(f.message.find("not this input") != std::string::npos);
}

TEST_CASE("A file that is no archive is refused") {
  const auto file = test::model_file("broken.pt");
  std::ofstream(file) << "PK\x03\x04 and no more";
  CHECK_THROWS_AS(test::open_file(file), Error);
}
