// SPDX-License-Identifier: Apache-2.0
// layer_type: the kind of a layer from the names and shapes of its tensors, for files that hold
// tensors and nothing else. A guess: "model.types" corrects it.
#pragma once
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "json/value.hpp"
#include "model/model.hpp"

namespace detent {

struct LayerParams {
  std::string_view name;
  std::map<std::string_view, const std::vector<std::int64_t>*> shapes;  // of each param
};

// What the whole model and its config.json tell.
struct TypeHints {
  // Rows of tables: vocab_size and its like, when at most two weights of the model have that many
  // rows (a table and an output head), so that they are no layer's width by chance.
  std::vector<std::int64_t> table_rows;
  bool gpt2 = false;
};

TypeHints type_hints(const std::vector<TensorInfo>& tensors, const json::Value& config);

// A class name of torch.nn, or "" when the tensors do not tell. In this order:
//
//   running_mean or running_var                    BatchNorm (1d, 2d and 3d look the same)
//   in_proj_weight                                 MultiheadAttention
//   weight_ih_l0, weight_hh_l0; weight_ih          LSTM, GRU, RNN; LSTMCell, ... by rows / columns
//   weight (or weight_v, weight_orig) of 1 axis    GroupNorm, LayerNorm, RMSNorm, PReLU
//                                     2            Embedding, Linear
//                                     3, 4, 5      Conv1d, Conv2d, Conv3d; ConvTranspose...
//
// The empty string also for a layer whose only tensors are buffers, a lone bias and the like.
std::string_view layer_type(const LayerParams& layer, const TypeHints& hints);

// Is the weight of this Linear layer [in, out]? By config.json or, where it is not square, by its
// bias.
bool is_transposed(const LayerParams& layer, const TypeHints& hints);

}  // namespace detent
