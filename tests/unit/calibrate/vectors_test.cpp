// SPDX-License-Identifier: Apache-2.0
// The reference vectors, batch by batch from files through a program to observers.
#include "support/vectors.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "support/calibration_job.hpp"
#include "support/catch.hpp"
#include "support/mini_host.hpp"

namespace detent::test {
namespace {

// As a program would have it, with one axis more: each batch of the case is a sample.
std::vector<std::string> write_batches(const CalibrationJob& job, const json::Value& json) {
  std::vector<std::string> files;
  for (const Tensor& batch : vector_input(text_at(json, "/input"))) {
    Shape shape = batch.shape();
    shape.insert(shape.begin(), 1);
    files.push_back("batch" + std::to_string(files.size()));
    test::write_safetensors(job.folder / files.back(), {f32("x", shape, batch.values<float>())});
  }
  return files;
}

std::string observer_json(const json::Value& json) {
  const std::string observer = text_at(json, "/observer");
  if (observer == "minmax") return R"("minmax")";
  if (observer == "moving_average")
    return R"({"id": "ema", "params": {"averaging_constant": )" +
           json::dump(member(json, "/params/averaging_constant")) + "}}";
  const json::Value* bins = json.at_pointer("/params/bins");
  return R"({"id": "histogram", "params": {"method": ")" +
         std::string(observer == "histogram" ? "mse" : "kl") + R"(", "bins": )" +
         (bins != nullptr ? json::dump(*bins) : "2048") + "}}";
}

detent_qspec spec_of(const json::Value& json) {
  return qspec(int_at(json, "/params/qmin"), int_at(json, "/params/qmax"),
               *member(json, "/params/symmetric").if_bool());
}

Calibration calibrate(const json::Value& json) {
  CalibrationJob job(R"({"observer": )" + observer_json(json) + R"(, "quantizer": "int8"})");
  job.config.calibration_data.clear();
  for (const std::string& file : write_batches(job, json))
    job.config.calibration_data.push_back(job.folder / file);
  job.program = echo_program();
  Plan plan = job.plan();
  for (ActivationPlan& a : plan.activations) {
    const detent_qspec spec = spec_of(json);
    a.target.spec.qmin = spec.qmin;
    a.target.spec.qmax = spec.qmax;
    a.target.spec.symmetric = spec.symmetric;
    a.target.spec.qdtype = spec.qdtype;
    a.target.spec.zero_dtype = spec.zero_dtype;
  }
  const auto samples = open_samples(job.config, job.program.get(), plan);
  Observations seen = fresh_observations(plan, job.pool);
  observe(*job.program, plan, *samples, planned_batches(job.config, *samples), {}, seen);
  return conclude(job.config, plan, seen);
}

std::int64_t ulps_between(float a, const std::string& expected_hex) {
  const auto bits = static_cast<std::int64_t>(std::strtoul(expected_hex.c_str(), nullptr, 16));
  return std::llabs(std::int64_t{std::bit_cast<std::uint32_t>(a)} - bits);
}

// Per tensor: the extra axis would move the channels.
std::vector<const json::Value*> cases_of(const std::string& observer) {
  std::vector<const json::Value*> cases;
  for (const json::Value& json : vector_cases("cases.json"))
    if (text_at(json, "/observer") == observer && json.at_pointer("/params/ch_axis") == nullptr)
      cases.push_back(&json);
  return cases;
}

std::size_t check_reference(const std::string& observer, std::int64_t max_ulps) {
  std::size_t checked = 0;
  for (const json::Value* json : cases_of(observer)) {
    INFO(text_at(*json, "/id"));
    if (text_at(*json, "/rule") == "error") continue;
    const Calibration got = calibrate(*json);
    const json::Value& expected = member(*json, "/expected/reference");
    for (const SiteResult& site : got.sites) {
      CHECK(ulps_between(site.params.scale.at(0), texts_at(expected, "/scale_f32_hex").at(0)) <=
            max_ulps);
      CHECK(site.params.zero_point.at(0) == ints_at(expected, "/zero_point").at(0));
    }
    ++checked;
  }
  return checked;
}

}  // namespace

TEST_CASE("minmax gives the reference's parameters when it watches a program") {
  CHECK(check_reference("minmax", 0) == 36);
}

TEST_CASE("ema gives the reference's parameters: batches reach it in their order") {
  CHECK(check_reference("moving_average", 1) == 17);
}

TEST_CASE("vectors without a finite value are \"no data observed\", naming the layer") {
  std::size_t checked = 0;
  for (const char* observer : {"minmax", "moving_average"})
    for (const json::Value* json : cases_of(observer)) {
      if (text_at(*json, "/rule") != "error") continue;
      INFO(text_at(*json, "/id"));
      try {
        calibrate(*json);
        FAIL("accepted");
      } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::quantization);
        CHECK(std::string(e.what()).find("\"fc1\": no data observed") != std::string::npos);
      }
      ++checked;
    }
  CHECK(checked == 3);
}

TEST_CASE("histogram gives what the plugin alone gives for the same batches") {
  std::size_t checked = 0;
  for (const char* kind : {"histogram", "entropy"})
    for (const json::Value* json : cases_of(kind)) {
      INFO(text_at(*json, "/id"));
      const std::vector<Tensor> batches = vector_input(text_at(*json, "/input"));
      const bool empty = std::all_of(batches.begin(), batches.end(),
                                     [](const Tensor& b) { return b.bytes().empty(); });
      if (empty) continue;
      const int bins = json->at_pointer("/params/bins") != nullptr
                           ? static_cast<int>(int_at(*json, "/params/bins"))
                           : 2048;
      Observer alone(Library::built_in("histogram").plugin("histogram"),
                     {{"/bins", bins}, {"/method", std::string(kind) == "entropy" ? "kl" : "mse"}},
                     spec_of(*json));
      for (const Tensor& batch : batches) alone.observe(batch);
      const Calibration got = calibrate(*json);
      CHECK(got.sites.at(0).params.scale.at(0) == alone.qparams().values<float>("scale").at(0));
      ++checked;
    }
  CHECK(checked == 54);
}

}  // namespace detent::test
