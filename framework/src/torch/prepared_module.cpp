// SPDX-License-Identifier: Apache-2.0
#include "torch/prepared_module.hpp"

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

namespace detent::torch_worker {
namespace {

namespace jit = torch::jit;

constexpr const char* kFunction = "detent_make";

// Knows one function besides what every TorchScript source knows.
struct OneFunction final : jit::Resolver {
  explicit OneFunction(jit::Function& f) : function(&f) {}
  std::shared_ptr<jit::SugaredValue> resolveValue(const std::string& name, jit::GraphFunction& in,
                                                  const jit::SourceRange& at) override {
    if (name == kFunction) return std::make_shared<jit::FunctionValue>(function);
    return jit::nativeResolver()->resolveValue(name, in, at);
  }
  c10::TypePtr resolveType(const std::string& name, const jit::SourceRange& at) override {
    return jit::nativeResolver()->resolveType(name, at);
  }
  jit::Function* function;
};

std::string source_for(std::size_t tensors, const std::vector<std::string>& literals) {
  std::string state;
  std::string types;
  std::string take;
  std::string arguments;
  for (std::size_t i = 0; i < tensors; ++i) {
    const std::string name = "self.t" + std::to_string(i);
    state += name + ", ";
    types += "Tensor, ";
    take += "    " + name + " = state[" + std::to_string(i) + "]\n";
    arguments += (i == 0 ? "" : ", ") + name;
  }
  for (const std::string& literal : literals)
    arguments += (arguments.empty() ? "" : ", ") + literal;
  return "def __getstate__(self):\n    return (" + state + "self.training)\n" +
         "def __setstate__(self, state: Tuple[" + types + "bool]) -> None:\n" + take +
         "    self.training = state[" + std::to_string(tensors) + "]\n" + "    self." +
         kPreparedValue + " = " + kFunction + "(" + arguments + ")\n";
}

}  // namespace

Object make_prepared(const std::shared_ptr<jit::CompilationUnit>& unit, jit::Function& function,
                     std::vector<at::Tensor> tensors, const std::vector<std::string>& literals) {
  const auto type = c10::ClassType::create(
      unit->mangle(c10::QualifiedName("__torch__.detent.Prepared")), unit, true);
  unit->register_type(type);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    type->addAttribute("t" + std::to_string(i), c10::TensorType::get(), false, false);
  type->addAttribute("training", c10::BoolType::get(), false, false);
  type->addAttribute(kPreparedValue, function.getSchema().returns().at(0).type(), false, false);
  const Object object =
      c10::ivalue::Object::create(c10::StrongTypePtr(unit, type), type->numAttributes());
  const jit::Module module(object);
  const std::size_t n = tensors.size();
  const auto self = jit::SimpleSelf(type);
  unit->define(*type->name(), source_for(n, literals), std::make_shared<OneFunction>(function),
               &self);
  // The function is no part of the archive: its body is.
  for (const jit::Method& method : module.get_methods()) inline_all(*graph_of(method));

  std::vector<c10::IValue> state(tensors.begin(), tensors.end());
  state.emplace_back(false);
  for (std::size_t i = 0; i < n; ++i) object->setSlot(i, tensors[i]);
  object->setSlot(n, false);
  module.get_method("__setstate__")({c10::ivalue::Tuple::create(std::move(state))});
  return object;
}

}  // namespace detent::torch_worker
