// SPDX-License-Identifier: Apache-2.0
// PluginInfo: the descriptor's fields that have a default.
#pragma once
#include "error.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// A plugin class must have static constexpr members
//   const char* id, version, name, description;
// and may hide each of these with one of its own. Lists end in nullptr.
struct PluginInfo {
  static constexpr const char* vendor = "";
  static constexpr const char* license = "";
  static constexpr const char* schema = R"({"type":"object","additionalProperties":false})";
  static constexpr uint64_t flags = 0;
  static constexpr uint32_t state_version = 1;
  static constexpr const char* aliases[] = {nullptr};
  static constexpr const char* provides[] = {nullptr};
  static constexpr const char* requirements[] = {nullptr};
  static constexpr const char* capabilities = nullptr;  // JSON, see abi.h
};

namespace detail {
template <class T, class = void>
struct thunks_of;  // specialised for each kind of plugin
}  // namespace detail

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
