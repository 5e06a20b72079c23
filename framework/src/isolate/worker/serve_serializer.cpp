// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/session.hpp"

namespace detent::isolate {
namespace {

using Table = detent_serializer_vtbl;

detent_serializer* handle_of(void* handle) { return static_cast<detent_serializer*>(handle); }

}  // namespace

const detent_folder* Session::fresh_folder(Instance& instance) {
  instance.folder =
      std::make_unique<Folder>([this](std::string_view question) { return ask(question); });
  instance.folder->lend(&results_);
  return instance.folder->c();
}

CallOutcome Session::begin(const Work& work) {
  Instance& instance = *work.instance;
  const detent_folder* folder = fresh_folder(instance);
  const char* name = work.in.c_text();
  return call("begin", [&](const detent_call* c) {
    return table<Table>(instance).begin(handle_of(instance.handle), c, folder, name);
  });
}

CallOutcome Session::open(const Work& work) {
  Instance& instance = *work.instance;
  const detent_folder* folder = fresh_folder(instance);
  const char* name = work.in.c_text();
  std::uint64_t tensors = 0;
  const CallOutcome outcome = call("open", [&](const detent_call* c) {
    return table<Table>(instance).open(handle_of(instance.handle), c, folder, name, &tensors);
  });
  work.out.number(tensors);
  return outcome;
}

CallOutcome Session::describe_tensor(const Work& work) {
  const std::uint64_t i = work.in.number();
  detent_tensor_spec spec{};
  const CallOutcome outcome = call("tensor_at", [&](const detent_call* c) {
    return table<Table>(*work.instance).tensor_at(handle_of(work.instance->handle), c, i, &spec);
  });
  put_spec(work.out, &spec);
  return outcome;
}

CallOutcome Session::read(const Work& work) {
  const Table& t = table<Table>(*work.instance);
  detent_serializer* s = handle_of(work.instance->handle);
  switch (work.op) {
    case Op::open: return open(work);
    case Op::tensor_at: return describe_tensor(work);
    case Op::read_tensor: {
      const std::uint64_t i = work.in.number();
      return call_for_tensor("read_tensor", work,
                             [&](const detent_call* c, const detent_tensor* out) {
                               return t.read_tensor(s, c, i, out);
                             });
    }
    case Op::read_metadata: {
      const CallOutcome outcome = call("read_metadata", [&](const detent_call* c) {
        return t.read_metadata(s, c, results_.sink());
      });
      if (outcome.status == DETENT_OK) results_.write(work.out);
      return outcome;
    }
    default:
      return call("close", [&](const detent_call*) {
        t.close(s);
        return DETENT_OK;
      });
  }
}

CallOutcome Session::write(const Work& work) {
  const Table& t = table<Table>(*work.instance);
  detent_serializer* s = handle_of(work.instance->handle);
  if (work.op == Op::begin) return begin(work);
  if (work.instance->folder != nullptr) work.instance->folder->lend(&results_);
  switch (work.op) {
    case Op::declare: {
      const detent_tensor_spec* spec = work.in.spec();
      return call("declare", [&](const detent_call* c) { return t.declare(s, c, spec); });
    }
    case Op::declare_alias: {
      const char* alias = work.in.c_text();
      const char* name = work.in.c_text();
      return call("declare_alias",
                  [&](const detent_call* c) { return t.declare_alias(s, c, alias, name); });
    }
    case Op::set_metadata: {
      const char* key = work.in.c_text();
      const char* value = work.in.c_text();
      return call("set_metadata",
                  [&](const detent_call* c) { return t.set_metadata(s, c, key, value); });
    }
    case Op::add_tensor: {
      const char* name = work.in.c_text();
      const detent_tensor* tensor = work.in.tensor();
      return call("add_tensor",
                  [&](const detent_call* c) { return t.add_tensor(s, c, name, tensor); });
    }
    case Op::add_rows: {
      const char* name = work.in.c_text();
      const std::uint64_t first = work.in.number();
      const detent_tensor* rows = work.in.tensor();
      return call("add_rows",
                  [&](const detent_call* c) { return t.add_rows(s, c, name, first, rows); });
    }
    case Op::open:
    case Op::tensor_at:
    case Op::read_tensor:
    case Op::read_metadata:
    case Op::close: return read(work);
    case Op::finish: return call("finish", [&](const detent_call* c) { return t.finish(s, c); });
    default:
      return call("abort", [&](const detent_call*) {
        t.abort(s);
        return DETENT_OK;
      });
  }
}

}  // namespace detent::isolate
