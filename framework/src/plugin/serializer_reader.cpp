// SPDX-License-Identifier: Apache-2.0
#include "plugin/serializer_reader.hpp"

#include <fmt/format.h>
#include <unordered_set>

#include "base/text.hpp"
#include "plugin/input_folder.hpp"
#include "plugin/instance_core.hpp"

namespace detent {
namespace {

constexpr std::uint64_t kMaxTensors = 1'000'000;
// A format may compress; what is claimed to be inside has to stay in proportion to the file.
constexpr std::uint64_t kMaxExpansion = 64;

// NOT_READY and PARAMS are mistakes here; what the file does wrong is BAD_STATE, IO or UNSUPPORTED.
Operation reading(const char* name) { return {name, Operation::Params::broken, false, true}; }

}  // namespace

bool can_read(const Plugin& serializer) {
  const PluginCode code = serializer.code();
  const auto* vtbl = static_cast<const detent_serializer_vtbl*>(code.vtbl);
  return DETENT_HAS(vtbl, detent_serializer_vtbl, open);  // all five or none
}

struct SerializerReader::Impl {
  using Vtbl = detent_serializer_vtbl;

  Impl(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config,
       std::filesystem::path path)
      : core(plugin, PluginKind::serializer, pool, config),
        handle(core.create<detent_serializer, Vtbl>(config)),
        file(std::move(path)),
        folder(file.parent_path().empty() ? "." : file.parent_path()) {}
  ~Impl() {
    try {
      if (is_open) vtbl().close(handle);
    } catch (...) {
      // close never fails; what a broken one throws is dropped.
    }
    core.destroy<Vtbl>(handle);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const Vtbl& vtbl() const { return core.vtbl<Vtbl>(); }

  void call(const char* name, const std::function<std::int32_t(const detent_call*)>& f) const {
    try {
      core.call(reading(name), f);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::io || folder.failure().empty()) throw;
      throw Error(ErrorCode::io, folder.failure(), "", e.problems()[0].where);
    }
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ErrorCode::io, fmt::format("{}: {}", file.string(), why),
                fmt::format("it was read by serializer \"{}\"", core.site().id),
                {.file = file.string(), .plugin = core.site().id});
  }

  void read_list(std::uint64_t count) {
    if (count > kMaxTensors) refuse(fmt::format("claims to hold {} tensors", count));
    const std::uint64_t size = std::filesystem::file_size(file);
    std::unordered_set<std::string> names;
    std::uint64_t total = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      detent_tensor_spec spec{};
      call("tensor_at",
           [&](const detent_call* c) { return vtbl().tensor_at(handle, c, i, &spec); });
      if (!is_valid_spec(&spec)) refuse(fmt::format("tensor {} has no name or cannot be", i));
      PlannedTensor t{spec.name, spec.dtype, {spec.shape, spec.shape + spec.ndim}};
      if (!names.insert(t.name).second)
        refuse(fmt::format("tensor \"{}\" is there twice", printable(t.name)));
      if (__builtin_add_overflow(total, t.nbytes(), &total) || total / kMaxExpansion > size)
        refuse(fmt::format("{} bytes cannot hold its {} tensors", size, count));
      tensors.push_back(std::move(t));
    }
  }

  InstanceCore core;
  detent_serializer* handle;
  std::filesystem::path file;
  InputFolder folder;  // outlives the plugin's use of it
  bool is_open = false;
  std::vector<PlannedTensor> tensors;
  TensorStore metadata;
};

SerializerReader::SerializerReader(const Plugin& plugin, ThreadPool& pool,
                                   const InstanceConfig& config, const std::filesystem::path& file)
    : impl_(std::make_unique<Impl>(plugin, pool, config, file)) {
  std::uint64_t count = 0;
  const std::string name = file.filename().string();
  impl_->call("open", [&](const detent_call* c) {
    return impl_->vtbl().open(impl_->handle, c, impl_->folder.c(), name.c_str(), &count);
  });
  impl_->is_open = true;
  impl_->read_list(count);
  impl_->call("read_metadata", [&](const detent_call* c) {
    return impl_->vtbl().read_metadata(impl_->handle, c, impl_->metadata.sink());
  });
}

SerializerReader::~SerializerReader() = default;

const std::vector<PlannedTensor>& SerializerReader::tensors() const { return impl_->tensors; }

const std::vector<std::pair<std::string, std::string>>& SerializerReader::metadata() const {
  return impl_->metadata.all_meta();
}

void SerializerReader::read(std::size_t i, std::span<std::byte> out) {
  const PlannedTensor& t = impl_->tensors.at(i);
  if (out.size() != t.nbytes())
    throw Error(ErrorCode::unexpected, "a tensor is read into memory of another size");
  std::vector<std::int64_t> strides(t.shape.size(), 1);
  for (std::size_t d = t.shape.size(); d-- > 1;) strides[d - 1] = strides[d] * t.shape[d];
  const detent_tensor to{out.empty() ? nullptr : out.data(),
                         DETENT_DEVICE_CPU,
                         0,
                         static_cast<std::int32_t>(t.shape.size()),
                         t.dtype,
                         t.shape.empty() ? nullptr : t.shape.data(),
                         strides.empty() ? nullptr : strides.data(),
                         0,
                         out.size(),
                         0};
  impl_->call("read_tensor", [&](const detent_call* c) {
    return impl_->vtbl().read_tensor(impl_->handle, c, i, &to);
  });
}

}  // namespace detent
