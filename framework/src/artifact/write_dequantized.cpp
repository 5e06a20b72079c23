// SPDX-License-Identifier: Apache-2.0
#include "artifact/write_dequantized.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_set>

#include "base/cancel.hpp"
#include "config/schema.hpp"

namespace detent {
namespace {

const Plugin& serializer_for(const std::filesystem::path& out, const Registry& registry) {
  const std::string capability = "extension:" + out.extension().string();
  for (const Plugin& p : registry.plugins()) {
    const bool writes = lists(p.provides, capability);
    if (p.kind == PluginKind::serializer && p.shadowed_by.empty() && writes) return p;
  }
  throw Error(ErrorCode::config,
              fmt::format("no installed serializer writes \"{}\" files: {}",
                          out.extension().string(), out.string()),
              "choose a file name that ends in .safetensors or .pt");
}

void refuse_lost(const Artifact& artifact) {
  std::vector<Problem> problems;
  for (const LostWeight& w : artifact.lost())
    problems.push_back({fmt::format("{}: \"{}\" cannot be computed: {}",
                                    artifact.model().files().front().string(), w.name, w.reason),
                        "",
                        {.tensor = w.name}});
  if (problems.empty()) return;
  problems.back().hint = "quantize the original again";
  throw Error(ErrorCode::io, std::move(problems));
}

// Groups that are only true of the quantized file.
bool describes_quantization(const Artifact& artifact, const std::string& key) {
  if (artifact.is_foreign()) return describes_mono_quant(key) || key == "format";
  return key == kQuantizationKey || key == kMetricsKey || key == kDigestsKey ||
         key == kConfigurationKey || key == "format";
}

}  // namespace

void write_dequantized(const Artifact& artifact, const std::filesystem::path& out,
                       Overwrite overwrite, const Registry& registry, ThreadPool& pool) {
  refuse_lost(artifact);
  const Plugin& plugin = serializer_for(out, registry);
  const json::Object params = with_defaults({}, plugin.params_schema, "");
  Staging staging(out, "model" + out.extension().string(), overwrite);
  Serializer serializer(plugin, pool, {.params = params, .target = staging.name()});
  serializer.begin(staging.folder(), staging.name());
  const auto kept = artifact.kept();
  std::unordered_set<std::string> names;
  for (const TensorRecord& r : artifact.records()) {
    serializer.declare({r.name, DETENT_F32, r.shape});
    names.insert(r.name);
  }
  for (const TensorInfo* t : kept) {
    serializer.declare({t->name, t->dtype, t->shape});
    names.insert(t->name);
  }
  json::Object aliases;
  for (const auto& [alias, name] : artifact.aliases()) {
    if (!names.contains(name)) continue;
    serializer.declare_alias(alias, name);
    aliases.append({alias, {}, name});
  }
  // A file of ours has this group already.
  if (artifact.is_foreign() && !aliases.empty())
    serializer.set_metadata(kAliasesKey, json::dump(aliases));
  for (const auto& [key, text] : artifact.model().metadata())
    if (!describes_quantization(artifact, key)) serializer.set_metadata(key, json::quote(text));
  for (const TensorRecord& r : artifact.records()) {
    check_cancelled();
    serializer.add_tensor(r.name, dequantize(artifact, r, registry, pool)->read_only());
  }
  for (const TensorInfo* t : kept)
    serializer.add_tensor(t->name, read_tensor(artifact.model(), *t)->read_only());
  staging.commit(serializer.finish());
}

}  // namespace detent
