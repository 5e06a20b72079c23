// SPDX-License-Identifier: Apache-2.0
#include "pickle.hpp"

#include <algorithm>

#include "dtype.hpp"

namespace detent::state_dict {
namespace {

// Python's pickletools.py describes each.
enum Op : char {
  kProto = '\x80',
  kGlobal = 'c',
  kEmptyTuple = ')',
  kReduce = 'R',
  kMark = '(',
  kTuple = 't',
  kUnicode = 'X',
  kInt1 = 'K',
  kInt2 = 'M',
  kInt4 = 'J',
  kLong1 = '\x8a',
  kPersistentId = 'Q',
  kFalse = '\x89',
  kSetItems = 'u',
  kStop = '.',
};

void append_little_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value & 0xFF);
}

// As torch computes them: an extent of 0 counts as 1.
std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;)
    if (__builtin_mul_overflow(strides[d], std::max(shape[d], int64_t{1}), &strides[d - 1]))
      throw sdk::Error(DETENT_E_INVALID_ARG, "a shape is too large for PyTorch");
  return strides;
}

int64_t elements(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t extent : shape) n *= extent;  // fits: the bytes do
  return n;
}

}  // namespace

StateDictPickle::StateDictPickle() {
  (bytes_ += kProto) += '\x02';
  empty_ordered_dict();
  bytes_ += kMark;
}

void StateDictPickle::add(std::string_view name, const serializers::Stored& tensor,
                          size_t storage) {
  const TorchType& type = *torch_type(tensor.dtype);
  text(name);
  global("torch._utils", type.untyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
  bytes_ += kMark;
  storage_of(tensor, storage);
  integer(0);  // offset in the storage
  integers(tensor.shape);
  integers(contiguous_strides(tensor.shape));
  bytes_ += kFalse;      // requires_grad
  empty_ordered_dict();  // backward hooks
  if (type.untyped) global("torch", type.name);
  (bytes_ += kTuple) += kReduce;
}

std::string StateDictPickle::finish() {
  (bytes_ += kSetItems) += kStop;
  return std::move(bytes_);
}

void StateDictPickle::storage_of(const serializers::Stored& tensor, size_t storage) {
  const TorchType& type = *torch_type(tensor.dtype);
  bytes_ += kMark;
  text("storage");
  if (type.untyped)
    global("torch.storage", "UntypedStorage");
  else
    global("torch", type.name);
  text(std::to_string(storage));
  text("cpu");
  integer(type.untyped ? static_cast<int64_t>(tensor.nbytes) : elements(tensor.shape));
  (bytes_ += kTuple) += kPersistentId;
}

void StateDictPickle::global(std::string_view module, std::string_view name) {
  bytes_ += kGlobal;
  bytes_.append(module) += '\n';
  bytes_.append(name) += '\n';
}

void StateDictPickle::text(std::string_view text) {
  if (text.size() > UINT32_MAX)
    throw sdk::Error(DETENT_E_INVALID_ARG, "a tensor's name is longer than a pickle holds");
  bytes_ += kUnicode;
  append_little_endian(bytes_, text.size(), 4);
  bytes_.append(text);
}

// The shortest opcode, as Python's pickler chooses; sizes are not negative.
void StateDictPickle::integer(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  if (bits <= UINT8_MAX) {
    append_little_endian(bytes_ += kInt1, bits, 1);
  } else if (bits <= UINT16_MAX) {
    append_little_endian(bytes_ += kInt2, bits, 2);
  } else if (bits <= INT32_MAX) {
    append_little_endian(bytes_ += kInt4, bits, 4);
  } else {
    (bytes_ += kLong1) += '\x08';
    append_little_endian(bytes_, bits, 8);
  }
}

void StateDictPickle::integers(const std::vector<int64_t>& values) {
  bytes_ += kMark;
  for (const int64_t value : values) integer(value);
  bytes_ += kTuple;
}

void StateDictPickle::empty_ordered_dict() {
  global("collections", "OrderedDict");
  (bytes_ += kEmptyTuple) += kReduce;
}

}  // namespace detent::state_dict
