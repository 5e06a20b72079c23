// SPDX-License-Identifier: Apache-2.0
#include "config/layout.hpp"

#include <algorithm>

#include "config/runtime_layout.hpp"

namespace detent {
namespace {

const Layout& match_layout() {
  static const Layout layout{
      "match",
      "Which tensors are meant. All keys given must hold; a list means any of.",
      {{.name = "name",
        .shape = Shape::text_or_texts,
        .title = "Names",
        .description = "Layer or tensor names: a glob (* ? [abc]), or re: and a regular expression "
                       "for the whole name."},
       {.name = "type",
        .shape = Shape::text_or_texts,
        .title = "Layer types",
        .description = "Linear, Conv1d, Conv2d, Conv3d, Embedding, LSTM, LayerNorm, ..."},
       {.name = "min_params",
        .shape = Shape::integer,
        .title = "Least parameters",
        .description = "The layer has at least so many parameters.",
        .minimum = 0},
       {.name = "max_params",
        .shape = Shape::integer,
        .title = "Most parameters",
        .description = "The layer has at most so many parameters.",
        .minimum = 0},
       {.name = "dtype",
        .shape = Shape::text_or_texts,
        .title = "Element types",
        .description = "F32, F16, BF16, ... as safetensors spells them."}}};
  return layout;
}

const Layout& rule_layout() {
  static const Layout layout{
      "rule",
      "What happens to the tensors that match: they are kept, or quantized.",
      {{.name = "match",
        .shape = Shape::object,
        .title = "Match",
        .description = "The tensors that this rule is for; absent: all.",
        .layout = &match_layout()},
       {.name = "exclude",
        .shape = Shape::object_or_list,
        .title = "Exclude",
        .description = "Exceptions from the match, with the same keys.",
        .layout = &match_layout()},
       {.name = "keep",
        .shape = Shape::boolean,
        .title = "Keep",
        .description = "Leave the tensors as they are, byte for byte."},
       {.name = "weight",
        .shape = Shape::object,
        .title = "Weights",
        .description = "How the weights are quantized.",
        .layout = &scheme_layout()},
       {.name = "activation",
        .shape = Shape::object,
        .title = "Activations",
        .description = "How the activations are quantized; needs a model that runs.",
        .layout = &activation_layout()}}};
  return layout;
}

const Layout& model_layout() {
  static const Layout layout{
      "model",
      "The model to quantize.",
      {{.name = "path",
        .shape = Shape::text,
        .title = "Path",
        .description = "A .safetensors file, a Hugging Face folder, a TorchScript .pt or a state "
                       "dict; relative to this file.",
        .required = true},
       {.name = "types",
        .shape = Shape::text_map,
        .title = "Layer types",
        .description = "Corrects inferred layer types: a glob on layer names, and the type. The "
                       "first glob that matches counts.",
        .default_json = "{}"}}};
  return layout;
}

const Layout& plugins_layout() {
  static const Layout layout{
      "plugin_folders",
      "Where plugins come from, and which of their files are trusted.",
      {{.name = "search",
        .shape = Shape::texts,
        .title = "Search",
        .description = "Folders that are searched before all others; relative to this file.",
        .default_json = "[]"},
       {.name = "trust",
        .shape = Shape::choice,
        .title = "Trust",
        .description = "pinned: outside the installation only libraries whose hash is pinned are "
                       "loaded; any: all that are found.",
        .default_json = "\"any\"",
        .choices = {"any", "pinned"}},
       {.name = "pin",
        .shape = Shape::text_map,
        .title = "Pins",
        .description = "A plugin's id and \"sha256:\" with the 64 hexadecimal digits of its file: "
                       "with another hash it is refused before it is loaded.",
        .default_json = "{}"}}};
  return layout;
}

const Layout& calibration_layout() {
  static const Layout layout{"calibration",
                             "The data that observers of activations see.",
                             {{.name = "data",
                               .shape = Shape::text_or_texts,
                               .title = "Data",
                               .description = "Files with samples; relative to this file.",
                               .required = true},
                              {.name = "samples",
                               .shape = Shape::integer,
                               .title = "Samples",
                               .description = "How many samples are used; samples, not batches.",
                               .default_json = "150",
                               .minimum = 1},
                              {.name = "batch_size",
                               .shape = Shape::integer,
                               .title = "Batch size",
                               .description = "How many samples go through the model at once.",
                               .default_json = "1",
                               .minimum = 1},
                              {.name = "clip_warning",
                               .shape = Shape::number,
                               .title = "Clipping",
                               .description = "A warning when a larger fraction of the values of "
                                              "an activation lies outside the chosen range.",
                               .default_json = "0.01",
                               .minimum = 0,
                               .maximum = 1}}};
  return layout;
}

const Layout& output_layout() {
  static const Layout layout{"output",
                             "A file or folder to write.",
                             {{.name = "serializer",
                               .shape = Shape::plugin,
                               .title = "Serializer",
                               .description = "The plugin that writes the format.",
                               .required = true,
                               .plugin_kind = PluginKind::serializer},
                              {.name = "path",
                               .shape = Shape::text,
                               .title = "Path",
                               .description = "Relative to this file.",
                               .required = true}}};
  return layout;
}

const Layout& validation_layout() {
  static const Layout layout{
      "validation",
      "Checks of the result, and what a failed one means.",
      {{.name = "validators",
        .shape = Shape::plugins,
        .title = "Validators",
        .description = "The plugins that check the result.",
        .default_json = "[]",
        .plugin_kind = PluginKind::validator},
       {.name = "on_failure",
        .shape = Shape::choice,
        .title = "On failure",
        .description = "error: the run fails and writes nothing; warn: a warning; ignore: only "
                       "the report says so.",
        .default_json = "\"error\"",
        .choices = {"error", "warn", "ignore"}}}};
  return layout;
}

const Layout& report_layout() {
  static const Layout layout{"report",
                             "The report of the run.",
                             {{.name = "path",
                               .shape = Shape::text,
                               .title = "Folder",
                               .description = "Folder of report.json and report.html; relative to "
                                              "this file.",
                               .required = true}}};
  return layout;
}

enum class Presence { required, optional, defaulted };

Key section(std::string_view name, std::string_view title, const Layout& layout,
            Presence presence) {
  return {.name = name,
          .shape = Shape::object,
          .title = title,
          .description = layout.description,
          .required = presence == Presence::required,
          .default_json = presence == Presence::defaulted ? "{}" : "",
          .layout = &layout};
}

}  // namespace

const Key* Layout::find(std::string_view key) const {
  const auto it =
      std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.name == key; });
  return it == keys.end() ? nullptr : &*it;
}

const Layout& plugin_layout() {
  static const Layout layout{"plugin",
                             "A plugin with parameters.",
                             {{.name = "id",
                               .shape = Shape::text,
                               .title = "Id",
                               .description = "Id or alias of the plugin; case, _ and - do not "
                                              "count.",
                               .required = true},
                              {.name = "params",
                               .shape = Shape::parameters,
                               .title = "Parameters",
                               .description = "The plugin's parameters.",
                               .default_json = "{}"},
                              {.name = "isolation",
                               .shape = Shape::choice,
                               .title = "Isolation",
                               .description = "As in runtime, of this plugin alone; absent: as "
                                              "there.",
                               .choices = {"auto", "none", "process"}}}};
  return layout;
}

const Layout& scheme_layout() {
  static const Layout layout{
      "scheme",
      "An observer that finds ranges and a quantizer that uses them.",
      {{.name = "observer",
        .shape = Shape::plugin,
        .title = "Observer",
        .description = "The plugin that finds the ranges; absent: the quantizer needs none.",
        .plugin_kind = PluginKind::observer},
       {.name = "quantizer",
        .shape = Shape::plugin,
        .title = "Quantizer",
        .description = "The plugin that makes the codes.",
        .required = true,
        .plugin_kind = PluginKind::quantizer},
       {.name = "params",
        .shape = Shape::parameters,
        .title = "Parameters of the quantizer",
        .description = "Only beside a quantizer that is given by its name alone."}}};
  return layout;
}

const Layout& activation_layout() {
  static const Layout layout = [] {
    Layout made{"activation_scheme",
                "How activations are quantized: with an observer by parameters that calibration "
                "finds, without one by those of the data in each run of the model.",
                scheme_layout().keys};
    made.keys.push_back({.name = "observe",
                         .shape = Shape::choice,
                         .title = "Side",
                         .description =
                             "Which activations of a layer: what goes into its operator, "
                             "what comes out, or both.",
                         .default_json = "\"input\"",
                         .choices = {"input", "output", "both"}});
    return made;
  }();
  return layout;
}

const Layout& pipeline_layout() {
  static const Layout layout{
      "pipeline",
      "A quantization pipeline.",
      {{.name = "$schema",
        .shape = Shape::text,
        .title = "Schema",
        .description = "Where an editor finds the schema of this file; not used otherwise."},
       {.name = "version",
        .shape = Shape::integer,
        .title = "Version",
        .description = "Of the format of this file.",
        .default_json = "1",
        .minimum = 1,
        .maximum = 1},
       section("model", "Model", model_layout(), Presence::required),
       section("plugins", "Plugins", plugins_layout(), Presence::defaulted),
       section("calibration", "Calibration", calibration_layout(), Presence::optional),
       {.name = "rules",
        .shape = Shape::objects,
        .title = "Rules",
        .description = "The first rule that matches a tensor counts; without one it is kept.",
        .default_json = "[]",
        .layout = &rule_layout()},
       {.name = "modules_to_not_convert",
        .shape = Shape::texts,
        .title = "Modules to keep",
        .description = "Names of modules that are kept, before all rules, as in Hugging Face "
                       "configurations.",
        .default_json = "[]"},
       {.name = "outputs",
        .shape = Shape::objects,
        .title = "Outputs",
        .description = "What is written.",
        .required = true,
        .nonempty = true,
        .layout = &output_layout()},
       section("validation", "Validation", validation_layout(), Presence::defaulted),
       section("report", "Report", report_layout(), Presence::optional),
       section("runtime", "Runtime", runtime_layout(), Presence::defaulted),
       {.name = "provenance",
        .shape = Shape::choice,
        .title = "Provenance",
        .description =
            "Hash of the model, the configuration and the data in the report: xxh3 costs "
            "nothing beside the work, sha256 resists forgery.",
        .default_json = "\"xxh3\"",
        .choices = {"xxh3", "sha256"}}}};
  return layout;
}

const Layout& rules_layout() {
  static const Layout layout = [] {
    Layout made{"rules", "Rules for tensors in memory.", {}};
    for (const Key& key : pipeline_layout().keys) {
      const bool needs_files = key.name == "model" || key.name == "calibration" ||
                               key.name == "outputs" || key.name == "validation" ||
                               key.name == "report" || key.name == "provenance";
      if (!needs_files) made.keys.push_back(key);
    }
    return made;
  }();
  return layout;
}

}  // namespace detent
