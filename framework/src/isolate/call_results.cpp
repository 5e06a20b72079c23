// SPDX-License-Identifier: Apache-2.0
// What an answer brings, handed to the host's own sinks, which look at it as at any plugin's.
#include <cstring>

#include "isolate/call.hpp"
#include "plugin/tensor_store.hpp"

namespace detent::isolate {
namespace {

constexpr std::uint64_t kMostResults = 65536;
constexpr std::uint64_t kMostFindings = 200000;

double real_of(std::uint64_t bits) {
  double value = 0;
  static_assert(sizeof value == sizeof bits);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

// As it was given: the host's sinks check it.
detent_tensor_spec Call::read_spec(std::string& name, std::vector<std::int64_t>& shape) {
  name = text();
  const auto dtype = static_cast<detent_dtype>(number());
  const std::uint64_t ndim = number();
  if (ndim > static_cast<std::uint64_t>(kMaxDimensions))
    process_.fail_nonsense("a tensor of too many dimensions");
  shape.clear();
  for (std::uint64_t d = 0; d < ndim; ++d) shape.push_back(static_cast<std::int64_t>(number()));
  return {name.c_str(), shape.empty() ? nullptr : shape.data(), static_cast<std::int32_t>(ndim),
          dtype};
}

std::int32_t Call::deliver(const detent_tensor_sink* sink) {
  const std::uint64_t tensors = number();
  if (tensors > kMostResults) process_.fail_nonsense("too many results");
  for (std::uint64_t i = 0; i < tensors; ++i) {
    std::string name;
    std::vector<std::int64_t> shape;
    const detent_tensor_spec spec = read_spec(name, shape);
    const std::uint64_t segment = number();
    const std::uint64_t offset = number();
    if (!is_valid_spec(&spec)) process_.fail_nonsense("a tensor that cannot exist");
    detent_tensor out{};
    const std::int32_t status = sink->create(sink, &spec, &out);
    if (status != DETENT_OK) return status;
    const std::byte* from = results(segment, offset, out.nbytes);
    if (out.nbytes != 0) std::memcpy(out.data, from, out.nbytes);
  }
  const std::uint64_t metas = number();
  if (metas > kMostResults) process_.fail_nonsense("too many metadata");
  for (std::uint64_t i = 0; i < metas; ++i) {
    const std::string key = text();
    const std::string value = text();
    const std::int32_t status = sink->set_meta(sink, key.c_str(), value.c_str());
    if (status != DETENT_OK) return status;
  }
  return DETENT_OK;
}

std::string_view Call::bytes() {
  const std::uint64_t size = number();
  const std::uint64_t segment = number();
  const std::uint64_t offset = number();
  if (size == 0) return {};
  return {reinterpret_cast<const char*>(results(segment, offset, size)), size};
}

void Call::copy_tensor(const detent_tensor& to) {
  const std::uint64_t segment = number();
  const std::uint64_t offset = number();
  if (to.nbytes == 0) return;
  std::memcpy(static_cast<std::byte*>(to.data) + to.byte_offset,
              results(segment, offset, to.nbytes), to.nbytes);
}

const char* Call::nullable(std::string& kept) {
  if (number() == 0) return nullptr;
  kept = text();
  return kept.c_str();
}

void Call::deliver_target(const detent_plan_sink* sink) {
  if (number() == 0) return void(sink->target(sink, nullptr));
  const std::string_view raw = reading([&] { return answer_.text(); });
  std::string scheme;
  detent_qspec spec{};
  std::memcpy(&spec, raw.data(), std::min(raw.size(), sizeof spec));
  spec.struct_size = std::min<std::uint64_t>(spec.struct_size, raw.size());
  spec.scheme = nullable(scheme);
  sink->target(sink, &spec);
}

detent_tensor_spec Call::spec(std::string& name, std::vector<std::int64_t>& shape) {
  return number() != 0 ? read_spec(name, shape) : detent_tensor_spec{};
}

void Call::deliver_output(const detent_plan_sink* sink) {
  std::string name;
  std::vector<std::int64_t> shape;
  const detent_tensor_spec given = spec(name, shape);
  sink->output(sink, given.name != nullptr ? &given : nullptr,
               static_cast<std::uint32_t>(number()));
}

// Once more to the sink of the host, in the order in which the plugin called the other one.
std::int32_t Call::deliver_plan(const detent_plan_sink* sink) {
  const std::uint64_t calls = number();
  if (calls > kMostResults) process_.fail_nonsense("too many calls to the plan");
  for (std::uint64_t i = 0; i < calls; ++i) {
    std::string first;
    std::string second;
    const auto one = [&] { return nullable(first); };
    const auto two = [&](auto f) {
      const char* a = nullable(first);
      const char* b = nullable(second);
      f(sink, a, b);
    };
    switch (static_cast<PlanWord>(number())) {
      case PlanWord::target: deliver_target(sink); break;
      case PlanWord::output: deliver_output(sink); break;
      case PlanWord::decline: sink->decline(sink, one()); break;
      case PlanWord::require_stat: two(sink->require_stat); break;
      case PlanWord::memory: sink->memory(sink, number()); break;
      case PlanWord::warn: two(sink->warn); break;
      case PlanWord::meta: two(sink->meta); break;
      default: process_.fail_nonsense("an unknown call to the plan");
    }
  }
  return DETENT_OK;
}

std::int32_t Call::deliver_findings(const detent_finding_sink* sink) {
  const std::uint64_t findings = number();
  if (findings > kMostFindings) process_.fail_nonsense("too many findings");
  for (std::uint64_t i = 0; i < findings; ++i) {
    if (number() == 0) return sink->report(sink, nullptr);
    std::string target;
    std::string metric;
    std::string message;
    detent_finding finding{};
    finding.struct_size = sizeof finding;
    finding.target = nullable(target);
    finding.metric = nullable(metric);
    finding.message = nullable(message);
    finding.value = real_of(number());
    finding.threshold = real_of(number());
    finding.severity = static_cast<std::int32_t>(static_cast<std::uint32_t>(number()));
    const std::int32_t status = sink->report(sink, &finding);
    if (status != DETENT_OK) return status;
  }
  return DETENT_OK;
}

}  // namespace detent::isolate
