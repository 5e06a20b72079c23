// SPDX-License-Identifier: Apache-2.0
// A run that evaluates: the model's own output in the report, and judged.
#include <cmath>
#include <cstring>

#include "artifact/artifact.hpp"
#include "report/report.hpp"
#include "run/run.hpp"
#include "support/calibration_job.hpp"
#include "support/catch.hpp"
#include "support/json_at.hpp"

namespace detent::test {
namespace {

constexpr const char* kStatic = R"({"observer": "minmax", "quantizer": "int8"})";

class EvaluationJob {
 public:
  explicit EvaluationJob(const std::string& validators, bool targets = true) : job(kStatic) {
    job.program.reset();
    const std::vector<float> samples = job.random_samples(40);
    std::vector<TinyTensor> data{f32("input", {40, CalibrationJob::kIn}, samples)};
    if (targets) data.push_back(own_answers(samples));
    write_safetensors(job.folder / "calibration.safetensors", data);
    job.configure(kStatic, {{"/validation/validators", validators}});
  }

  RunFacts run() {
    return run_pipeline(job.config, *job.model,
                        {.overwrite = Overwrite::replace,
                         .program = program.get(),
                         .open_program = open,
                         .progress = {}});
  }
  bool wrote() const { return std::filesystem::exists(job.folder / "out"); }

  CalibrationJob job;
  std::unique_ptr<FakeProgram> program = network_program();
  std::function<std::unique_ptr<Program>(const Model&)> open;

 private:
  // Targets that the original gets right, all of them.
  TinyTensor own_answers(const std::vector<float>& samples) const {
    const FakeInput input("input", {40, CalibrationJob::kIn}, samples);
    const Outputs y = network_program()->run(input.inputs());
    const std::vector<double> scores = values_of(y[0]->view());
    TinyTensor target{"target", "I64", {40}, {}};
    for (const std::int64_t c : top_classes(scores, CalibrationJob::kOut))
      target.bytes.append(reinterpret_cast<const char*>(&c), sizeof c);
    return target;
  }
};

// What stands in the file, as a program: codes times scale. `wrong` multiplies fc2's values.
std::unique_ptr<Program> stored_program(const Model& file, float wrong) {
  const auto values = [&](const std::string& name) {
    const auto codes = read_tensor(file, *file.find(name));
    const auto scales = read_tensor(file, *file.find(name + "_scale"));
    std::vector<float> w(codes->numel());
    const std::size_t columns = w.size() / scales->numel();
    for (std::size_t i = 0; i < w.size(); ++i) {
      float scale = 0;
      std::memcpy(&scale, scales->bytes().data() + i / columns * sizeof scale, sizeof scale);
      w[i] = scale * static_cast<float>(static_cast<std::int8_t>(codes->bytes()[i]));
    }
    return w;
  };
  const auto bias = [&](const std::string& name) {
    return floats_of(read_tensor(file, *file.find(name))->view());
  };
  std::vector<float> second = values("fc2.weight");
  for (float& v : second) v *= wrong;
  using Job = CalibrationJob;
  return std::make_unique<FakeProgram>(std::vector<FakeLinear>{
      {"fc1.weight", Job::kHidden, Job::kIn, values("fc1.weight"), bias("fc1.bias"), true},
      {"fc2.weight", Job::kOut, Job::kHidden, second, bias("fc2.bias")}});
}

const Finding& finding(const RunFacts& facts, const std::string& metric) {
  for (const Finding& f : facts.validation.findings)
    if (f.metric == metric) return f;
  throw std::runtime_error("no finding " + metric);
}

std::string failure(EvaluationJob& job) {
  try {
    job.run();
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::validation);
    CHECK_FALSE(job.wrote());
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a run reports the simulated output, each layer's own error and the accuracy") {
  EvaluationJob job(R"(["accuracy", "roundtrip"])");
  const RunFacts facts = job.run();
  const json::Value report = report_to_json(facts);
  CHECK(text(report, "/evaluation/subject") == "simulated");
  CHECK(number(report, "/evaluation/samples") == 40);
  CHECK(number(report, "/evaluation/targets") == 40);
  CHECK(number(report, "/evaluation/accuracy_before") == 1);
  CHECK(number(report, "/evaluation/accuracy_after") ==
        number(report, "/evaluation/top1_agreement"));
  // Eight bits of weights and activations: between 25 and 60 dB, or something is wrong.
  CHECK(number(report, "/evaluation/output_sqnr_db") > 25);
  CHECK(number(report, "/evaluation/output_sqnr_db") < 60);
  CHECK(number(report, "/evaluation/cosine_min") > 0.99);
  CHECK(number(report, "/evaluation/cosine_min") < 1);
  for (const char* layer : {"fc1", "fc2"}) {
    CAPTURE(layer);
    CHECK(number(item(report, "/layers", "name", layer), "/output_sqnr_db") > 25);
    CHECK(number(item(report, "/layers", "name", layer), "/output_sqnr_db") < 60);
  }
  CHECK(text(report, "/provenance/model_isolation") == "none needed");
  CHECK(finding(facts, "output_sqnr_db").value == number(report, "/evaluation/output_sqnr_db"));
  CHECK(job.program->simulated_runs == 40);
}

TEST_CASE("the table of a run says accuracy and output SQNR on lines of their own") {
  EvaluationJob job("[]");
  const RunFacts facts = job.run();
  const std::string table = run_table(facts);
  CHECK(table.find("\naccuracy  100.0 % -> ") != std::string::npos);
  CHECK(table.find(" % (40 samples)\n") != std::string::npos);
  CHECK(table.find("\noutput SQNR  ") != std::string::npos);
  CHECK(table.find(" (40 samples, simulated)\n") != std::string::npos);
}

TEST_CASE("an artefact that runs is what the report speaks of") {
  EvaluationJob job(R"(["accuracy", "roundtrip"])");
  job.open = [](const Model& m) { return stored_program(m, 1); };
  const RunFacts facts = job.run();
  const json::Value report = report_to_json(facts);
  CHECK(text(report, "/evaluation/subject") == "artefact");
  // The file has float activations; the simulation has them quantized to eight bits.
  CHECK(number(report, "/evaluation/intended/output_sqnr_db") > 25);
  CHECK(number(report, "/evaluation/output_sqnr_db") > 30);
  CHECK(finding(facts, "program_sqnr_db").value ==
        number(report, "/evaluation/intended/output_sqnr_db"));
  CHECK(run_table(facts).find("simulated") == std::string::npos);
}

TEST_CASE("an artefact that computes something else fails, and nothing is written") {
  EvaluationJob wrong(R"(["accuracy"])");
  wrong.open = [](const Model& m) { return stored_program(m, -1); };
  CHECK(failure(wrong).find("accuracy fell from 100.00 %") != std::string::npos);

  EvaluationJob broken(R"(["roundtrip"])");
  broken.open = [](const Model&) -> std::unique_ptr<Program> {
    throw Error(ErrorCode::io, "the archive is damaged");
  };
  CHECK(failure(broken).find("the archive is damaged") != std::string::npos);

  EvaluationJob shapes(R"(["roundtrip"])");
  shapes.open = [](const Model& m) {
    auto program = stored_program(m, 1);
    static_cast<FakeProgram&>(*program).spoil = [](Outputs& o) { o.clear(); };
    return program;
  };
  CHECK(failure(shapes).find("0 outputs, not 1") != std::string::npos);
}

TEST_CASE("a run without targets, or without a program, says so and goes on") {
  EvaluationJob unlabelled(R"(["accuracy"])", false);
  const RunFacts facts = unlabelled.run();
  CHECK(finding(facts, "samples").severity == DETENT_FINDING_WARN);
  CHECK(report_to_json(facts).at_pointer("/evaluation/accuracy_after")->is_null());
  CHECK(run_table(facts).find("accuracy") == std::string::npos);
}

TEST_CASE("the page shows the output's numbers and what calibration chose") {
  EvaluationJob job("[]");
  job.run();
  const std::string page = read_file(job.job.folder / "out/report.html");
  for (const char* part : {"accuracy</div>", "SQNR of the output", "mean cosine of the output",
                           "output SQNR dB", "<h2>Activations</h2>", "40 samples in 40 batches",
                           "the original program with the quantized numbers in it"}) {
    CAPTURE(part);
    CHECK(page.find(part) != std::string::npos);
  }
}

}  // namespace detent::test
