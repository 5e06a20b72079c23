// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/arguments.hpp"

#include <algorithm>

namespace detent::isolate {

std::vector<std::int64_t> Arguments::numbers(std::uint64_t n) {
  std::vector<std::int64_t> values;
  for (std::uint64_t i = 0; i < n; ++i) values.push_back(static_cast<std::int64_t>(number()));
  return values;
}

const std::byte* Arguments::place(std::uint64_t offset, std::uint64_t bytes) const {
  if (input_ == nullptr || !input_->holds(offset, bytes)) throw ByteReader::Truncated();
  return input_->data() + offset;
}

const detent_tensor* Arguments::tensor() {
  const std::uint64_t ndim = number();
  Tensor& t = tensors_.emplace_back();
  t.view.device_type = DETENT_DEVICE_CPU;
  t.view.ndim = static_cast<std::int32_t>(ndim);
  t.view.dtype = static_cast<detent_dtype>(number());
  t.shape = numbers(ndim);
  t.strides = numbers(ndim);
  t.view.shape = ndim > 0 ? t.shape.data() : nullptr;
  t.view.strides = ndim > 0 ? t.strides.data() : nullptr;
  t.view.byte_offset = number();
  t.view.nbytes = number();
  t.view.flags = number();
  const std::uint64_t offset = number();
  // The memory cannot be written to from here, whatever the plugin makes of the pointer.
  if (t.view.nbytes != 0) t.view.data = const_cast<std::byte*>(place(offset, t.view.nbytes));
  return &t.view;
}

const detent_tensor_source* Arguments::source() {
  if (number() == 0) return nullptr;
  Source& s = sources_.emplace_back();
  s.c = {sizeof s.c, &s, get, get_meta};
  for (std::uint64_t n = number(); n > 0; --n) {
    std::string name(text());
    s.tensors.emplace_back(std::move(name), tensor());
  }
  for (std::uint64_t n = number(); n > 0; --n) {
    std::string key(text());
    s.metas.emplace_back(std::move(key), text());
  }
  return &s.c;
}

const detent_tensor* DETENT_CALL Arguments::get(const detent_tensor_source* source,
                                                const char* name) noexcept {
  if (name == nullptr) return nullptr;
  const auto& all = static_cast<const Source*>(source->ctx)->tensors;
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const auto& t) { return t.first == name; });
  return it == all.end() ? nullptr : it->second;
}

const char* DETENT_CALL Arguments::get_meta(const detent_tensor_source* source,
                                            const char* key) noexcept {
  if (key == nullptr) return nullptr;
  const auto& all = static_cast<const Source*>(source->ctx)->metas;
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const auto& m) { return m.first == key; });
  return it == all.end() ? nullptr : it->second.c_str();
}

std::string_view Arguments::bytes() {
  const std::uint64_t size = number();
  const std::uint64_t offset = number();
  if (size == 0) return {};
  return {reinterpret_cast<const char*>(place(offset, size)), size};
}

const detent_tensor_spec* Arguments::spec() {
  Spec& s = specs_.emplace_back();
  s.c.name = c_text();
  s.c.dtype = static_cast<detent_dtype>(number());
  const std::uint64_t ndim = number();
  s.shape = numbers(ndim);
  s.c.ndim = static_cast<std::int32_t>(ndim);
  s.c.shape = ndim > 0 ? s.shape.data() : nullptr;
  return &s.c;
}

const detent_qspec* Arguments::qspec() {
  if (number() == 0) return nullptr;
  const std::string_view raw = text();
  detent_qspec& spec = qspecs_.emplace_back();
  if (raw.size() != sizeof spec) throw ByteReader::Truncated();
  std::memcpy(&spec, raw.data(), sizeof spec);
  spec.scheme = c_text();
  return &spec;
}

}  // namespace detent::isolate
