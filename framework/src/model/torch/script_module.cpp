// SPDX-License-Identifier: Apache-2.0
#include "model/torch/script_module.hpp"

#include <fmt/format.h>
#include <string_view>
#include <utility>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "model/refuse.hpp"
#include "model/torch/script_classes.hpp"

namespace detent {
namespace {

constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxModules = 1'000'000;  // one module can be in many places

class Walk {
 public:
  Walk(const TorchFile& file, ScriptTensors* out)
      : file_(file), tree_(file.data.tree), classes_(file), out_(*out) {}

  void module(PickleId id, const std::string& name, int depth) {
    if (depth > kMaxDepth || ++modules_ > kMaxModules)
      refuse(file_.path(), fmt::format("its modules are nested deeper than {}, or more than {}",
                                       kMaxDepth, grouped(kMaxModules)));
    const std::string_view class_name = tree_[id].text;
    const ScriptClass& declared = classes_.find(class_name);
    if (!declared.is_module) {
      // A root that is no module cannot be run; anything else is a value among the attributes.
      if (depth > 0) return;
      refuse(file_.path(),
             fmt::format("its code does not declare the module {}", shown(class_name)),
             "save it with torch.jit.save(module, path)");
    }
    const std::string type = script_layer_type(class_name);
    if (!type.empty()) out_.types.emplace(name, type);
    const PickleId* state = state_of(id);
    if (state == nullptr) return;
    const std::string prefix = name.empty() ? "" : name + ".";
    const auto items = tree_.items(*state);
    for (std::size_t i = 0; i + 1 < items.size(); i += 2)
      attribute(declared, items[i], items[i + 1], prefix, depth);
  }

 private:
  // Of a module with __getstate__ the state can be anything; its tensors are in no state dict.
  const PickleId* state_of(PickleId object) const {
    const auto states = tree_.items(object);
    if (states.empty() || tree_[states.back()].kind != PickleKind::dict) return nullptr;
    return &states.back();
  }

  void attribute(const ScriptClass& declared, PickleId key, PickleId value,
                 const std::string& prefix, int depth) {
    if (tree_[key].kind != PickleKind::text) refuse(file_.path(), "an attribute has no name");
    const std::string_view name = tree_[key].text;
    if (tree_[value].kind == PickleKind::object) {
      module(value, fmt::format("{}{}", prefix, name), depth + 1);
    } else if (tree_[value].kind == PickleKind::tensor && declared.tensors.contains(name)) {
      std::string full = fmt::format("{}{}", prefix, name);
      check_tensor_name(full, file_.path());
      if (out_.attributes.size() >= kMaxTorchTensors)
        refuse(file_.path(), fmt::format("holds more than {} tensors", grouped(kMaxTorchTensors)));
      out_.attributes.push_back({std::move(full), &tree_.tensor(tree_[value])});
    }
  }

  const TorchFile& file_;
  const PickleTree& tree_;
  ScriptClasses classes_;
  ScriptTensors& out_;
  std::size_t modules_ = 0;
};

void find_constants(const TorchFile& file, ScriptTensors* out) {
  out->constant_pickle = file.read_record("constants");
  const PickleTree& tree = out->constant_pickle.tree;
  if (!tree.is_sequence(out->constant_pickle.root)) return;
  const bool frozen = out->attributes.empty();
  const auto items = tree.items(out->constant_pickle.root);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (tree[items[i]].kind != PickleKind::tensor) continue;
    const PickledTensor& tensor = tree.tensor(tree[items[i]]);
    const bool weight = tensor.fault.empty() && is_float(tensor.dtype) && tensor.shape.size() >= 2;
    if (!weight && !frozen) continue;
    out->constants.push_back(
        {fmt::format("constants.{}.{}", i, weight ? "weight" : "value"), &tensor});
  }
}

}  // namespace

ScriptTensors find_script_tensors(const TorchFile& file) {
  ScriptTensors result;
  const PickleTree& tree = file.data.tree;
  if (tree[file.data.root].kind != PickleKind::object)
    refuse(file.path(), fmt::format("is a TorchScript archive of {}, not of a module",
                                    describe(tree, file.data.root)));
  Walk(file, &result).module(file.data.root, "", 0);
  find_constants(file, &result);
  return result;
}

std::string script_layer_type(std::string_view class_name) {
  if (!class_name.starts_with("__torch__.torch.nn.") &&
      !class_name.starts_with("__torch__.torch.ao.nn."))
    return {};
  const std::string_view name = class_name.substr(class_name.rfind('.') + 1);
  // What MultiheadAttention calls its out_proj, so that eager quantization leaves it alone.
  return std::string(name == "NonDynamicallyQuantizableLinear" ? "Linear" : name);
}

}  // namespace detent
