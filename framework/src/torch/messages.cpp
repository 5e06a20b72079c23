// SPDX-License-Identifier: Apache-2.0
#include "torch/messages.hpp"

#include <sstream>

#include <detent/torch.hpp>

namespace detent::torch_worker {
namespace {

namespace jit = torch::jit;

const json::Object* member(const json::Object& facts, std::string_view key) {
  const json::Value* value = facts.find(key);
  return value == nullptr ? nullptr : value->if_object();
}

const HostTensor* find(const wire::Message& message, const std::string& name) {
  for (const auto& tensor : message.tensors)
    if (tensor->name() == name) return tensor.get();
  return nullptr;
}

EditArgument argument_of(const json::Value& value) {
  const json::Object* object = value.if_object();
  if (object == nullptr) throw std::runtime_error("an argument is no object");
  if (object->contains("operand")) return Operand{wire::integer_of(*object, "operand")};
  if (object->contains("tensor")) return TensorName{wire::text_of(*object, "tensor")};
  if (object->contains("prepared")) return PreparedName{wire::text_of(*object, "prepared")};
  if (object->contains("int")) return wire::integer_of(*object, "int");
  if (object->contains("bool")) return wire::flag_of(*object, "bool");
  double real = 0;
  const json::Value* number = object->find("float");
  if (number == nullptr || !number->to_double(&real))
    throw std::runtime_error("an argument has no kind");
  return real;
}

}  // namespace

at::Tensor tensor_of(const HostTensor& tensor) { return sdk::from_view(tensor.read_only()); }
detent_tensor view_of(const at::Tensor& tensor) { return sdk::to_view(tensor); }

c10::IValue input_value(const HostTensor& tensor, const c10::TypePtr& type) {
  const at::Tensor value = tensor_of(tensor);
  const c10::TypeKind kind = type->kind();
  if (kind == c10::TypeKind::IntType || kind == c10::TypeKind::FloatType ||
      kind == c10::TypeKind::BoolType) {
    if (value.numel() != 1)
      throw std::runtime_error("input \"" + tensor.name() + "\" is a single " +
                               type->annotation_str());
    if (kind == c10::TypeKind::IntType) return value.item<std::int64_t>();
    if (kind == c10::TypeKind::FloatType) return value.item<double>();
    return value.item<bool>();
  }
  return value;
}

void collect_tensors(const c10::IValue& value, std::vector<at::Tensor>& out) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) out.push_back(value.toTensor());
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) collect_tensors(element, out);
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) collect_tensors(element, out);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) collect_tensors(entry.value(), out);
  }
}

std::optional<Quantization> quantization_of(const wire::Message& message, const std::string& side) {
  const json::Object* facts = member(message.facts, side);
  if (facts == nullptr) return std::nullopt;
  Quantization q;
  q.dynamic = wire::flag_of(*facts, "dynamic");
  q.symmetric = wire::flag_of(*facts, "symmetric");
  q.axis = wire::integer_of(*facts, "axis");
  q.qmin = wire::integer_of(*facts, "qmin");
  q.qmax = wire::integer_of(*facts, "qmax");
  q.symmetric_zero = wire::integer_of(*facts, "symmetric_zero");
  q.rules = static_cast<std::uint64_t>(wire::integer_of(*facts, "rules"));
  const json::Value* least = facts->find("min_scale");
  if (least == nullptr || !least->to_double(&q.min_scale))
    throw std::runtime_error("min_scale is missing");
  if (q.dynamic) return q;
  const HostTensor* scale = find(message, side + "_scale");
  const HostTensor* zero = find(message, side + "_zero_point");
  if (scale == nullptr || zero == nullptr) throw std::runtime_error("parameters are missing");
  q.scale = tensor_of(*scale).to(at::kFloat).clone();
  q.zero_point = tensor_of(*zero).to(at::kFloat).clone();
  return q;
}

Call call_of(const json::Object& facts) {
  Call call{wire::text_of(facts, "function"), {}};
  for (const json::Value& argument : wire::list_of(facts, "arguments"))
    call.arguments.push_back(argument_of(argument));
  return call;
}

void replace_tensors(const Rebuilt& rebuilt, const LoadedModel& model,
                     const std::map<std::string, at::Tensor>& stand_ins) {
  const auto stand_in = [&](const at::Tensor& tensor) -> const at::Tensor* {
    const ModelTensor* owner = tensor.defined() ? model.owner(tensor) : nullptr;
    if (owner == nullptr || owner->tensor.sizes() != tensor.sizes()) return nullptr;
    const auto it = stand_ins.find(owner->name);
    return it == stand_ins.end() ? nullptr : &it->second;
  };
  for (const auto& [path, object] : rebuilt.objects) {
    for (std::size_t i = 0; i < object->type()->numAttributes(); ++i) {
      const c10::IValue value = object->getSlot(i);
      if (!value.isTensor()) continue;
      if (const at::Tensor* other = stand_in(value.toTensor())) object->setSlot(i, *other);
    }
  }
  for (const jit::Method& method : rebuilt.module.get_methods()) {
    each_node(graph_of(method)->block(), [&](jit::Node* node) {
      if (node->kind() != c10::prim::Constant || !node->hasAttribute(c10::attr::value)) return;
      if (node->kindOf(c10::attr::value) != jit::AttributeKind::t) return;
      if (const at::Tensor* other = stand_in(node->t(c10::attr::value)))
        node->t_(c10::attr::value, *other);
    });
  }
}

// TorchScript's interpreter puts what was raised last, behind "...Error: "; its compiler and most
// operators put it first.
std::string short_message(const std::exception& e) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&e);
  std::istringstream lines(torch_error != nullptr ? torch_error->what_without_backtrace()
                                                  : e.what());
  constexpr std::size_t kMost = 600;
  std::string first;
  std::string raised;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("Exception raised from", 0) == 0 || line.rfind("frame #", 0) == 0) break;
    const std::size_t error = line.find("Error: ");
    if (error != std::string::npos) raised = line.substr(error + 7);
    if (first.empty()) first = line;
  }
  return (raised.empty() ? first : raised).substr(0, kMost);
}

}  // namespace detent::torch_worker
