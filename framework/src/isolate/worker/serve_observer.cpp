// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/session.hpp"
#include "plugin/state_stream.hpp"

namespace detent::isolate {
namespace {

using Table = detent_observer_vtbl;

detent_observer* handle_of(void* handle) { return static_cast<detent_observer*>(handle); }

}  // namespace

CallOutcome Session::observe(const Work& work) {
  const Table& t = table<Table>(*work.instance);
  detent_observer* o = handle_of(work.instance->handle);
  switch (work.op) {
    case Op::observe: {
      const detent_tensor* x = work.in.tensor();
      return call("observe", [&](const detent_call* c) { return t.observe(o, c, x); });
    }
    case Op::observe_weighted: {
      const detent_tensor* x = work.in.tensor();
      const detent_tensor* importance = work.in.tensor();
      return call("observe_weighted",
                  [&](const detent_call* c) { return t.observe_weighted(o, c, x, importance); });
    }
    case Op::reset: return call("reset", [&](const detent_call* c) { return t.reset(o, c); });
    case Op::load_state: {
      std::string_view rest = work.in.bytes();
      const detent_istream stream = state_reader(rest);
      return call("load_state", [&](const detent_call* c) { return t.load_state(o, c, &stream); });
    }
    case Op::save_state: return save(work);
    case Op::merge:
    case Op::merge_saved: return merge(work);
    default: return compute(work);
  }
}

CallOutcome Session::save(const Work& work) {
  std::string bytes;
  const detent_ostream stream = state_writer(bytes);
  CallOutcome outcome = call("save_state", [&](const detent_call* c) {
    return table<Table>(*work.instance).save_state(handle_of(work.instance->handle), c, &stream);
  });
  if (outcome.status != DETENT_OK) return outcome;
  const Results::Place place = results_.take(bytes.size());
  if (place.data == nullptr) return {DETENT_E_NO_MEMORY, "", ""};
  std::memcpy(place.data, bytes.data(), bytes.size());
  for (const std::uint64_t n : {std::uint64_t{bytes.size()}, place.segment, place.offset})
    work.out.number(n);
  return outcome;
}

CallOutcome Session::merge(const Work& work) {
  const Table& t = table<Table>(*work.instance);
  CallOutcome outcome;
  std::unique_ptr<Instance> loaded;
  const detent_observer* other = nullptr;
  if (work.op == Op::merge) {
    other = handle_of(instances_.at(work.in.number())->handle);
  } else {
    loaded = make(work.in, outcome);
    if (loaded == nullptr) return outcome;
    std::string_view rest = work.in.bytes();
    const detent_istream stream = state_reader(rest);
    outcome = call("load_state", [&](const detent_call* c) {
      return t.load_state(handle_of(loaded->handle), c, &stream);
    });
    other = handle_of(loaded->handle);
  }
  if (loaded == nullptr || outcome.status == DETENT_OK)
    outcome = call("merge", [&](const detent_call* c) {
      return t.merge(handle_of(work.instance->handle), c, other);
    });
  if (loaded != nullptr) destroy_handle(*loaded);
  return outcome;
}

CallOutcome Session::compute(const Work& work) {
  const Table& t = table<Table>(*work.instance);
  const detent_observer* o = handle_of(work.instance->handle);
  CallOutcome outcome;
  if (work.op == Op::compute_qparams) {
    const detent_qspec* spec = work.in.qspec();
    outcome = call("compute_qparams", [&](const detent_call* c) {
      return t.compute_qparams(o, c, spec, results_.sink());
    });
  } else if (work.op == Op::compute_stat) {
    const char* stat = work.in.c_text();
    outcome = call("compute_stat", [&](const detent_call* c) {
      return t.compute_stat(o, c, stat, results_.sink());
    });
  }
  if (outcome.status == DETENT_OK) results_.write(work.out);
  return outcome;
}

}  // namespace detent::isolate
