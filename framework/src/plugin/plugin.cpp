// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"

namespace detent {

const char* to_string(PluginKind kind) {
  switch (kind) {
    case PluginKind::observer: return "observer";
    case PluginKind::quantizer: return "quantizer";
    case PluginKind::serializer: return "serializer";
    case PluginKind::validator: return "validator";
  }
  return "plugin";
}

std::string unusable_plugin(PluginKind kind, std::string_view name,
                            const std::filesystem::path& path, const std::string& reason) {
  return fmt::format("{} \"{}\" cannot be used: {}: {}", to_string(kind), printable(name),
                     printable(path.string()), reason);
}

PluginCode Plugin::code() const {
  if (source == nullptr) return {};
  try {
    return source->code(index);
  } catch (const Error& e) {
    throw Error(ErrorCode::plugin, unusable_plugin(kind, id, path, e.problems()[0].message),
                "run the command again: nothing that was known of the file is relied on any more",
                {.plugin = id});
  }
}

}  // namespace detent
