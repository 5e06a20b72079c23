// SPDX-License-Identifier: Apache-2.0
#include "common/convention.hpp"

#include <limits>

#include "common/stored.hpp"

namespace detent::quantizers {
namespace {

using kernels::AffineRule;

struct Known {
  Convention convention;
  const char* id;     // as the parameter
  const char* owner;  // as people say it
};
constexpr Known kKnown[] = {
    {Convention::detent, "detent", "Detent"},
    {Convention::torch_ao, "torch_ao", "torch.ao"},
    {Convention::onnxruntime, "onnxruntime", "ONNX Runtime"},
    {Convention::tensorrt, "tensorrt", "TensorRT"},
    {Convention::compressed_tensors, "compressed_tensors", "compressed-tensors"}};

const Known& known(Convention convention) {
  for (const Known& k : kKnown)
    if (k.convention == convention) return k;
  return kKnown[0];
}

[[noreturn]] void refuse(Convention convention, const std::string& why, const std::string& hint) {
  const Known& k = known(convention);
  throw sdk::Error(DETENT_E_PARAMS, "convention \"" + std::string(k.id) + "\": " + k.owner + " " +
                                        why + "\n" + hint + ", or choose another \"convention\"");
}

}  // namespace

Convention read_convention(const sdk::Params& params) {
  const std::string id = params.get("/convention", "detent");
  for (const Known& k : kKnown)
    if (id == k.id) return k.convention;
  throw sdk::Error(DETENT_E_PARAMS, "there is no convention \"" + id + "\"");
}

const char* to_string(Convention convention) { return known(convention).id; }

AffineRule rule_of(Convention convention, int bits) {
  constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
  constexpr double kSmallest = std::numeric_limits<float>::min();
  const bool is_byte = bits == 8;
  AffineRule rule;
  switch (convention) {
    case Convention::detent: break;
    case Convention::torch_ao:  // torchao's floor is another one than that of torch.ao
      rule = {.half_range = true, .round_lo_first = true, .float32 = true};
      rule.min_scale = is_byte ? kEpsilon : kSmallest;
      break;
    case Convention::onnxruntime: rule = {.half_range = true, .float32 = !is_byte}; break;
    case Convention::tensorrt: rule = {.float32 = true}; break;
    case Convention::compressed_tensors:
      rule = {.half_range = true, .float32 = true, .floor_zero_only = true};
      rule.min_scale = kEpsilon;
      break;
  }
  return rule;
}

void require_symmetric_for(Convention convention, bool symmetric) {
  if (convention == Convention::tensorrt && !symmetric)
    refuse(convention, "quantizes symmetrically only, its zero point is always 0",
           "set \"symmetric\": true");
}

bool choose_narrow_range(Convention convention, const Codes8& wanted) {
  require_symmetric_for(convention, wanted.symmetric);
  const bool is_signed_only =
      convention == Convention::tensorrt || convention == Convention::compressed_tensors;
  if (is_signed_only && wanted.is_unsigned)
    refuse(convention, "has signed codes only", "set \"dtype\": \"int8\"");
  switch (convention) {
    case Convention::detent: return wanted.narrow_range.value_or(wanted.symmetric);
    case Convention::torch_ao:  // quant_min is a parameter there too
    case Convention::tensorrt: return wanted.narrow_range.value_or(false);
    case Convention::onnxruntime:
    case Convention::compressed_tensors: break;
  }
  const bool theirs =
      convention == Convention::onnxruntime && wanted.symmetric && !wanted.is_unsigned;
  if (wanted.narrow_range.value_or(theirs) != theirs)
    refuse(convention,
           std::string("uses the codes ") +
               (theirs ? "-127..127 here" : (wanted.is_unsigned ? "0..255" : "-128..127 here")),
           "leave out \"narrow_range\"");
  return theirs;
}

void set_rule(const AffineRule& rule, detent_qspec& target) {
  target.min_scale = rule.min_scale;
  if (rule.half_range) target.affine_rules |= DETENT_AFFINE_HALF_RANGE;
  if (rule.round_lo_first) target.affine_rules |= DETENT_AFFINE_ROUND_LO_FIRST;
  if (rule.float32) target.affine_rules |= DETENT_AFFINE_FLOAT32;
  if (rule.floor_zero_only) target.affine_rules |= DETENT_AFFINE_FLOOR_ZERO_ONLY;
}

void plan_convention(Convention convention, const sdk::Planner& planner) {
  if (convention == Convention::detent) return;
  must(planner.meta("convention", "\"" + std::string(to_string(convention)) + "\""));
}

}  // namespace detent::quantizers
