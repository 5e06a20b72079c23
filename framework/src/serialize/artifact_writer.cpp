// SPDX-License-Identifier: Apache-2.0
#include "serialize/artifact_writer.hpp"

#include <string_view>
#include <unordered_map>

#include "serialize/program_view.hpp"

namespace detent {
namespace {

// For an output that is a folder: "model" with the first extension that the plugin says it writes.
std::string default_name(const Plugin& serializer) {
  constexpr std::string_view kExtension = "extension:";
  for (const std::string& capability : serializer.provides)
    if (capability.starts_with(kExtension)) return "model" + capability.substr(kExtension.size());
  return "model." + serializer.id;
}

}  // namespace

ArtifactWriter::ArtifactWriter(const Config& config, const Output& output, const Plan& plan,
                               const Model& model, Program* program, Overwrite overwrite,
                               ThreadPool& pool)
    : config_(config),
      use_(output.serializer),
      plan_(plan),
      model_(model),
      plugin_(*output.serializer.plugin),
      runtime_(program != nullptr ? program->facts().runtime : ""),
      staging_(output.path, default_name(*output.serializer.plugin), overwrite),
      serializer_(*output.serializer.plugin, pool,
                  {.params = output.serializer.params, .target = output.path.filename().string()}) {
  if (program != nullptr && serializer_.takes_program())
    serializer_.use_program(view_program(plan, model, program->facts()), program->begin_edit());
  serializer_.begin(staging_.folder(), staging_.name());
}

std::vector<Warning> ArtifactWriter::warnings() const {
  std::vector<Warning> warnings;
  for (SerializerWarning& w : serializer_.warnings())
    warnings.push_back({std::move(w.code), std::move(w.message), {.plugin = plugin_.id}});
  return warnings;
}

void ArtifactWriter::declare(const Calibration& calibration) {
  for (const TensorPlan& t : plan_.tensors) {
    const TensorInfo& info = model_.tensors()[t.tensor];
    if (!t.quantize) serializer_.declare({info.name, info.dtype, info.shape});
    for (std::size_t i = 0; i < t.stored.size(); ++i) {
      const PlannedTensor& planned = t.quantizer.outputs[i];
      serializer_.declare({t.stored[i].name, planned.dtype, planned.shape});
    }
  }
  declare_aliases(model_);
  for (std::size_t i = 0; i < plan_.activations.size(); ++i)
    for (const StoredName& s : plan_.activations[i].stored) {
      const HostTensor& tensor = *calibration.sites[i].qparams->find(s.output);
      serializer_.declare({s.name, tensor.dtype(), tensor.shape()});
    }
  for (const auto& [key, text] :
       early_metadata({config_, plan_, model_, use_, runtime_, calibration.samples_used}))
    serializer_.set_metadata(key, text);
  serializer_.set_metadata(kMetricsKey, metrics_metadata(plan_, widest_sqnr(plan_, model_)));
  serializer_.set_metadata(kDigestsKey, digests_metadata(widest_digests(plan_, model_)));
}

// A shared weight is quantized once: its further names are names of the codes and of the scale.
void ArtifactWriter::declare_aliases(const Model& model) {
  std::unordered_map<std::string_view, const TensorPlan*> plans;
  for (const TensorPlan& t : plan_.tensors) plans[model.tensors()[t.tensor].name] = &t;
  for (const auto& [alias, name] : model.aliases()) {
    const TensorPlan& t = *plans.at(name);
    if (!t.quantize) serializer_.declare_alias(alias, name);
    for (const StoredName& s : t.stored)
      serializer_.declare_alias(stored_name(alias, s.output), s.name);
  }
}

void ArtifactWriter::add_kept(const TensorInfo& info, const HostTensor& tensor) {
  serializer_.add_tensor(info.name, tensor.read_only());
}

void ArtifactWriter::add_quantized(const TensorPlan& plan, const TensorStore& outputs) {
  for (const StoredName& s : plan.stored)
    serializer_.add_tensor(s.name, outputs.find(s.output)->read_only());
}

void ArtifactWriter::add_rows(const std::string& name, std::uint64_t first_row,
                              const HostTensor& rows) {
  serializer_.add_rows(name, first_row, rows.read_only());
}

void ArtifactWriter::add_activation(const ActivationPlan& plan, const TensorStore& qparams) {
  for (const StoredName& s : plan.stored)
    serializer_.add_tensor(s.name, qparams.find(s.output)->read_only());
}

void ArtifactWriter::finish(const SqnrOf& sqnr, const DigestOf& digests) {
  serializer_.set_metadata(kMetricsKey, metrics_metadata(plan_, sqnr));
  serializer_.set_metadata(kDigestsKey, digests_metadata(digests));
  files_ = serializer_.finish();
}

std::uint64_t ArtifactWriter::file_bytes() const {
  std::uint64_t bytes = 0;
  for (const std::string& file : files_)
    bytes += std::filesystem::file_size(staging_.folder() / file);
  return bytes;
}

}  // namespace detent
