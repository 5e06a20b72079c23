// SPDX-License-Identifier: Apache-2.0
#include "support/fake_program.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace detent::test {
namespace {

std::unique_ptr<HostTensor> tensor_of(std::string name, std::vector<std::int64_t> shape,
                                      const std::vector<float>& values) {
  auto tensor = std::make_unique<HostTensor>(std::move(name), DETENT_F32, std::move(shape));
  if (tensor->bytes().size() != values.size() * sizeof(float))
    throw Error(ErrorCode::unexpected, "as many values as the shape has elements are needed");
  if (!values.empty()) std::memcpy(tensor->bytes().data(), values.data(), tensor->bytes().size());
  return tensor;
}

// Per tensor only.
void fake_quantize(const ActivationParams& p, std::vector<float>& values) {
  float scale = 1;
  float zero = 0;
  const auto low = static_cast<float>(p.target.spec.qmin);
  const auto high = static_cast<float>(p.target.spec.qmax);
  if (p.dynamic && !values.empty()) {
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    const float from = std::min(*min, 0.0F);
    scale = (std::max(*max, 0.0F) - from) / (high - low);
    if (scale == 0) scale = 1;
    zero = std::clamp(std::nearbyint(low - from / scale), low, high);
  } else if (!p.dynamic) {
    scale = p.scale.at(0);
    zero = p.zero_point.empty() ? 0 : static_cast<float>(p.zero_point[0]);
  }
  for (float& v : values)
    v = (std::clamp(std::nearbyint(v / scale) + zero, low, high) - zero) * scale;
}

}  // namespace

FakeProgram::FakeProgram(std::vector<FakeLinear> layers) : layers_(std::move(layers)) {
  facts_.inputs.push_back({"input", "Tensor", false});
  for (const FakeLinear& l : layers_) facts_.uses.push_back({l.weight, "linear", "forward"});
  facts_.runtime = "a fake";
  facts_.isolation = "none needed";
}

FakeProgram::Batch FakeProgram::batch_of(std::span<const NamedTensor> inputs) {
  const detent_tensor& t = inputs[0].view;
  Batch batch{t.shape[0], std::vector<float>(t.nbytes / sizeof(float))};
  if (t.nbytes > 0) std::memcpy(batch.values.data(), t.data, t.nbytes);
  return batch;
}

FakeProgram::Batch FakeProgram::apply(const FakeLinear& layer, const std::vector<float>& weight,
                                      const Batch& x) {
  Batch y{x.rows, std::vector<float>(static_cast<std::size_t>(x.rows * layer.out))};
  const auto in = static_cast<std::size_t>(layer.in);
  const auto out = static_cast<std::size_t>(layer.out);
  for (std::size_t r = 0; r < static_cast<std::size_t>(x.rows); ++r) {
    for (std::size_t o = 0; o < out; ++o) {
      float sum = layer.bias.empty() ? 0 : layer.bias[o];
      for (std::size_t i = 0; i < in; ++i) sum += x.values[r * in + i] * weight[o * in + i];
      y.values[r * out + o] = sum;
    }
  }
  return y;
}

FakeProgram::Batch FakeProgram::apply_simulated(const FakeLinear& layer, const Batch& x) const {
  const auto it = simulated_.find(layer.weight);
  if (it == simulated_.end()) return apply(layer, layer.values, x);
  Batch input = x;
  if (it->second.input) fake_quantize(*it->second.input, input.values);
  const std::vector<float>& w = it->second.values;
  Batch y = apply(layer, w.empty() ? layer.values : w, input);
  if (it->second.output) fake_quantize(*it->second.output, y.values);
  return y;
}

void FakeProgram::relu(const FakeLinear& layer, Batch& y) {
  if (!layer.relu) return;
  for (float& v : y.values) v = std::max(v, 0.0F);
}

Outputs FakeProgram::outputs(const Batch& y) const {
  Outputs all;
  all.push_back(tensor_of("", {y.rows, layers_.back().out}, y.values));
  return all;
}

Outputs FakeProgram::run(std::span<const NamedTensor> inputs, const Watch* watch) {
  ++runs;
  const auto show = [&](const FakeLinear& layer, Side side, const Batch& x) {
    if (watch == nullptr) return;
    const auto& wanted = side == Side::input ? watch->inputs : watch->outputs;
    if (std::find(wanted.begin(), wanted.end(), layer.weight) == wanted.end()) return;
    const std::int64_t width = side == Side::input ? layer.in : layer.out;
    watch->seen(layer.weight, side, tensor_of("", {x.rows, width}, x.values)->read_only());
  };
  Batch x = batch_of(inputs);
  for (const FakeLinear& layer : layers_) {
    show(layer, Side::input, x);
    x = apply(layer, layer.values, x);
    show(layer, Side::output, x);
    relu(layer, x);
  }
  Outputs all = outputs(x);
  if (spoil) spoil(all);
  return all;
}

void FakeProgram::simulate(std::span<const SimulatedWeight> weights) {
  for (const SimulatedWeight& w : weights) {
    Simulated s{{}, w.input, w.output};
    if (w.dequantized != nullptr) {
      s.values.resize(w.dequantized->numel());
      std::memcpy(s.values.data(), w.dequantized->bytes().data(), w.dequantized->bytes().size());
    }
    simulated_[w.weight] = std::move(s);
  }
}

Outputs FakeProgram::run_simulated(std::span<const NamedTensor> inputs) {
  ++simulated_runs;
  Batch x = batch_of(inputs);
  for (const FakeLinear& layer : layers_) {
    x = apply_simulated(layer, x);
    relu(layer, x);
  }
  return outputs(x);
}

std::map<std::string, LocalError> FakeProgram::measure_local(std::span<const NamedTensor> inputs) {
  std::map<std::string, LocalError> errors;
  Batch x = batch_of(inputs);
  for (const FakeLinear& layer : layers_) {
    const Batch simulated = apply_simulated(layer, x);
    x = apply(layer, layer.values, x);
    LocalError& error = errors[layer.weight];
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      const double y = x.values[i];
      error.signal += y * y;
      error.noise += (y - simulated.values[i]) * (y - simulated.values[i]);
    }
    relu(layer, x);
  }
  return errors;
}

std::unique_ptr<ProgramEdit> FakeProgram::begin_edit() {
  throw Error(ErrorCode::unexpected, "a fake cannot be edited");
}

FakeInput::FakeInput(const std::string& name, std::vector<std::int64_t> shape,
                     const std::vector<float>& values)
    : tensor_(name, DETENT_F32, std::move(shape)) {
  if (tensor_.bytes().size() != values.size() * sizeof(float))
    throw Error(ErrorCode::unexpected, "as many values as the shape has elements are needed");
  if (!values.empty()) std::memcpy(tensor_.bytes().data(), values.data(), tensor_.bytes().size());
  named_ = {name, tensor_.read_only()};
}

}  // namespace detent::test
