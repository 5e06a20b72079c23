// SPDX-License-Identifier: Apache-2.0
// Modules of LibTorch through the C++ API: quantize one in process, and put float weights back.
//
// Header-only, so that libdetent is tied to no LibTorch: link detent::framework and
// detent::sdk_torch.
//
// Errors  detent::Error, as detent.hpp says; Error{config} for tensors that have no counterpart
#pragma once
#include <deque>
#include <map>
#include <string>
#include <torch/nn/module.h>
#include <torch/utils.h>
#include <utility>
#include <vector>

#include <detent/detent.hpp>
#include <detent/torch.hpp>

namespace detent {
namespace torch_detail {

// "Linear" of "torch::nn::LinearImpl"; "" of a class of yours, whose layers are guessed from names
// and shapes.
inline std::string layer_type(const torch::nn::Module& module) {
  const std::string name = module.name();
  const std::string prefix = "torch::nn::";
  const std::string suffix = "Impl";
  if (name.compare(0, prefix.size(), prefix) != 0) return "";
  const std::size_t end = name.size() - suffix.size();
  return name.compare(end, suffix.size(), suffix) == 0
             ? name.substr(prefix.size(), end - prefix.size())
             : "";
}

inline std::map<std::string, std::string> layer_types(const torch::nn::Module& module) {
  std::map<std::string, std::string> types{{"", layer_type(module)}};
  for (const auto& child : module.named_modules("", false))
    types[child.key()] = layer_type(*child.value());
  return types;
}

// Parameters, then buffers, by their dotted names.
inline std::vector<std::pair<std::string, at::Tensor>> tensors_of(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, at::Tensor>> all;
  for (const auto& p : module.named_parameters()) all.emplace_back(p.key(), p.value());
  for (const auto& b : module.named_buffers()) all.emplace_back(b.key(), b.value());
  return all;
}

template <class F>
auto for_tensor(const std::string& name, F&& work) {
  try {
    return work();
  } catch (const sdk::Error& e) {
    throw Error(ErrorCode::config, "\"" + name + "\": " + e.what(), "", {.tensor = name});
  }
}

}  // namespace torch_detail

// The tensor's own memory as a tensor of LibTorch, nothing copied. LibTorch has no read-only
// tensors: clone it before writing. 4-bit codes have no counterpart there: Error{config}.
inline at::Tensor to_torch(const OwnedTensor& tensor) {
  return torch_detail::for_tensor(tensor.name, [&] {
    std::vector<std::int64_t> strides(tensor.shape.size(), 1);
    for (std::size_t d = strides.size(); d-- > 1;) strides[d - 1] = strides[d] * tensor.shape[d];
    detent_tensor view{};
    view.data = const_cast<std::byte*>(tensor.bytes.data());
    view.dtype = tensor.dtype;
    view.device_type = DETENT_DEVICE_CPU;
    view.ndim = static_cast<std::int32_t>(tensor.shape.size());
    view.shape = tensor.shape.data();
    view.strides = strides.data();
    view.nbytes = tensor.bytes.size();
    const at::Tensor borrowed = sdk::from_view(view);
    return at::from_blob(
        borrowed.data_ptr(), borrowed.sizes(), [owner = tensor.owner](void*) {},
        borrowed.options());
  });
}

// Quantizes parameters and buffers of a module, which is only read: what is not contiguous or not
// on the CPU is copied first.
inline QuantizedModel quantize_module(const torch::nn::Module& module,
                                      const QuantizeOptions& options) {
  const auto types = torch_detail::layer_types(module);
  std::deque<at::Tensor> held;
  std::vector<LentTensor> lent;
  for (const auto& [name, tensor] : torch_detail::tensors_of(module)) {
    if (!tensor.defined()) continue;
    const at::Tensor& flat = held.emplace_back(tensor.detach().cpu().contiguous());
    const detent_tensor view =
        torch_detail::for_tensor(name, [&t = flat] { return sdk::to_view(t); });
    const std::size_t dot = name.rfind('.');
    lent.push_back({name,
                    view.dtype,
                    flat.sizes().vec(),
                    {static_cast<const std::byte*>(view.data), view.nbytes},
                    types.at(dot == std::string::npos ? "" : name.substr(0, dot))});
  }
  return quantize(lent, options);
}

// Copies the float weights of a quantized model into a module of the same structure.
//
// Errors  Error{config}: a tensor that the model lacks or has in another shape; the module is then
//         unchanged
inline void load_dequantized(torch::nn::Module& module, const QuantizedModel& model) {
  const std::map<std::string, OwnedTensor> floats = model.dequantize();
  std::vector<std::pair<at::Tensor, at::Tensor>> pairs;
  for (const auto& [name, tensor] : torch_detail::tensors_of(module)) {
    if (!tensor.defined()) continue;
    const auto found = floats.find(name);
    if (found == floats.end() || at::IntArrayRef(found->second.shape) != tensor.sizes())
      throw Error(ErrorCode::config,
                  "\"" + name + "\" of the module " +
                      (found == floats.end() ? "is not in the quantized model"
                                             : "has another shape in the quantized model"),
                  "build the module as the original was", {.tensor = name});
    pairs.emplace_back(tensor, to_torch(found->second));
  }
  const torch::NoGradGuard no_gradients;
  for (auto& [to, from] : pairs) to.copy_(from);
}

}  // namespace detent
