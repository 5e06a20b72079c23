// SPDX-License-Identifier: Apache-2.0
#include "artifact/mono_quant.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "artifact/artifact.hpp"
#include "base/dtype.hpp"
#include "json/parse.hpp"

namespace detent {
namespace {

constexpr std::string_view kInt8Codes = "_quantized_weight_int8";
constexpr std::string_view kInt4Codes = "_packed_weight";
constexpr std::int64_t kDefaultGroup = 128;  // Mono Quant's own

// "fc1." of "fc1._quantized_weight_int8"; nothing when the name's last component is another. A
// module's prefix ends in a dot, or is empty for the model itself.
std::optional<std::string> prefix_of(std::string_view name, std::string_view component) {
  if (!name.ends_with(component)) return std::nullopt;
  const std::string_view prefix = name.substr(0, name.size() - component.size());
  if (!prefix.empty() && prefix.back() != '.') return std::nullopt;
  return std::string(prefix);
}

std::string metadata_of(const Model& model, std::string_view key) {
  for (const auto& [name, text] : model.metadata())
    if (name == key) return text;
  return {};
}

class Reader {
 public:
  explicit Reader(const Model& model) : model_(model) {
    for (const TensorInfo& t : model.tensors()) all_.emplace_back(t.name, &t);
    // A module that is used twice has its parameters under two names.
    for (const auto& [alias, name] : model.aliases())
      if (const TensorInfo* t = model.find(name)) all_.emplace_back(alias, t);
    by_name_.insert(all_.begin(), all_.end());
  }

  MonoQuantFile read() {
    for (const auto& [name, info] : all_) {
      if (const auto prefix = prefix_of(name, kInt8Codes)) read_int8(*prefix, *info);
      if (const auto prefix = prefix_of(name, kInt4Codes); prefix && is_int4(*prefix))
        read_int4(*prefix, *info);
      if (const auto prefix = prefix_of(name, "_axis")) refuse_orphan(*prefix);
    }
    find_unstored();
    return std::move(file_);
  }

  bool is_int4(const std::string& prefix) const {
    return find(prefix + "_scales") != nullptr || find(prefix + "_zero_points") != nullptr;
  }

 private:
  // Layers that the metadata say are quantized and of which the file holds nothing: embeddings,
  // which Mono Quant does not store.
  void find_unstored() {
    json::Value layers;
    try {
      layers = json::parse(metadata_of(model_, "selected_layers"));
    } catch (const json::ParseError&) {
      return;  // none are named
    }
    if (layers.if_array() == nullptr) return;
    std::unordered_set<std::string_view> present;
    for (const auto& [name, info] : all_)
      present.insert(std::string_view(name).substr(0, std::min(name.rfind('.'), name.size())));
    for (const json::Value& layer : *layers.if_array())
      if (layer.if_string() != nullptr && !present.contains(*layer.if_string()))
        lose(*layer.if_string() + ".", "Mono Quant has quantized its layer and not stored it");
  }

  void refuse_orphan(const std::string& prefix) const {
    const std::string codes = prefix + std::string(kInt8Codes);
    if (find(prefix + "_scale") != nullptr && find(prefix + "_zero_point") != nullptr) need(codes);
  }

  const TensorInfo* find(const std::string& name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second;
  }

  [[noreturn]] void damaged(const std::string& tensor, const std::string& why) const {
    throw Error(
        ErrorCode::io, fmt::format("{}: \"{}\" {}", model_.files().front().string(), tensor, why),
        "a file of Mono Quant was changed after it was written: save it again", {.tensor = tensor});
  }

  const TensorInfo& need(const std::string& name) const {
    const TensorInfo* info = find(name);
    if (info == nullptr) damaged(name, "is missing");
    return *info;
  }

  void must_be(const std::string& name, const TensorInfo& info,
               std::initializer_list<detent_dtype> dtypes,
               const std::vector<std::int64_t>& shape) const {
    if (std::find(dtypes.begin(), dtypes.end(), info.dtype) == dtypes.end())
      damaged(name, fmt::format("is {}, and not {}", dtype_name(info.dtype),
                                dtype_name(*dtypes.begin())));
    if (info.shape != shape)
      damaged(name, fmt::format("has the shape [{}] where [{}] belongs",
                                fmt::join(info.shape, ", "), fmt::join(shape, ", ")));
  }

  template <class T>
  std::vector<T> values(const TensorInfo& info) const {
    const auto tensor = read_tensor(model_, info);
    std::vector<T> result(tensor->numel());
    if (!result.empty()) std::memcpy(result.data(), tensor->bytes().data(), tensor->bytes().size());
    return result;
  }

  std::vector<std::int64_t> integers(const TensorInfo& info) const {
    if (info.dtype == DETENT_I64) return values<std::int64_t>(info);
    const auto narrow = values<std::int32_t>(info);
    return {narrow.begin(), narrow.end()};
  }

  void check_scales(const std::string& name, const TensorInfo& info,
                    const std::vector<std::int64_t>& shape) const {
    must_be(name, info, {DETENT_F64, DETENT_F32}, shape);
    std::vector<double> scales;
    if (info.dtype == DETENT_F64) {
      scales = values<double>(info);
    } else {
      const auto narrow = values<float>(info);
      scales.assign(narrow.begin(), narrow.end());
    }
    for (std::size_t i = 0; i < scales.size(); ++i) {
      const auto used = static_cast<float>(scales[i]);
      if (!std::isfinite(used) || used <= 0)
        damaged(name, fmt::format("holds {} at {}: no scale", scales[i], i));
    }
  }

  // Returns whether all are 0.
  bool check_zero_points(const std::string& name, const TensorInfo& info,
                         const std::vector<std::int64_t>& shape, std::int64_t low,
                         std::int64_t high) const {
    must_be(name, info, {DETENT_I64, DETENT_I32}, shape);
    bool zeros = true;
    for (const std::int64_t z : integers(info)) {
      if (z < low || z > high)
        damaged(name, fmt::format("holds {}, outside [{}, {}]", z, low, high));
      zeros = zeros && z == 0;
    }
    return zeros;
  }

  TensorRecord& add(const std::string& prefix, std::vector<std::int64_t> shape) {
    TensorRecord r;
    r.name = weight(prefix);
    r.layer = prefix.empty() ? "" : prefix.substr(0, prefix.size() - 1);
    r.dtype = DETENT_F32;
    r.foreign = true;
    r.code_shape = shape;
    r.shape = std::move(shape);
    r.scheme.quantizer = {"mono_quant", mono_quant_version(model_), {}};
    r.scheme.target.emplace();
    r.scheme.target->scheme = "detent.affine/1";
    return file_.records.emplace_back(std::move(r));
  }

  // Two tensors of one name would come out of dequantizing.
  std::string weight(const std::string& prefix) {
    std::string name = prefix + "weight";
    if (find(name) != nullptr) damaged(name, "is there both as it is and quantized");
    if (!names_.insert(name).second) damaged(name, "is quantized twice");
    return name;
  }

  void lose(const std::string& prefix, std::string reason) {
    file_.lost.push_back({weight(prefix), std::move(reason)});
  }

  void store(TensorRecord& r, const char* output, const TensorInfo& info) {
    r.scheme.outputs.emplace_back(output);
    r.stored.push_back(info.name);
  }

  void set_spec(TensorRecord& r, detent_dtype codes, bool symmetric) {
    r.scheme.code_dtype = codes;
    detent_qspec& q = r.scheme.target->spec;
    q.qdtype = codes;
    q.symmetric = symmetric ? 1 : 0;
    q.qmin = codes == DETENT_I8 ? -128 : -8;
    q.qmax = codes == DETENT_I8 ? 127 : 7;
  }

  void read_int8(const std::string& prefix, const TensorInfo& codes) {
    const TensorInfo& scale = need(prefix + "_scale");
    const TensorInfo& zero = need(prefix + "_zero_point");
    const TensorInfo& axis = need(prefix + "_axis");
    must_be(codes.name, codes, {DETENT_I8}, codes.shape);
    must_be(axis.name, axis, {DETENT_I64}, {});
    const std::int64_t at = values<std::int64_t>(axis).front();
    if (at < 0 || at >= static_cast<std::int64_t>(codes.shape.size()))
      damaged(axis.name, fmt::format("is {}, and its weight has {} axes", at, codes.shape.size()));
    const std::vector<std::int64_t> channels{codes.shape[static_cast<std::size_t>(at)]};
    check_scales(scale.name, scale, channels);
    const bool zeros = check_zero_points(zero.name, zero, channels, -128, 127);
    TensorRecord& r = add(prefix, codes.shape);
    set_spec(r, DETENT_I8, zeros);
    r.scheme.target->spec.granularity = DETENT_PER_CHANNEL;
    r.scheme.target->spec.axis = static_cast<std::int32_t>(at);
    store(r, "qweight", codes);
    store(r, "scale", scale);
    store(r, "zero_point", zero);
    store(r, "axis", axis);
  }

  void read_int4(const std::string& prefix, const TensorInfo& codes) {
    const TensorInfo& scales = need(prefix + "_scales");
    const TensorInfo& zeros = need(prefix + "_zero_points");
    must_be(codes.name, codes, {DETENT_I8}, codes.shape);
    if (codes.shape.size() == 2) return read_fallback(prefix, codes, scales, zeros);
    if (codes.shape.size() != 1) damaged(codes.name, "is no list of bytes");
    if (scales.shape.size() != 1) damaged(scales.name, "is no list of scales");
    check_scales(scales.name, scales, scales.shape);
    const bool symmetric = check_zero_points(zeros.name, zeros, scales.shape, -8, 7);
    const TensorInfo* bias = find(prefix + "bias");
    if (bias == nullptr)
      return lose(prefix, "its number of outputs is stored nowhere: the layer has no bias");
    if (bias->shape.size() != 1 || bias->shape[0] < 1) damaged(bias->name, "is no bias of a layer");
    const std::int64_t rows = bias->shape[0];
    // A byte has two codes; the tensor's bytes are in the file, so doubling cannot overflow.
    const std::int64_t count = codes.shape[0] * 2;
    if (count % rows != 0)
      return lose(prefix, fmt::format("{} codes are no rows for {} outputs: Mono Quant loses the "
                                      "last code of an odd number",
                                      count, rows));
    const std::optional<std::int64_t> group = group_size(prefix, rows, scales.shape[0]);
    if (!group) return;
    TensorRecord& r = add(prefix, {rows, count / rows});
    set_spec(r, DETENT_I4, symmetric);
    // Its groups are whole rows, group_size of them.
    r.scheme.target->spec.granularity = DETENT_PER_BLOCK;
    r.scheme.target->spec.block_rows = *group;
    r.scheme.target->spec.group_size = std::max<std::int64_t>(count / rows, 1);
    store(r, "qweight", codes);
    store(r, "scale", scales);
    store(r, "zero_point", zeros);
    if (symmetric)
      file_.notes.push_back(fmt::format(
          "\"{}\": the symmetric 4-bit codes of Mono Quant are damaged, every negative weight has "
          "become the lowest one; the values are those that Mono Quant itself computes",
          r.name));
  }

  // Rows that share a scale. It is a setting of the layer that only the metadata can hold.
  std::optional<std::int64_t> group_size(const std::string& prefix, std::int64_t rows,
                                         std::int64_t groups) {
    const std::string text = metadata_of(model_, "group_size");
    std::int64_t size = kDefaultGroup;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    const bool said = !text.empty();
    if (said && (error != std::errc() || end != text.data() + text.size() || size < 1))
      damaged(weight(prefix), fmt::format("has groups of \"{}\" rows", text));
    size = groups == 1 ? rows : size;
    if (size > rows || (rows - 1) / size + 1 != groups) {
      lose(prefix, fmt::format("{} rows in groups of {} are not the {} groups that it has, and the "
                               "file does not say how many rows a group has",
                               rows, size, groups));
      return std::nullopt;
    }
    if (!said && groups > 1)
      file_.notes.push_back(fmt::format(
          "\"{}weight\": groups of {} rows, the default of Mono Quant; the file does not say",
          prefix, size));
    return size;
  }

  // Fewer outputs than a group: INT8 codes, as they are. Mono Quant cannot read them itself.
  void read_fallback(const std::string& prefix, const TensorInfo& codes, const TensorInfo& scales,
                     const TensorInfo& zeros) {
    check_scales(scales.name, scales, {codes.shape[0]});
    if (!check_zero_points(zeros.name, zeros, {codes.shape[0]}, -128, 127))
      damaged(zeros.name, "is not all 0, as Mono Quant writes it beside INT8 codes");
    const auto all = values<std::int8_t>(codes);
    // Symmetric codes are -127..127.
    const bool asymmetric = metadata_of(model_, "scheme") == "asymmetric" ||
                            std::find(all.begin(), all.end(), -128) != all.end();
    if (asymmetric) return lose(prefix, "Mono Quant has not stored its zero points");
    TensorRecord& r = add(prefix, codes.shape);
    set_spec(r, DETENT_I8, true);
    r.scheme.target->spec.granularity = DETENT_PER_CHANNEL;
    store(r, "qweight", codes);
    store(r, "scale", scales);
    store(r, "zero_point", zeros);
    file_.notes.push_back(fmt::format(
        "\"{}\" has fewer outputs than a group: Mono Quant stored it as INT8, and its zero points "
        "are lost if it was asymmetric",
        r.name));
  }

  const Model& model_;
  std::vector<std::pair<std::string, const TensorInfo*>> all_;  // under all names
  std::unordered_map<std::string, const TensorInfo*> by_name_;
  std::set<std::string> names_;
  MonoQuantFile file_;
};

}  // namespace

bool is_mono_quant(const Model& model) {
  std::vector<std::string> packed;
  for (const TensorInfo& t : model.tensors()) {
    if (prefix_of(t.name, kInt8Codes)) return true;
    if (auto prefix = prefix_of(t.name, kInt4Codes)) packed.push_back(std::move(*prefix));
  }
  if (packed.empty()) return false;  // as in most models: no need to know all their names
  const Reader reader(model);
  return std::any_of(packed.begin(), packed.end(),
                     [&](const std::string& prefix) { return reader.is_int4(prefix); });
}

MonoQuantFile read_mono_quant(const Model& model) { return Reader(model).read(); }

std::string mono_quant_version(const Model& model) {
  return metadata_of(model, "mono_quant_version");
}

bool describes_mono_quant(const std::string& key) {
  static constexpr std::array<std::string_view, 13> kKeys = {"quantization_dtype",
                                                             "scheme",
                                                             "per_channel",
                                                             "selected_layers",
                                                             "skipped_layers",
                                                             "calibration_samples",
                                                             "group_size",
                                                             "bits",
                                                             "mono_quant_version",
                                                             "original_size_mb",
                                                             "quantized_size_mb",
                                                             "compression_ratio",
                                                             "sqnr_db"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

}  // namespace detent
