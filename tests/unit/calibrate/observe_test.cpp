// SPDX-License-Identifier: Apache-2.0
// One pass over the data, and what comes of it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "support/calibration_job.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

namespace detent::test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::string observer(const std::string& id, const std::string& params = "{}") {
  return R"({"observer": {"id": ")" + id + R"(", "params": )" + params +
         R"(}, "quantizer": "int8"})";
}

const Warning* warning(const Calibration& c, const std::string& code) {
  const auto at = std::find_if(c.warnings.begin(), c.warnings.end(),
                               [&](const Warning& w) { return w.code == code; });
  return at == c.warnings.end() ? nullptr : &*at;
}

std::string error_of(CalibrationJob& job, ErrorCode code) {
  try {
    job.calibrate();
  } catch (const Error& e) {
    CHECK(e.code() == code);
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the inputs of the first layer are the model's: scale and zero point follow from them") {
  CalibrationJob job(observer("minmax"));
  std::vector<float> values(60 * 8, 0.0F);
  values[5] = -1.0F;
  values[300] = 4.1F;
  job.write_samples(values);
  const Calibration c = job.calibrate();
  // (4.1 + 1) / 255, and -128 + 1 / scale = -78
  CHECK(c.sites[0].params.scale[0] == Approx(0.02F));
  CHECK(c.sites[0].params.zero_point[0] == -78);
  CHECK(c.sites[0].min == -1.0);
  CHECK(c.sites[0].max == Approx(4.1));
  CHECK(c.sites[0].observed == 480);
  CHECK(c.sites[0].clipped_fraction == 0.0);
  CHECK(c.samples_used == 60);
  CHECK(c.passes == 1);
  CHECK(c.warnings.empty());
}

TEST_CASE("the inputs of the second layer are what the first one makes of them") {
  CalibrationJob job(observer("minmax"));
  const auto samples = job.random_samples(60);
  job.write_samples(samples);
  const Calibration c = job.calibrate();
  // After a relu nothing is below zero: the lowest code is zero.
  CHECK(c.sites[1].min == 0.0);
  CHECK(c.sites[1].params.zero_point[0] == -128);
  CHECK(c.sites[1].params.scale[0] == Approx(c.sites[1].max / 255));
}

TEST_CASE("data that are 1000 times larger give scales that are") {
  for (const char* id : {"minmax", "ema", "histogram"}) {
    CAPTURE(id);
    CalibrationJob job(observer(id));
    std::vector<float> values = job.random_samples(60);
    job.write_samples(values);
    const float before = job.calibrate().sites[0].params.scale[0];
    for (float& v : values) v *= 1000.0F;
    job.write_samples(values);
    const float after = job.calibrate().sites[0].params.scale[0];
    CHECK(after / before == Approx(1000.0F).epsilon(0.05));
  }
}

TEST_CASE("the same data in another order change an average, and no minimum or maximum") {
  const auto scale = [](const char* id, bool reversed) {
    CalibrationJob job(
        observer(id, std::string(id) == "ema" ? R"({"averaging_constant": 0.5})" : "{}"));
    std::vector<float> values;
    for (int i = 0; i < 60; ++i)
      for (int k = 0; k < 8; ++k) values.push_back(static_cast<float>(reversed ? 60 - i : i + 1));
    job.write_samples(values);
    return job.calibrate().sites[0].params.scale[0];
  };
  CHECK(scale("minmax", false) == scale("minmax", true));
  CHECK(scale("histogram", false) == scale("histogram", true));
  // 60 is the limit from below, and 1 that from above.
  CHECK(scale("ema", false) > 10 * scale("ema", true));
}

TEST_CASE("batches have the configured size, the last one what is left") {
  CalibrationJob job(observer("minmax"));
  job.write_samples(job.random_samples(170));
  job.configure(observer("minmax"), {{"/calibration/batch_size", "40"}});
  const Calibration c = job.calibrate();
  CHECK(job.program->batches == std::vector<std::int64_t>{40, 40, 40, 30});
  CHECK(c.samples_requested == 150);
  CHECK(c.samples_used == 150);
  CHECK(c.batches == 4);
}

TEST_CASE("several files are one sequence") {
  CalibrationJob job(observer("minmax"));
  job.write_samples(job.random_samples(30), 8, "one");
  job.write_samples(job.random_samples(30, 8), 8, "two");
  job.configure(observer("minmax"),
                {{"/calibration/data", R"(["one", "two"])"}, {"/calibration/batch_size", "20"}});
  CHECK(job.calibrate().samples_used == 60);
  CHECK(job.program->batches == std::vector<std::int64_t>{20, 20, 20});
}

TEST_CASE("fewer than fifty samples are a warning") {
  CalibrationJob job(observer("minmax"));
  job.write_samples(job.random_samples(49));
  const Calibration few = job.calibrate();
  REQUIRE(warning(few, "few_samples") != nullptr);
  CHECK(warning(few, "few_samples")->message ==
        "Low calibration sample count (49). Recommend at least 100 samples for reliable "
        "calibration.");
  job.write_samples(job.random_samples(50));
  CHECK(warning(job.calibrate(), "few_samples") == nullptr);
}

TEST_CASE("values that are not finite are left out, counted and told") {
  CalibrationJob job(observer("minmax"));
  job.program = echo_program();
  auto values = job.random_samples(60);
  job.write_samples(values);
  const float clean = job.calibrate().sites[0].params.scale[0];
  values.insert(values.end(), {kNaN, 0, 0, INFINITY, -INFINITY, 0, 0, 0});
  job.write_samples(values);
  const Calibration c = job.calibrate();
  CHECK(c.sites[0].params.scale[0] == clean);
  CHECK(c.sites[0].non_finite == 3);
  CHECK(c.sites[0].observed == 61 * 8 - 3);
  REQUIRE(warning(c, "non_finite_activations") != nullptr);
  CHECK(contains(warning(c, "non_finite_activations")->message, "\"fc1\": 3 of 488 values"));
}

TEST_CASE("where they are an error, it names the layer and the batch") {
  CalibrationJob job(observer("minmax", R"({"non_finite": "error"})"));
  job.program = echo_program();
  auto values = job.random_samples(60);
  values[20 * 8 + 3] = kNaN;
  job.write_samples(values);
  const std::string text = error_of(job, ErrorCode::quantization);
  CHECK(contains(text, "calibration batch 21 (sample 21)"));
  CHECK(contains(text, "\"fc1\""));
  CHECK(contains(text, "1 of 8 values are NaN or infinite"));
}

TEST_CASE("what the program says of its input comes with the number of the batch") {
  CalibrationJob job(observer("minmax"));
  job.program = std::make_unique<FunctionProgram>(
      job.program->facts(), [](std::span<const detent::NamedTensor>, const FunctionProgram::Show&) {
        throw Error(ErrorCode::quantization, "expected 3 channels, got 8", "look at the model");
      });
  job.write_samples(job.random_samples(60));
  const std::string text = error_of(job, ErrorCode::quantization);
  CHECK(contains(text, "calibration batch 1 (sample 1): expected 3 channels, got 8"));
  CHECK(contains(text, "look at the model"));
}

TEST_CASE("no sample at all, and a layer that is never reached, are \"no data observed\"") {
  CalibrationJob job(observer("minmax"));
  job.write_samples({});
  CHECK(contains(error_of(job, ErrorCode::quantization), "\"fc1\": no data observed"));
  job.program = std::make_unique<FunctionProgram>(
      job.program->facts(),
      [](std::span<const detent::NamedTensor> inputs, const FunctionProgram::Show& show) {
        show("fc1.weight", Side::input, inputs[0].view);
      });
  job.write_samples(job.random_samples(60));
  CHECK(contains(error_of(job, ErrorCode::quantization), "\"fc2\": no data observed"));
}

TEST_CASE("values outside the chosen range are counted, and many are a warning") {
  const std::string percentile =
      observer("histogram", R"({"method": "percentile", "percentile": 80.0})");
  CalibrationJob job(percentile);
  job.program = echo_program();
  // 5 % lie far above the others.
  std::vector<float> values = job.random_samples(100);
  for (std::size_t i = 0; i < values.size(); i += 20) values[i] = 50.0F;
  job.write_samples(values);
  const Calibration c = job.calibrate();
  const SiteResult& site = c.sites[0];
  const auto outside = std::count_if(values.begin(), values.end(), [&](float v) {
    const double half = 0.5 * double{site.params.scale[0]};
    return v > site.range_max[0] + half || v < site.range_min[0] - half;
  });
  const double fraction = static_cast<double>(outside) / static_cast<double>(values.size());
  REQUIRE(fraction > 0.04);
  CHECK(*site.clipped_fraction == Approx(fraction).margin(0.01));
  CHECK(warning(c, "clipped_activations") != nullptr);
  job.configure(percentile, {{"/calibration/clip_warning", "0.5"}});
  CHECK(warning(job.calibrate(), "clipped_activations") == nullptr);
}

TEST_CASE("the progress of calibration is told in samples") {
  CalibrationJob job(observer("minmax"));
  job.write_samples(job.random_samples(60));
  job.configure(observer("minmax"), {{"/calibration/batch_size", "25"}});
  Plan plan = job.plan();
  const auto samples = open_samples(job.config, job.program.get(), plan);
  Observations seen = fresh_observations(plan, job.pool);
  std::vector<std::uint64_t> told;
  observe(
      *job.program, plan, *samples, planned_batches(job.config, *samples),
      [&](std::uint64_t done, std::uint64_t total) {
        told.push_back(done);
        CHECK(total == 60);
      },
      seen);
  CHECK(told == std::vector<std::uint64_t>{0, 25, 50, 60});
}

TEST_CASE("the plan's memory holds the batches") {
  CalibrationJob job(observer("minmax"));
  job.write_samples(job.random_samples(60));
  Plan one = job.plan();
  const std::uint64_t without = one.peak_memory_bytes;
  open_samples(job.config, job.program.get(), one);
  CHECK(one.peak_memory_bytes == without + 2 * 8 * sizeof(float));
}

}  // namespace detent::test
