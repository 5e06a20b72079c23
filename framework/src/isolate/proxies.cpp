// SPDX-License-Identifier: Apache-2.0
#include "isolate/proxies.hpp"

#include <atomic>

#include "plugin/host.hpp"

namespace detent::isolate {
namespace {

// Of all instances of this process, so that none is taken for another.
std::uint64_t next_id() {
  static std::atomic<std::uint64_t> next{1};
  return next++;
}

}  // namespace

std::unique_ptr<Remote> make_remote(const detent_host* host, const detent_config& config) {
  auto remote = std::make_unique<Remote>();
  remote->link = static_cast<const PluginLink*>(static_cast<const Host*>(host->host_data)->link());
  remote->id = next_id();
  ByteWriter out;
  out.number(remote->link->index);
  out.text({config.params_json, config.params_len});
  out.text(config.target);
  out.number(config.role);
  out.number(config.qspec != nullptr ? 1 : 0);
  if (config.qspec != nullptr) {
    out.text({reinterpret_cast<const char*>(config.qspec), sizeof *config.qspec});
    out.text(config.qspec->scheme != nullptr ? config.qspec->scheme : "");
  }
  remote->configuration = out.bytes();
  remote->process = remote->link->pool->take(config.role == DETENT_ROLE_ACTIVATION);
  return remote;
}

std::int32_t start_remote(Remote& remote, const detent_call* c) {
  std::int32_t status = DETENT_OK;
  {
    Call call(remote, Op::create, "create");
    call.args().text(remote.configuration);
    status = call.run(c);
  }
  if (status != DETENT_OK) remote.link->pool->give_back(remote.process);
  return status;
}

void destroy_remote(Remote* remote) noexcept {
  if (remote == nullptr) return;
  const std::unique_ptr<Remote> owned(remote);
  try {
    if (!remote->process->is_gone()) Call(*remote, Op::destroy, "destroy").run_quietly();
  } catch (...) {
    // Without memory to ask for it: the process ends with its last instance.
    return;
  }
  remote->link->pool->give_back(std::move(remote->process));
}

}  // namespace detent::isolate
