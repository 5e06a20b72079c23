// SPDX-License-Identifier: Apache-2.0
// Between the messages of the wire and LibTorch's values.
#pragma once
#include <exception>
#include <map>
#include <string>
#include <torch/script.h>
#include <vector>

#include "program/wire.hpp"
#include "torch/editor.hpp"
#include "torch/run_program.hpp"

namespace detent::torch_worker {

at::Tensor tensor_of(const HostTensor& tensor);   // shares memory
detent_tensor view_of(const at::Tensor& tensor);  // shares memory; contiguous
// A tensor for an input of that type: itself, or its only element as int, float or bool.
c10::IValue input_value(const HostTensor& tensor, const c10::TypePtr& type);
// The tensors of a result: of tuples, lists and dictionaries, in their order.
void collect_tensors(const c10::IValue& value, std::vector<at::Tensor>& out);

std::optional<Quantization> quantization_of(const wire::Message& message, const std::string& side);
Call call_of(const json::Object& facts);

// Attributes and constants of the rebuilt program that are the named tensors become the stand-ins.
void replace_tensors(const Rebuilt& rebuilt, const LoadedModel& model,
                     const std::map<std::string, at::Tensor>& stand_ins);

// Without LibTorch's backtraces: the last of the lines that say what happened.
std::string short_message(const std::exception& e);

}  // namespace detent::torch_worker
