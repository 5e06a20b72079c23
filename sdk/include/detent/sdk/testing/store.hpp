// SPDX-License-Identifier: Apache-2.0
// testing::Tensor, Store (a sink and a source), and the streams of save_state and load_state.
#pragma once
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../tensor_view.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {
namespace testing {

// A tensor that owns its bytes. Compact unless strides are given.
class Tensor {
 public:
  struct Zeros {};
  Tensor(Zeros, detent_dtype dtype, std::vector<int64_t> shape)
      : shape_(std::move(shape)), strides_(compact(shape_)) {
    bytes_.resize(detent_nbytes(dtype, static_cast<int32_t>(shape_.size()), shape_.data()));
    describe(dtype);
  }
  template <class T>
  Tensor(std::vector<int64_t> shape, const std::vector<T>& values)
      : Tensor(Zeros{}, detail::dtype_of<T>::value, std::move(shape)) {
    if (bytes_.size() != values.size() * sizeof(T))
      throw Error(DETENT_E_INVALID_ARG, "the number of values is not that of the shape");
    if (!values.empty()) std::memcpy(bytes_.data(), values.data(), bytes_.size());
  }
  // Of any strides over those values; `first` is the index of the element [0, 0, ...].
  template <class T>
  Tensor(std::vector<int64_t> shape, std::vector<int64_t> strides, const std::vector<T>& values,
         uint64_t first = 0)
      : shape_(std::move(shape)), strides_(std::move(strides)) {
    bytes_.resize(values.size() * sizeof(T));
    if (!values.empty()) std::memcpy(bytes_.data(), values.data(), bytes_.size());
    describe(detail::dtype_of<T>::value);
    view_.byte_offset = first * sizeof(T);
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  operator const detent_tensor*() const noexcept { return &view_; }
  const detent_tensor& view() const noexcept { return view_; }
  detent_tensor_spec spec(const char* name) const noexcept {
    return {name, view_.shape, view_.ndim, view_.dtype};
  }
  char* bytes() noexcept { return bytes_.data(); }
  const std::vector<char>& raw() const noexcept { return bytes_; }
  const std::vector<int64_t>& shape() const noexcept { return shape_; }
  template <class T>
  std::vector<T> values() const {
    if (view_.dtype != detail::dtype_of<T>::value)
      throw Error(DETENT_E_INVALID_ARG, "the tensor has another dtype");
    std::vector<T> out(bytes_.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), bytes_.data(), out.size() * sizeof(T));
    return out;
  }

 private:
  static std::vector<int64_t> compact(const std::vector<int64_t>& shape) {
    std::vector<int64_t> strides(shape.size());
    int64_t step = 1;
    for (size_t d = shape.size(); d-- > 0; step *= shape[d]) strides[d] = step;
    return strides;
  }
  void describe(detent_dtype dtype) {
    view_ = {bytes_.empty() ? nullptr : bytes_.data(),
             DETENT_DEVICE_CPU,
             0,
             static_cast<int32_t>(shape_.size()),
             dtype,
             shape_.empty() ? nullptr : shape_.data(),
             shape_.empty() ? nullptr : strides_.data(),
             0,
             bytes_.size(),
             0};
  }
  std::vector<int64_t> shape_;
  std::vector<int64_t> strides_;
  std::vector<char> bytes_;
  detent_tensor view_{};
};

// Named tensors and metadata: give sink() to a plugin that makes them, source() to one that reads.
class Store {
 public:
  Store() {
    sink_ = {sizeof sink_, this,
             [](const detent_tensor_sink* s, const detent_tensor_spec* spec, detent_tensor* out) {
               return static_cast<Store*>(s->ctx)->create(*spec, out);
             },
             [](const detent_tensor_sink* s, const char* key, const char* json) -> int32_t {
               static_cast<Store*>(s->ctx)->meta[key] = json;
               return DETENT_OK;
             }};
    source_ = {sizeof source_, this,
               [](const detent_tensor_source* s, const char* name) -> const detent_tensor* {
                 const Tensor* t = static_cast<Store*>(s->ctx)->find(name);
                 return t != nullptr ? &t->view() : nullptr;
               },
               [](const detent_tensor_source* s, const char* key) -> const char* {
                 const auto& all = static_cast<Store*>(s->ctx)->meta;
                 const auto it = all.find(key);
                 return it != all.end() ? it->second.c_str() : nullptr;
               }};
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  const detent_tensor_sink* sink() const noexcept { return &sink_; }
  const detent_tensor_source* source() const noexcept { return &source_; }
  void put(const std::string& name, std::unique_ptr<Tensor> t) { tensors[name] = std::move(t); }
  template <class T>
  void put(const std::string& name, std::vector<int64_t> shape, const std::vector<T>& values) {
    put(name, std::make_unique<Tensor>(std::move(shape), values));
  }
  Tensor* find(const std::string& name) const {
    const auto it = tensors.find(name);
    return it != tensors.end() ? it->second.get() : nullptr;
  }
  // Throws when there is no such tensor, or of another dtype.
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const Tensor* t = find(name);
    if (t == nullptr) throw Error(DETENT_E_NOT_FOUND, "no tensor \"" + name + "\"");
    return t->values<T>();
  }

  std::map<std::string, std::unique_ptr<Tensor>> tensors;
  std::map<std::string, std::string> meta;

 private:
  int32_t create(const detent_tensor_spec& spec, detent_tensor* out) {
    if (find(spec.name) != nullptr) return DETENT_E_INVALID_ARG;
    std::vector<int64_t> shape(spec.shape, spec.shape + spec.ndim);
    put(spec.name, std::make_unique<Tensor>(Tensor::Zeros{}, spec.dtype, std::move(shape)));
    *out = find(spec.name)->view();
    return DETENT_OK;
  }
  detent_tensor_sink sink_{};
  detent_tensor_source source_{};
};

// A stream over `bytes` that takes or gives at most `step` at once: short counts are part of the
// contract. `room`: writing beyond it fails, as a full disk does.
class Stream {
 public:
  explicit Stream(std::string content = {}, uint64_t step = UINT64_MAX)
      : bytes(std::move(content)), step_(step) {
    in_ = {this, [](const detent_istream* s, void* out, uint64_t n) -> int64_t {
             return static_cast<Stream*>(s->ctx)->read(out, n);
           }};
    out_ = {this, [](const detent_ostream* s, const void* data, uint64_t n) -> int64_t {
              return static_cast<Stream*>(s->ctx)->write(data, n);
            }};
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  const detent_istream* in() const noexcept { return &in_; }
  const detent_ostream* out() const noexcept { return &out_; }

  std::string bytes;
  uint64_t room = UINT64_MAX;

 private:
  int64_t read(void* out, uint64_t n) {
    const uint64_t got = std::min({n, step_, bytes.size() - at_});
    if (got != 0) std::memcpy(out, bytes.data() + at_, got);
    at_ += got;
    return static_cast<int64_t>(got);
  }
  int64_t write(const void* data, uint64_t n) {
    const uint64_t taken = std::min(n, step_);
    if (bytes.size() + taken > room) return -1;
    bytes.append(static_cast<const char*>(data), taken);
    return static_cast<int64_t>(taken);
  }
  uint64_t step_;
  uint64_t at_ = 0;
  detent_istream in_{};
  detent_ostream out_{};
};

}  // namespace testing
}  // namespace DETENT_HIDDEN
}  // namespace detent
