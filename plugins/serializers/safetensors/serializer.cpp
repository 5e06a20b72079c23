// SPDX-License-Identifier: Apache-2.0
// The safetensors serializer: streams tensors to their final place, and writes the header last.
//
// A file whose writing stopped begins with zeros instead of a header's size, so no reader takes it
// for a model. Needs a little-endian machine: the format is little-endian, tensors are copied.
#include <bit>
#include <memory>
#include <string>
#include <string_view>

#include "elements.hpp"
#include "header.hpp"
#include <detent/sdk/library.hpp>
#include <detent/sdk/serializer.hpp>

namespace detent::safetensors {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kWrite = uint64_t{8} << 20;  // one pwrite: the host can stop between two

// Writes pieces one behind the other.
class FileTail final : public PieceSink {
 public:
  FileTail(const sdk::File& file, uint64_t offset) : file_(file), offset_(offset) {}
  void piece(const char* bytes, uint64_t n) override {
    for (uint64_t done = 0; done < n;) {
      const uint64_t step = std::min(n - done, kWrite);
      if (!file_.write(offset_, bytes + done, step))
        throw sdk::Error(DETENT_E_IO, "the output file took no more bytes at offset " +
                                          std::to_string(offset_) + "\nis the disk full?");
      done += step;
      offset_ += step;
    }
  }

 private:
  const sdk::File& file_;
  uint64_t offset_;
};

class Safetensors final : public sdk::Serializer {
 public:
  static constexpr const char* id = "safetensors";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "safetensors";
  static constexpr const char* description =
      "One .safetensors file; 4-bit codes are stored as U8, two to a byte, the first in the low "
      "nibble";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr const char* provides[] = {"format:safetensors", "extension:.safetensors", nullptr};
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;

  explicit Safetensors(const sdk::Config&) {}

  sdk::Status begin(const sdk::Folder& folder, const char* file_name) override {
    if (header_ != nullptr) return {DETENT_E_INVALID_ARG, "begin before finish or abort"};
    if (const sdk::Status opened = folder.open(file_name, file_); !opened.ok())
      return {opened.code(), "cannot open \"" + std::string(file_name) + "\" for writing"};
    header_ = std::make_unique<Header>();
    next_ = 0;
    return {};
  }

  sdk::Status declare(const detent_tensor_spec& spec) override {
    header().declare(spec);
    return {};
  }

  sdk::Status set_metadata(std::string_view key, std::string_view value_json) override {
    header().set_metadata(key, value_json);
    return {};
  }

  sdk::Status add_tensor(std::string_view tensor_name, const sdk::TensorView& tensor) override {
    Header& h = header();
    if (!h.frozen()) h.freeze();
    Entry& entry = expect(tensor_name);
    if (tensor.dtype() != entry.dtype || tensor.shape() != entry.shape)
      return {DETENT_E_INVALID_ARG,
              "tensor \"" + entry.name + "\" has another dtype or shape than was declared"};
    FileTail out(file_, h.data_start() + entry.offset);
    for_each_piece(tensor, out);
    entry.added = true;
    ++next_;
    return {};
  }

  sdk::Status finish() override {
    Header& h = header();
    if (!h.frozen()) h.freeze();
    if (next_ != h.entries().size())
      return {DETENT_E_INVALID_ARG,
              "tensor \"" + h.entries()[next_].name + "\" was declared and not added, and " +
                  std::to_string(h.entries().size() - next_ - 1) + " after it"};
    const std::string bytes = h.bytes();
    FileTail(file_, 0).piece(bytes.data(), bytes.size());
    header_.reset();
    return {};
  }

  void abort() noexcept override { header_.reset(); }

 private:
  Header& header() {
    if (header_ == nullptr) throw sdk::Error(DETENT_E_INVALID_ARG, "no file: begin comes first");
    return *header_;
  }

  // The next entry, when it is the one of that name.
  Entry& expect(std::string_view tensor_name) {
    const std::string quoted = "tensor \"" + std::string(tensor_name) + "\" ";
    const Entry* found = header_->find(tensor_name);
    if (found == nullptr) throw sdk::Error(DETENT_E_INVALID_ARG, quoted + "was not declared");
    if (found->added) throw sdk::Error(DETENT_E_INVALID_ARG, quoted + "is added twice");
    Entry& next = header_->entries()[next_];
    if (found != &next)
      throw sdk::Error(DETENT_E_INVALID_ARG,
                       quoted + "is added before \"" + next.name +
                           "\"\ntensors are added in the order in which they were declared");
    return next;
  }

  sdk::File file_;
  std::unique_ptr<Header> header_;  // from begin to finish or abort
  size_t next_ = 0;                 // entry that add_tensor has to bring
};

}  // namespace
}  // namespace detent::safetensors

DETENT_LIBRARY(detent::safetensors::Safetensors);
