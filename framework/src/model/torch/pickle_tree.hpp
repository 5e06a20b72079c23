// SPDX-License-Identifier: Apache-2.0
// PickleTree: what a pickle describes, as data. Values refer to one another by number, so that
// neither depth nor cycles of a hostile pickle can hurt, and all go at once.
#pragma once
#include <cstdint>
#include <deque>
#include <detent/abi/base.h>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace detent {

using PickleId = std::uint32_t;  // of a value in its tree

enum class PickleKind : std::uint8_t {
  none,
  boolean,
  integer,      // of 64 bits
  big_integer,  // its bytes, little-endian, in text
  real,
  text,
  bytes,
  list,
  tuple,
  dict,  // items: key, value, key, value, ...
  set,
  global,   // "module.name" in text
  object,   // instance of the class that text names; items: its state, or nothing
  storage,  // index of PickledStorage
  tensor,   // index of PickledTensor
};

struct PickleValue {
  PickleKind kind = PickleKind::none;
  std::uint32_t index = 0;   // of storage, tensor, or the items
  std::int64_t integer = 0;  // also of boolean
  double real = 0;
  std::string_view text = {};
};

// The memory that tensors lie in, as torch's persistent ids name it.
struct PickledStorage {
  std::string_view key;  // "0": of the record data/0
  std::uint64_t bytes = 0;
  std::string_view type_name;  // "torch.FloatStorage"
};

struct PickledTensor {
  std::uint32_t storage = 0;
  std::uint64_t offset = 0;  // in elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements
  detent_dtype dtype = 0;
  // Not empty: why nobody can have its values ("is quantized by PyTorch"). It may stand anywhere
  // where it is not asked for.
  std::string fault;
};

// A pickle that is refused: what, and at which byte of the pickle.
class PickleError : public std::runtime_error {
 public:
  PickleError(std::string message, std::uint64_t position, std::string hint = {})
      : std::runtime_error(message), position_(position), hint_(std::move(hint)) {}
  std::uint64_t position() const { return position_; }
  const std::string& hint() const { return hint_; }

 private:
  std::uint64_t position_;
  std::string hint_;
};

// The bytes end within the pickle: there may be more of them.
class PickleTruncated : public PickleError {
 public:
  using PickleError::PickleError;
};

class PickleTree {
 public:
  // max_bytes: what it may take of memory; std::length_error beyond.
  explicit PickleTree(std::uint64_t max_bytes = kMaxBytes) : left_(max_bytes) {}
  PickleTree(PickleTree&&) = default;
  PickleTree& operator=(PickleTree&&) = default;

  static constexpr std::uint64_t kMaxBytes = 512'000'000;

  PickleId add(PickleValue value);
  PickleId add_container(PickleKind kind, std::span<const PickleId> items,
                         std::string_view text = {});
  PickleId add_storage(PickledStorage storage);
  PickleId add_tensor(PickledTensor tensor);
  std::string_view keep(std::string text);  // for as long as the tree
  // More items of a container; of an object: its state.
  void append(PickleId container, std::span<const PickleId> items);

  const PickleValue& operator[](PickleId id) const { return values_[id]; }
  std::span<const PickleId> items(PickleId container) const {
    return items_[values_[container].index];
  }
  const PickledStorage& storage(std::uint32_t index) const { return storages_[index]; }
  std::uint32_t storage_count() const { return static_cast<std::uint32_t>(storages_.size()); }
  const PickledTensor& tensor(const PickleValue& value) const { return tensors_[value.index]; }

  bool is_sequence(PickleId id) const {
    return values_[id].kind == PickleKind::list || values_[id].kind == PickleKind::tuple;
  }

 private:
  void charge(std::uint64_t bytes);

  std::uint64_t left_;
  std::deque<PickleValue> values_;
  std::deque<std::vector<PickleId>> items_;
  std::deque<PickledStorage> storages_;
  std::deque<PickledTensor> tensors_;
  std::deque<std::string> texts_;
};

// "a dictionary", for messages; a class or function by its name.
std::string describe(const PickleTree& tree, PickleId id);

}  // namespace detent
