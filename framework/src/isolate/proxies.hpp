// SPDX-License-Identifier: Apache-2.0
// The function tables of plugins that run elsewhere. Private to this folder.
#pragma once
#include <memory>
#include <string>

#include "isolate/call.hpp"

namespace detent::isolate {

// With those functions that the plugin's own table has (kHas bits); they live as long as the
// process.
const void* observer_table(std::uint64_t functions);
const void* quantizer_table();
const void* serializer_table(std::uint64_t functions);
const void* validator_table(std::uint64_t functions);

// The instance that create makes, and its end.
std::unique_ptr<Remote> make_remote(const detent_host* host, const detent_config& config);
std::int32_t start_remote(Remote& remote, const detent_call* c);
void destroy_remote(Remote* remote) noexcept;

template <class Handle>
std::int32_t create_remote(const detent_host* host, const detent_call* c,
                           const detent_config* config, Handle** out) noexcept {
  return at_table(c, [&] {
    std::unique_ptr<Remote> remote = make_remote(host, *config);
    const std::int32_t status = start_remote(*remote, c);
    if (status == DETENT_OK) *out = reinterpret_cast<Handle*>(remote.release());
    return status;
  });
}

template <class Handle>
Remote& remote_of(const Handle* handle) {
  return *reinterpret_cast<Remote*>(const_cast<Handle*>(handle));
}

}  // namespace detent::isolate
