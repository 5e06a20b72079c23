// SPDX-License-Identifier: Apache-2.0
#include "plugin/tensor_store.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <new>

#include "base/error.hpp"

namespace detent {
namespace {

TensorStore& store_of(const detent_tensor_sink* sink) {
  return *static_cast<TensorStore*>(sink->ctx);
}
const TensorStore& store_of(const detent_tensor_source* source) {
  return *static_cast<const TensorStore*>(source->ctx);
}

// Called by plugins, perhaps written in C: nothing may be thrown through them.
std::int32_t DETENT_CALL sink_create(const detent_tensor_sink* sink, const detent_tensor_spec* spec,
                                     detent_tensor* out) noexcept {
  if (out == nullptr || !is_valid_spec(spec)) return DETENT_E_INVALID_ARG;
  TensorStore& store = store_of(sink);
  try {
    if (store.find(spec->name) != nullptr) return DETENT_E_INVALID_ARG;
    *out = store.add(spec->name, spec->dtype, {spec->shape, spec->shape + spec->ndim}).view();
    return DETENT_OK;
  } catch (const std::bad_alloc&) {
    return DETENT_E_NO_MEMORY;
  } catch (...) {
    return DETENT_E_INTERNAL;
  }
}

std::int32_t DETENT_CALL sink_set_meta(const detent_tensor_sink* sink, const char* key,
                                       const char* value_json) noexcept {
  if (key == nullptr || key[0] == '\0' || value_json == nullptr) return DETENT_E_INVALID_ARG;
  try {
    store_of(sink).set_meta(key, value_json);
    return DETENT_OK;
  } catch (...) {
    return DETENT_E_NO_MEMORY;
  }
}

const detent_tensor* DETENT_CALL source_get(const detent_tensor_source* source,
                                            const char* name) noexcept {
  if (name == nullptr) return nullptr;
  const HostTensor* tensor = store_of(source).find(name);
  return tensor != nullptr ? tensor->lent() : nullptr;
}

const char* DETENT_CALL source_get_meta(const detent_tensor_source* source,
                                        const char* key) noexcept {
  if (key == nullptr) return nullptr;
  const std::string* value = store_of(source).meta(key);
  return value != nullptr ? value->c_str() : nullptr;
}

}  // namespace

TensorStore::TensorStore()
    : sink_{sizeof sink_, this, sink_create, sink_set_meta},
      source_{sizeof source_, this, source_get, source_get_meta} {}

HostTensor& TensorStore::add(std::string name, detent_dtype dtype,
                             std::vector<std::int64_t> shape) {
  if (find(name) != nullptr) {
    throw Error(ErrorCode::unexpected, fmt::format("there are two tensors \"{}\"", name));
  }
  tensors_.push_back(make(name, dtype, shape));
  return *tensors_.back();
}

std::unique_ptr<HostTensor> TensorStore::make(const std::string& name, detent_dtype dtype,
                                              const std::vector<std::int64_t>& shape) {
  for (auto it = spare_.begin(); it != spare_.end(); ++it) {
    if (!(*it)->reuse(name, dtype, shape)) continue;
    std::unique_ptr<HostTensor> tensor = std::move(*it);
    std::ranges::fill(tensor->bytes(), std::byte{0});
    spare_.erase(it);
    return tensor;
  }
  return std::make_unique<HostTensor>(name, dtype, shape);
}

const HostTensor* TensorStore::find(std::string_view name) const {
  const auto it = std::find_if(tensors_.begin(), tensors_.end(),
                               [&](const auto& tensor) { return tensor->name() == name; });
  return it == tensors_.end() ? nullptr : it->get();
}

HostTensor* TensorStore::find(std::string_view name) {
  return const_cast<HostTensor*>(std::as_const(*this).find(name));
}

void TensorStore::set_meta(std::string_view key, std::string json) {
  const auto it =
      std::find_if(meta_.begin(), meta_.end(), [&](const auto& m) { return m.first == key; });
  if (it != meta_.end()) {
    it->second = std::move(json);
  } else {
    meta_.emplace_back(key, std::move(json));
  }
}

const std::string* TensorStore::meta(std::string_view key) const {
  const auto it =
      std::find_if(meta_.begin(), meta_.end(), [&](const auto& m) { return m.first == key; });
  return it == meta_.end() ? nullptr : &it->second;
}

void TensorStore::clear() {
  spare_.assign(std::move_iterator(tensors_.begin()), std::move_iterator(tensors_.end()));
  tensors_.clear();
  meta_.clear();
}

}  // namespace detent
