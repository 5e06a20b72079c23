// SPDX-License-Identifier: Apache-2.0
#include "base/dtype.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace detent {
namespace {
struct Name {
  std::string_view name;
  detent_dtype dtype;
};
constexpr std::array kNames = {
    Name{"BOOL", DETENT_BOOL},
    Name{"U8", DETENT_U8},
    Name{"I8", DETENT_I8},
    Name{"F8_E5M2", DETENT_F8_E5M2},
    Name{"F8_E4M3", DETENT_F8_E4M3FN},
    Name{"F8_E8M0", DETENT_F8_E8M0FNU},
    Name{"F8_E4M3FNUZ", DETENT_F8_E4M3FNUZ},
    Name{"F8_E5M2FNUZ", DETENT_F8_E5M2FNUZ},
    Name{"I16", DETENT_I16},
    Name{"U16", DETENT_U16},
    Name{"F16", DETENT_F16},
    Name{"BF16", DETENT_BF16},
    Name{"I32", DETENT_I32},
    Name{"U32", DETENT_U32},
    Name{"F32", DETENT_F32},
    Name{"I64", DETENT_I64},
    Name{"U64", DETENT_U64},
    Name{"F64", DETENT_F64},
    Name{"C64", kC64},
    Name{"F4", DETENT_F4_E2M1FN},
    Name{"F6_E2M3", kF6E2M3},
    Name{"F6_E3M2", kF6E3M2},
};
}  // namespace

std::string dtype_name(detent_dtype dtype) {
  if (dtype == DETENT_I4) return "I4";
  if (dtype == DETENT_U4) return "U4";
  const auto it =
      std::find_if(kNames.begin(), kNames.end(), [&](const Name& n) { return n.dtype == dtype; });
  if (it != kNames.end()) return std::string(it->name);
  return fmt::format("?({},{})", DETENT_DTYPE_CODE(dtype), DETENT_DTYPE_BITS(dtype));
}

std::optional<detent_dtype> dtype_from_name(std::string_view name) {
  const auto it =
      std::find_if(kNames.begin(), kNames.end(), [&](const Name& n) { return n.name == name; });
  if (it == kNames.end()) return std::nullopt;
  return it->dtype;
}

bool is_float(detent_dtype dtype) {
  return dtype == DETENT_F32 || dtype == DETENT_F64 || dtype == DETENT_F16 || dtype == DETENT_BF16;
}

}  // namespace detent
