// SPDX-License-Identifier: Apache-2.0
#include "dtype.hpp"

#include <array>
#include <string>

namespace detent::safetensors {
namespace {

struct Name {
  detent_dtype dtype;
  const char* name;
};
// In the order of the library's own writer (safetensors 0.8, `enum Dtype`), lowest rank first.
constexpr std::array kNames = {
    Name{DETENT_BOOL, "BOOL"},
    Name{DETENT_F4_E2M1FN, "F4"},
    Name{DETENT_DTYPE(15, 6), "F6_E2M3"},
    Name{DETENT_DTYPE(16, 6), "F6_E3M2"},
    Name{DETENT_U8, "U8"},
    Name{DETENT_I8, "I8"},
    Name{DETENT_F8_E5M2, "F8_E5M2"},
    Name{DETENT_F8_E4M3FN, "F8_E4M3"},
    Name{DETENT_F8_E8M0FNU, "F8_E8M0"},
    Name{DETENT_F8_E4M3FNUZ, "F8_E4M3FNUZ"},
    Name{DETENT_F8_E5M2FNUZ, "F8_E5M2FNUZ"},
    Name{DETENT_I16, "I16"},
    Name{DETENT_U16, "U16"},
    Name{DETENT_F16, "F16"},
    Name{DETENT_BF16, "BF16"},
    Name{DETENT_I32, "I32"},
    Name{DETENT_U32, "U32"},
    Name{DETENT_F32, "F32"},
    Name{DETENT_DTYPE(5, 64), "C64"},
    Name{DETENT_F64, "F64"},
    Name{DETENT_I64, "I64"},
    Name{DETENT_U64, "U64"},
};

}  // namespace

std::optional<StoredType> stored_type(detent_dtype dtype) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i].dtype == dtype) return StoredType{kNames[i].name, static_cast<int>(i)};
  return std::nullopt;
}

serializers::Stored stored_in_safetensors(const detent_tensor_spec& spec) {
  const std::string where = "tensor \"" + std::string(spec.name) + "\": ";
  serializers::Stored stored = serializers::stored_as(spec);
  if (!stored_type(stored.dtype))
    throw sdk::Error(DETENT_E_UNSUPPORTED, where + "safetensors has no name for " +
                                               serializers::describe_dtype(spec.dtype) +
                                               "\nwrite it with another serializer");
  const uint64_t row = stored.shape.empty() ? 1 : static_cast<uint64_t>(stored.shape.back());
  if (row % 8 * DETENT_DTYPE_BITS(stored.dtype) % 8 != 0)
    throw sdk::Error(DETENT_E_UNSUPPORTED,
                     where + "its rows do not end on a byte, and safetensors packs without gaps");
  return stored;
}

}  // namespace detent::safetensors
