// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/text.hpp"
#include "plugin/instance_core.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxFindings = 100000;
constexpr std::size_t kMaxTextBytes = 4096;

// Collects findings; a malformed one is noted even when the plugin ignores the status.
struct FindingSink {
  detent_finding_sink sink{};
  std::vector<Finding> findings;
  std::string validator;
  std::string mistake;

  explicit FindingSink(std::string id) : validator(std::move(id)) {
    sink = {sizeof sink, this, report};
  }
  FindingSink(const FindingSink&) = delete;
  FindingSink& operator=(const FindingSink&) = delete;

  static std::string text_of(const char* text) {
    return printable(std::string_view(text, ::strnlen(text, kMaxTextBytes)));
  }

  static std::int32_t DETENT_CALL report(const detent_finding_sink* s,
                                         const detent_finding* f) noexcept {
    auto& self = *static_cast<FindingSink*>(s->ctx);
    const char* mistake = self.wrong_in(f);
    try {
      if (mistake != nullptr) {
        if (self.mistake.empty()) self.mistake = mistake;
        return DETENT_E_INVALID_ARG;
      }
      self.findings.push_back({self.validator, f->target, text_of(f->metric), f->value,
                               f->threshold, f->severity, text_of(f->message)});
      return DETENT_OK;
    } catch (...) {
      return DETENT_E_NO_MEMORY;
    }
  }

  const char* wrong_in(const detent_finding* f) const noexcept {
    if (f == nullptr) return "a finding is NULL";
    if (f->struct_size < DETENT_SIZE_UPTO(detent_finding, message)) return "a finding is too short";
    if (f->target == nullptr || f->metric == nullptr || f->message == nullptr) {
      return "a text of a finding is NULL";
    }
    if (f->severity < DETENT_FINDING_INFO || f->severity > DETENT_FINDING_FAIL) {
      return "a finding has an unknown severity";
    }
    if (findings.size() >= kMaxFindings) return "more than 100000 findings";
    return nullptr;
  }
};

}  // namespace

struct Validator::Impl {
  using Vtbl = detent_validator_vtbl;

  Impl(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config)
      : core(plugin, PluginKind::validator, pool, config),
        handle(core.create<detent_validator, Vtbl>(config)) {}
  ~Impl() { core.destroy<Vtbl>(handle); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const Vtbl& vtbl() const { return core.vtbl<Vtbl>(); }

  std::vector<Finding> take(FindingSink& sink) const {
    if (!sink.mistake.empty()) core.throw_broken(sink.mistake);
    return std::move(sink.findings);
  }

  InstanceCore core;
  detent_validator* handle;
};

Validator::Validator(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config)
    : impl_(std::make_unique<Impl>(plugin, pool, config)) {}
Validator::~Validator() = default;
Validator::Validator(Validator&&) noexcept = default;

std::vector<Finding> Validator::check(const detent_check_input& input) {
  const std::string target = input.target != nullptr ? input.target : "";
  FindingSink sink(impl_->core.site().id);
  impl_->core.call_on(impl_->core.site_on(target), {"check"}, [&](const detent_call* c) {
    return impl_->vtbl().check(impl_->handle, c, &input, &sink.sink);
  });
  return impl_->take(sink);
}

std::vector<Finding> Validator::check_output(const detent_output_input& input) {
  if (!DETENT_HAS(&impl_->vtbl(), detent_validator_vtbl, check_output)) return {};
  FindingSink sink(impl_->core.site().id);
  impl_->core.call({"check_output"}, [&](const detent_call* c) {
    return impl_->vtbl().check_output(impl_->handle, c, &input, &sink.sink);
  });
  return impl_->take(sink);
}

std::vector<Finding> Validator::finish(const detent_run_summary& summary) {
  if (!DETENT_HAS(&impl_->vtbl(), detent_validator_vtbl, finish)) return {};
  FindingSink sink(impl_->core.site().id);
  impl_->core.call({"finish"}, [&](const detent_call* c) {
    return impl_->vtbl().finish(impl_->handle, c, &summary, &sink.sink);
  });
  return impl_->take(sink);
}

}  // namespace detent
