// SPDX-License-Identifier: Apache-2.0
// The index of a sharded Hugging Face model: {"weight_map": {"tensor": "shard file"}}.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/safetensors_model.hpp"

namespace detent {

struct ShardIndex {
  std::vector<std::string> shards;                        // each once, in order of their names
  std::unordered_map<std::string, std::string> shard_of;  // tensor -> shard
};

// Errors  Error{io} with line and column: not such an index, or a shard's name that is no plain
//         name of a .safetensors file in the same folder
ShardIndex parse_shard_index(std::string_view text, const std::string& file);

// Why name must not be opened as a shard; empty when it may.
std::string_view shard_name_fault(std::string_view name);

// Index and shards must agree on every tensor, both ways. shards[i] was opened as index.shards[i].
//
// Errors  Error{io} naming the tensor and the files
void check_shards(const ShardIndex& index, const std::vector<SafetensorsFile>& shards,
                  const std::string& index_file);

}  // namespace detent
