// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "plugin/instance_core.hpp"
#include "plugin/output_folder.hpp"
#include "plugin/program_lender.hpp"

namespace detent {

struct Serializer::Impl {
  using Vtbl = detent_serializer_vtbl;

  Impl(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config)
      : core(plugin, PluginKind::serializer, pool, config),
        handle(core.create<detent_serializer, Vtbl>(config)) {}
  ~Impl() {
    abort();
    core.destroy<Vtbl>(handle);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const Vtbl& vtbl() const { return core.vtbl<Vtbl>(); }

  // A serializer that could not write says only that: the folder knows the file and the reason.
  void call(const PluginCall& site, const Operation& operation,
            const std::function<std::int32_t(const detent_call*)>& function) const {
    try {
      if (program == nullptr) return core.call_on(site, operation, function);
      call_with_program(site, operation, function);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::io || output == nullptr || output->failure().empty()) throw;
      throw Error(ErrorCode::io, output->failure(), "", e.problems()[0].where);
    }
  }

  // What the edit threw goes before what the plugin makes of it, and before its own mistakes.
  void call_with_program(const PluginCall& site, const Operation& operation,
                         const std::function<std::int32_t(const detent_call*)>& function) const {
    std::exception_ptr thrown;
    try {
      core.call_on(site, operation, [&](const detent_call* c) {
        program->set_call(c);
        return function(c);
      });
    } catch (...) {
      thrown = std::current_exception();
    }
    program->set_call(nullptr);
    if (program->failure() != nullptr) std::rethrow_exception(program->failure());
    if (!program->mistake().empty()) throw_broken_contract(site, program->mistake());
    if (thrown != nullptr) std::rethrow_exception(thrown);
  }

  const detent_program_writer* writer() const {
    if (!DETENT_HAS(&vtbl(), Vtbl, get_extension)) return nullptr;
    const auto* found = static_cast<const detent_program_writer*>(
        vtbl().get_extension(handle, DETENT_EXT_PROGRAM_WRITER));
    return DETENT_HAS(found, detent_program_writer, use_program) ? found : nullptr;
  }

  void abort() noexcept {
    if (!writing) return;
    writing = false;
    try {
      vtbl().abort(handle);
    } catch (...) {
      // abort never fails; what a broken one throws is dropped.
    }
  }

  void check_writing() const {
    if (!writing) throw Error(ErrorCode::unexpected, "a serializer is used before begin");
  }

  InstanceCore core;
  detent_serializer* handle;
  std::unique_ptr<OutputFolder>
      output;  // outlives the plugin's use of it; discards what is not finished
  std::unique_ptr<ProgramLender> program;  // while one is lent, and afterwards for its warnings
  bool writing = false;                    // begun, neither finished nor aborted
};

Serializer::Serializer(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config)
    : impl_(std::make_unique<Impl>(plugin, pool, config)) {}
Serializer::~Serializer() = default;
Serializer::Serializer(Serializer&&) noexcept = default;

bool Serializer::takes_program() const { return impl_->writer() != nullptr; }

void Serializer::use_program(ProgramView view, std::unique_ptr<ProgramEdit> edit) {
  const detent_program_writer* writer = impl_->writer();
  if (writer == nullptr) impl_->core.throw_broken("it writes no programs");
  impl_->abort();
  impl_->program = std::make_unique<ProgramLender>(std::move(view), std::move(edit));
  impl_->call(impl_->core.site(), {"use_program"}, [&](const detent_call* c) {
    return writer->use_program(impl_->handle, c, impl_->program->c());
  });
}

std::vector<SerializerWarning> Serializer::warnings() const {
  return impl_->program != nullptr ? impl_->program->warnings() : std::vector<SerializerWarning>();
}

void Serializer::begin(const std::filesystem::path& folder, const std::string& name) {
  impl_->abort();
  impl_->output = std::make_unique<OutputFolder>(folder);
  impl_->writing = true;
  impl_->call(impl_->core.site(), {"begin"}, [&](const detent_call* c) {
    return impl_->vtbl().begin(impl_->handle, c, impl_->output->c(), name.c_str());
  });
}

void Serializer::declare(const PlannedTensor& tensor) {
  impl_->check_writing();
  const detent_tensor_spec spec{tensor.name.c_str(),
                                tensor.shape.empty() ? nullptr : tensor.shape.data(),
                                static_cast<std::int32_t>(tensor.shape.size()), tensor.dtype};
  impl_->call(impl_->core.site_on(tensor.name), {"declare"},
              [&](const detent_call* c) { return impl_->vtbl().declare(impl_->handle, c, &spec); });
}

void Serializer::declare_alias(const std::string& alias, const std::string& name) {
  impl_->check_writing();
  const auto& vtbl = impl_->vtbl();
  if (!DETENT_HAS(&vtbl, Impl::Vtbl, declare_alias)) return;
  impl_->call(impl_->core.site_on(name), {"declare_alias"}, [&](const detent_call* c) {
    return vtbl.declare_alias(impl_->handle, c, alias.c_str(), name.c_str());
  });
}

void Serializer::set_metadata(const std::string& key, const std::string& value_json) {
  impl_->check_writing();
  impl_->call(impl_->core.site(), {"set_metadata"}, [&](const detent_call* c) {
    return impl_->vtbl().set_metadata(impl_->handle, c, key.c_str(), value_json.c_str());
  });
}

void Serializer::add_tensor(const std::string& name, const detent_tensor& tensor) {
  impl_->check_writing();
  impl_->call(impl_->core.site_on(name), {"add_tensor"}, [&](const detent_call* c) {
    return impl_->vtbl().add_tensor(impl_->handle, c, name.c_str(), &tensor);
  });
}

bool takes_rows(const Plugin& serializer) {
  const PluginCode code = serializer.code();
  const auto* vtbl = static_cast<const detent_serializer_vtbl*>(code.vtbl);
  return DETENT_HAS(vtbl, detent_serializer_vtbl, add_rows);
}

void Serializer::add_rows(const std::string& name, std::uint64_t first_row,
                          const detent_tensor& rows) {
  impl_->check_writing();
  impl_->call(impl_->core.site_on(name), {"add_rows"}, [&](const detent_call* c) {
    return impl_->vtbl().add_rows(impl_->handle, c, name.c_str(), first_row, &rows);
  });
}

std::vector<std::string> Serializer::finish() {
  impl_->check_writing();
  impl_->writing = false;  // begin is followed by one of finish and abort, also when finish fails
  impl_->call(impl_->core.site(), {"finish"},
              [&](const detent_call* c) { return impl_->vtbl().finish(impl_->handle, c); });
  if (impl_->program != nullptr && !impl_->program->written())
    impl_->core.throw_broken("it finished without writing the program");
  return impl_->output->finish();
}

}  // namespace detent
