// SPDX-License-Identifier: Apache-2.0
// The state_dict serializer: a .pt file that torch.load(path, weights_only=True) reads.
//
// Streams tensors to their final place. The directory, without which nobody opens the file, and the
// archive's first record are written last: a file whose writing stopped begins with zeros. Needs a
// little-endian machine: the file says "little", tensors are copied.
#include <bit>
#include <string_view>
#include <zlib.h>

#include "../common/file_tail.hpp"
#include "../common/single_file.hpp"
#include "archive.hpp"
#include <detent/sdk/library.hpp>

namespace detent::state_dict {
namespace {

static_assert(std::endian::native == std::endian::little);

// Hands pieces on and sums them up.
class Checksum final : public serializers::PieceSink {
 public:
  Checksum(serializers::PieceSink& next, uint32_t so_far) : next_(next), crc_(so_far) {}
  void piece(const char* bytes, uint64_t n) override {
    crc_ = crc32_z(crc_, reinterpret_cast<const unsigned char*>(bytes), n);
    next_.piece(bytes, n);
  }
  uint32_t value() const { return static_cast<uint32_t>(crc_); }

 private:
  serializers::PieceSink& next_;
  uLong crc_;
};

class StateDict final : public serializers::SingleFile<Archive> {
 public:
  static constexpr const char* id = "state_dict";
  static constexpr const char* name = "State dict";
  static constexpr const char* description =
      "A .pt file for torch.load(weights_only=True) with the tensors that safetensors has; shared "
      "weights stay shared";
  static constexpr const char* capabilities = R"({"tensor": {"properties": {"dtype": {"enum": [
        "BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64", "F16", "BF16", "F32",
        "F64", "C64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ",
        "F8_E5M2FNUZ", "I4", "U4"]}}}})";
  static constexpr const char* aliases[] = {"pt", "pth", "torch_state_dict", nullptr};
  static constexpr const char* provides[] = {"format:state_dict", "extension:.pt", "extension:.pth",
                                             "extension:.bin", nullptr};

  explicit StateDict(const sdk::Config&) {}

  sdk::Status declare(const detent_tensor_spec& spec) override {
    layout().declare(spec);
    return {};
  }

  sdk::Status declare_alias(std::string_view alias, std::string_view tensor_name) override {
    layout().declare_alias(alias, tensor_name);
    return {};
  }

  sdk::Status set_metadata(std::string_view key, std::string_view value_json) override {
    layout().set_metadata(key, value_json);
    return {};
  }

  sdk::Status add_tensor(std::string_view tensor_name, const sdk::TensorView& tensor) override {
    Archive& a = layout();
    a.freeze();
    const size_t i = a.tensors().turn_of(tensor_name, tensor);
    ZipRecord& record = a.record_of_tensor(i);
    write_data(record, record.data, tensor);
    close(record);
    a.tensors().added(i);
    return {};
  }

  sdk::Status add_rows(std::string_view tensor_name, uint64_t first_row,
                       const sdk::TensorView& rows) override {
    Archive& a = layout();
    a.freeze();
    const size_t i = a.tensors().turn_of_rows(tensor_name, first_row, rows);
    const uint64_t all_rows = static_cast<uint64_t>(a.tensors().all()[i].shape[0]);
    ZipRecord& record = a.record_of_tensor(i);
    write_data(record, record.data + record.size / all_rows * first_row, rows);
    a.tensors().rows_added(i, rows);
    if (a.tensors().all()[i].rows_added == all_rows) close(record);
    return {};
  }

  sdk::Status finish() override {
    const End end(*this);
    Archive& a = layout();
    a.freeze();
    a.tensors().check_all_added();
    a.close();
    for (size_t i = 1; i < a.texts().size(); ++i) write(a.texts()[i]);
    serializers::FileTail(file(), a.zip().end()).text(a.zip().directory());
    write(a.texts().front());
    return {};
  }

 private:
  // The sum is that of the bytes in their order, in which they come.
  void write_data(ZipRecord& record, uint64_t offset, const sdk::TensorView& data) {
    serializers::FileTail out(file(), offset);
    Checksum sum(out, record.crc);
    serializers::for_each_piece(data, sum);
    record.crc = sum.value();
  }

  void close(const ZipRecord& record) {
    serializers::FileTail(file(), record.data_end()).text(ZipLayout::descriptor(record));
    serializers::FileTail(file(), record.header).text(ZipLayout::header(record));
  }

  void write(const TextRecord& text) {
    const ZipRecord& record = layout().zip().at(text.record);
    serializers::FileTail out(file(), record.header);
    out.text(ZipLayout::header(record));
    out.text(text.content);
    out.text(ZipLayout::descriptor(record));
  }
};

}  // namespace
}  // namespace detent::state_dict

DETENT_LIBRARY(detent::state_dict::StateDict);
