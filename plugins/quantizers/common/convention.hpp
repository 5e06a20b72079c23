// SPDX-License-Identifier: Apache-2.0
// Convention: whose numbers a quantizer gives. docs/differences.md says what each of them means.
#pragma once
#include <optional>
#include <string>

#include <detent/kernels/affine.hpp>
#include <detent/sdk/quantizer.hpp>

namespace detent::quantizers {

enum class Convention { detent, torch_ao, onnxruntime, tensorrt, compressed_tensors };

// The parameter "convention".
Convention read_convention(const sdk::Params& params);
const char* to_string(Convention convention);

// How ranges become scales: 8 bits are what torch.ao's observers and ONNX Runtime's calibration do,
// fewer what torchao's and ONNX Runtime's weight-only quantization does.
kernels::AffineRule rule_of(Convention convention, int bits);

// What the parameters ask for beside the convention.
struct Codes8 {
  bool symmetric;
  bool is_unsigned;
  std::optional<bool> narrow_range;  // nothing: the convention's own
};

// Throws DETENT_E_PARAMS for what the convention's owner does not have; `symmetric` alone for 4
// bits.
void require_symmetric_for(Convention convention, bool symmetric);
// The lowest code is left out.
bool choose_narrow_range(Convention convention, const Codes8& wanted);

// Writes the rule into a target.
void set_rule(const kernels::AffineRule& rule, detent_qspec& target);
// The metadata "convention"; nothing for Detent's own.
void plan_convention(Convention convention, const sdk::Planner& planner);

}  // namespace detent::quantizers
