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
    Header& h = layout();
    if (!h.frozen()) h.freeze();
    const size_t i = h.tensors().turn_of(tensor_name, tensor);
    serializers::FileTail out(file(), h.data_start() + h.tensors().all()[i].offset);
    serializers::for_each_piece(tensor, out);
    h.tensors().added();
    return {};
  }

  sdk::Status finish() override {
    Header& h = layout();
    if (!h.frozen()) h.freeze();
    h.tensors().check_all_added();
    serializers::FileTail(file(), 0).text(h.bytes());
    abort();
    return {};
  }
};

}  // namespace
}  // namespace detent::safetensors

DETENT_LIBRARY(detent::safetensors::Safetensors);
