// SPDX-License-Identifier: Apache-2.0
#include "model/layer_type.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

namespace detent {
namespace {

using Shape = std::vector<std::int64_t>;

const Shape* find(const LayerParams& layer, std::string_view param) {
  const auto it = layer.shapes.find(param);
  return it == layer.shapes.end() ? nullptr : it->second;
}

// The weight itself, or what weight_norm and spectral_norm keep in its place.
const Shape* find_weight(const LayerParams& layer) {
  for (const std::string_view param : {"weight", "weight_v", "weight_orig"})
    if (const Shape* shape = find(layer, param)) return shape;
  return nullptr;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// The last two components of a layer's name that are no list positions, in lower case.
struct Words {
  std::string last;
  std::string parent;

  explicit Words(std::string_view name) {
    std::string* next = &last;
    while (!name.empty() && next != nullptr) {
      const std::size_t dot = name.rfind('.');
      const std::string_view word = dot == name.npos ? name : name.substr(dot + 1);
      name = dot == name.npos ? std::string_view() : name.substr(0, dot);
      if (word.empty() || is_number(word)) continue;
      for (const char c : word)
        *next += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      next = next == &last ? &parent : nullptr;
    }
  }
};

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return text.find(part) != text.npos; });
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Names of what turns hidden states into something: Linear, whatever else the name holds
// ("embed_out", "lm_head", "embedding_projection").
bool is_projection_name(std::string_view word) {
  return contains_any(word, {"proj", "out", "head", "linear", "dense", "fc", "mlp", "logits",
                             "classifier", "score", "decoder", "query", "key", "value", "gate"});
}

bool is_norm_name(std::string_view word) {
  return contains_any(word, {"norm"}) || word.starts_with("ln") || word.ends_with("_ln") ||
         word.starts_with("bn");
}

std::string_view norm_type(const Words& words, const LayerParams& layer) {
  const Shape* weight = find(layer, "weight");
  const Shape* bias = find(layer, "bias");
  const bool has_bias =
      find(layer, "beta") != nullptr || (weight != nullptr && bias != nullptr && *weight == *bias);
  const std::string& word = is_norm_name(words.last) ? words.last : words.parent;
  if (contains_any(words.last, {"prelu"})) return "PReLU";
  if (contains_any(word, {"groupnorm", "group_norm"})) return "GroupNorm";
  if (contains_any(word, {"batchnorm", "batch_norm"}) || word.starts_with("bn")) return "BatchNorm";
  if (has_bias) return "LayerNorm";  // also of other names: what else has two equal vectors
  if (is_norm_name(word)) return "RMSNorm";
  return "";
}

// Rows / columns of weight_hh: LSTM has four gates, GRU three.
std::string_view recurrent_type(const LayerParams& layer) {
  struct Kind {
    std::string_view ih, hh, hr;
    std::array<std::string_view, 3> names;
  };
  constexpr std::array kKinds = {
      Kind{"weight_ih_l0", "weight_hh_l0", "weight_hr_l0", {"LSTM", "GRU", "RNN"}},
      Kind{"weight_ih", "weight_hh", "", {"LSTMCell", "GRUCell", "RNNCell"}}};
  for (const Kind& kind : kKinds) {
    const Shape* ih = find(layer, kind.ih);
    const Shape* hh = find(layer, kind.hh);
    if (ih == nullptr || hh == nullptr || ih->size() != 2 || hh->size() != 2) continue;
    if (!kind.hr.empty() && find(layer, kind.hr) != nullptr) return kind.names[0];  // proj_size
    const std::int64_t rows = (*hh)[0], columns = (*hh)[1];
    if ((*ih)[0] != rows || columns == 0 || rows % columns != 0) continue;
    if (rows / columns == 4) return kind.names[0];
    if (rows / columns == 3) return kind.names[1];
    if (rows / columns == 1) return kind.names[2];
  }
  return "";
}

bool is_embedding(const Words& words, const LayerParams& layer, const Shape& weight,
                  const TypeHints& hints) {
  if (find(layer, "bias") != nullptr) return false;
  if (is_one_of(words.last, {"wte", "wpe", "shared", "relative_attention_bias"})) return true;
  if (is_projection_name(words.last)) return false;
  // "emb" alone is also in "ensemble" and "member".
  if (words.last.starts_with("emb") || contains_any(words.last, {"_emb", "embed"})) return true;
  if (is_one_of(words.parent, {"embedding", "embeddings", "embed", "embeds"})) return true;
  return std::find(hints.table_rows.begin(), hints.table_rows.end(), weight[0]) !=
         hints.table_rows.end();
}

// A transposed convolution is [in, out / groups, ...]: its bias is as long as the second axis. Only
// that, or the name, tells it from the ordinary one.
bool is_transposed_conv(const Words& words, const LayerParams& layer, const Shape& weight) {
  if (contains_any(words.last, {"transpose", "deconv"})) return true;
  const Shape* bias = find(layer, "bias");
  return bias != nullptr && bias->size() == 1 && (*bias)[0] != weight[0] && (*bias)[0] == weight[1];
}

std::string_view conv_type(const Words& words, const LayerParams& layer, const Shape& weight) {
  constexpr std::array<std::string_view, 3> kConv = {"Conv1d", "Conv2d", "Conv3d"};
  constexpr std::array<std::string_view, 3> kTransposed = {"ConvTranspose1d", "ConvTranspose2d",
                                                           "ConvTranspose3d"};
  const std::size_t which = weight.size() - 3;
  return is_transposed_conv(words, layer, weight) ? kTransposed[which] : kConv[which];
}

const json::Value* config_field(const json::Value& config, std::string_view key) {
  const json::Object* object = config.if_object();
  if (object == nullptr) return nullptr;
  if (const json::Value* value = object->find(key)) return value;
  const json::Value* text = object->find("text_config");  // of models for text and images
  const json::Object* inner = text == nullptr ? nullptr : text->if_object();
  return inner == nullptr ? nullptr : inner->find(key);
}

std::ptrdiff_t weights_with_rows(const std::vector<TensorInfo>& tensors, std::int64_t rows) {
  return std::count_if(tensors.begin(), tensors.end(), [&](const TensorInfo& t) {
    return t.param == "weight" && t.shape.size() == 2 && t.shape[0] == rows;
  });
}

}  // namespace

TypeHints type_hints(const std::vector<TensorInfo>& tensors, const json::Value& config) {
  TypeHints hints;
  for (const std::string_view key :
       {"vocab_size", "max_position_embeddings", "n_positions", "type_vocab_size"}) {
    const json::Value* value = config_field(config, key);
    std::int64_t rows = 0;
    if (value != nullptr && value->to_int(&rows) && rows > 0 &&
        weights_with_rows(tensors, rows) <= 2)
      hints.table_rows.push_back(rows);
  }
  const json::Value* type = config_field(config, "model_type");
  const std::string* name = type == nullptr ? nullptr : type->if_string();
  hints.gpt2 = name != nullptr && is_one_of(*name, {"gpt2", "openai-gpt", "imagegpt"});
  return hints;
}

std::string_view layer_type(const LayerParams& layer, const TypeHints& hints) {
  if (find(layer, "running_mean") != nullptr || find(layer, "running_var") != nullptr)
    return "BatchNorm";
  if (find(layer, "in_proj_weight") != nullptr) return "MultiheadAttention";
  if (const std::string_view type = recurrent_type(layer); !type.empty()) return type;
  const Words words(layer.name);
  if (find(layer, "gamma") != nullptr) return norm_type(words, layer);  // of old checkpoints
  const Shape* weight = find_weight(layer);
  if (weight == nullptr) return "";
  switch (weight->size()) {
    case 1: return norm_type(words, layer);
    case 2: return is_embedding(words, layer, *weight, hints) ? "Embedding" : "Linear";
    case 3:
    case 4:
    case 5: return conv_type(words, layer, *weight);
    default: return "";
  }
}

bool is_transposed(const LayerParams& layer, const TypeHints& hints) {
  const Shape* weight = find(layer, "weight");
  if (weight == nullptr || weight->size() != 2) return false;
  const Shape* bias = find(layer, "bias");
  if (bias != nullptr && bias->size() == 1 && (*weight)[0] != (*weight)[1])
    return (*bias)[0] == (*weight)[1];
  return hints.gpt2 && is_one_of(Words(layer.name).last, {"c_attn", "c_proj", "c_fc", "q_attn"});
}

}  // namespace detent
