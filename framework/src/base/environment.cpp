// SPDX-License-Identifier: Apache-2.0
#include "base/environment.hpp"

#include <cstdlib>

namespace detent {

namespace fs = std::filesystem;

std::string_view trusted_environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value != nullptr ? value : "";
}

fs::path user_folder(const char* variable, const char* below_home) {
  fs::path folder = trusted_environment(variable);
  if (folder.is_absolute()) return folder;
  const fs::path home = trusted_environment("HOME");
  return home.is_absolute() ? home / below_home : fs::path();
}

}  // namespace detent
