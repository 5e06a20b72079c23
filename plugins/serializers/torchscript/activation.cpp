// SPDX-License-Identifier: Apache-2.0
#include "rewrite.hpp"

namespace detent::torchscript {
namespace {

[[noreturn]] void refuse(const char* site, const std::string& why) {
  throw sdk::Error(DETENT_E_UNSUPPORTED,
                   "the activation of \"" + std::string(site) +
                       "\" cannot be quantized in TorchScript: " + why +
                       "\nchoose another quantizer for it, or keep it in floating point");
}

int64_t axis_of(const detent_qspec& target, const char* site) {
  if (target.granularity == DETENT_PER_TENSOR) return -1;
  if (target.granularity == DETENT_PER_CHANNEL && target.axis >= 0) return target.axis;
  refuse(site, "it needs one scale, or one for each channel");
}

// The code of zero where no tensor says it.
int64_t middle(const detent_qspec& target) {
  return target.qmin < 0 ? 0 : target.qmin + (target.qmax - target.qmin + 1) / 2;
}

bool has(const detent_qspec& target, uint64_t flag) { return (target.affine_rules & flag) != 0; }

// Scale and zero point from the data of each run, by the target's rule.
ActivationCall dynamic_call(const detent_qspec& target, int64_t axis) {
  using sdk::Argument;
  const Argument along = Argument::integer(axis);
  const Argument zero = Argument::integer(middle(target));
  const Argument qmin = Argument::integer(target.qmin);
  const Argument qmax = Argument::integer(target.qmax);
  const bool symmetric = target.symmetric != 0;
  if (target.affine_rules == 0 && target.min_scale == 0) {
    if (symmetric) return {"detent_dynamic_symmetric", {zero, along, qmin, qmax}};
    return {"detent_dynamic", {along, qmin, qmax}};
  }
  const Argument least = Argument::real(target.min_scale);
  const Argument zero_only = Argument::boolean(has(target, DETENT_AFFINE_FLOOR_ZERO_ONLY));
  const Argument single = Argument::boolean(has(target, DETENT_AFFINE_FLOAT32));
  if (!symmetric) {
    const Argument lo_first = Argument::boolean(has(target, DETENT_AFFINE_ROUND_LO_FIRST));
    return {"detent_dynamic_rule", {along, qmin, qmax, least, zero_only, lo_first, single}};
  }
  const auto highest = static_cast<double>(target.qmax);
  const double divisor = has(target, DETENT_AFFINE_HALF_RANGE)
                             ? (highest - static_cast<double>(target.qmin)) / 2
                             : highest - static_cast<double>(middle(target));
  return {"detent_dynamic_symmetric_rule",
          {zero, along, qmin, qmax, Argument::real(divisor), least, zero_only, single}};
}

}  // namespace

ActivationCall activation_call(const detent_program_activation& activation, const char* site) {
  const detent_qspec& target = *activation.qspec;
  const bool affine =
      target.scheme != nullptr && std::strcmp(target.scheme, "detent.affine/1") == 0;
  if (!affine) refuse(site, "the mapping is not affine");
  constexpr int64_t kExact = int64_t{1} << 24;  // float32 holds every code
  if (target.qmin >= target.qmax || target.qmin < -kExact || target.qmax > kExact)
    refuse(site, "it has too many codes");
  if (activation.mode == DETENT_ACTIVATION_DYNAMIC) {
    if (has(target, ~DETENT_AFFINE_ALL)) refuse(site, "its scales follow a rule unknown here");
    return dynamic_call(target, axis_of(target, site));
  }
  const sdk::Argument axis = sdk::Argument::integer(axis_of(target, site));
  const sdk::Argument zero = sdk::Argument::integer(middle(target));
  const sdk::Argument qmin = sdk::Argument::integer(target.qmin);
  const sdk::Argument qmax = sdk::Argument::integer(target.qmax);
  if (activation.scale == nullptr) refuse(site, "its scale is stored nowhere");
  const sdk::Argument scale = sdk::Argument::tensor(activation.scale);
  if (activation.zero_point == nullptr) return {"detent_static", {scale, zero, axis, qmin, qmax}};
  return {"detent_static_zero",
          {scale, sdk::Argument::tensor(activation.zero_point), axis, qmin, qmax}};
}

}  // namespace detent::torchscript
