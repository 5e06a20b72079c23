// SPDX-License-Identifier: Apache-2.0
#include "tensor_list.hpp"

#include "json_string.hpp"

namespace detent::serializers {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw sdk::Error(DETENT_E_INVALID_ARG, what); }

std::string quoted(std::string_view name) { return "tensor \"" + std::string(name) + "\" "; }

}  // namespace

void TensorList::declare(const detent_tensor_spec& spec, Stored stored) {
  const std::string name = spec.name;
  if (frozen_) refuse(quoted(name) + "is declared after the first was added");
  if (!is_utf8(name)) refuse("a tensor's name is not UTF-8");
  if (!index_.emplace(name, tensors_.size()).second) refuse(quoted(name) + "is declared twice");
  tensors_.push_back({name, spec.dtype, {spec.shape, spec.shape + spec.ndim}, std::move(stored)});
}

const Declared* TensorList::find(std::string_view name) const {
  const auto it = index_.find(std::string(name));
  return it != index_.end() ? &tensors_[it->second] : nullptr;
}

size_t TensorList::turn_of(std::string_view name, const sdk::TensorView& tensor) const {
  const auto it = index_.find(std::string(name));
  if (it == index_.end()) refuse(quoted(name) + "was not declared");
  if (it->second < next_) refuse(quoted(name) + "is added twice");
  const Declared& next = tensors_[next_];
  if (it->second != next_)
    refuse(quoted(name) + "is added before \"" + next.name +
           "\"\ntensors are added in the order in which they were declared");
  if (tensor.dtype() != next.dtype || tensor.shape() != next.shape)
    refuse(quoted(name) + "has another dtype or shape than was declared");
  return next_;
}

void TensorList::check_all_added() const {
  if (next_ != tensors_.size())
    refuse(quoted(tensors_[next_].name) + "was declared and not added, and " +
           std::to_string(tensors_.size() - next_ - 1) + " after it");
}

}  // namespace detent::serializers
