// SPDX-License-Identifier: Apache-2.0
#include "model/infer_layers.hpp"

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "json/parse.hpp"
#include "support/temp_folder.hpp"
#include "unit/model/model_files.hpp"

namespace detent {
namespace {

using Shape = std::vector<std::int64_t>;
using Named = std::vector<std::pair<std::string, Shape>>;

std::vector<TensorInfo> tensors_of(const Named& named) {
  std::vector<TensorInfo> tensors;
  for (const auto& [name, shape] : named) {
    TensorInfo t;
    t.name = name;
    t.shape = shape;
    tensors.push_back(t);
  }
  return tensors;
}

struct Inferred {
  std::map<std::string, std::string> types;  // of layers
  std::vector<std::string> notes;
};

Inferred infer(const Named& named, const char* config = "null", const ModelOptions& options = {}) {
  std::vector<TensorInfo> tensors = tensors_of(named);
  Inferred result;
  infer_layers(tensors, json::parse(config), options, &result.notes);
  for (const TensorInfo& t : tensors) result.types[t.layer] = t.type;
  return result;
}

// The type of the layer that all tensors belong to.
std::string type_of(const Named& named, const char* config = "null") {
  const Inferred inferred = infer(named, config);
  CHECK(inferred.types.size() == 1);
  return inferred.types.begin()->second;
}

}  // namespace

TEST_CASE("MiniLM has 37 Linear, 3 Embedding and 13 LayerNorm layers") {
  std::ifstream file(DETENT_TEST_DATA "/model/minilm_shapes.json");
  const json::Value data = json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
  Named named;
  for (const json::Member& m : *data.at_pointer("/tensors")->if_object()) {
    Shape shape;
    for (const json::Value& dim : *m.value.if_array()) dim.to_int(&shape.emplace_back());
    named.emplace_back(m.key, shape);
  }
  REQUIRE(named.size() == 104);
  for (const char* config : {"null", R"({"vocab_size": 30522, "max_position_embeddings": 512,
                                         "type_vocab_size": 2, "model_type": "bert"})"}) {
    std::map<std::string, int> count;
    const Inferred inferred = infer(named, config);
    for (const auto& [layer, type] : inferred.types) ++count[type];
    CHECK(count ==
          std::map<std::string, int>{{"", 1}, {"Embedding", 3}, {"LayerNorm", 13}, {"Linear", 37}});
    CHECK(inferred.types.at("embeddings") == "");  // position_ids, a buffer
    CHECK(inferred.notes.empty());
  }
}

TEST_CASE("A name is split at its last dot") {
  std::vector<TensorInfo> tensors = tensors_of({{"a.b.weight", {2, 2}}, {"weight", {2, 2}}});
  std::vector<std::string> notes;
  infer_layers(tensors, {}, {}, &notes);
  CHECK(tensors[0].layer == "a.b");
  CHECK(tensors[0].param == "weight");
  CHECK(tensors[1].layer == "");
  CHECK(tensors[1].param == "weight");
  CHECK(tensors[1].type == "Linear");
}

TEST_CASE("Linear and convolutions are known by their axes") {
  CHECK(type_of({{"fc.weight", {10, 20}}}) == "Linear");
  CHECK(type_of({{"fc.weight", {10, 20}}, {"fc.bias", {10}}}) == "Linear");
  CHECK(type_of({{"c.weight", {8, 4, 3}}, {"c.bias", {8}}}) == "Conv1d");
  CHECK(type_of({{"c.weight", {8, 4, 3, 3}}}) == "Conv2d");
  CHECK(type_of({{"c.weight", {8, 4, 3, 3, 3}}, {"c.bias", {8}}}) == "Conv3d");
  CHECK(type_of({{"c.weight", {8, 4, 3, 3}}, {"c.bias", {4}}}) == "ConvTranspose2d");
  CHECK(type_of({{"up.deconv1.weight", {8, 4, 3}}}) == "ConvTranspose1d");
  CHECK(type_of({{"c.weight_g", {8, 1, 1}}, {"c.weight_v", {8, 4, 3}}}) == "Conv1d");
  CHECK(type_of({{"c.weight", {2, 2, 2, 2, 2, 2}}}) == "");
}

TEST_CASE("Normalisations are known by their buffers, biases and names") {
  CHECK(type_of({{"bn1.weight", {8}},
                 {"bn1.bias", {8}},
                 {"bn1.running_mean", {8}},
                 {"bn1.running_var", {8}},
                 {"bn1.num_batches_tracked", {}}}) == "BatchNorm");
  CHECK(type_of({{"x.running_mean", {8}}, {"x.running_var", {8}}}) == "BatchNorm");
  CHECK(type_of({{"ln_1.weight", {8}}, {"ln_1.bias", {8}}}) == "LayerNorm");
  CHECK(type_of({{"net.1.weight", {8}}, {"net.1.bias", {8}}}) == "LayerNorm");
  CHECK(type_of({{"LayerNorm.gamma", {8}}, {"LayerNorm.beta", {8}}}) == "LayerNorm");
  CHECK(type_of({{"model.layers.0.input_layernorm.weight", {8}}}) == "RMSNorm");
  CHECK(type_of({{"norm.weight", {8}}}) == "RMSNorm");
  CHECK(type_of({{"blocks.group_norm.weight", {8}}, {"blocks.group_norm.bias", {8}}}) ==
        "GroupNorm");
  CHECK(type_of({{"prelu.weight", {1}}}) == "PReLU");
  CHECK(type_of({{"scale.weight", {8}}}) == "");
}

TEST_CASE("Embeddings are known by name, and projections are not taken for them") {
  for (const char* layer :
       {"wte", "wpe", "shared", "model.embed_tokens", "tok_emb", "bert.embeddings.word_embeddings",
        "embedding", "embeddings.0", "embeddings.tokens", "emb.2",
        "encoder.block.0.relative_attention_bias", "token_embd"}) {
    INFO(layer);
    CHECK(type_of({{std::string(layer) + ".weight", {100, 8}}}) == "Embedding");
  }
  for (const char* layer : {"lm_head", "embed_out", "embedding_projection", "ensemble", "members.0",
                            "embeddings.dense", "fc1", "layers.0.q_proj"}) {
    INFO(layer);
    CHECK(type_of({{std::string(layer) + ".weight", {100, 8}}}) == "Linear");
  }
  // With a bias it is a Linear, whatever its name.
  CHECK(type_of({{"time_embed.0.weight", {100, 8}}, {"time_embed.0.bias", {100}}}) == "Linear");
}

TEST_CASE("A table of vocab_size rows is an Embedding, unless that is also a layer's width") {
  const char* config = R"({"vocab_size": 100})";
  CHECK(type_of({{"tokens.weight", {100, 8}}}) == "Linear");
  CHECK(type_of({{"tokens.weight", {100, 8}}}, config) == "Embedding");
  CHECK(type_of({{"tokens.weight", {100, 8}}}, R"({"text_config": {"vocab_size": 100}})") ==
        "Embedding");
  const Inferred head = infer({{"tokens.weight", {100, 8}}, {"lm_head.weight", {100, 8}}}, config);
  CHECK(head.types.at("tokens") == "Embedding");
  CHECK(head.types.at("lm_head") == "Linear");
  const Inferred wide = infer(
      {{"tokens.weight", {100, 8}}, {"w1.weight", {100, 8}}, {"w2.weight", {100, 8}}}, config);
  CHECK(wide.types.at("w1") == "Linear");
  for (const char* odd : {R"({"vocab_size": -1})", R"({"vocab_size": "100"})", R"([100])",
                          R"({"vocab_size": 1e300})", R"({"text_config": 3})"}) {
    INFO(odd);
    CHECK(type_of({{"tokens.weight", {100, 8}}}, odd) == "Linear");
  }
}

TEST_CASE("Recurrent layers are known by rows and columns") {
  const auto recurrent = [](std::int64_t gates) {
    return Named{{"rnn.weight_ih_l0", {gates * 5, 3}},
                 {"rnn.weight_hh_l0", {gates * 5, 5}},
                 {"rnn.bias_ih_l0", {gates * 5}},
                 {"rnn.bias_hh_l0", {gates * 5}}};
  };
  CHECK(type_of(recurrent(4)) == "LSTM");
  CHECK(type_of(recurrent(3)) == "GRU");
  CHECK(type_of(recurrent(1)) == "RNN");
  CHECK(type_of(recurrent(2)) == "");
  CHECK(type_of({{"r.weight_ih_l0", {20, 3}},
                 {"r.weight_hh_l0", {20, 2}},
                 {"r.weight_hr_l0", {2, 5}}}) == "LSTM");  // with proj_size
  CHECK(type_of({{"cell.weight_ih", {15, 3}}, {"cell.weight_hh", {15, 5}}}) == "GRUCell");
  CHECK(type_of({{"r.weight_ih_l0", {20}}, {"r.weight_hh_l0", {20, 0}}}) == "");
  CHECK(type_of({{"r.weight_ih_l0", {0, 3}}, {"r.weight_hh_l0", {0, 0}}}) == "");
}

TEST_CASE("Attention is known by its joint projection, and its output stays Linear") {
  const Inferred inferred = infer({{"attn.in_proj_weight", {24, 8}},
                                   {"attn.in_proj_bias", {24}},
                                   {"attn.out_proj.weight", {8, 8}},
                                   {"attn.out_proj.bias", {8}}});
  CHECK(inferred.types.at("attn") == "MultiheadAttention");
  CHECK(inferred.types.at("attn.out_proj") == "Linear");
}

TEST_CASE("Buffers and lone parameters have no type") {
  CHECK(type_of({{"logit_scale", {}}}) == "");
  CHECK(type_of({{"h.0.attn.bias", {1, 1, 8, 8}}}) == "");
  CHECK(type_of({{"cls_token", {1, 1, 8}}}) == "");
}

TEST_CASE("GPT-2's transposed weights are Linear, with a note") {
  const Inferred by_bias = infer({{"h.0.c_fc.weight", {8, 32}}, {"h.0.c_fc.bias", {32}}});
  CHECK(by_bias.types.at("h.0.c_fc") == "Linear");
  REQUIRE(by_bias.notes.size() == 1);
  CHECK(test::contains(by_bias.notes[0], "1 Linear layers, \"h.0.c_fc\" the first"));
  const Named square = {{"h.0.c_proj.weight", {8, 8}}, {"h.0.c_proj.bias", {8}}};
  CHECK(infer(square).notes.empty());
  CHECK(infer(square, R"({"model_type": "gpt2"})").notes.size() == 1);
}

TEST_CASE("The user's types win, the first that matches a layer or one of its tensors") {
  const ModelOptions options{{{"fc1", "Head"}, {"fc*", "Body"}, {"x.weight", "Mine"}, {"y", "No"}}};
  const Named named = {{"fc1.weight", {4, 4}}, {"fc1.bias", {4}}, {"fc2.weight", {4, 4}},
                       {"x.weight", {4, 4}},   {"x.bias", {4}},   {"z.weight", {4, 4}}};
  const Inferred inferred = infer(named, "null", options);
  CHECK(inferred.types.at("fc1") == "Head");
  CHECK(inferred.types.at("fc2") == "Body");
  CHECK(inferred.types.at("x") == "Mine");
  CHECK(inferred.types.at("z") == "Linear");
}

TEST_CASE("Types that match nothing are told") {
  const test::TempFolder folder;
  const auto path = folder.write(
      "m.safetensors",
      test::safetensors(R"({"fc.weight":{"dtype":"U8","shape":[1,1],"data_offsets":[0,1]}})", 1));
  const ModelOptions options{{{"fc", "A"}, {"fd", "B"}, {"f*", "C"}, {"fc.weigth", "D"}}};
  const auto model = open_model(path, options);
  CHECK(model->tensors()[0].type == "A");
  CHECK(unmatched_types(*model, options) == std::vector<std::string>{"fd", "fc.weigth"});
}

}  // namespace detent
