// SPDX-License-Identifier: Apache-2.0
// The safetensors serializer: streams tensors to their final place, and writes the header last.
//
// A file whose writing stopped begins with zeros instead of a header's size, so no reader takes it
// for a model. Needs a little-endian machine: the format is little-endian, tensors are copied.
#include <bit>
#include <string>
#include <string_view>

#include "../common/file_tail.hpp"
#include "../common/single_file.hpp"
#include "header.hpp"
#include <detent/sdk/library.hpp>

namespace detent::safetensors {
namespace {

static_assert(std::endian::native == std::endian::little);

class Safetensors final : public serializers::SingleFile<Header> {
 public:
  static constexpr const char* id = "safetensors";
  static constexpr const char* name = "safetensors";
  static constexpr const char* description =
      "One .safetensors file; 4-bit codes are stored as U8, two to a byte, the first in the low "
      "nibble";
  static constexpr const char* capabilities = R"({"tensor": {"properties": {"dtype": {"enum": [
        "BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64", "F16", "BF16", "F32",
        "F64", "C64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F4",
        "F6_E2M3", "F6_E3M2", "I4", "U4"]}}}})";
  static constexpr const char* provides[] = {"format:safetensors", "extension:.safetensors",
                                             nullptr};

  explicit Safetensors(const sdk::Config&) {}

  sdk::Status declare(const detent_tensor_spec& spec) override {
    layout().declare(spec);
    return {};
  }

  sdk::Status set_metadata(std::string_view key, std::string_view value_json) override {
    layout().metadata().set(key, value_json);
    return {};
  }

  sdk::Status add_tensor(std::string_view tensor_name, const sdk::TensorView& tensor) override {
    Header& h = frozen();
    const size_t i = h.tensors().turn_of(tensor_name, tensor);
    serializers::FileTail out(file(), h.data_start() + h.tensors().all()[i].offset);
    serializers::for_each_piece(tensor, out);
    h.tensors().added(i);
    return {};
  }

  // Rows start on bytes, and so their places are known.
  sdk::Status add_rows(std::string_view tensor_name, uint64_t first_row,
                       const sdk::TensorView& rows) override {
    Header& h = frozen();
    const size_t i = h.tensors().turn_of_rows(tensor_name, first_row, rows);
    const serializers::Declared& tensor = h.tensors().all()[i];
    const uint64_t row_bytes = tensor.stored.nbytes / static_cast<uint64_t>(tensor.shape[0]);
    serializers::FileTail out(file(), h.data_start() + tensor.offset + first_row * row_bytes);
    serializers::for_each_piece(rows, out);
    h.tensors().rows_added(i, rows);
    return {};
  }

  sdk::Status finish() override {
    const End end(*this);
    Header& h = frozen();
    h.tensors().check_all_added();
    serializers::FileTail(file(), 0).text(h.bytes());
    return {};
  }

 private:
  Header& frozen() {
    if (!layout().frozen()) layout().freeze();
    return layout();
  }
};

}  // namespace
}  // namespace detent::safetensors

DETENT_LIBRARY(detent::safetensors::Safetensors);
