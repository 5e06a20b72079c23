// SPDX-License-Identifier: Apache-2.0
// Arguments: what the host sent with a call, as the plugin is to see it.
#pragma once
#include <cstdint>
#include <cstring>
#include <deque>
#include <detent/abi.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_stream.hpp"
#include "isolate/link.hpp"

namespace detent::isolate {

// In the order in which they were put (see Call). Everything lives as long as this.
class Arguments {
 public:
  Arguments(std::string_view bytes, const SharedMemory* input) : in_(bytes), input_(input) {}

  std::uint64_t number() { return in_.number(); }
  std::string_view text() { return in_.text(); }
  const char* c_text() { return texts_.emplace_back(in_.text()).c_str(); }
  const detent_tensor* tensor();
  const detent_tensor* optional_tensor() { return number() != 0 ? tensor() : nullptr; }
  const detent_tensor_source* source();  // may be none
  std::string_view bytes();
  const detent_tensor_spec* spec();
  const detent_qspec* qspec();  // may be none

  // Numbers without pointers; nullptr when there are none.
  template <class T>
  T* plain() {
    if (number() == 0) return nullptr;
    const std::string_view raw = text();
    if (raw.size() != sizeof(T)) throw ByteReader::Truncated();
    // As aligned as any object: it is the beginning of a string of its own.
    std::string& kept = texts_.emplace_back(raw);
    return reinterpret_cast<T*>(kept.data());
  }

 private:
  struct Tensor {
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
    detent_tensor view{};
  };
  struct Source {
    std::vector<std::pair<std::string, const detent_tensor*>> tensors;
    std::vector<std::pair<std::string, std::string>> metas;
    detent_tensor_source c{};
  };
  struct Spec {
    std::vector<std::int64_t> shape;
    detent_tensor_spec c{};
  };
  static const detent_tensor* DETENT_CALL get(const detent_tensor_source*, const char*) noexcept;
  static const char* DETENT_CALL get_meta(const detent_tensor_source*, const char*) noexcept;
  std::vector<std::int64_t> numbers(std::uint64_t n);
  const std::byte* place(std::uint64_t offset, std::uint64_t bytes) const;

  ByteReader in_;
  const SharedMemory* input_;
  std::deque<std::string> texts_;
  std::deque<Tensor> tensors_;
  std::deque<Source> sources_;
  std::deque<Spec> specs_;
  std::deque<detent_qspec> qspecs_;
};

}  // namespace detent::isolate
