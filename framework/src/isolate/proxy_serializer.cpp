// SPDX-License-Identifier: Apache-2.0
// A serializer that takes programs stays in the host's process (see isolation.hpp).
#include <map>

#include "isolate/proxies.hpp"

namespace detent::isolate {
namespace {

using Serializer = detent_serializer;

void let_go(Remote& remote) {
  remote.folder = nullptr;
  remote.files.clear();
  remote.tensors.clear();
}

struct LetGo {
  Remote& remote;
  ~LetGo() { let_go(remote); }
};

void DETENT_CALL destroy(Serializer* s) noexcept { destroy_remote(reinterpret_cast<Remote*>(s)); }

std::int32_t DETENT_CALL begin(Serializer* s, const detent_call* c, const detent_folder* folder,
                               const char* name) noexcept {
  return at_table(c, [&] {
    Remote& remote = remote_of(s);
    let_go(remote);
    remote.folder = folder;
    Call call(remote, Op::begin, "begin");
    call.args().text(name);
    return call.run(c);
  });
}

std::int32_t DETENT_CALL declare(Serializer* s, const detent_call* c,
                                 const detent_tensor_spec* spec) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(s), Op::declare, "declare");
    call.put_spec(*spec);
    return call.run(c);
  });
}

std::int32_t two_texts(Serializer* s, const detent_call* c, Op op, const char* operation,
                       const char* first, const char* second) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(s), op, operation);
    call.args().text(first);
    call.args().text(second);
    return call.run(c);
  });
}

std::int32_t DETENT_CALL declare_alias(Serializer* s, const detent_call* c, const char* alias,
                                       const char* name) noexcept {
  return two_texts(s, c, Op::declare_alias, "declare_alias", alias, name);
}

std::int32_t DETENT_CALL set_metadata(Serializer* s, const detent_call* c, const char* key,
                                      const char* value) noexcept {
  return two_texts(s, c, Op::set_metadata, "set_metadata", key, value);
}

std::int32_t DETENT_CALL add_tensor(Serializer* s, const detent_call* c, const char* name,
                                    const detent_tensor* tensor) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(s), Op::add_tensor, "add_tensor");
    call.args().text(name);
    call.put(*tensor);
    return call.run(c);
  });
}

std::int32_t DETENT_CALL add_rows(Serializer* s, const detent_call* c, const char* name,
                                  std::uint64_t first_row, const detent_tensor* rows) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(s), Op::add_rows, "add_rows");
    call.args().text(name);
    call.args().number(first_row);
    call.put(*rows);
    return call.run(c);
  });
}

std::int32_t DETENT_CALL finish(Serializer* s, const detent_call* c) noexcept {
  return at_table(c, [&] {
    Remote& remote = remote_of(s);
    const LetGo at_the_end{remote};
    return Call(remote, Op::finish, "finish").run(c);
  });
}

void end(Serializer* s, Op op, const char* operation) noexcept {
  Remote& remote = remote_of(s);
  const LetGo at_the_end{remote};
  try {
    if (!remote.process->is_gone()) Call(remote, op, operation).run_quietly();
  } catch (...) {
    // Without memory to ask for it: its files are the host's, which closes them.
  }
}

void DETENT_CALL abort(Serializer* s) noexcept { end(s, Op::abort, "abort"); }

std::int32_t DETENT_CALL open(Serializer* s, const detent_call* c, const detent_folder* folder,
                              const char* name, std::uint64_t* tensors) noexcept {
  return at_table(c, [&] {
    Remote& remote = remote_of(s);
    let_go(remote);
    remote.folder = folder;
    Call call(remote, Op::open, "open");
    call.args().text(name);
    const std::int32_t status = call.run(c);
    if (status == DETENT_OK) *tensors = call.number();
    return status;
  });
}

std::int32_t DETENT_CALL tensor_at(Serializer* s, const detent_call* c, std::uint64_t i,
                                   detent_tensor_spec* spec) noexcept {
  return at_table(c, [&] {
    Remote& remote = remote_of(s);
    Call call(remote, Op::tensor_at, "tensor_at");
    call.args().number(i);
    const std::int32_t status = call.run(c);
    Remote::Told& told = remote.tensors[i];  // valid until close
    if (status == DETENT_OK) *spec = call.spec(told.name, told.shape);
    return status;
  });
}

std::int32_t DETENT_CALL read_tensor(Serializer* s, const detent_call* c, std::uint64_t i,
                                     const detent_tensor* out) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(s), Op::read_tensor, "read_tensor");
    call.args().number(i);
    call.put_spec({"", out->shape, out->ndim, out->dtype});
    const std::int32_t status = call.run(c);
    if (status == DETENT_OK) call.copy_tensor(*out);
    return status;
  });
}

std::int32_t DETENT_CALL read_metadata(Serializer* s, const detent_call* c,
                                       const detent_tensor_sink* sink) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(s), Op::read_metadata, "read_metadata");
    const std::int32_t status = call.run(c);
    return status == DETENT_OK ? call.deliver(sink) : status;
  });
}

void DETENT_CALL close(Serializer* s) noexcept { end(s, Op::close, "close"); }

}  // namespace

const void* serializer_table(std::uint64_t functions) {
  static std::mutex mutex;
  static auto& tables = *new std::map<std::uint64_t, detent_serializer_vtbl>;
  const std::lock_guard lock(mutex);
  detent_serializer_vtbl& table = tables[functions];
  table.struct_size = sizeof table;
  table.create = create_remote<Serializer>;
  table.destroy = destroy;
  table.begin = begin;
  table.declare = declare;
  table.set_metadata = set_metadata;
  table.add_tensor = add_tensor;
  table.finish = finish;
  table.abort = abort;
  const bool reads = (functions & kHasReading) != 0;
  table.open = reads ? open : nullptr;
  table.tensor_at = reads ? tensor_at : nullptr;
  table.read_tensor = reads ? read_tensor : nullptr;
  table.read_metadata = reads ? read_metadata : nullptr;
  table.close = reads ? close : nullptr;
  table.declare_alias = (functions & kHasDeclareAlias) != 0 ? declare_alias : nullptr;
  table.add_rows = (functions & kHasAddRows) != 0 ? add_rows : nullptr;
  return &table;
}

}  // namespace detent::isolate
