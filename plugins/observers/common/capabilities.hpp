// SPDX-License-Identifier: Apache-2.0
// What all observers here can handle, for detent_plugin.capabilities.
#pragma once

namespace detent {

inline constexpr const char* kObserverCapabilities = R"({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
    "target": {"properties": {"granularity": {"enum": ["per_tensor", "per_channel", "per_group"]}}}
  })";

}  // namespace detent
