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

bool TensorList::is_whole(const Declared& tensor) {
  const bool by_rows = !tensor.shape.empty() && tensor.shape[0] > 0;
  return tensor.rows_added >= (by_rows ? static_cast<uint64_t>(tensor.shape[0]) : 1);
}

void TensorList::add(size_t i, uint64_t rows) {
  uint64_t& added = tensors_[i].rows_added;
  added = rows > UINT64_MAX - added ? UINT64_MAX : added + rows;
  while (next_ < tensors_.size() && is_whole(tensors_[next_])) ++next_;
}

size_t TensorList::index_of(std::string_view name) const {
  const auto it = index_.find(std::string(name));
  if (it == index_.end()) refuse(quoted(name) + "was not declared");
  if (is_whole(tensors_[it->second])) refuse(quoted(name) + "is added twice");
  return it->second;
}

size_t TensorList::turn_of(std::string_view name, const sdk::TensorView& tensor) const {
  const size_t i = index_of(name);
  const Declared& next = tensors_[next_];
  if (i != next_)
    refuse(quoted(name) + "is added before \"" + next.name +
           "\"\ntensors are added in the order in which they were declared");
  if (tensor.dtype() != next.dtype || tensor.shape() != next.shape)
    refuse(quoted(name) + "has another dtype or shape than was declared");
  if (next.rows_added != 0) refuse(quoted(name) + "is added whole after rows of it");
  return i;
}

size_t TensorList::turn_of_rows(std::string_view name, uint64_t first_row,
                                const sdk::TensorView& rows) const {
  const size_t i = index_of(name);
  const Declared& tensor = tensors_[i];
  std::vector<int64_t> shape = rows.shape();
  if (shape.empty() || shape[0] < 1 || shape.size() != tensor.shape.size())
    refuse(quoted(name) + "is added by rows, and these are none of it");
  if (first_row != tensor.rows_added)
    refuse("row " + std::to_string(first_row) + " of " + quoted(name) + "is added where row " +
           std::to_string(tensor.rows_added) + " is the next");
  if (static_cast<uint64_t>(shape[0]) > static_cast<uint64_t>(tensor.shape[0]) - first_row)
    refuse(quoted(name) + "is given more rows than were declared");
  shape[0] = tensor.shape[0];
  if (rows.dtype() != tensor.dtype || shape != tensor.shape)
    refuse("the rows of " + quoted(name) + "have another dtype or shape than was declared");
  return i;
}

void TensorList::check_all_added() const {
  if (next_ != tensors_.size())
    refuse(quoted(tensors_[next_].name) + "was declared and not added" +
           (tensors_[next_].rows_added != 0 ? " to its end" : "") + ", and " +
           std::to_string(tensors_.size() - next_ - 1) + " after it");
}

}  // namespace detent::serializers
