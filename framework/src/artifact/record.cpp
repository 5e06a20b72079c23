// SPDX-License-Identifier: Apache-2.0
#include "artifact/record.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include "base/dtype.hpp"
#include "base/version.hpp"
#include "json/parse.hpp"
#include "plugin/affine_rules.hpp"

namespace detent {
namespace {

constexpr const char* kGranularities[] = {"per_tensor", "per_channel", "per_group", "per_block"};

json::Value stamp_to_json(const PluginStamp& stamp) {
  return json::Object{{"id", stamp.id}, {"version", stamp.version}, {"params", stamp.params}};
}

json::Value shape_to_json(const std::vector<std::int64_t>& shape) {
  return json::Array(shape.begin(), shape.end());
}

json::Value target_to_json(const QuantTarget& target) {
  const detent_qspec& q = target.spec;
  json::Object o{{"symmetric", q.symmetric != 0},
                 {"granularity", kGranularities[q.granularity & 3]},
                 {"qmin", q.qmin},
                 {"qmax", q.qmax},
                 {"mapping", target.scheme}};
  if (q.granularity == DETENT_PER_CHANNEL) o.set("axis", q.axis);
  if (q.granularity == DETENT_PER_GROUP || q.granularity == DETENT_PER_BLOCK)
    o.set("group_size", q.group_size);
  if (q.granularity == DETENT_PER_BLOCK) o.set("block_rows", q.block_rows);
  if (q.min_scale != 0) o.set("min_scale", q.min_scale);
  if (q.affine_rules != 0) o.set("rules", affine_rule_names(q.affine_rules));
  return o;
}

json::Value scheme_to_json(const SchemeRecord& scheme) {
  json::Object o{{"quantizer", stamp_to_json(scheme.quantizer)},
                 {"codes", dtype_name(scheme.code_dtype)}};
  if (scheme.observer) o.set("observer", stamp_to_json(*scheme.observer));
  if (scheme.target) o.set("target", target_to_json(*scheme.target));
  o.set("outputs", json::Array(scheme.outputs.begin(), scheme.outputs.end()));
  json::Object meta;
  for (const auto& [key, text] : scheme.meta) meta.set(key, json::parse(text));
  o.set("meta", std::move(meta));
  return o;
}

// What other tools and people look for, without following the index into "schemes".
json::Object layer_to_json(const TensorRecord& record) {
  const SchemeRecord& s = record.scheme;
  const unsigned bits = DETENT_DTYPE_BITS(s.code_dtype);
  json::Object o{
      {"type", record.layer_type},
      {"dtype", dtype_name(s.code_dtype)},
      {"bits", static_cast<int>(bits)},
      {"scheme", s.target ? (s.target->spec.symmetric != 0 ? "symmetric" : "asymmetric") : "cast"}};
  if (s.target) {
    const json::Value target = target_to_json(*s.target);
    for (const char* key : {"granularity", "axis", "group_size", "block_rows"})
      if (const json::Value* v = target.if_object()->find(key)) o.set(key, *v);
  }
  o.set("observer", s.observer ? json::Value(s.observer->id) : json::Value());
  o.set("quantizer", s.quantizer.id);
  if (bits < 8) o.set("packing", "low_nibble_first");
  o.set("tensors", json::Array{});
  o.set("scales", json::Array{});
  return o;
}

// The same for people of an activation; what was said of the layer's weights stays.
json::Object side_to_json(const ActivationRecord& a) {
  const bool symmetric = a.target.spec.symmetric != 0;
  json::Object o{{"scheme", symmetric ? "symmetric" : "asymmetric"},
                 {"dtype", dtype_name(a.target.spec.qdtype)},
                 {"symmetric", symmetric},
                 {"granularity", kGranularities[a.target.spec.granularity & 3]}};
  if (a.target.spec.granularity == DETENT_PER_CHANNEL) o.set("axis", a.target.spec.axis);
  o.set("observer", a.observer ? json::Value(a.observer->id) : json::Value());
  o.set("dynamic", a.dynamic());
  const std::vector<std::string> stored = a.stored();
  o.set("scales", stored.empty() ? json::Array{} : json::Array{stored.front()});
  return o;
}

json::Value activation_to_json(const ActivationRecord& a) {
  json::Object o{{"site", a.site},
                 {"side", to_string(a.side)},
                 {"layer", a.layer},
                 {"type", a.layer_type},
                 {"quantizer", stamp_to_json(a.quantizer)}};
  if (a.observer) o.set("observer", stamp_to_json(*a.observer));
  o.set("codes", dtype_name(a.target.spec.qdtype));
  o.set("target", target_to_json(a.target));
  return o;
}

void add_side(json::Object& layers, const ActivationRecord& a) {
  json::Value* layer = layers.find(a.layer);
  if (layer == nullptr)
    layer = &layers.set(a.layer, json::Object{{"type", a.layer_type}, {"tensors", json::Array{}}});
  json::Object& facts = *layer->if_object();
  if (!facts.contains(to_string(a.side))) facts.set(to_string(a.side), side_to_json(a));
}

}  // namespace

std::string stored_name(const std::string& tensor, const std::string& output) {
  return output == "qweight" ? tensor : tensor + "_" + output;
}

std::vector<std::string> TensorRecord::stored_names() const {
  if (foreign) return stored;
  std::vector<std::string> names;
  for (const std::string& output : scheme.outputs) names.push_back(stored_name(name, output));
  return names;
}

// Within its layer; a site that is a tensor's, beside that tensor.
std::vector<std::string> ActivationRecord::stored() const {
  if (dynamic()) return {};
  const std::string prefix = site + (site == layer ? "." : "_") + to_string(side);
  std::vector<std::string> names{prefix + "_scale"};
  if (target.spec.symmetric == 0) names.push_back(prefix + "_zero_point");
  return names;
}

json::Value to_json(const std::vector<TensorRecord>& records,
                    const std::vector<ActivationRecord>& activations) {
  json::Array schemes;
  json::Object layers;
  json::Object tensors;
  std::unordered_map<std::string_view, std::size_t> places;  // of layers
  for (const TensorRecord& r : records) {
    json::Value scheme = scheme_to_json(r.scheme);
    const auto known = std::find(schemes.begin(), schemes.end(), scheme);
    json::Object entry{{"scheme", static_cast<std::int64_t>(known - schemes.begin())}};
    if (known == schemes.end()) schemes.push_back(std::move(scheme));
    const bool packed = DETENT_DTYPE_BITS(r.scheme.code_dtype) < 8;
    if (packed) entry.set("code_shape", shape_to_json(r.code_shape));
    if (r.shape != r.code_shape) entry.set("shape", shape_to_json(r.shape));
    if (r.dtype != DETENT_F32) entry.set("dtype", dtype_name(r.dtype));
    tensors.append({r.name, {}, std::move(entry)});

    const auto [place, is_new] = places.emplace(r.layer, layers.size());
    if (is_new) layers.append({r.layer, {}, layer_to_json(r)});
    json::Object& layer = *layers.members()[place->second].value.if_object();
    layer.find("tensors")->if_array()->push_back(r.name);
    const std::vector<std::string> stored = r.stored_names();
    for (std::size_t i = 0; i < stored.size(); ++i)
      if (r.scheme.outputs[i] == "scale") layer.find("scales")->if_array()->push_back(stored[i]);
  }
  json::Array sites;
  for (const ActivationRecord& a : activations) {
    add_side(layers, a);
    sites.push_back(activation_to_json(a));
  }
  json::Object all{{"format_version", kFormatVersion},
                   {"layers", std::move(layers)},
                   {"schemes", std::move(schemes)},
                   {"tensors", std::move(tensors)}};
  if (!sites.empty()) all.set("activations", std::move(sites));
  return all;
}

namespace {

[[noreturn]] void bad(const std::string& what) {
  throw std::runtime_error("its quantization metadata is damaged: " + what);
}

const json::Value& member(const json::Value& value, const char* key) {
  const json::Object* object = value.if_object();
  const json::Value* found = object != nullptr ? object->find(key) : nullptr;
  if (found == nullptr) bad(fmt::format("\"{}\" is missing", key));
  return *found;
}

std::string text_of(const json::Value& value, const char* key) {
  const std::string* text = member(value, key).if_string();
  if (text == nullptr) bad(fmt::format("\"{}\" is no string", key));
  return *text;
}

std::int64_t integer_of(const json::Value& value, const char* key) {
  std::int64_t n = 0;
  if (!member(value, key).to_int(&n)) bad(fmt::format("\"{}\" is no integer", key));
  return n;
}

const json::Object& object_of(const json::Value& value, const char* key) {
  const json::Object* object = member(value, key).if_object();
  if (object == nullptr) bad(fmt::format("\"{}\" is no object", key));
  return *object;
}

const json::Array& array_of(const json::Value& value, const char* key) {
  const json::Array* array = member(value, key).if_array();
  if (array == nullptr) bad(fmt::format("\"{}\" is no list", key));
  return *array;
}

std::vector<std::int64_t> shape_from_json(const json::Value& value, const char* key) {
  std::vector<std::int64_t> shape;
  for (const json::Value& extent : array_of(value, key)) {
    std::int64_t n = 0;
    if (!extent.to_int(&n) || n < 0) bad(fmt::format("\"{}\" is no shape", key));
    shape.push_back(n);
  }
  return shape;
}

detent_dtype dtype_from_json(const json::Value& value, const char* key) {
  const std::string name = text_of(value, key);
  if (name == "I4") return DETENT_I4;
  if (name == "U4") return DETENT_U4;
  const auto dtype = dtype_from_name(name);
  if (!dtype) bad(fmt::format("\"{}\" is no dtype", name));
  return *dtype;
}

PluginStamp stamp_from_json(const json::Value& value) {
  return {text_of(value, "id"), text_of(value, "version"), object_of(value, "params"), {}};
}

// Neither is there where the target has Detent's own rule.
void read_rules(const json::Value& target, detent_qspec& q) {
  const json::Object& object = *target.if_object();
  if (const json::Value* least = object.find("min_scale"))
    if (!least->to_double(&q.min_scale) || !is_valid_min_scale(q.min_scale))
      bad("\"min_scale\" is no scale");
  if (!object.contains("rules")) return;
  for (const json::Value& name : array_of(target, "rules")) {
    const std::string* text = name.if_string();
    const auto rule = text != nullptr ? affine_rule_from_name(*text) : std::nullopt;
    if (!rule) bad(fmt::format("the rule {} is unknown", json::dump(name)));
    q.affine_rules |= *rule;
  }
}

QuantTarget target_from_json(const json::Value& value, detent_dtype codes) {
  QuantTarget target;
  detent_qspec& q = target.spec;
  const std::string granularity = text_of(value, "granularity");
  const auto at = std::find(std::begin(kGranularities), std::end(kGranularities), granularity);
  if (at == std::end(kGranularities)) bad(fmt::format("granularity \"{}\"", granularity));
  q.granularity = static_cast<std::int32_t>(at - std::begin(kGranularities));
  const bool* symmetric = member(value, "symmetric").if_bool();
  if (symmetric == nullptr) bad("\"symmetric\" is no boolean");
  q.symmetric = *symmetric ? 1 : 0;
  q.qdtype = codes;
  q.scale_dtype = DETENT_F32;
  q.zero_dtype = codes == DETENT_U8 ? DETENT_U8 : DETENT_I8;
  q.qmin = integer_of(value, "qmin");
  q.qmax = integer_of(value, "qmax");
  if (q.granularity == DETENT_PER_CHANNEL) {
    const std::int64_t axis = integer_of(value, "axis");
    if (axis < 0 || axis > 64) bad("\"axis\" is out of range");
    q.axis = static_cast<std::int32_t>(axis);
  }
  if (q.granularity >= DETENT_PER_GROUP) q.group_size = integer_of(value, "group_size");
  if (q.granularity == DETENT_PER_BLOCK) q.block_rows = integer_of(value, "block_rows");
  if (q.granularity >= DETENT_PER_GROUP && q.group_size < 1) bad("\"group_size\" is below 1");
  read_rules(value, q);
  target.scheme = text_of(value, "mapping");
  return target;
}

SchemeRecord scheme_from_json(const json::Value& value) {
  SchemeRecord scheme;
  scheme.quantizer = stamp_from_json(member(value, "quantizer"));
  scheme.code_dtype = dtype_from_json(value, "codes");
  const json::Object& object = *value.if_object();
  if (const json::Value* observer = object.find("observer"))
    scheme.observer = stamp_from_json(*observer);
  if (const json::Value* target = object.find("target"))
    scheme.target = target_from_json(*target, scheme.code_dtype);
  for (const json::Value& output : array_of(value, "outputs")) {
    if (output.if_string() == nullptr) bad("\"outputs\" holds something else than names");
    scheme.outputs.push_back(*output.if_string());
  }
  if (std::find(scheme.outputs.begin(), scheme.outputs.end(), "qweight") == scheme.outputs.end())
    bad("\"outputs\" holds no \"qweight\"");
  for (const json::Member& m : object_of(value, "meta"))
    scheme.meta.emplace_back(m.key, json::dump(m.value));
  return scheme;
}

TensorRecord record_from_json(const json::Member& entry, const std::vector<SchemeRecord>& schemes,
                              const StoredShapes& stored) {
  TensorRecord r;
  r.name = entry.key;
  const std::int64_t scheme = integer_of(entry.value, "scheme");
  if (scheme < 0 || static_cast<std::size_t>(scheme) >= schemes.size())
    bad(fmt::format("\"{}\" names a scheme that is not there", r.name));
  r.scheme = schemes[static_cast<std::size_t>(scheme)];
  const std::vector<std::int64_t>* found = stored.shape_of(r.name);
  if (found == nullptr) bad(fmt::format("the file has no tensor \"{}\"", r.name));
  const json::Object& object = *entry.value.if_object();
  const bool packed = DETENT_DTYPE_BITS(r.scheme.code_dtype) < 8;
  r.code_shape = packed ? shape_from_json(entry.value, "code_shape") : *found;
  r.shape = object.contains("shape") ? shape_from_json(entry.value, "shape") : r.code_shape;
  r.dtype = object.contains("dtype") ? dtype_from_json(entry.value, "dtype") : DETENT_F32;
  if (detent_nbytes(DETENT_F32, static_cast<std::int32_t>(r.shape.size()), r.shape.data()) ==
      UINT64_MAX)
    bad(fmt::format("the shape of \"{}\" overflows", r.name));
  return r;
}

ActivationRecord activation_from_json(const json::Value& entry, const StoredShapes& stored) {
  ActivationRecord a;
  a.site = text_of(entry, "site");
  a.layer = text_of(entry, "layer");
  a.layer_type = text_of(entry, "type");
  const std::string side = text_of(entry, "side");
  if (side != "input" && side != "output") bad(fmt::format("\"{}\" is no side", side));
  a.side = side == "input" ? Side::input : Side::output;
  a.quantizer = stamp_from_json(member(entry, "quantizer"));
  if (const json::Value* observer = entry.if_object()->find("observer"))
    a.observer = stamp_from_json(*observer);
  a.target = target_from_json(member(entry, "target"), dtype_from_json(entry, "codes"));
  for (const std::string& name : a.stored())
    if (stored.shape_of(name) == nullptr) bad(fmt::format("the file has no tensor \"{}\"", name));
  return a;
}

}  // namespace

std::vector<ActivationRecord> activations_from_json(const json::Value& value,
                                                    const StoredShapes& stored) {
  std::vector<ActivationRecord> activations;
  const json::Object* object = value.if_object();
  if (object == nullptr || !object->contains("activations")) return activations;
  for (const json::Value& entry : array_of(value, "activations"))
    activations.push_back(activation_from_json(entry, stored));
  return activations;
}

std::vector<TensorRecord> records_from_json(const json::Value& value, const StoredShapes& stored) {
  const std::int64_t version = integer_of(value, "format_version");
  if (version < 1) bad("\"format_version\" is below 1");
  if (version < kOldestFormat || version > kFormatVersion)
    throw UnknownVersion(
        fmt::format("its quantization has format version {}, and detent {} reads {}", version,
                    kVersion,
                    kOldestFormat == kFormatVersion
                        ? fmt::format("version {}", kFormatVersion)
                        : fmt::format("versions {} to {}", kOldestFormat, kFormatVersion)),
        version > kFormatVersion
            ? "a newer detent is needed: the one that wrote the file, or a later one"
            : "use an earlier detent to dequantize the file");
  std::vector<SchemeRecord> schemes;
  for (const json::Value& scheme : array_of(value, "schemes"))
    schemes.push_back(scheme_from_json(scheme));
  std::vector<TensorRecord> records;
  for (const json::Member& entry : object_of(value, "tensors"))
    records.push_back(record_from_json(entry, schemes, stored));
  std::unordered_map<std::string_view, TensorRecord*> by_name;
  for (TensorRecord& r : records) by_name.emplace(r.name, &r);
  for (const json::Member& layer : object_of(value, "layers")) {
    for (const json::Value& name : array_of(layer.value, "tensors")) {
      const auto it = name.if_string() == nullptr ? by_name.end() : by_name.find(*name.if_string());
      if (it == by_name.end()) bad(fmt::format("layer \"{}\" names an unknown tensor", layer.key));
      it->second->layer = layer.key;
      it->second->layer_type = text_of(layer.value, "type");
    }
  }
  return records;
}

}  // namespace detent
