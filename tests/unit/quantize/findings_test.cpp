// SPDX-License-Identifier: Apache-2.0
#include "quantize/findings.hpp"

#include "support/catch.hpp"

namespace detent::test {
namespace {

// Two rules, the first for tensors 0 and 1, the second for tensor 2.
struct Job {
  Job() {
    observer.id = "acme.range";
    quantizer.id = "acme.gptq";
    config.rules.resize(2);
    plan.tensors.resize(3);
    for (std::size_t i = 0; i < 2; ++i) {
      config.rules[i].pointer = "/rules/" + std::to_string(i);
      config.rules[i].weight.emplace();
      config.rules[i].weight->quantizer.plugin = &quantizer;
    }
    for (std::size_t i = 0; i < 3; ++i) {
      TensorPlan& t = plan.tensors[i];
      t.tensor = t.layer = i;
      t.rule = i < 2 ? 0 : 1;
      t.quantize = true;
      t.scheme = &*config.rules[i < 2 ? 0 : 1].weight;
      t.bytes_before = 400;
      t.bytes_after = 120;
      results[i] = result(1, 1);
    }
  }

  static TensorResult result(double noise, std::optional<double> plain_noise) {
    TensorResult r;
    r.error.signal = 100;
    r.error.restored = 99;
    r.error.noise = noise;
    r.error.elements = 100;
    if (plain_noise) r.rounding = r.error;
    if (plain_noise) r.rounding->noise = *plain_noise;
    return r;
  }

  std::vector<Warning> gain_warnings() const {
    Remarks remarks;
    remark_on_gain(config, plan, results, remarks);
    CHECK(remarks.notes.empty());
    return remarks.warnings;
  }
  Remarks remarks_on(const TensorResult& r) const {
    Remarks remarks;
    TensorInfo info;
    info.name = "fc.weight";
    remark_on_tensor(plan.tensors[0], info, r, remarks);
    return remarks;
  }

  Plugin observer;
  Plugin quantizer;
  Config config;
  Plan plan;
  std::map<std::size_t, TensorResult> results;
};

}  // namespace

TEST_CASE("a rule that claims more than rounding and gains nothing anywhere is a warning") {
  Job job;
  const auto warnings = job.gain_warnings();
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0].code == "no_gain");
  CHECK(warnings[0].message.find("gain 0.00 dB over rounding to nearest on 2/2 layers: "
                                 "\"acme.gptq\"") == 0);
  CHECK(warnings[0].where.pointer == "/rules/0/weight");
  CHECK(warnings[0].where.plugin == "acme.gptq");
  CHECK(warnings[1].message.find("on 1/1 layers") != std::string::npos);
}

TEST_CASE("one layer with a gain, or a loss, is enough") {
  for (const double noise : {0.99, 1.01}) {
    Job job;
    job.results[1] = Job::result(noise, 1);
    job.results[2] = Job::result(noise, 1);
    CHECK(job.gain_warnings().empty());
  }
  Job less;  // 0.0043 dB: 0.00 in print
  less.results[1] = Job::result(0.999, 1);
  CHECK(less.gain_warnings().size() == 2);
}

TEST_CASE("layers that rounding holds exactly, or that it does not know, do not count") {
  Job job;
  job.results[0] = Job::result(0, 0);
  job.results[2] = Job::result(1, std::nullopt);
  const auto warnings = job.gain_warnings();
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].message.find("on 1/1 layers") != std::string::npos);
  job.results.erase(1);
  CHECK(job.gain_warnings().empty());
}

TEST_CASE("who says of itself that it only rounds is not told so") {
  Job job;
  for (TensorPlan& t : job.plan.tensors) t.quantizer.meta = {{"algorithm", "\"rtn\""}};
  CHECK(job.gain_warnings().empty());
  TensorScheme& scheme = *job.config.rules[0].weight;
  scheme.observer.emplace();
  scheme.observer->plugin = &job.observer;
  REQUIRE(job.gain_warnings().size() == 1);  // the observer claims a better range
  CHECK(job.gain_warnings()[0].message.find("\"acme.gptq\" with \"acme.range\"") !=
        std::string::npos);
  job.observer.provides = {"stat:minmax/1", "range:minmax"};
  CHECK(job.gain_warnings().empty());
  for (const char* other : {"\"gptq\"", "1", "null", "[\"rtn\"]"}) {
    job.plan.tensors[2].quantizer.meta = {{"scheme", "\"rtn\""}, {"algorithm", other}};
    CHECK(job.gain_warnings().size() == 1);
  }
}

TEST_CASE("what came back as it was is a warning unless that is natural") {
  Job job;
  const auto only_note = [](const Remarks& r) {
    return r.warnings.empty() && r.notes.size() == 1 && r.notes[0].code == "exact";
  };
  CHECK(only_note(job.remarks_on(Job::result(0, 1))));  // smaller and exact: what one hopes for
  TensorPlan& plan = job.plan.tensors[0];
  plan.bytes_after = plan.bytes_before;
  const Remarks copied = job.remarks_on(Job::result(0, 1));
  REQUIRE(copied.warnings.size() == 1);
  CHECK(copied.warnings[0].code == "no_effect");
  CHECK(copied.warnings[0].where.tensor == "fc.weight");
  CHECK(job.remarks_on(Job::result(0, std::nullopt)).warnings.size() == 1);
  CHECK(only_note(job.remarks_on(Job::result(0, 0))));  // representable
  TensorResult zeros = Job::result(0, std::nullopt);
  zeros.error.signal = zeros.error.restored = 0;
  CHECK(only_note(job.remarks_on(zeros)));
  zeros.error.elements = 0;
  CHECK(job.remarks_on(zeros).notes.empty());
}

TEST_CASE("values that all became zero, and values beyond the target, are warnings") {
  Job job;
  TensorResult lost = Job::result(100, 1);
  lost.error.restored = 0;
  REQUIRE(job.remarks_on(lost).warnings.size() == 1);
  CHECK(job.remarks_on(lost).warnings[0].code == "all_zero");
  TensorResult far = Job::result(1, 1);
  CHECK(job.remarks_on(far).warnings.empty());
  far.overflows = 3;
  REQUIRE(job.remarks_on(far).warnings.size() == 1);
  CHECK(job.remarks_on(far).warnings[0].code == "overflow");
}

}  // namespace detent::test
