// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <fmt/format.h>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"

namespace detent {
namespace {

// A function of a table, read as an address: all of them are as long as a pointer.
struct Slot {
  const char* name;
  std::size_t offset;
};
#define DETENT_SLOT(T, f) \
  Slot { #f, offsetof(T, f) }

bool is_set(const void* vtbl, const Slot& slot) {
  const char* at = static_cast<const char*>(vtbl) + slot.offset;
  void (*function)() = nullptr;
  static_assert(sizeof function == 8);
  __builtin_memcpy(&function, at, sizeof function);
  return function != nullptr;
}

template <std::size_t n>
void check_slots(const detent_plugin& plugin, std::size_t needed,
                 const std::array<Slot, n>& slots) {
  const std::uint64_t size = *static_cast<const std::uint64_t*>(plugin.vtbl);
  if (size < needed) {
    throw Error(ErrorCode::plugin,
                fmt::format("the function table of \"{}\" has {} bytes, ABI {}.{} needs {}",
                            plugin.id, size, DETENT_ABI_MAJOR, DETENT_ABI_MINOR, needed));
  }
  for (const Slot& slot : slots) {
    if (is_set(plugin.vtbl, slot)) continue;
    throw Error(ErrorCode::plugin, fmt::format("\"{}\" has no function {}", plugin.id, slot.name));
  }
}

void check_observer(const detent_plugin& plugin) {
  using T = detent_observer_vtbl;
  check_slots(plugin, DETENT_SIZE_UPTO(T, compute_qparams),
              std::array{DETENT_SLOT(T, create), DETENT_SLOT(T, destroy), DETENT_SLOT(T, observe),
                         DETENT_SLOT(T, reset), DETENT_SLOT(T, save_state),
                         DETENT_SLOT(T, load_state), DETENT_SLOT(T, compute_qparams)});
}

void check_quantizer(const detent_plugin& plugin) {
  using T = detent_quantizer_vtbl;
  check_slots(plugin, DETENT_SIZE_UPTO(T, dequantize),
              std::array{DETENT_SLOT(T, create), DETENT_SLOT(T, destroy), DETENT_SLOT(T, plan),
                         DETENT_SLOT(T, quantize), DETENT_SLOT(T, dequantize)});
}

void check_serializer(const detent_plugin& plugin) {
  using T = detent_serializer_vtbl;
  check_slots(
      plugin, DETENT_SIZE_UPTO(T, abort),
      std::array{DETENT_SLOT(T, create), DETENT_SLOT(T, destroy), DETENT_SLOT(T, begin),
                 DETENT_SLOT(T, declare), DETENT_SLOT(T, set_metadata), DETENT_SLOT(T, add_tensor),
                 DETENT_SLOT(T, finish), DETENT_SLOT(T, abort)});
  const auto* vtbl = static_cast<const T*>(plugin.vtbl);
  const int reading =
      (DETENT_HAS(vtbl, T, open) ? 1 : 0) + (DETENT_HAS(vtbl, T, tensor_at) ? 1 : 0) +
      (DETENT_HAS(vtbl, T, read_tensor) ? 1 : 0) + (DETENT_HAS(vtbl, T, read_metadata) ? 1 : 0) +
      (DETENT_HAS(vtbl, T, close) ? 1 : 0);
  if (reading != 0 && reading != 5) {
    throw Error(ErrorCode::plugin,
                fmt::format("\"{}\" has {} of the five functions that read; all or none are needed",
                            plugin.id, reading));
  }
}

void check_validator(const detent_plugin& plugin) {
  using T = detent_validator_vtbl;
  check_slots(plugin, DETENT_SIZE_UPTO(T, check),
              std::array{DETENT_SLOT(T, create), DETENT_SLOT(T, destroy), DETENT_SLOT(T, check)});
}

#undef DETENT_SLOT

}  // namespace

void check_vtbl(const detent_plugin& plugin) {
  if (plugin.vtbl == nullptr) {
    throw Error(ErrorCode::plugin, fmt::format("\"{}\" has no function table", plugin.id));
  }
  switch (plugin.kind) {
    case DETENT_KIND_OBSERVER: return check_observer(plugin);
    case DETENT_KIND_QUANTIZER: return check_quantizer(plugin);
    case DETENT_KIND_SERIALIZER: return check_serializer(plugin);
    default: return check_validator(plugin);
  }
}

}  // namespace detent
