// SPDX-License-Identifier: Apache-2.0
#include "plugin/handshake.hpp"

#include <exception>
#include <fmt/format.h>
#include <string>

#include "base/error.hpp"
#include "base/text.hpp"

namespace detent {
namespace {

constexpr std::uint32_t kMajorsToTry = 9;  // only to name the plugin's own in the message

[[noreturn]] void refuse(std::string reason, std::string hint = {}) {
  throw Error(ErrorCode::plugin, std::move(reason), std::move(hint));
}

const detent_library* ask(detent_entry_fn entry, std::uint32_t major) {
  try {
    return entry(major);
  } catch (const std::exception& e) {
    refuse("threw in " DETENT_ENTRY_SYMBOL ": " + printable(e.what()));
  } catch (...) {
    refuse("threw in " DETENT_ENTRY_SYMBOL);
  }
}

[[noreturn]] void refuse_version(std::uint32_t major, std::uint32_t minor) {
  refuse(fmt::format("built for ABI {}.{}, this host has {}.{}", major, minor, DETENT_ABI_MAJOR,
                     DETENT_ABI_MINOR),
         fmt::format("build the plugin with the SDK of ABI {}.{}", DETENT_ABI_MAJOR,
                     DETENT_ABI_MINOR));
}

// How far apart the two may be is the plugin's word (abi_min_minor) within one major; what came
// before the form was frozen is another interface.
void check_minor(const detent_library& library) {
  if (library.abi_minor < DETENT_ABI_FIRST_MINOR) {
    refuse(
        fmt::format("built for ABI {}.{}, a draft; this host takes {}.{} and later",
                    library.abi_major, library.abi_minor, DETENT_ABI_MAJOR, DETENT_ABI_FIRST_MINOR),
        "build the plugin again with a current SDK");
  }
  if (library.abi_min_minor > library.abi_minor) {
    refuse(fmt::format("built for ABI {0}.{1} and asks for {0}.{2} at least", library.abi_major,
                       library.abi_minor, library.abi_min_minor));
  }
  if (library.abi_min_minor > DETENT_ABI_MINOR) {
    refuse(fmt::format("needs ABI {0}.{1}, this host has {0}.{2}", library.abi_major,
                       library.abi_min_minor, DETENT_ABI_MINOR),
           "use a newer Detent, or a build of the plugin for this one");
  }
}

// The first 16 bytes are the same in every version: what another major answers can be read.
[[noreturn]] void refuse_other_major(detent_entry_fn entry) {
  for (std::uint32_t major = 0; major < kMajorsToTry; ++major) {
    if (major == DETENT_ABI_MAJOR) continue;
    const detent_library* other = ask(entry, major);
    if (other != nullptr && other->magic == DETENT_MAGIC) {
      refuse_version(other->abi_major, other->abi_minor);
    }
  }
  refuse(fmt::format("does not speak ABI {} (host is {}.{})", DETENT_ABI_MAJOR, DETENT_ABI_MAJOR,
                     DETENT_ABI_MINOR));
}

}  // namespace

const detent_library* shake_hands(detent_entry_fn entry) {
  const detent_library* library = ask(entry, DETENT_ABI_MAJOR);
  if (library == nullptr) refuse_other_major(entry);
  if (library->magic != DETENT_MAGIC) {
    refuse(fmt::format("its description begins with {:#010x} instead of {:#010x}", library->magic,
                       DETENT_MAGIC));
  }
  if (library->abi_major != DETENT_ABI_MAJOR) {
    refuse_version(library->abi_major, library->abi_minor);
  }
  check_minor(*library);
  const std::uint64_t needed = DETENT_SIZE_UPTO(detent_library, plugin_at);
  if (library->struct_size < needed) {
    refuse(fmt::format("its detent_library has {} bytes, ABI {}.{} needs {}", library->struct_size,
                       DETENT_ABI_MAJOR, DETENT_ABI_MINOR, needed));
  }
  if (library->plugin_count == nullptr || library->plugin_at == nullptr) {
    refuse("its detent_library has no plugin_count or no plugin_at");
  }
  return library;
}

}  // namespace detent
