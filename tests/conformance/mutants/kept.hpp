// SPDX-License-Identifier: Apache-2.0
// A format with a table in front, its reader, and at most one fault.
//
//   "KEPT0001", bytes of the table (u64), bytes of the file (u64), the table, the tensors
//   table: tensors (u64), of each name, dtype (u32), dimensions (u32), extents, offset, bytes
//   (u64);
//          metadata (u64), of each key, room (u64), text, spaces
//   a text is its bytes (u64) and then these
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <detent/sdk/library.hpp>
#include <detent/sdk/serializer.hpp>

extern "C" {
#include "faults.h"
}

namespace {

using detent::sdk::Error;

constexpr char kMagic[] = "KEPT0001";
constexpr uint64_t kFront = 24;

[[noreturn]] void refuse(int32_t code, const std::string& what) { throw Error(code, what); }
[[noreturn]] void bad_file(const char* what) { refuse(DETENT_E_BAD_STATE, what); }

struct Tensor {
  std::string name;
  detent_dtype dtype;
  std::vector<int64_t> shape;
  uint64_t nbytes;
  uint64_t offset = 0;
  uint64_t rows = 0;  // that were added
  bool whole = false;
};

class Reader {
 public:
  void open(const detent_folder* folder, const char* name) {
    if (folder->open(folder, name, &file_) != DETENT_OK)
      refuse(DETENT_E_IO, "cannot open the file");
    tensors_.clear();
    texts_.clear();
    std::string front(kFront, '\0');
    read(0, front.data(), kFront);
    const uint64_t size = file_->size(file_);
    const uint64_t table = number(front, 8);
    if (front.compare(0, 8, kMagic, 8) != 0) bad_file("this is another format");
    if ((number(front, 16) != size || table > size - kFront) && !IS(READS_ANYTHING))
      bad_file("the file is cut off");
    std::string text(table, '\0');
    read(kFront, text.data(), table);
    at_ = 0;
    read_tensors(text, size);
    for (uint64_t n = take(text); n > 0; --n) {
      const std::string key = take_text(text);
      const uint64_t room = take(text);
      texts_[key] = take_text(text);
      if (room < texts_[key].size()) bad_file("metadata are longer than their room");
      skip(text, room - texts_[key].size());
    }
  }

  uint64_t count() const { return tensors_.size(); }
  const Tensor& at(uint64_t i) const {
    if (i >= tensors_.size()) refuse(DETENT_E_INVALID_ARG, "there are fewer tensors");
    return tensors_[i];
  }
  void read_tensor(uint64_t i, const detent_tensor& to) const {
    if (to.nbytes != at(i).nbytes) refuse(DETENT_E_INVALID_ARG, "the tensor has another size");
    read(at(i).offset, static_cast<char*>(to.data), to.nbytes);
  }
  const std::map<std::string, std::string>& texts() const { return texts_; }

 private:
  void read_tensors(const std::string& text, uint64_t size) {
    const uint64_t n = take(text);
    if (n > text.size() / 32 && !IS(TRUSTS_COUNT)) bad_file("the table cannot hold its tensors");
    tensors_.reserve(n);
    for (uint64_t i = 0; i < n; ++i) {
      Tensor t{};
      t.name = take_text(text);
      const uint64_t dtype = take(text);
      t.dtype = static_cast<detent_dtype>(dtype);
      for (uint64_t d = dtype >> 32; d > 0; --d)
        t.shape.push_back(static_cast<int64_t>(take(text)));
      t.offset = take(text);
      t.nbytes = take(text);
      const auto ndim = static_cast<int32_t>(t.shape.size());
      if (t.nbytes != detent_nbytes(t.dtype, ndim, t.shape.data()) && !IS(TRUSTS_COUNT))
        bad_file("a tensor has another size");
      if ((t.offset > size || t.nbytes > size - t.offset) && !IS(READS_ANYTHING))
        bad_file("a tensor lies outside the file");
      tensors_.push_back(std::move(t));
    }
  }

  void read(uint64_t offset, char* to, uint64_t n) const {
    while (n > 0) {
      const int64_t got = file_->pread(file_, offset, to, n);
      if (IS(IGNORES_FAILED_READS) && got < 0) return;
      if (got < 0) refuse(DETENT_E_IO, "the file cannot be read");
      if (IS(READS_ANYTHING)) return;
      if (got == 0) bad_file("the file ends too soon");
      to += IS(ONE_PREAD) ? n : static_cast<uint64_t>(got);
      offset += static_cast<uint64_t>(got);
      n -= IS(ONE_PREAD) ? n : static_cast<uint64_t>(got);
    }
  }

  static uint64_t number(const std::string& from, uint64_t at) {
    uint64_t n;
    memcpy(&n, from.data() + at, sizeof n);
    return n;
  }
  void skip(const std::string& text, uint64_t n) {
    if (n > text.size() - at_) bad_file("the table ends too soon");
    at_ += n;
  }
  uint64_t take(const std::string& text) {
    skip(text, 8);
    return number(text, at_ - 8);
  }
  std::string take_text(const std::string& text) {
    const uint64_t n = take(text);
    skip(text, n);
    return text.substr(at_ - n, n);
  }

  const detent_file* file_ = nullptr;
  uint64_t at_ = 0;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::string> texts_;
};

}  // namespace
