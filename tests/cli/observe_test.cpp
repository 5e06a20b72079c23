// SPDX-License-Identifier: Apache-2.0
// observe and run --state, where no model runs: what they refuse, and how they say it.
#include "support/catch.hpp"
#include "support/program.hpp"
#include "support/refusal.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

class Job {
 public:
  explicit Job(
      const std::string& scheme = R"("activation": {"observer": "minmax", "quantizer": "int8"})") {
    write_safetensors(folder / "model.safetensors", tiny_network());
    write_safetensors(folder / "c.safetensors", {random_f32("input", {60, 64}, 1)});
    write_file(folder / "p.json", R"({"model": {"path": "model.safetensors"},
      "rules": [{"match": {"type": "Linear"}, )" +
                                      scheme + R"(}],
      "calibration": {"data": "c.safetensors"},
      "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}]})");
  }
  Outcome detent(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin() + 1, folder / "p.json");
    return run_detent(arguments);
  }

  TempFolder folder;
};

}  // namespace

TEST_CASE("observe refuses weights alone with the reason and writes nothing", "[cli][observe]") {
  const Job job;
  const Outcome outcome = job.detent({"observe", "--state", job.folder / "state"});
  CHECK(outcome.exit_code == 2);
  CHECK(contains(outcome.err, "activations can only be observed in a model that runs"));
  CHECK(contains(outcome.err, "holds weights only"));
  CHECK_FALSE(std::filesystem::exists(job.folder / "state"));
}

TEST_CASE("observe refuses a pipeline without observers", "[cli][observe]") {
  const Job job(R"("weight": {"quantizer": "int8"})");
  const Outcome outcome = job.detent({"observe", "--state", job.folder / "state"});
  CHECK(outcome.exit_code == 2);
  CHECK(contains(outcome.err, "nothing to observe"));
}

TEST_CASE("a part that is none is a mistake of usage", "[cli][observe]") {
  const Job job;
  for (const char* shard : {"3/2", "0/2", "1", "1/", "a/b", "1/2x", "-1/2", "1/0"}) {
    CAPTURE(shard);
    const Outcome outcome =
        job.detent({"observe", "--state", job.folder / "s", std::string("--shard=") + shard});
    CHECK(outcome.exit_code == 2);
    CHECK(contains(outcome.err, "--shard"));
  }
}

TEST_CASE("observe without a folder for its state is a mistake of usage", "[cli][observe]") {
  const Outcome outcome = Job().detent({"observe"});
  CHECK(outcome.exit_code == 2);
  CHECK(contains(outcome.err, "--state"));
}

TEST_CASE("states for a run that observes nothing are refused", "[cli][observe]") {
  const Job job(R"("weight": {"quantizer": "int8"})");
  const Outcome outcome = job.detent({"run", "--state", job.folder / "none"});
  CHECK(outcome.exit_code == 2);
  CHECK(contains(outcome.err, "of no use"));
  CHECK_FALSE(std::filesystem::exists(job.folder / "out"));
}

TEST_CASE("an observer that weighs weights by inputs needs a model that runs", "[cli][observe]") {
  const Job job(R"("weight": {"observer": "a.weighing", "quantizer": "int8"})");
  for (const char* command : {"plan", "run", "observe"}) {
    CAPTURE(command);
    std::vector<std::string> arguments{command, "--plugin-path",
                                       DETENT_STATISTICS_PLUGINS "/statistics"};
    if (std::string(command) == "observe") {
      arguments.emplace_back("--state");
      arguments.push_back(job.folder / "state");
    }
    const Outcome outcome = job.detent(arguments);
    CHECK(outcome.exit_code == 2);
    CHECK(contains(outcome.err, "observer \"a.weighing\" needs the statistic"));
    CHECK(contains(outcome.err, "holds weights only"));
    CHECK_FALSE(std::filesystem::exists(job.folder / "out"));
  }
}

}  // namespace detent::test
