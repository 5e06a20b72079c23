// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/session.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "isolate/protocol.hpp"
#include "json/parse.hpp"
#include "plugin/params.hpp"
#include "plugin/tensor_store.hpp"
#include "sandbox/sandbox.hpp"

namespace detent::isolate {
namespace {

constexpr std::size_t kMostLogLines = 1000;

CallOutcome refused(std::int32_t status, std::string text) { return {status, std::move(text), ""}; }

}  // namespace

Session::Session(Link& link, const PluginFile& file, const PluginSurroundings& around)
    : link_(link), services_(*around.services), results_([this](std::uint64_t bytes) {
        ByteWriter question;
        question.number(static_cast<std::uint64_t>(Word::more_memory));
        question.number(bytes);
        link_.send(question.bytes());
        return std::move(link_.receive(true).descriptor);
      }) {
  for (const Plugin& plugin : file.plugins) {
    kinds_.push_back(plugin.kind);
    codes_.push_back(plugin.code());
  }
}

void Session::serve() {
  for (;;) {
    Link::Message message = link_.receive(true);
    if (message.descriptor.get() >= 0) {
      auto memory = SharedMemory::open(message.descriptor, SharedMemory::Written::by_host);
      if (!memory) throw Link::Broken("the input cannot be mapped");
      input_ = std::make_unique<SharedMemory>(std::move(*memory));
    }
    answer(message.bytes);
  }
}

void Session::answer(std::string_view message) {
  Arguments in(message, input_.get());
  const auto op = static_cast<Op>(in.number());
  const std::uint64_t id = in.number();
  const auto threads = static_cast<unsigned>(in.number());
  if (threads > 1 && (pool_ == nullptr || pool_->threads() != threads))
    pool_ = std::make_unique<ThreadPool>(threads);
  threads_ = threads > 1 ? pool_.get() : &single_;

  ByteWriter results;
  CallOutcome outcome = run(op, id, in, results);
  if (outcome.broken.empty())
    if (const std::string name = results_.overrun(); !name.empty())
      outcome.broken = fmt::format("wrote behind the end of its result \"{}\"", name);
  ByteWriter out;
  out.number(static_cast<std::uint64_t>(Word::answer));
  out.number(static_cast<std::uint32_t>(outcome.status));
  out.text(outcome.text.c_str());  // up to the first NUL
  out.text(outcome.broken.c_str());
  out.text(sandbox::take_violation());
  put_log(out);
  link_.send(out.bytes() + results.bytes());
  results_.clear();
  if (input_ != nullptr && input_->size() > kKeptSegment) input_.reset();
}

void Session::put_log(ByteWriter& out) {
  std::vector<PluginLogLine> lines = services_.take_log();
  if (lines.size() > kMostLogLines) lines.resize(kMostLogLines);
  out.number(lines.size());
  for (const PluginLogLine& line : lines) {
    out.number(static_cast<std::uint64_t>(line.level));
    out.text(line.text);
  }
}

std::string Session::ask(std::string_view question) {
  if (!in_call_) throw Link::Broken("there is nobody to ask");
  link_.send(question);
  return std::move(link_.receive().bytes);
}

CallOutcome Session::call(const char* name, const Function& function) {
  CallScope scope(*threads_, services_);
  in_call_ = true;
  CallOutcome outcome = attempt(name, scope, function);
  in_call_ = false;
  return outcome;
}

CallOutcome Session::call_for_tensor(
    const char* name, const Work& work,
    const std::function<std::int32_t(const detent_call*, const detent_tensor*)>& function) {
  const detent_tensor_spec& spec = *work.in.spec();
  const std::vector<std::int64_t> strides = row_major_strides({spec.shape, spec.shape + spec.ndim});
  const std::uint64_t nbytes = detent_nbytes(spec.dtype, spec.ndim, spec.shape);
  const Results::Place place = results_.take_named("out", nbytes);
  if (place.data == nullptr) return refused(DETENT_E_NO_MEMORY, "");
  const detent_tensor out{nbytes != 0 ? place.data : nullptr,
                          DETENT_DEVICE_CPU,
                          0,
                          spec.ndim,
                          spec.dtype,
                          spec.shape,
                          spec.ndim > 0 ? strides.data() : nullptr,
                          0,
                          nbytes,
                          0};
  CallOutcome outcome = call(name, [&](const detent_call* c) { return function(c, &out); });
  work.out.number(place.segment);
  work.out.number(place.offset);
  return outcome;
}

CallOutcome Session::run(Op op, std::uint64_t id, Arguments& in, ByteWriter& out) {
  if (op == Op::create) return create(id, in);
  if (op == Op::destroy) return destroy(id);
  const auto it = instances_.find(id);
  if (it == instances_.end()) return refused(DETENT_E_INTERNAL, "there is no such instance");
  const Work work{op, it->second.get(), in, out};
  switch (kinds_.at(work.instance->plugin)) {
    case PluginKind::observer: return observe(work);
    case PluginKind::quantizer: return quantize(work);
    case PluginKind::serializer: return write(work);
    case PluginKind::validator: return check(work);
  }
  return refused(DETENT_E_INTERNAL, "unknown kind");
}

std::int32_t Session::create_with(const detent_call* c, std::size_t plugin,
                                  const detent_config& config, void** out) {
  const void* vtbl = codes_.at(plugin).vtbl;
  const detent_host* host = codes_.at(plugin).library->host();
  const auto with = [&]<class Vtbl, class Handle>(const Vtbl* table, Handle* made) {
    const std::int32_t status = table->create(host, c, &config, &made);
    *out = made;
    return status;
  };
  switch (kinds_.at(plugin)) {
    case PluginKind::observer:
      return with(static_cast<const detent_observer_vtbl*>(vtbl),
                  static_cast<detent_observer*>(nullptr));
    case PluginKind::quantizer:
      return with(static_cast<const detent_quantizer_vtbl*>(vtbl),
                  static_cast<detent_quantizer*>(nullptr));
    case PluginKind::serializer:
      return with(static_cast<const detent_serializer_vtbl*>(vtbl),
                  static_cast<detent_serializer*>(nullptr));
    case PluginKind::validator:
      return with(static_cast<const detent_validator_vtbl*>(vtbl),
                  static_cast<detent_validator*>(nullptr));
  }
  return DETENT_E_INTERNAL;
}

// Of a configuration, as make_remote writes it.
std::unique_ptr<Session::Instance> Session::make(Arguments& in, CallOutcome& outcome) {
  Arguments given(in.text(), nullptr);
  const auto plugin = static_cast<std::size_t>(given.number());
  const json::Value parsed = json::parse(given.text());
  const Params params(*parsed.if_object());
  detent_config config{};
  config.struct_size = sizeof config;
  config.params = params.c();
  config.params_json = params.text().c_str();
  config.params_len = params.text().size();
  config.target = given.c_text();
  config.role = static_cast<std::uint32_t>(given.number());
  config.qspec = given.qspec();
  codes_.at(plugin).library->start(*threads_);
  void* made = nullptr;
  outcome =
      call("create", [&](const detent_call* c) { return create_with(c, plugin, config, &made); });
  if (outcome.status != DETENT_OK || !outcome.broken.empty()) return nullptr;
  if (made == nullptr) outcome.broken = "create made no instance and did not say why";
  return made == nullptr ? nullptr
                         : std::make_unique<Instance>(Instance{plugin, config.role, made, nullptr});
}

CallOutcome Session::create(std::uint64_t id, Arguments& in) {
  CallOutcome outcome;
  try {
    if (auto instance = make(in, outcome)) instances_[id] = std::move(instance);
  } catch (const Error& e) {  // of the library's init
    return refused(DETENT_E_INTERNAL, e.problems()[0].message);
  }
  return outcome;
}

void Session::destroy_handle(const Instance& instance) {
  const void* vtbl = codes_.at(instance.plugin).vtbl;
  try {
    switch (kinds_.at(instance.plugin)) {
      case PluginKind::observer:
        return static_cast<const detent_observer_vtbl*>(vtbl)->destroy(
            static_cast<detent_observer*>(instance.handle));
      case PluginKind::quantizer:
        return static_cast<const detent_quantizer_vtbl*>(vtbl)->destroy(
            static_cast<detent_quantizer*>(instance.handle));
      case PluginKind::serializer:
        return static_cast<const detent_serializer_vtbl*>(vtbl)->destroy(
            static_cast<detent_serializer*>(instance.handle));
      case PluginKind::validator:
        return static_cast<const detent_validator_vtbl*>(vtbl)->destroy(
            static_cast<detent_validator*>(instance.handle));
    }
  } catch (...) {
    // destroy never fails; what a broken one throws is dropped, as in the host's process.
  }
}

CallOutcome Session::destroy(std::uint64_t id) {
  const auto it = instances_.find(id);
  if (it != instances_.end()) {
    destroy_handle(*it->second);
    instances_.erase(it);
  }
  return {DETENT_OK, "", ""};
}

}  // namespace detent::isolate
