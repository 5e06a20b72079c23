// SPDX-License-Identifier: Apache-2.0
#include "plugin/answer_check.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "json/parse.hpp"

namespace detent {
namespace {

bool is_integer(detent_dtype dtype) { return DETENT_DTYPE_CODE(dtype) <= 1; }

std::string describe(detent_dtype dtype, const std::vector<std::int64_t>& shape) {
  return fmt::format("{} [{}]", dtype_name(dtype), fmt::join(shape, ", "));
}

std::string wrong_in_scale(const HostTensor& scale) {
  if (is_integer(scale.dtype())) {
    return fmt::format("\"scale\" is of the integer type {}", dtype_name(scale.dtype()));
  }
  const std::uint64_t bad = first_bad_scale(scale);
  if (bad == scale.numel()) return {};
  return fmt::format("element {} of \"scale\" is not finite and above zero", bad);
}

std::string wrong_in_integers(const HostTensor& tensor, std::int64_t low, std::int64_t high) {
  if (!is_integer(tensor.dtype())) {
    return fmt::format("\"{}\" is of the type {}, not an integer", tensor.name(),
                       dtype_name(tensor.dtype()));
  }
  const std::uint64_t bad = first_outside(tensor, low, high);
  if (bad == tensor.numel()) return {};
  return fmt::format("element {} of \"{}\" lies outside {}..{}", bad, tensor.name(), low, high);
}

std::string wrong_in_meta(const TensorStore& answer) {
  for (const auto& [key, value] : answer.all_meta()) {
    try {
      json::parse(value);
    } catch (const json::ParseError& e) {
      return fmt::format("the metadata \"{}\" are not JSON: {}", printable(key), e.what());
    }
  }
  return {};
}

std::string wrong_against_plan(const QuantizerPlan& plan, const TensorStore& answer) {
  for (const PlannedTensor& planned : plan.outputs) {
    const HostTensor* made = answer.find(planned.name);
    if (made == nullptr) return fmt::format("\"{}\" was planned but not made", planned.name);
    if (made->dtype() == planned.dtype && made->shape() == planned.shape) continue;
    return fmt::format("\"{}\" is {}; the plan said {}", planned.name,
                       describe(made->dtype(), made->shape()),
                       describe(planned.dtype, planned.shape));
  }
  for (const auto& made : answer.tensors()) {
    const auto is_it = [&](const PlannedTensor& p) { return p.name == made->name(); };
    if (std::none_of(plan.outputs.begin(), plan.outputs.end(), is_it)) {
      return fmt::format("\"{}\" was made but not planned", printable(made->name()));
    }
  }
  return {};
}

// With a target the integers that it limits, and otherwise nothing: a cast has no codes.
std::string wrong_in_codes(const QuantizerPlan& plan, const TensorStore& answer) {
  if (!plan.target || !is_integer(plan.target->spec.qdtype)) return {};
  const detent_qspec& target = plan.target->spec;
  std::string wrong;
  // Codes of another dtype are packed in a way of the plugin's own.
  const HostTensor* codes = answer.find("qweight");
  if (codes != nullptr && codes->dtype() == target.qdtype) {
    wrong = wrong_in_integers(*codes, target.qmin, target.qmax);
  }
  const HostTensor* zero = answer.find("zero_point");
  if (wrong.empty() && zero != nullptr && is_integer(zero->dtype())) {
    wrong = wrong_in_integers(*zero, target.qmin, target.qmax);
  }
  return wrong;
}

}  // namespace

std::string wrong_in_qparams(const QuantTarget& target, const TensorStore& answer) {
  const HostTensor* scale = answer.find("scale");
  if (scale == nullptr) return "there is no \"scale\"";
  if (scale->dtype() != target.spec.scale_dtype) {
    return fmt::format("\"scale\" is {}, the target asks for {}", dtype_name(scale->dtype()),
                       dtype_name(target.spec.scale_dtype));
  }
  std::string wrong = wrong_in_scale(*scale);
  if (!wrong.empty()) return wrong;
  const HostTensor* zero = answer.find("zero_point");
  if (zero == nullptr) {
    return target.spec.symmetric != 0 ? "" : "there is no \"zero_point\" for an asymmetric target";
  }
  if (target.spec.symmetric == 0 && zero->dtype() != target.spec.zero_dtype) {
    return fmt::format("\"zero_point\" is {}, the target asks for {}", dtype_name(zero->dtype()),
                       dtype_name(target.spec.zero_dtype));
  }
  if (zero->shape() != scale->shape()) return "\"zero_point\" and \"scale\" differ in shape";
  return wrong_in_integers(*zero, target.spec.qmin, target.spec.qmax);
}

std::string wrong_in_quantized(const QuantizerPlan& plan, const TensorStore& answer) {
  std::string wrong = wrong_against_plan(plan, answer);
  if (!wrong.empty()) return wrong;
  if (const HostTensor* scale = answer.find("scale")) wrong = wrong_in_scale(*scale);
  if (wrong.empty()) wrong = wrong_in_codes(plan, answer);
  for (const auto& tensor : answer.tensors()) {
    if (!wrong.empty()) return wrong;
    if (!has_clear_spare_bits(*tensor)) {
      wrong = fmt::format("the unused bits at the end of the rows of \"{}\" are not zero",
                          tensor->name());
    }
  }
  return wrong.empty() ? wrong_in_meta(answer) : wrong;
}

}  // namespace detent
