// SPDX-License-Identifier: Apache-2.0
// inspect and compare: what is in a model, and how two of them differ.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <limits>

#include "artifact/artifact.hpp"
#include "artifact/compare.hpp"
#include "artifact/plugin_model.hpp"
#include "base/dtype.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace detent::cli {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// A quantized file's own word on its layers goes before what its names and shapes suggest.
std::string type_of(const TensorInfo& tensor, const json::Value& architecture) {
  const json::Value* type =
      architecture.at_pointer("/layers" + json::pointer_step(tensor.layer) + "/type");
  return type != nullptr && type->if_string() != nullptr ? *type->if_string() : tensor.type;
}

json::Value metadata_of(const Model& model) {
  json::Object all;
  for (const auto& [key, text] : model.metadata()) all.set(key, text);
  return all;
}

json::Value aliases_of(const Model& model) {
  json::Object all;
  for (const auto& [alias, name] : model.aliases()) all.set(alias, name);
  return all;
}

std::string db_text(double db) {
  if (std::isnan(db)) return "-";
  return std::isinf(db) ? (db > 0 ? "exact" : "-inf") : fmt::format("{:.2f}", db);
}

std::string sqnr_summary(const Comparison& c) {
  if (c.tensors.empty()) return "no tensor is in both";
  if (std::isinf(c.sqnr_db_mean)) return "no tensor differs";
  return fmt::format("SQNR mean {} dB, lowest {} dB", db_text(c.sqnr_db_mean),
                     db_text(c.sqnr_db_min));
}

}  // namespace

int inspect(const Globals& globals, const std::filesystem::path& path) {
  const InstalledPlugins plugins(globals);
  ThreadPool pool(1);
  const Artifact artifact = open_any(path, std::cref(plugins), pool);
  const Model& model = artifact.model();
  const json::Value& architecture = artifact.architecture();
  if (globals.json) {
    json::Array tensors;
    for (const TensorInfo& t : model.tensors())
      tensors.push_back(json::Object{{"name", t.name},
                                     {"dtype", dtype_name(t.dtype)},
                                     {"shape", json::Array(t.shape.begin(), t.shape.end())},
                                     {"bytes", t.nbytes},
                                     {"layer", t.layer},
                                     {"type", type_of(t, architecture)}});
    print_json(
        json::Object{{"format", model.format()},
                     {"tensors", std::move(tensors)},
                     {"quantization", artifact.quantization()},
                     {"aliases", aliases_of(model)},
                     {"notes", json::Array(artifact.notes().begin(), artifact.notes().end())},
                     {"metadata", metadata_of(model)}});
    return 0;
  }
  std::size_t width = 0;
  for (const TensorInfo& t : model.tensors()) width = std::max(width, printable(t.name).size());
  for (const TensorInfo& t : model.tensors()) {
    const TensorRecord* r = artifact.record_of_codes(t.name);
    const std::string how =
        r == nullptr
            ? ""
            : fmt::format("  {} of {}{}", dtype_name(r->scheme.code_dtype),
                          r->foreign ? printable(r->name) + " " : "", shape_text(r->shape));
    print_text(fmt::format("{:<{}}  {:<5} {:<20} {:>9}  {}{}\n", printable(t.name), width,
                           dtype_name(t.dtype), shape_text(t.shape), human_bytes(t.nbytes),
                           type_of(t, architecture), how));
  }
  for (const auto& [alias, name] : model.aliases())
    print_text(fmt::format("{:<{}}  is {}\n", printable(alias), width, printable(name)));
  for (const std::string& note : artifact.notes()) print_text(fmt::format("note: {}\n", note));
  print_text(fmt::format("\n{}: {} tensors, {}{}\n", model.format(), model.tensors().size(),
                         human_bytes(model.tensor_bytes()),
                         artifact.is_quantized()
                             ? fmt::format(", {} of them quantized", artifact.records().size())
                             : ""));
  return 0;
}

int compare(const Globals& globals, const std::filesystem::path& original,
            const std::filesystem::path& quantized) {
  const InstalledPlugins plugins(globals);
  ThreadPool pool;
  const Artifact before = open_any(original, std::cref(plugins), pool);
  const Artifact after = open_any(quantized, std::cref(plugins), pool);
  const Comparison c = compare_models(before, after, plugins(), pool);
  if (globals.json) {
    json::Array tensors;
    for (const TensorComparison& t : c.tensors)
      tensors.push_back(json::Object{{"name", t.name},
                                     {"sqnr_db", json::number(t.sqnr_db)},
                                     {"max_abs_error", json::number(t.max_abs_error)},
                                     {"mse", json::number(t.mse)},
                                     {"cosine", json::number(t.cosine)},
                                     {"bytes_before", t.bytes_before},
                                     {"bytes_after", t.bytes_after}});
    print_json(
        json::Object{{"tensors", std::move(tensors)},
                     {"totals", json::Object{{"bytes_before", c.bytes_before},
                                             {"bytes_after", c.bytes_after},
                                             {"ratio", c.ratio()},
                                             {"sqnr_db_mean", json::number(c.sqnr_db_mean)},
                                             {"sqnr_db_min", json::number(c.sqnr_db_min)}}},
                     {"only_in_original", json::Array(c.only_before.begin(), c.only_before.end())},
                     {"only_in_quantized", json::Array(c.only_after.begin(), c.only_after.end())}});
    return 0;
  }
  std::size_t width = 6;
  for (const TensorComparison& t : c.tensors) width = std::max(width, printable(t.name).size());
  print_text(fmt::format("{:<{}}  {:>8}  {:>12}  {:>9}  {:>9}\n", "tensor", width, "SQNR dB",
                         "max error", "before", "after"));
  for (const TensorComparison& t : c.tensors)
    print_text(fmt::format("{:<{}}  {:>8}  {:>12.6g}  {:>9}  {:>9}\n", printable(t.name), width,
                           db_text(t.sqnr_db), t.max_abs_error, human_bytes(t.bytes_before),
                           human_bytes(t.bytes_after)));
  for (const std::string& name : c.only_before)
    print_text(fmt::format("only in the original: {}\n", printable(name)));
  for (const std::string& name : c.only_after)
    print_text(fmt::format("only in the quantized: {}\n", printable(name)));
  print_text(fmt::format("\ntotal {} -> {} ({:.2f}x), {}\n", human_bytes(c.bytes_before),
                         human_bytes(c.bytes_after), c.ratio(), sqnr_summary(c)));
  return 0;
}

}  // namespace detent::cli
