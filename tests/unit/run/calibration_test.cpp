// SPDX-License-Identifier: Apache-2.0
// A run that calibrates: what is stored, recorded and reported of activations.
#include <cstring>

#include "artifact/artifact.hpp"
#include "artifact/verify.hpp"
#include "artifact/write_dequantized.hpp"
#include "report/report.hpp"
#include "run/observe_run.hpp"
#include "run/run.hpp"
#include "support/calibration_job.hpp"
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/refusal.hpp"

namespace detent::test {
namespace {

constexpr const char* kStatic =
    R"({"observer": "histogram", "quantizer": "int8", "observe": "both"})";

class RunJob {
 public:
  explicit RunJob(const std::string& activation = kStatic) : job(activation) {
    job.program.reset();
    job.write_samples(job.random_samples(60));
  }

  RunFacts run(std::vector<std::filesystem::path> states = {}) {
    return run_pipeline(job.config, *job.model,
                        {.overwrite = Overwrite::replace,
                         .program = program.get(),
                         .states = std::move(states),
                         .progress = {}});
  }
  ObserveFacts observe(const std::string& folder, Shard shard = {}) {
    return observe_pipeline(
        job.config, *job.model,
        {.folder = job.folder / folder, .shard = shard, .program = program.get(), .progress = {}});
  }
  std::string output() const { return read_file(job.folder / "out/model.safetensors"); }
  Artifact artifact() const { return Artifact::open(job.folder / "out/model.safetensors"); }

  CalibrationJob job;
  std::unique_ptr<FakeProgram> program = network_program();
};

float stored_float(const Artifact& artifact, const char* name) {
  const TensorInfo* info = artifact.model().find(name);
  if (info == nullptr || info->dtype != DETENT_F32 || !info->shape.empty())
    throw std::runtime_error(std::string("no scalar ") + name);
  float value = 0;
  std::memcpy(&value, read_tensor(artifact.model(), *info)->bytes().data(), sizeof value);
  return value;
}

}  // namespace

TEST_CASE("an artefact holds scale and zero point of every static activation") {
  RunJob run;
  const RunFacts facts = run.run();
  const Artifact artifact = run.artifact();
  REQUIRE(facts.calibration.sites.size() == 4);
  const char* names[] = {"fc1.input", "fc1.output", "fc2.input", "fc2.output"};
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(names[i]);
    CHECK(stored_float(artifact, (std::string(names[i]) + "_scale").c_str()) ==
          facts.calibration.sites[i].params.scale[0]);
    const TensorInfo* zero = artifact.model().find(std::string(names[i]) + "_zero_point");
    REQUIRE(zero != nullptr);
    CHECK(zero->dtype == DETENT_I8);
    const auto bytes = read_tensor(artifact.model(), *zero);
    CHECK(static_cast<std::int8_t>(bytes->bytes()[0]) ==
          facts.calibration.sites[i].params.zero_point[0]);
  }
  CHECK(verify_artifact(artifact, run.job.pool).problems.empty());
}

TEST_CASE("what is recorded of activations is read back and is not taken for a kept tensor") {
  RunJob run;
  run.run();
  const Artifact artifact = run.artifact();
  const json::Value quantization = artifact.group(kQuantizationKey);
  const json::Value& input = at(quantization, "/layers/fc1/input");
  CHECK(text(input, "/scheme") == "asymmetric");
  CHECK(text(input, "/dtype") == "I8");
  CHECK(text(input, "/granularity") == "per_tensor");
  CHECK(text(input, "/observer") == "histogram");
  CHECK(*at(input, "/dynamic").if_bool() == false);
  CHECK(text(input, "/scales/0") == "fc1.input_scale");
  CHECK(number(quantization, "/calibration_samples") == 60);
  const json::Value configuration = artifact.group(kConfigurationKey);
  CHECK(number(configuration, "/calibration/samples") == 150);  // asked for; there are 60
  CHECK(configuration.at_pointer("/calibration/data") == nullptr);
  CHECK(number(configuration, "/rules/0/activation/observer/params/bins") == 2048);
  CHECK(quantization.at_pointer("/layers/fc1/output") != nullptr);
  REQUIRE(artifact.activations().size() == 4);
  CHECK(artifact.activations()[1].stored() ==
        std::vector<std::string>{"fc1.output_scale", "fc1.output_zero_point"});
  std::vector<std::string> kept;
  for (const TensorInfo* t : artifact.kept()) kept.push_back(t->name);
  CHECK(kept == std::vector<std::string>{"fc1.bias", "fc2.bias"});
}

TEST_CASE("dynamic activations are recorded and store nothing; no data are read") {
  RunJob run(R"({"quantizer": "int8"})");
  std::filesystem::remove(run.job.folder / "calibration.safetensors");
  run.job.config.has_calibration = false;
  run.job.config.calibration_data.clear();
  const RunFacts facts = run.run();
  const Artifact artifact = run.artifact();
  CHECK(artifact.model().find("fc1.input_scale") == nullptr);
  CHECK(*at(artifact.group(kQuantizationKey), "/layers/fc1/input/dynamic").if_bool());
  REQUIRE(facts.calibration.sites.size() == 2);
  CHECK(facts.calibration.sites[0].params.dynamic);
  CHECK(at(report_to_json(facts), "/calibration").is_null());
}

TEST_CASE("a run without activations says nothing of them") {
  RunJob run;
  run.job.config.rules[0].activation.reset();
  run.run();
  CHECK_FALSE(contains(run.output(), "activations"));
  CHECK(run.artifact().activations().empty());
}

TEST_CASE("the report tells what calibration used and what the observers saw") {
  RunJob run;
  const RunFacts facts = run.run();
  const json::Value report = report_to_json(facts);
  CHECK(number(report, "/calibration/samples_requested") == 150);
  CHECK(number(report, "/calibration/samples_used") == 60);
  CHECK(number(report, "/calibration/batches") == 60);
  CHECK(number(report, "/calibration/passes") == 1);
  const json::Value& layer = item(report, "/layers", "name", "fc1");
  const json::Value& input = item(layer, "/activation", "side", "input");
  CHECK(text(input, "/observer") == "histogram");
  CHECK(number(input, "/scale/0") == double{facts.calibration.sites[0].params.scale[0]});
  CHECK(number(input, "/observed") == 480);
  CHECK(number(layer, "/non_finite") == 0);
  CHECK(layer.at_pointer("/clipped_fraction") != nullptr);
  CHECK(number(report, "/plan/activations/0/rule") == 0);
  bool has_data = false;
  for (const json::Value& i : list(report, "/provenance/inputs"))
    has_data = has_data || contains(text(i, "/path"), "calibration.safetensors");
  CHECK(has_data);
}

TEST_CASE("states give the bytes of the run in one step, whole and in two halves") {
  for (const char* observer : {"minmax", "histogram"}) {
    CAPTURE(observer);
    RunJob run(std::string(R"({"quantizer": "int8", "observer": ")") + observer + R"("})");
    run.run();
    const std::string direct = run.output();
    run.observe("whole");
    run.observe("halves", {1, 2});
    run.observe("halves", {2, 2});
    run.observe("other", {2, 2});
    run.observe("one", {1, 2});
    std::filesystem::remove(run.job.folder / "calibration.safetensors");
    run.run({run.job.folder / "whole"});
    CHECK(run.output() == direct);
    run.run({run.job.folder / "halves"});
    CHECK(run.output() == direct);
    const RunFacts facts = run.run({run.job.folder / "one", run.job.folder / "other"});
    CHECK(run.output() == direct);
    CHECK(facts.calibration.samples_used == 60);
    CHECK(number(report_to_json(facts), "/calibration/states") == 2);
  }
}

TEST_CASE("an average's state gives the same bytes too, and cannot be observed in parts") {
  RunJob run(R"({"quantizer": "int8", "observer": "ema"})");
  run.run();
  const std::string direct = run.output();
  run.observe("whole");
  run.run({run.job.folder / "whole"});
  CHECK(run.output() == direct);
  CHECK(contains(refusal(
                     [&] {
                       run.observe("half", {1, 2});
                     },
                     ErrorCode::config),
                 "cannot put the states of several parts together: its result is defined by the "
                 "order of all batches"));
  CHECK_FALSE(std::filesystem::exists(run.job.folder / "half"));
}

TEST_CASE("observing that fails leaves nothing, and states are not replaced unasked") {
  RunJob run;
  run.observe("state");
  const std::string before = read_file(run.job.folder / "state/part-1-of-1.state");
  CHECK(contains(refusal([&] { run.observe("state"); }, ErrorCode::io), "exists already"));
  std::filesystem::remove(run.job.folder / "calibration.safetensors");
  refusal([&] { run.observe("none"); }, ErrorCode::io);
  CHECK_FALSE(std::filesystem::exists(run.job.folder / "none"));
  CHECK(read_file(run.job.folder / "state/part-1-of-1.state") == before);
}

TEST_CASE("states of a model that was changed, no states, and states for nothing are refused") {
  RunJob run;
  run.observe("state");
  RunJob other;
  test::write_safetensors(other.job.folder / "model.safetensors",
                          {random_f32("fc1.weight", {6, 8}, 99), random_f32("fc1.bias", {6}, 12),
                           random_f32("fc2.weight", {4, 6}, 13), random_f32("fc2.bias", {4}, 14)});
  other.job.model = std::make_unique<ProgramModel>(other.job.folder / "model.safetensors");
  CHECK(contains(refusal([&] { other.run({run.job.folder / "state"}); }, ErrorCode::config),
                 "of another model"));
  CHECK(contains(refusal([&] { run.run({run.job.folder / "out"}); }, ErrorCode::io), "out"));
  RunJob dynamic(R"({"quantizer": "int8"})");
  CHECK(contains(refusal([&] { dynamic.run({run.job.folder / "state"}); }, ErrorCode::config),
                 "of no use"));
}

TEST_CASE("a target that exists is refused before the model runs") {
  RunJob run;
  write_file(run.job.folder / "there.safetensors", "");
  run.job.configure(kStatic, {{"/outputs/0/path", "there.safetensors"}});
  refusal(
      [&] {
        run_pipeline(run.job.config, *run.job.model,
                     {.program = run.program.get(), .progress = {}});
      },
      ErrorCode::io);
  CHECK(run.program->runs == 0);
}

}  // namespace detent::test
