// SPDX-License-Identifier: Apache-2.0
// TensorRecord: what an artefact says of a quantized tensor, and its JSON in the file's metadata.
#pragma once
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "json/value.hpp"
#include "plugin/instance.hpp"
#include "program/program.hpp"

namespace detent {

// Of what is written. Older ones, from kOldestFormat on, are read. Keys that readers may ignore are
// added without a new version; it grows when an older detent would misread the file.
inline constexpr int kFormatVersion = 1;
inline constexpr int kOldestFormat = 1;

// Keys of the four groups, and of what `verify` needs, in the file's metadata.
inline constexpr const char* kQuantizationKey = "quantization";
inline constexpr const char* kArchitectureKey = "architecture";
inline constexpr const char* kVersionsKey = "versions";
inline constexpr const char* kMetricsKey = "metrics";
inline constexpr const char* kDigestsKey = "digests";
inline constexpr const char* kConfigurationKey = "configuration";
// Further names of shared tensors, where there are any: {alias: name}.
inline constexpr const char* kAliasesKey = "aliases";

struct PluginStamp {
  std::string id;
  std::string version;
  json::Object params;
  std::string sha256 = {};  // of its library, where the file's "versions" say so
};

// Equal for most tensors of a model, and stored once for all of them.
struct SchemeRecord {
  PluginStamp quantizer;
  std::optional<PluginStamp> observer;
  detent_dtype code_dtype = 0;
  std::optional<QuantTarget> target;
  std::vector<std::string> outputs;                       // "qweight", "scale", "zero_point"
  std::vector<std::pair<std::string, std::string>> meta;  // of the quantizer: key, JSON
};

struct TensorRecord {
  std::string name;  // in the original model, and of the codes in the artefact
  std::string layer;
  std::string layer_type;
  detent_dtype dtype = 0;                // of the original
  std::vector<std::int64_t> shape;       // of the original
  std::vector<std::int64_t> code_shape;  // in elements, also where two share a byte
  SchemeRecord scheme;
  // Of a file that another program wrote: no plugin's, but (code - zero_point) * scale, and stored
  // under names of its own, one for each of scheme.outputs.
  bool foreign = false;
  std::vector<std::string> stored = {};

  std::vector<std::string> stored_names() const;  // of the outputs, in the artefact
};

// What an artefact says of an activation that is quantized.
struct ActivationRecord {
  std::string site;  // prefix of what is stored of it
  std::string layer;
  std::string layer_type;
  Side side = Side::input;
  PluginStamp quantizer;
  std::optional<PluginStamp> observer;  // none: dynamic, nothing is stored
  QuantTarget target;

  bool dynamic() const { return !observer.has_value(); }
  // Names of tensors in the artefact: "fc1.input_scale"; "kernel_input_scale" where the site is the
  // tensor "kernel" and not a layer.
  std::vector<std::string> stored() const;
};

// "fc1.weight" for "qweight", "fc1.weight_scale" for "scale".
std::string stored_name(const std::string& tensor, const std::string& output);

// The value of the metadata key "quantization":
//   format_version  1
//   layers   {layer: {type, dtype, bits, scheme, granularity, axis, group_size, observer,
//   quantizer,
//            packing, tensors, scales}}: for people and other tools
//   schemes  [{quantizer, observer, codes, target, outputs, meta}]
//   tensors  {tensor: {scheme, shape?, dtype?, code_shape?}}: shape when it is not that of the
//   codes,
//            dtype when it was not F32
// and where there are activations
//   layers       {layer: {..., input: {scheme, dtype, symmetric, granularity, axis, observer,
//                dynamic}, output: {...}}}: of the first site of the layer
//   activations  [{site, side, layer, type, quantizer, observer, codes, target}]
json::Value to_json(const std::vector<TensorRecord>& records,
                    const std::vector<ActivationRecord>& activations = {});

// A version of the format that this detent does not read.
class UnknownVersion : public std::runtime_error {
 public:
  UnknownVersion(const std::string& what, std::string hint)
      : std::runtime_error(what), hint_(std::move(hint)) {}
  const std::string& hint() const { return hint_; }

 private:
  std::string hint_;
};

// What to_json made, checked. stored_shape(name) gives the shape of a tensor of the artefact, or
// nullptr. Errors: std::runtime_error with the reason; UnknownVersion is one.
class StoredShapes {
 public:
  virtual ~StoredShapes() = default;
  virtual const std::vector<std::int64_t>* shape_of(const std::string& name) const = 0;
};
std::vector<TensorRecord> records_from_json(const json::Value& value, const StoredShapes& stored);
std::vector<ActivationRecord> activations_from_json(const json::Value& value,
                                                    const StoredShapes& stored);

}  // namespace detent
