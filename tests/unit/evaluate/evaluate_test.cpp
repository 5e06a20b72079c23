// SPDX-License-Identifier: Apache-2.0
#include "evaluate/evaluate.hpp"

#include <cmath>

#include "outputs.hpp"
#include "support/catch.hpp"
#include "support/fake_program.hpp"
#include "support/temp_folder.hpp"

using namespace detent;
using namespace detent::test;

namespace {

// y = x, so that every number can be seen.
FakeProgram identity(float second = 1) {
  return FakeProgram({{.weight = "fc.weight", .out = 2, .in = 2, .values = {1, 0, 0, second}}});
}

void simulate(FakeProgram& program, const std::vector<float>& values) {
  const auto weight = floats({2, 2}, values);
  SimulatedWeight w;
  w.weight = "fc.weight";
  w.dequantized = weight.get();
  program.simulate({&w, 1});
}

// Batches of one sample each.
SampleSource samples(std::size_t count, const std::vector<std::int64_t>& targets = {}) {
  struct State {
    std::size_t next = 0;
    std::unique_ptr<FakeInput> input;
    std::unique_ptr<HostTensor> target;
  };
  auto state = std::make_shared<State>();
  return [=](EvaluationBatch& batch) {
    if (state->next == count) return false;
    const auto i = static_cast<float>(state->next);
    state->input = std::make_unique<FakeInput>("input", std::vector<std::int64_t>{1, 2},
                                               std::vector<float>{1 + i, 2 - i});
    batch.inputs = state->input->inputs();
    batch.samples = 1;
    if (!targets.empty()) {
      state->target = longs({1}, {targets[state->next]});
      batch.target = &state->target->view();
    }
    ++state->next;
    return true;
  };
}

// A safetensors file of no tensors; metadata: JSON of the "__metadata__" object.
std::string model_file(const std::string& metadata = "{}") {
  std::string header = R"({"__metadata__":)" + metadata + "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  const std::uint64_t bytes = header.size();
  std::memcpy(length.data(), &bytes, 8);
  return length + header;
}

// A file that can be read; what runs is what `program` makes.
class Artifacts {
 public:
  explicit Artifacts(std::size_t count = 1) {
    for (std::size_t i = 0; i < count; ++i)
      files.push_back(folder_.write(std::to_string(i) + ".safetensors", model_file()));
  }
  void write(const std::string& metadata) const {
    folder_.write("0.safetensors", model_file(metadata));
  }
  std::vector<std::filesystem::path> files;

 private:
  TempFolder folder_;
};

Evaluation evaluated(FakeProgram& original, const SampleSource& source,
                     const std::function<std::unique_ptr<Program>()>& artifact = {}) {
  const Artifacts artifacts;
  EvaluationInput input;
  input.original = &original;
  input.samples = source;
  input.artifacts = artifacts.files;
  if (artifact) input.open = [&](const Model&) { return artifact(); };
  return evaluate(input);
}

}  // namespace

TEST_CASE("the simulation is measured against the original when the artefact does not run") {
  FakeProgram original = identity();
  simulate(original, {1, 0, 0, 0.5F});
  // inputs (1, 2) and (2, 1), so outputs (1, 1) and (2, 0.5): signal 10, noise 1 + 0.25
  const Evaluation e = evaluated(original, samples(2, {1, 0}));
  REQUIRE(e.outputs.size() == 1);
  const OutputEvaluation& o = e.outputs[0];
  CHECK(o.how == Evaluated::simulated);
  CHECK(o.result.samples == 2);
  CHECK(o.result.all.sqnr_db == Approx(9.030899869919436).epsilon(1e-12));  // 10 log10 8
  CHECK(o.result.all.max_abs_error == 1);
  CHECK(o.result.accuracy_before == 1);
  CHECK(o.result.accuracy_after == 0.5);  // (1, 1): the first of equals
  CHECK(o.result.all.top1_agreement == 0.5);
  CHECK(o.intended.samples == 0);
  CHECK(e.local_sqnr_db.at("fc.weight") == Approx(9.030899869919436).epsilon(1e-12));
  CHECK(e.runtime == "a fake");
  CHECK(e.isolation == "none needed");
  CHECK(e.warnings.empty());
}

TEST_CASE("local errors add up over all samples") {
  FakeProgram original({{.weight = "a", .out = 1, .in = 2, .values = {1, 1}, .relu = true},
                        {.weight = "b", .out = 1, .in = 1, .values = {2}}});
  const auto quantized = floats({1, 1}, {1});
  SimulatedWeight w;
  w.weight = "b";
  w.dequantized = quantized.get();
  original.simulate({&w, 1});
  // every sample gives 3 behind a, and b makes 6 of it, or 3: signal 36, noise 9
  const Evaluation e = evaluated(original, samples(5));
  CHECK(e.local_sqnr_db.at("a") == std::numeric_limits<double>::infinity());
  CHECK(e.local_sqnr_db.at("b") == Approx(6.020599913279624).epsilon(1e-12));
}

TEST_CASE("an artefact that is a program runs itself, and is held against the simulation") {
  FakeProgram original = identity();
  simulate(original, {1, 0, 0, 0.5F});
  const Evaluation e =
      evaluated(original, samples(2), [] { return std::make_unique<FakeProgram>(identity(0.5F)); });
  const OutputEvaluation& o = e.outputs.at(0);
  CHECK(o.how == Evaluated::artifact);
  CHECK(o.result.all.sqnr_db == Approx(9.030899869919436).epsilon(1e-12));
  CHECK(o.intended.samples == 2);
  CHECK(o.intended.all.sqnr_db == std::numeric_limits<double>::infinity());
  CHECK_FALSE(o.exact);
}

TEST_CASE("an artefact whose weights were damaged differs from the simulation") {
  FakeProgram original = identity();
  simulate(original, {1, 0, 0, 0.5F});
  const Evaluation e = evaluated(original, samples(2),
                                 [] { return std::make_unique<FakeProgram>(identity(-0.5F)); });
  CHECK(e.outputs.at(0).intended.all.sqnr_db < 5);
}

TEST_CASE("the simulation runs on the first samples only when just artefacts need it") {
  FakeProgram original = identity();
  const Evaluation e =
      evaluated(original, samples(40), [] { return std::make_unique<FakeProgram>(identity()); });
  CHECK(e.outputs.at(0).result.samples == 40);
  CHECK(e.outputs.at(0).intended.samples == 16);
  CHECK(original.runs == 40);
  CHECK(original.simulated_runs == 16);
}

TEST_CASE("outputs of a run are evaluated each on its own, in one pass over the samples") {
  FakeProgram original = identity();
  simulate(original, {1, 0, 0, 0.5F});
  const Artifacts artifacts(2);
  EvaluationInput input;
  input.original = &original;
  input.samples = samples(3);
  input.artifacts = artifacts.files;
  input.open = [&](const Model& m) -> std::unique_ptr<Program> {
    if (m.files()[0] == artifacts.files[0]) return nullptr;  // weights only
    return std::make_unique<FakeProgram>(identity());
  };
  const Evaluation e = evaluate(input);
  REQUIRE(e.outputs.size() == 2);
  CHECK(e.outputs[0].how == Evaluated::simulated);
  CHECK(e.outputs[1].how == Evaluated::artifact);
  CHECK(e.outputs[1].result.all.sqnr_db == std::numeric_limits<double>::infinity());
  CHECK(e.outputs[0].result.all.sqnr_db < 20);
  CHECK(original.runs == 3);
}

TEST_CASE("an artefact that fails to open, to run or to give the same outputs has failed") {
  FakeProgram original = identity();
  const auto why = [&](const std::function<std::unique_ptr<Program>()>& artifact) {
    const Evaluation e = evaluated(original, samples(2), artifact);
    CHECK(e.outputs.at(0).how == Evaluated::failed);
    CHECK(std::isnan(e.outputs.at(0).result.all.sqnr_db));
    REQUIRE(e.warnings.size() == 1);
    CHECK(e.warnings[0].code == "artifact_does_not_run");
    CHECK(e.warnings[0].message == e.outputs.at(0).why);
    return e.outputs.at(0).why;
  };
  CHECK(why([]() -> std::unique_ptr<Program> { throw Error(ErrorCode::io, "bad magic"); }) ==
        "bad magic");
  const auto spoiled = [](std::function<void(Outputs&)> spoil) {
    return [spoil] {
      auto p = std::make_unique<FakeProgram>(identity());
      p->spoil = spoil;
      return p;
    };
  };
  CHECK(why(spoiled([](Outputs&) { throw Error(ErrorCode::io, "operator unknown"); })) ==
        "operator unknown");
  CHECK(why(spoiled([](Outputs& o) { o.clear(); })) ==
        "it gives other outputs than the original: 0 outputs, not 1");
}

TEST_CASE("a program that cannot be simulated is no reason to fail the run") {
  class Rigid : public FakeProgram {
   public:
    Rigid() : FakeProgram(identity()) {}
    Outputs run_simulated(std::span<const NamedTensor>) override {
      throw Error(ErrorCode::quantization, "the program cannot be changed");
    }
  };
  Rigid original;
  const Evaluation e = evaluated(original, samples(3));
  const std::string why = "the quantized model cannot be simulated: the program cannot be changed";
  CHECK(e.outputs.at(0).how == Evaluated::nothing);
  CHECK(e.outputs.at(0).why == why);
  REQUIRE(e.warnings.size() == 1);
  CHECK(e.warnings[0].code == "not_simulated");

  const Evaluation ran =
      evaluated(original, samples(3), [] { return std::make_unique<FakeProgram>(identity()); });
  CHECK(ran.outputs.at(0).how == Evaluated::artifact);
  CHECK(ran.outputs.at(0).result.samples == 3);
  CHECK(ran.outputs.at(0).intended.samples == 0);
}

TEST_CASE("a signal ends the run and is no fault of the artefact") {
  FakeProgram original = identity();
  const auto interrupted = []() -> std::unique_ptr<Program> {
    throw Error(ErrorCode::interrupted, "interrupted");
  };
  CHECK_THROWS_AS(evaluated(original, samples(1), interrupted), Error);
}

TEST_CASE("values that are not finite are warnings, told apart by whose they are") {
  FakeProgram original = identity();
  simulate(original, {1, 0, 0, kNan});
  const Evaluation after = evaluated(original, samples(2));
  REQUIRE(after.warnings.size() == 1);
  CHECK(after.warnings[0].code == "output_non_finite");
  CHECK(after.outputs.at(0).result.non_finite == 2);

  FakeProgram broken = identity(kNan);
  const Evaluation before = evaluated(broken, samples(2));
  REQUIRE(before.warnings.size() == 1);
  CHECK(before.warnings[0].code == "original_output_non_finite");
}

TEST_CASE("targets that do not fit are a warning") {
  FakeProgram original = identity();
  const Evaluation e = evaluated(original, samples(1, {7}));
  REQUIRE(e.warnings.size() == 1);
  CHECK(e.warnings[0].code == "no_accuracy");
}

TEST_CASE("without a program or samples nothing is measured, and the reason is kept") {
  FakeProgram original = identity();
  const Artifacts artifacts;
  EvaluationInput input;
  input.artifacts = artifacts.files;
  input.why_not = "model.safetensors holds weights only";
  const Evaluation none = evaluate(input);
  CHECK(none.outputs.at(0).how == Evaluated::nothing);
  CHECK(none.outputs.at(0).why == "model.safetensors holds weights only");
  CHECK(none.runtime.empty());
  CHECK(none.warnings.empty());

  input.original = &original;
  CHECK(evaluate(input).outputs.at(0).why == "there are no calibration data");
  CHECK(evaluate(input).runtime == "a fake");
  input.samples = samples(0);
  CHECK(evaluate(input).outputs.at(0).why == "the calibration data hold no sample");
  CHECK(original.runs == 0);
}

TEST_CASE("an artefact that cannot be opened as a program has failed even without samples") {
  FakeProgram original = identity();
  const Evaluation e = evaluated(
      original, {}, []() -> std::unique_ptr<Program> { throw Error(ErrorCode::io, "bad magic"); });
  CHECK(e.outputs.at(0).how == Evaluated::failed);
}

TEST_CASE("an artefact says by its metadata that it does the simulation's arithmetic") {
  const auto exact = [](const std::string& metadata) {
    FakeProgram original = identity();
    const Artifacts artifacts;
    artifacts.write(metadata);
    EvaluationInput input;
    input.original = &original;
    input.samples = samples(1);
    input.artifacts = artifacts.files;
    input.open = [](const Model&) { return std::make_unique<FakeProgram>(identity()); };
    return evaluate(input).outputs.at(0).exact;
  };
  CHECK(exact(R"({"execution":"{\"exact\":true}"})"));
  CHECK_FALSE(exact(R"({"execution":"{\"exact\":false}"})"));
  CHECK_FALSE(exact(R"({"execution":"[]"})"));
}
