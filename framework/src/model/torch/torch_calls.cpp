// SPDX-License-Identifier: Apache-2.0
// Source  torch/_utils.py, torch/_tensor.py, torch/serialization.py and
//         torch/csrc/jit/serialization/pickler.cpp of PyTorch 2.13
#include "model/torch/torch_calls.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <utility>

#include "model/refuse.hpp"
#include "model/torch/torch_types.hpp"

namespace detent {
namespace {

using Arguments = std::span<const PickleId>;

constexpr std::uint64_t kMaxRank = 64;
constexpr const char* kSaveStateDict =
    "save tensors alone: torch.save(model.state_dict(), path); or a model with its code: "
    "torch.jit.script(model).save(path)";

[[noreturn]] void fail(const std::string& message) { throw std::runtime_error(message); }

[[noreturn]] void fail_arguments(std::string_view function) {
  fail(fmt::format("the arguments of {} are not those that PyTorch gives", function));
}

bool has_kind(const PickleTree& tree, PickleId id, PickleKind kind) {
  return tree[id].kind == kind;
}

// Shape or strides: whole numbers from 0 on.
std::vector<std::int64_t> extents(const PickleTree& tree, PickleId id, std::string_view what) {
  if (!tree.is_sequence(id)) fail(fmt::format("a tensor's {} is {}", what, describe(tree, id)));
  const Arguments items = tree.items(id);
  if (items.size() > kMaxRank)
    fail(fmt::format("a tensor has {} axes; at most {} are read", items.size(), kMaxRank));
  std::vector<std::int64_t> result;
  for (const PickleId item : items) {
    const PickleValue& value = tree[item];
    if (value.kind != PickleKind::integer || value.integer < 0)
      fail(fmt::format("a tensor's {} holds {}", what,
                       value.kind == PickleKind::integer ? fmt::format("{}", value.integer)
                                                         : describe(tree, item)));
    result.push_back(value.integer);
  }
  return result;
}

// {"conj": True} or {"neg": True}: the values are not those that are stored.
std::string fault_of_metadata(const PickleTree& tree, PickleId id) {
  if (!has_kind(tree, id, PickleKind::dict)) return {};
  const Arguments items = tree.items(id);
  for (std::size_t i = 0; i + 1 < items.size(); i += 2)
    if (tree[items[i + 1]].integer != 0)
      return fmt::format("is stored with {} to be applied", shown(tree[items[i]].text));
  return {};
}

// (storage, offset, shape, strides, requires_grad, hooks, [dtype of v3,] [metadata])
PickleId rebuild_tensor(PickleTree& tree, Arguments a, bool has_dtype) {
  if (a.size() < (has_dtype ? 7 : 4) || !has_kind(tree, a[0], PickleKind::storage) ||
      !has_kind(tree, a[1], PickleKind::integer) || tree[a[1]].integer < 0)
    fail_arguments("_rebuild_tensor");
  PickledTensor tensor;
  tensor.storage = tree[a[0]].index;
  tensor.offset = static_cast<std::uint64_t>(tree[a[1]].integer);
  tensor.shape = extents(tree, a[2], "shape");
  tensor.strides = extents(tree, a[3], "stride");
  if (tensor.shape.size() != tensor.strides.size())
    fail(fmt::format("a tensor has {} sizes and {} strides", tensor.shape.size(),
                     tensor.strides.size()));
  if (has_dtype && !has_kind(tree, a[6], PickleKind::global)) fail_arguments("_rebuild_tensor_v3");
  const PickledStorage& storage = tree.storage(tensor.storage);
  TorchType type = has_dtype ? torch_dtype(tree[a[6]].text) : torch_storage_type(storage.type_name);
  if (type.dtype == 0 && type.fault.empty()) type.fault = "has no type";
  tensor.dtype = type.dtype;
  tensor.fault = std::move(type.fault);
  const std::size_t metadata = has_dtype ? 7 : 6;
  if (tensor.fault.empty() && a.size() > metadata)
    tensor.fault = fault_of_metadata(tree, a[metadata]);
  return tree.add_tensor(std::move(tensor));
}

PickleId rebuild_v2(PickleTree& tree, Arguments a) { return rebuild_tensor(tree, a, false); }
PickleId rebuild_v3(PickleTree& tree, Arguments a) { return rebuild_tensor(tree, a, true); }

// (data, requires_grad, hooks): a parameter is its data.
PickleId rebuild_parameter(PickleTree& tree, Arguments a) {
  if (a.empty() || !has_kind(tree, a[0], PickleKind::tensor)) fail_arguments("_rebuild_parameter");
  return a[0];
}

PickleId unreadable(PickleTree& tree, std::string fault) {
  PickledTensor tensor;
  tensor.fault = std::move(fault);
  return tree.add_tensor(std::move(tensor));
}
PickleId rebuild_quantized(PickleTree& tree, Arguments) {
  return unreadable(tree, "is quantized by PyTorch");
}
PickleId rebuild_sparse(PickleTree& tree, Arguments) { return unreadable(tree, "is sparse"); }
PickleId rebuild_nested(PickleTree& tree, Arguments) { return unreadable(tree, "is nested"); }
PickleId rebuild_meta(PickleTree& tree, Arguments) {
  return unreadable(tree, "lies on the device \"meta\": it has no values");
}
PickleId rebuild_wrapper(PickleTree& tree, Arguments) {
  return unreadable(tree, "is an instance of a subclass of Tensor");
}

// From a list of pairs, or from nothing.
PickleId make_dict(PickleTree& tree, Arguments a) {
  std::vector<PickleId> items;
  if (a.size() > 1 || (a.size() == 1 && !tree.is_sequence(a[0]))) fail_arguments("OrderedDict");
  if (a.size() == 1) {
    for (const PickleId pair : tree.items(a[0])) {
      if (!tree.is_sequence(pair) || tree.items(pair).size() != 2) fail_arguments("OrderedDict");
      items.push_back(tree.items(pair)[0]);
      items.push_back(tree.items(pair)[1]);
    }
  }
  return tree.add_container(PickleKind::dict, items);
}

// torch.Size(tuple), set(list), and TorchScript's build_intlist(list).
template <PickleKind Kind>
PickleId make_sequence(PickleTree& tree, Arguments a) {
  if (a.empty()) return tree.add_container(Kind, {});
  if (a.size() != 1 || !tree.is_sequence(a[0])) fail_arguments("a list, tuple or set");
  const std::vector<PickleId> items(tree.items(a[0]).begin(), tree.items(a[0]).end());
  return tree.add_container(Kind, items);
}

// restore_type_tag(value, "Dict[str, Tensor]")
PickleId first_argument(PickleTree&, Arguments a) {
  if (a.empty()) fail_arguments("restore_type_tag");
  return a[0];
}

// torch.device("cpu"), torch.strided: words that say nothing of values.
PickleId make_text(PickleTree& tree, Arguments a) {
  if (a.empty() || !has_kind(tree, a[0], PickleKind::text)) fail_arguments("a name");
  return a[0];
}

// bytes of protocol 2: _codecs.encode("text", "latin1")
PickleId make_bytes(PickleTree& tree, Arguments a) {
  const std::string_view text =
      !a.empty() && has_kind(tree, a[0], PickleKind::text) ? tree[a[0]].text : std::string_view();
  return tree.add({.kind = PickleKind::bytes, .text = text});
}

struct Function {
  std::string_view name;
  PickleId (*call)(PickleTree&, Arguments);
};
constexpr std::array kFunctions = {
    Function{"collections.OrderedDict", make_dict},
    Function{"torch._utils._rebuild_tensor_v2", rebuild_v2},
    Function{"torch._utils._rebuild_tensor_v3", rebuild_v3},
    Function{"torch._utils._rebuild_tensor", rebuild_v2},
    Function{"torch._utils._rebuild_parameter", rebuild_parameter},
    Function{"torch._utils._rebuild_parameter_with_state", rebuild_parameter},
    Function{"torch._utils._rebuild_qtensor", rebuild_quantized},
    Function{"torch._utils._rebuild_sparse_tensor", rebuild_sparse},
    Function{"torch._utils._rebuild_sparse_csr_tensor", rebuild_sparse},
    Function{"torch._utils._rebuild_nested_tensor", rebuild_nested},
    Function{"torch._utils._rebuild_meta_tensor_no_storage", rebuild_meta},
    Function{"torch._utils._rebuild_wrapper_subclass", rebuild_wrapper},
    Function{"torch.Size", make_sequence<PickleKind::tuple>},
    Function{"torch.device", make_text},
    Function{"torch.serialization._get_layout", make_text},
    Function{"torch.jit._pickle.build_intlist", make_sequence<PickleKind::list>},
    Function{"torch.jit._pickle.build_doublelist", make_sequence<PickleKind::list>},
    Function{"torch.jit._pickle.build_boollist", make_sequence<PickleKind::list>},
    Function{"torch.jit._pickle.build_tensorlist", make_sequence<PickleKind::list>},
    Function{"torch.jit._pickle.restore_type_tag", first_argument},
    Function{"_codecs.encode", make_bytes},
    Function{"builtins.set", make_sequence<PickleKind::set>},
    Function{"__builtin__.set", make_sequence<PickleKind::set>},
    Function{"builtins.frozenset", make_sequence<PickleKind::set>},
    Function{"__builtin__.frozenset", make_sequence<PickleKind::set>},
};

// A tensor with attributes: (function, type, arguments of the function, attributes).
constexpr std::string_view kRebuildFromType = "torch._tensor._rebuild_from_type_v2";

bool is_tensor_type(std::string_view name) {
  return name == "torch.Tensor" || name == "torch._tensor.Tensor" ||
         name == "torch.nn.parameter.Parameter" || name == "torch.nn.parameter.Buffer";
}

[[noreturn]] void refuse_call(std::string_view name) {
  const bool of_module = name.starts_with("torch.nn.modules.") || name.starts_with("__main__.") ||
                         name.starts_with("transformers.") || name.starts_with("torchvision.");
  if (of_module)
    throw PickleError(fmt::format("refuses {}: the file holds an object of a Python class (a whole "
                                  "model, perhaps), which is nothing without its code",
                                  shown(name)),
                      0, kSaveStateDict);
  throw PickleError(fmt::format("refuses {}: of what a pickle can call, only what makes tensors "
                                "and containers is read, and nothing is run",
                                shown(name)),
                    0, kSaveStateDict);
}

}  // namespace

PickleId TorchCalls::call(PickleTree& tree, PickleId callee, PickleId arguments) const {
  if (tree[callee].kind != PickleKind::global)
    fail(fmt::format("it calls {}", describe(tree, callee)));
  const std::string_view name = tree[callee].text;
  const auto function = std::find_if(kFunctions.begin(), kFunctions.end(),
                                     [&](const Function& f) { return f.name == name; });
  if (function != kFunctions.end()) return function->call(tree, tree.items(arguments));
  if (name == kRebuildFromType) {
    const Arguments a = tree.items(arguments);
    if (a.size() != 4 || !has_kind(tree, a[0], PickleKind::global) ||
        !has_kind(tree, a[1], PickleKind::global) || !has_kind(tree, a[2], PickleKind::tuple))
      fail_arguments("_rebuild_from_type_v2");
    if (tree[a[0]].text == kRebuildFromType) fail_arguments("_rebuild_from_type_v2");
    if (!is_tensor_type(tree[a[1]].text))
      return unreadable(tree, fmt::format("is of the class {}", shown(tree[a[1]].text)));
    return call(tree, a[0], a[2]);
  }
  if (torchscript_ && name.starts_with("__torch__."))
    return tree.add_container(PickleKind::object, {}, name);
  refuse_call(name);
}

// ("storage", torch.FloatStorage, "0", "cpu", number of elements[, view])
PickleId TorchCalls::persistent(PickleTree& tree, PickleId id) const {
  if (!tree.is_sequence(id)) fail("a persistent id is no tuple");
  const Arguments a = tree.items(id);
  // ("module", class, its file, its code): of the legacy format, beside objects of the class.
  if (a.size() == 4 && tree[a[0]].text == "module") return a[1];
  if (a.size() < 5 || tree[a[0]].text != "storage" || !has_kind(tree, a[1], PickleKind::global) ||
      !has_kind(tree, a[2], PickleKind::text) || !has_kind(tree, a[4], PickleKind::integer) ||
      tree[a[4]].integer < 0)
    fail("a persistent id is not that of a storage");
  if (a.size() > 5 && !has_kind(tree, a[5], PickleKind::none))
    fail("a storage is a view of another, as PyTorch before 0.4 wrote them");
  PickledStorage storage;
  storage.key = tree[a[2]].text;
  storage.type_name = tree[a[1]].text;
  const TorchType type = torch_storage_type(storage.type_name);
  if (type.bytes == 0) fail(fmt::format("a storage {}", type.fault));
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(tree[a[4]].integer), type.bytes,
                             &storage.bytes))
    fail("a storage is larger than 2^64 bytes");
  return tree.add_storage(storage);
}

}  // namespace detent
