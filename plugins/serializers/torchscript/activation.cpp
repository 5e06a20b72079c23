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

}  // namespace

ActivationCall activation_call(const detent_program_activation& activation, const char* site) {
  const detent_qspec& target = *activation.qspec;
  const bool affine =
      target.scheme != nullptr && std::strcmp(target.scheme, "detent.affine/1") == 0;
  if (!affine) refuse(site, "the mapping is not affine");
  constexpr int64_t kExact = int64_t{1} << 24;  // float32 holds every code
  if (target.qmin >= target.qmax || target.qmin < -kExact || target.qmax > kExact)
    refuse(site, "it has too many codes");
  const sdk::Argument axis = sdk::Argument::integer(axis_of(target, site));
  const sdk::Argument zero = sdk::Argument::integer(middle(target));
  const sdk::Argument qmin = sdk::Argument::integer(target.qmin);
  const sdk::Argument qmax = sdk::Argument::integer(target.qmax);
  if (activation.mode == DETENT_ACTIVATION_DYNAMIC) {
    if (target.symmetric != 0) return {"detent_dynamic_symmetric", {zero, axis, qmin, qmax}};
    return {"detent_dynamic", {axis, qmin, qmax}};
  }
  if (activation.scale == nullptr) refuse(site, "its scale is stored nowhere");
  const sdk::Argument scale = sdk::Argument::tensor(activation.scale);
  if (activation.zero_point == nullptr) return {"detent_static", {scale, zero, axis, qmin, qmax}};
  return {"detent_static_zero",
          {scale, sdk::Argument::tensor(activation.zero_point), axis, qmin, qmax}};
}

}  // namespace detent::torchscript
