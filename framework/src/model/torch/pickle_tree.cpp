// SPDX-License-Identifier: Apache-2.0
#include "model/torch/pickle_tree.hpp"

#include <fmt/format.h>
#include <utility>

#include "model/refuse.hpp"

namespace detent {

void PickleTree::charge(std::uint64_t bytes) {
  if (bytes > left_) throw std::length_error("it describes more values than are read");
  left_ -= bytes;
}

PickleId PickleTree::add(PickleValue value) {
  charge(sizeof(PickleValue));
  values_.push_back(value);
  return static_cast<PickleId>(values_.size() - 1);
}

PickleId PickleTree::add_container(PickleKind kind, std::span<const PickleId> items,
                                   std::string_view text) {
  charge(sizeof(items_[0]) + 32 + items.size() * sizeof(PickleId));
  items_.emplace_back(items.begin(), items.end());
  return add({.kind = kind, .index = static_cast<std::uint32_t>(items_.size() - 1), .text = text});
}

PickleId PickleTree::add_storage(PickledStorage storage) {
  charge(sizeof storage);
  storages_.push_back(storage);
  return add(
      {.kind = PickleKind::storage, .index = static_cast<std::uint32_t>(storages_.size() - 1)});
}

PickleId PickleTree::add_tensor(PickledTensor tensor) {
  charge(sizeof tensor + 64 + (tensor.shape.size() + tensor.strides.size()) * 8 +
         tensor.fault.size());
  tensors_.push_back(std::move(tensor));
  return add(
      {.kind = PickleKind::tensor, .index = static_cast<std::uint32_t>(tensors_.size() - 1)});
}

std::string_view PickleTree::keep(std::string text) {
  charge(sizeof text + text.size());
  return texts_.emplace_back(std::move(text));
}

void PickleTree::append(PickleId container, std::span<const PickleId> items) {
  charge(items.size() * 2 * sizeof(PickleId));  // vectors grow in steps
  std::vector<PickleId>& list = items_[values_[container].index];
  list.insert(list.end(), items.begin(), items.end());
}

std::string describe(const PickleTree& tree, PickleId id) {
  const PickleValue& value = tree[id];
  switch (value.kind) {
    case PickleKind::none: return "None";
    case PickleKind::boolean: return "a bool";
    case PickleKind::integer:
    case PickleKind::big_integer: return "an int";
    case PickleKind::real: return "a float";
    case PickleKind::text: return "a string";
    case PickleKind::bytes: return "bytes";
    case PickleKind::list: return "a list";
    case PickleKind::tuple: return "a tuple";
    case PickleKind::dict: return "a dictionary";
    case PickleKind::set: return "a set";
    case PickleKind::global: return fmt::format("the class or function {}", shown(value.text));
    case PickleKind::object: return fmt::format("an object of class {}", shown(value.text));
    case PickleKind::storage: return "a storage";
    case PickleKind::tensor: return "a tensor";
  }
  return "nothing";
}

}  // namespace detent
