// SPDX-License-Identifier: Apache-2.0
#include "evaluate/simulate.hpp"

namespace detent {

SidesOf sides_of(const Plan& plan, const Calibration& calibration) {
  SidesOf sides;
  for (std::size_t i = 0; i < plan.activations.size(); ++i) {
    const ActivationPlan& a = plan.activations[i];
    SimulatedSides& s = sides[a.weight];
    (a.side == Side::input ? s.input : s.output) = calibration.sites.at(i).params;
  }
  return sides;
}

void simulate_tensor(Program& program, const TensorPlan& plan, const TensorInfo& info,
                     const TensorStore* quantized, const SidesOf& sides, ThreadPool& pool) {
  SimulatedWeight weight;
  weight.weight = info.name;
  if (const auto it = sides.find(info.name); it != sides.end()) {
    weight.input = it->second.input;
    weight.output = it->second.output;
  }
  std::unique_ptr<HostTensor> back;
  if (quantized != nullptr) {
    back = std::make_unique<HostTensor>(info.name, DETENT_F32, info.shape);
    make_quantizer(*plan.scheme, info.name, pool).dequantize(*quantized, back->view());
    weight.dequantized = back.get();
  } else if (!weight.input && !weight.output) {
    return;
  }
  program.simulate({&weight, 1});
}

}  // namespace detent
