// SPDX-License-Identifier: Apache-2.0
#include "fixtures.hpp"

using namespace detent;
using namespace detent::test;

namespace {

ThreadPool& pool() {
  static ThreadPool two(2);
  return two;
}

QuantizerInput input() { return {"fc1.weight", DETENT_F32, {2, 3}, "fc1", "Linear", "weight", 8}; }

Quantizer make(const std::string& mode, std::uint32_t role = DETENT_ROLE_WEIGHT) {
  InstanceConfig config = with_mode(mode);
  config.role = role;
  return Quantizer(good().get(PluginKind::quantizer, "fixture.quantizer"), pool(), config);
}

const std::string kPlace = "quantizer \"fixture.quantizer\" on \"fc1.weight\"";

void check_plan_error(const std::string& mode, ErrorCode code, const std::string& message) {
  CAPTURE(mode);
  Quantizer quantizer = make(mode);
  const Error e = error_of([&] { quantizer.plan(input()); });
  CHECK(e.code() == code);
  CHECK(e.problems()[0].message == kPlace + message);
}

void check_lie(const std::string& mode, const std::string& found) {
  CAPTURE(mode);
  Quantizer quantizer = make(mode);
  quantizer.plan(input());
  const HostTensor weight("fc1.weight", DETENT_F32, {2, 3});
  const TensorStore stats;
  TensorStore out;
  const Error e = error_of([&] { quantizer.quantize(weight.read_only(), stats, out); });
  CHECK(e.code() == ErrorCode::plugin);
  CHECK(e.problems()[0].message == kPlace + " broke its contract: quantize: " + found);
  CHECK(e.problems()[0].where.tensor == "fc1.weight");
}

}  // namespace

TEST_CASE("a plan is taken over whole") {
  Quantizer quantizer = make("stat");
  const QuantizerPlan plan = quantizer.plan(input());
  CHECK(plan.declined.empty());
  REQUIRE(plan.target.has_value());
  CHECK(plan.target->spec.qdtype == DETENT_I4);
  CHECK(plan.target->spec.group_size == 3);
  CHECK(plan.target->spec.qmin == -7);
  CHECK(std::string(plan.target->c()->scheme) == "detent.affine/1");
  REQUIRE(plan.outputs.size() == 2);
  CHECK(plan.outputs[0].name == "qweight");
  CHECK(plan.outputs[0].dtype == DETENT_I4);
  CHECK(plan.outputs[0].shape == std::vector<std::int64_t>{2, 3});
  CHECK(plan.outputs[0].nbytes() == 4);
  CHECK(plan.outputs[1].nbytes() == 8);
  CHECK(plan.required_stats == std::vector<std::string>{"stat:counts/1"});
  CHECK(plan.memory_bytes == 4096);
  const std::vector<std::pair<std::string, std::string>> meta{{"scheme", "\"detent.affine/1\""}};
  CHECK(plan.meta == meta);
}

TEST_CASE("a plan may ask for a statistic of the inputs of a weight's operators") {
  const QuantizerPlan plan = make("input_stat").plan(input());
  CHECK(plan.required_input_stats == std::vector<std::string>{"stat:hessian/1"});
  CHECK(plan.required_stats.empty());
}

TEST_CASE("a plan is told what the tensor is, and its warnings arrive") {
  const QuantizerPlan plan = make("echo").plan(input());
  REQUIRE(plan.warnings.size() == 4);
  CHECK(plan.warnings[0].code == "layer");
  CHECK(plan.warnings[0].message == "fc1");
  CHECK(plan.warnings[1].message == "Linear");
  CHECK(plan.warnings[2].message == "weight");
  CHECK(plan.warnings[3].message == "fc1.weight");
}

TEST_CASE("a tensor that is declined has a reason and no outputs") {
  const QuantizerPlan plan = make("decline").plan(input());
  CHECK(plan.declined == "bias stays in floating point");
  CHECK(plan.outputs.empty());
}

TEST_CASE("the rules of a target are kept, and a target from before there were any has none") {
  const QuantizerPlan plan = make("").plan(input());
  CHECK(plan.target->spec.min_scale == 0.125);
  CHECK(plan.target->spec.affine_rules == DETENT_AFFINE_FLOAT32);
  const QuantizerPlan shorter = make("no_rules").plan(input());
  CHECK(shorter.target->spec.qmax == 7);
  CHECK(shorter.target->spec.min_scale == 0);
  CHECK(shorter.target->spec.affine_rules == 0);
  CHECK(shorter.target->spec.struct_size == sizeof(detent_qspec));
}

TEST_CASE("for activations a target alone is a plan, for weights it is not") {
  const QuantizerPlan plan = make("target_only", DETENT_ROLE_ACTIVATION).plan(input());
  CHECK(plan.target.has_value());
  CHECK(plan.outputs.empty());
  check_plan_error("target_only", ErrorCode::plugin,
                   " broke its contract: plan: it neither declares an output nor declines");
  const Error e = error_of([] { make("nothing", DETENT_ROLE_ACTIVATION).plan(input()); });
  CHECK(e.code() == ErrorCode::plugin);
}

TEST_CASE("parameters that do not fit a tensor are a quantization error") {
  check_plan_error("params", ErrorCode::quantization, ": group_size 128 does not fit");
}

TEST_CASE("a plan that breaks the contract is refused with what it did") {
  const std::string broken = " broke its contract: plan: ";
  check_plan_error("nothing", ErrorCode::plugin,
                   broken + "it neither declares an output nor declines");
  check_plan_error("both", ErrorCode::plugin,
                   broken + "it declines the tensor and declares outputs for it");
  check_plan_error("empty_decline", ErrorCode::plugin, broken + "the reason to decline is empty");
  check_plan_error("output_twice", ErrorCode::plugin, broken + "the output \"scale\" twice");
  check_plan_error("negative", ErrorCode::plugin,
                   broken + "an output without a name, or of a shape that cannot exist");
  check_plan_error("no_scheme", ErrorCode::plugin, broken + "the metadata \"scheme\" are missing");
  check_plan_error("short_target", ErrorCode::plugin, broken + "the target has 8 bytes");
  check_plan_error("denormal_min_scale", ErrorCode::plugin,
                   broken + "in the target min_scale is neither 0 nor a normal float32");
  check_plan_error("unknown_rule", ErrorCode::plugin,
                   broken + "in the target the affine_rules 0x80000000 are unknown");
  check_plan_error("null_scheme", ErrorCode::plugin, broken + "the scheme of the target is NULL");
  check_plan_error("bad_axis", ErrorCode::plugin,
                   broken + "in the target the axis 5 is none of the tensor's");
  Quantizer quantizer = make("meta_not_json");
  CHECK(contains(error_of([&] { quantizer.plan(input()); }).what(),
                 "the metadata \"packing\" are not JSON: "));
}

TEST_CASE("what the contract allows and this host lacks is a refusal, not a broken contract") {
  check_plan_error(
      "bound", ErrorCode::quantization,
      ": the size of the output \"qweight\" is only a bound, and this host takes exact "
      "shapes");
  check_plan_error("output_stat", ErrorCode::quantization,
                   ": the statistic \"stat:hessian/1\" of \"output\" is asked for, and this host "
                   "collects those of \"weight\" and \"input\"");
  const Error e = error_of([] { make("input_stat", DETENT_ROLE_ACTIVATION).plan(input()); });
  CHECK(contains(e.what(), "of \"input\" is asked for"));
}

TEST_CASE("codes, scales and the plan's metadata arrive, and go back through dequantize") {
  Quantizer quantizer = make("");
  quantizer.plan(input());
  const HostTensor weight("fc1.weight", DETENT_F32, {2, 3});
  const TensorStore stats;
  TensorStore out;
  out.add("left over", DETENT_F32, {1});
  quantizer.quantize(weight.read_only(), stats, out);
  REQUIRE(out.tensors().size() == 2);
  CHECK(out.find("qweight")->bytes()[0] == std::byte{0x91});
  CHECK(*out.meta("overflow_count") == "3");
  CHECK(*out.meta("scheme") == "\"detent.affine/1\"");
  HostTensor back("fc1.weight", DETENT_F32, {2, 3});
  make("").dequantize(out, back.view());  // an instance that never planned
  CHECK(static_cast<const float*>(back.view().data)[0] == 0.25F);
}

TEST_CASE("a quantizer that lies about its answer is caught") {
  check_lie("missing", "\"scale\" was planned but not made");
  check_lie("extra", "\"extra\" was made but not planned");
  check_lie("other_shape", "\"qweight\" is I4 [2, 4]; the plan said I4 [2, 3]");
  check_lie("other_dtype", "\"qweight\" is U4 [2, 3]; the plan said I4 [2, 3]");
  for (const char* mode : {"nan_scale", "infinite_scale", "negative_scale", "zero_scale"}) {
    check_lie(mode, "element 1 of \"scale\" is not finite and above zero");
  }
  check_lie("code", "element 3 of \"qweight\" lies outside -7..7");
  check_lie("spare_bits", "the unused bits at the end of the rows of \"qweight\" are not zero");
}

TEST_CASE("metadata that are not JSON and a name that is used twice are caught") {
  Quantizer quantizer = make("measured_not_json");
  quantizer.plan(input());
  const HostTensor weight("fc1.weight", DETENT_F32, {2, 3});
  const TensorStore stats;
  TensorStore out;
  CHECK(contains(error_of([&] { quantizer.quantize(weight.read_only(), stats, out); }).what(),
                 "the metadata \"overflow_count\" are not JSON: "));
  Quantizer twice = make("twice");
  twice.plan(input());
  CHECK(error_of([&] { twice.quantize(weight.read_only(), stats, out); }).code() ==
        ErrorCode::plugin);
}

TEST_CASE("quantize needs a plan that took the tensor") {
  const HostTensor weight("fc1.weight", DETENT_F32, {2, 3});
  const TensorStore stats;
  TensorStore out;
  Quantizer unplanned = make("");
  CHECK(error_of([&] { unplanned.quantize(weight.read_only(), stats, out); }).code() ==
        ErrorCode::unexpected);
  Quantizer declined = make("decline");
  declined.plan(input());
  CHECK(error_of([&] { declined.quantize(weight.read_only(), stats, out); }).code() ==
        ErrorCode::unexpected);
}
