// SPDX-License-Identifier: Apache-2.0
#include "torch/archive_source.hpp"

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/custom_class.h>

namespace detent::torch_worker {
namespace {

namespace jit = torch::jit;

// "ops": its members are the namespaces of operators.
struct Namespaces : jit::SugaredValue {
  std::string kind() const override { return "the operators' namespaces"; }
  std::shared_ptr<jit::SugaredValue> attr(const jit::SourceRange&, jit::GraphFunction&,
                                          const std::string& field) override {
    return std::make_shared<jit::BuiltinModule>(field);
  }
};

struct ArchiveResolver : jit::Resolver {
  std::shared_ptr<jit::SugaredValue> resolveValue(const std::string& name, jit::GraphFunction&,
                                                  const jit::SourceRange&) override {
    if (name == "torch") return std::make_shared<jit::BuiltinModule>("aten");
    if (name == "ops") return std::make_shared<Namespaces>();
    return nullptr;
  }
  c10::TypePtr resolveType(const std::string& name, const jit::SourceRange&) override {
    return name.rfind("__torch__.torch.classes.", 0) == 0 ? torch::getCustomClass(name) : nullptr;
  }
};

}  // namespace

std::shared_ptr<jit::CompilationUnit> compile_source(const std::string& source) {
  auto unit = std::make_shared<jit::CompilationUnit>();
  unit->define(std::nullopt, source, std::make_shared<ArchiveResolver>(), nullptr);
  return unit;
}

}  // namespace detent::torch_worker
