// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "isolate/proxies.hpp"

namespace detent::isolate {
namespace {

using Validator = detent_validator;

void DETENT_CALL destroy(Validator* v) noexcept { destroy_remote(reinterpret_cast<Remote*>(v)); }

// Numbers and nothing that points: the same in both processes, which are of one build.
template <class T>
void put_plain(Call& call, const T* plain) {
  call.args().number(plain != nullptr ? 1 : 0);
  if (plain != nullptr) call.args().text({reinterpret_cast<const char*>(plain), sizeof *plain});
}

std::int32_t answer(Call& call, const detent_call* c, const detent_finding_sink* sink) {
  const std::int32_t status = call.run(c);
  return status == DETENT_OK ? call.deliver_findings(sink) : status;
}

std::int32_t DETENT_CALL check(Validator* v, const detent_call* c, const detent_check_input* in,
                               const detent_finding_sink* sink) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(v), Op::check, "check");
    call.args().text(in->target != nullptr ? in->target : "");
    call.put_spec(*in->tensor);
    call.put(in->original);
    call.put(in->dequantized);
    call.put_source(in->quantized);
    call.put_qspec(in->qspec);
    call.args().number(in->n_stored);
    for (std::uint64_t i = 0; i < in->n_stored; ++i) {
      const detent_stored_tensor& stored = in->stored[i];
      for (const char* text : {stored.name, stored.digest_intended, stored.digest_found})
        call.args().text(text != nullptr ? text : "");
      call.put(stored.data);
    }
    put_plain(call, in->metrics);
    for (const std::uint64_t n :
         {in->first_row, std::uint64_t{in->last}, std::uint64_t{in->is_quantized}})
      call.args().number(n);
    return answer(call, c, sink);
  });
}

std::int32_t DETENT_CALL check_output(Validator* v, const detent_call* c,
                                      const detent_output_input* in,
                                      const detent_finding_sink* sink) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(v), Op::check_output, "check_output");
    put_plain(call, in);
    call.args().text(in->why != nullptr ? in->why : "");
    call.args().text(in->intended_mismatch != nullptr ? in->intended_mismatch : "");
    return answer(call, c, sink);
  });
}

std::int32_t DETENT_CALL finish(Validator* v, const detent_call* c,
                                const detent_run_summary* summary,
                                const detent_finding_sink* sink) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(v), Op::finish_check, "finish");
    put_plain(call, summary);
    return answer(call, c, sink);
  });
}

}  // namespace

const void* validator_table(std::uint64_t functions) {
  static std::mutex mutex;
  static auto& tables = *new std::map<std::uint64_t, detent_validator_vtbl>;
  const std::lock_guard lock(mutex);
  detent_validator_vtbl& table = tables[functions];
  table.struct_size = sizeof table;
  table.create = create_remote<Validator>;
  table.destroy = destroy;
  table.check = check;
  table.finish = (functions & kHasFinish) != 0 ? finish : nullptr;
  table.check_output = (functions & kHasCheckOutput) != 0 ? check_output : nullptr;
  return &table;
}

}  // namespace detent::isolate
