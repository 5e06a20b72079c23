// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors_entry.hpp"

#include <cstdint>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "model/refuse.hpp"

namespace detent {
namespace {

using Dims = std::vector<std::int64_t>;

// One entry on its way in, so that every refusal names file and tensor.
class EntryReader {
 public:
  EntryReader(const json::Member& member, const std::string& file) : member_(member), file_(file) {}

  TensorInfo read() {
    check_name();
    const json::Object* entry = member_.value.if_object();
    if (entry == nullptr)
      fail(fmt::format("is {}, not an object with dtype, shape and data_offsets",
                       member_.value.kind()));
    TensorInfo tensor;
    tensor.name = member_.key;
    tensor.dtype = dtype(field(*entry, "dtype"));
    tensor.shape = shape(field(*entry, "shape"));
    const auto [begin, end] = data_offsets(field(*entry, "data_offsets"));
    const std::uint64_t expected = bytes_of(tensor.shape, tensor.dtype);
    if (end - begin != expected)
      fail(fmt::format("data_offsets [{}, {}] do not hold shape [{}] of {} ({} bytes)", begin, end,
                       fmt::join(tensor.shape, ", "), dtype_name(tensor.dtype), grouped(expected)));
    tensor.offset = begin;
    tensor.nbytes = expected;
    return tensor;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    refuse(file_, fmt::format("tensor {}: {}", shown(member_.key), message), {}, member_.key);
  }

  void check_name() const {
    if (member_.key.size() > kMaxNameBytes)
      fail(fmt::format("the name is {} bytes long; at most {} are allowed",
                       grouped(member_.key.size()), grouped(kMaxNameBytes)));
    // C programs would take it for the end, and two names for one.
    if (member_.key.find('\0') != std::string::npos) fail("the name holds a NUL character");
  }

  const json::Value& field(const json::Object& entry, std::string_view name) const {
    const json::Value* value = entry.find(name);
    if (value == nullptr) fail(fmt::format("{} is missing", name));
    return *value;
  }

  detent_dtype dtype(const json::Value& value) const {
    const std::string* name = value.if_string();
    if (name == nullptr) fail(fmt::format("dtype is {}, not a string", value.kind()));
    const auto known = dtype_from_name(*name);
    if (!known) fail(fmt::format("unknown dtype {}", shown(*name)));
    return *known;
  }

  // 2.0, -1 and 2^64 are no sizes and no offsets.
  std::uint64_t whole(const json::Value& value, std::string_view what) const {
    std::uint64_t number = 0;
    if (std::string_view(value.kind()) == "an integer" && value.to_uint(&number)) return number;
    fail(fmt::format("{} holds {}; only whole numbers from 0 to 2^64-1 are allowed", what,
                     value.is_number() ? json::dump(value) : value.kind()));
  }

  Dims shape(const json::Value& value) const {
    const json::Array* dims = value.if_array();
    if (dims == nullptr) fail(fmt::format("shape is {}, not a list", value.kind()));
    if (dims->size() > kMaxRank)
      fail(fmt::format("shape has {} dimensions; at most {} are allowed", dims->size(), kMaxRank));
    Dims result;
    for (const json::Value& dim : *dims) {
      const std::uint64_t size = whole(dim, "shape");
      if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        fail(fmt::format("shape holds {}, which is above 2^63-1", size));
      result.push_back(static_cast<std::int64_t>(size));
    }
    return result;
  }

  std::pair<std::uint64_t, std::uint64_t> data_offsets(const json::Value& value) const {
    const json::Array* pair = value.if_array();
    if (pair == nullptr || pair->size() != 2) fail("data_offsets is not a list of two numbers");
    const std::uint64_t begin = whole((*pair)[0], "data_offsets");
    const std::uint64_t end = whole((*pair)[1], "data_offsets");
    if (begin > end) fail(fmt::format("data_offsets [{}, {}] end before they begin", begin, end));
    return {begin, end};
  }

  // Sizes of 0 are left out of the product that must not overflow, so that strides, and products
  // of some of the dimensions, do not overflow later either.
  std::uint64_t bytes_of(const Dims& dims, detent_dtype dtype) const {
    std::uint64_t bits = DETENT_DTYPE_BITS(dtype);
    bool empty = false;
    for (const std::int64_t dim : dims) {
      empty = empty || dim == 0;
      if (dim == 0) continue;
      if (__builtin_mul_overflow(bits, static_cast<std::uint64_t>(dim), &bits) ||
          bits > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        fail(fmt::format("shape [{}] of {} has more bits than 2^63", fmt::join(dims, ", "),
                         dtype_name(dtype)));
    }
    if (empty) return 0;
    const std::uint64_t row = dims.empty() ? 1 : static_cast<std::uint64_t>(dims.back());
    if (row * DETENT_DTYPE_BITS(dtype) % 8 != 0)
      fail(fmt::format("rows of {} values of {} bits do not end on a byte", row,
                       DETENT_DTYPE_BITS(dtype)));
    return bits / 8;
  }

  const json::Member& member_;
  const std::string& file_;
};

}  // namespace

TensorInfo parse_safetensors_entry(const json::Member& member, const std::string& file) {
  return EntryReader(member, file).read();
}

}  // namespace detent
