// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "isolate/proxies.hpp"

namespace detent::isolate {
namespace {

using Observer = detent_observer;

void DETENT_CALL destroy(Observer* o) noexcept { destroy_remote(reinterpret_cast<Remote*>(o)); }

std::int32_t DETENT_CALL observe(Observer* o, const detent_call* c,
                                 const detent_tensor* x) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(o), Op::observe, "observe");
    call.put(*x);
    return call.run(c);
  });
}

std::int32_t DETENT_CALL observe_weighted(Observer* o, const detent_call* c, const detent_tensor* x,
                                          const detent_tensor* importance) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(o), Op::observe_weighted, "observe_weighted");
    call.put(*x);
    call.put(*importance);
    return call.run(c);
  });
}

std::int32_t DETENT_CALL reset(Observer* o, const detent_call* c) noexcept {
  return at_table(c, [&] { return Call(remote_of(o), Op::reset, "reset").run(c); });
}

std::int32_t DETENT_CALL save_state(const Observer* o, const detent_call* c,
                                    const detent_ostream* stream) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(o), Op::save_state, "save_state");
    const std::int32_t status = call.run(c);
    if (status != DETENT_OK) return status;
    std::string bytes(call.bytes());  // a copy: what lies there can change
    for (std::string_view rest = bytes; !rest.empty();) {
      const std::int64_t taken = stream->write(stream, rest.data(), rest.size());
      if (taken <= 0) return DETENT_E_IO;
      rest.remove_prefix(static_cast<std::size_t>(taken));
    }
    return DETENT_OK;
  });
}

std::string all_of(const detent_istream* stream) {
  constexpr std::size_t kPiece = std::size_t{1} << 16U;
  std::string bytes;
  for (;;) {
    const std::size_t done = bytes.size();
    bytes.resize(done + kPiece);
    const std::int64_t got = stream->read(stream, bytes.data() + done, kPiece);
    bytes.resize(done + static_cast<std::size_t>(std::max<std::int64_t>(got, 0)));
    if (got <= 0) return bytes;
  }
}

std::int32_t DETENT_CALL load_state(Observer* o, const detent_call* c,
                                    const detent_istream* stream) noexcept {
  return at_table(c, [&] {
    const std::string bytes = all_of(stream);
    Call call(remote_of(o), Op::load_state, "load_state");
    call.put_bytes(bytes);
    return call.run(c);
  });
}

std::string state_of(Remote& remote, const detent_call* c, std::int32_t& status) {
  Call call(remote, Op::save_state, "save_state");
  status = call.run(c);
  return status == DETENT_OK ? std::string(call.bytes()) : std::string();
}

std::int32_t DETENT_CALL merge(Observer* self, const detent_call* c,
                               const Observer* other) noexcept {
  return at_table(c, [&] {
    Remote& into = remote_of(self);
    Remote& from = remote_of(other);
    if (into.process == from.process) {
      Call call(into, Op::merge, "merge");
      call.args().number(from.id);
      return call.run(c);
    }
    std::int32_t status = DETENT_OK;
    const std::string state = state_of(from, c, status);
    if (status != DETENT_OK) return status;
    Call call(into, Op::merge_saved, "merge");
    call.args().text(from.configuration);
    call.put_bytes(state);
    return call.run(c);
  });
}

std::int32_t DETENT_CALL compute_qparams(const Observer* o, const detent_call* c,
                                         const detent_qspec* spec,
                                         const detent_tensor_sink* sink) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(o), Op::compute_qparams, "compute_qparams");
    call.put_qspec(spec);
    const std::int32_t status = call.run(c);
    return status == DETENT_OK ? call.deliver(sink) : status;
  });
}

std::int32_t DETENT_CALL compute_stat(const Observer* o, const detent_call* c, const char* stat,
                                      const detent_tensor_sink* sink) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(o), Op::compute_stat, "compute_stat");
    call.args().text(stat);
    const std::int32_t status = call.run(c);
    return status == DETENT_OK ? call.deliver(sink) : status;
  });
}

}  // namespace

const void* observer_table(std::uint64_t functions) {
  static std::mutex mutex;
  static auto& tables = *new std::map<std::uint64_t, detent_observer_vtbl>;
  const std::lock_guard lock(mutex);
  detent_observer_vtbl& table = tables[functions];
  table.struct_size = sizeof table;
  table.create = create_remote<Observer>;
  table.destroy = destroy;
  table.observe = observe;
  table.reset = reset;
  table.save_state = save_state;
  table.load_state = load_state;
  table.compute_qparams = compute_qparams;
  table.merge = (functions & kHasMerge) != 0 ? merge : nullptr;
  table.compute_stat = (functions & kHasComputeStat) != 0 ? compute_stat : nullptr;
  table.observe_weighted = (functions & kHasObserveWeighted) != 0 ? observe_weighted : nullptr;
  return &table;
}

}  // namespace detent::isolate
