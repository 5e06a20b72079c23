// SPDX-License-Identifier: Apache-2.0
// What is to be said of what quantization did, or did not do: nothing without effect passes in
// silence.
#pragma once
#include <map>
#include <vector>

#include "quantize/quantize_tensor.hpp"

namespace detent {

struct Remarks {
  std::vector<Warning> warnings;
  std::vector<Warning> notes;  // what is natural, and worth knowing
};

//   overflow     values beyond the range of the target type
//   no_effect    every value came back as it was, and nothing was saved
//   all_zero     every value came back as 0
//   exact (note) every value came back as it was: the codes hold these values, or they are zeros
void remark_on_tensor(const TensorPlan& plan, const TensorInfo& info, const TensorResult& result,
                      Remarks& remarks);

// no_gain: a rule that claims more than plain rounding (by its quantizer or its observer) and is no
// better, to 0.005 dB, on any of its layers that rounding does not hold exactly. results: by index
// into Model::tensors().
void remark_on_gain(const Config& config, const Plan& plan,
                    const std::map<std::size_t, TensorResult>& results, Remarks& remarks);

// Does this tensor's scheme say of itself that it is plain rounding? Its quantizer by the metadata
// "algorithm": "rtn", its observer, if there is one, by providing "range:minmax".
bool says_plain_rounding(const TensorPlan& plan);

}  // namespace detent
