// SPDX-License-Identifier: Apache-2.0
#include "model/shard_index.hpp"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "json/parse.hpp"
#include "model/bounded_json.hpp"
#include "model/refuse.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxShards = 4096;
constexpr std::size_t kMaxTensors = 1'000'000;
constexpr JsonLimits kLimits = {.depth = 16, .children = kMaxTensors, .values = kMaxTensors + 1000};

json::Value parse_json(std::string_view text, const std::string& file) {
  try {
    return parse_bounded(text, kLimits);
  } catch (const json::ParseError& e) {
    refuse_json(file, e);
  }
}

const json::Object& weight_map_of(const json::Value& root, const std::string& file) {
  const json::Object* object = root.if_object();
  const json::Value* map = object == nullptr ? nullptr : object->find("weight_map");
  if (map == nullptr) refuse_json(file, root.position, "is no index: there is no \"weight_map\"");
  if (map->if_object() == nullptr)
    refuse_json(file, map->position,
                fmt::format("\"weight_map\" is {}, not an object", map->kind()));
  if (map->if_object()->empty())
    refuse_json(file, map->position, "\"weight_map\" lists no tensors");
  return *map->if_object();
}

// The shard in which each tensor was found, so far.
using Homes = std::unordered_map<std::string_view, std::string_view>;

void check_tensor(const ShardIndex& index, const TensorInfo& tensor, const std::string& shard,
                  const std::string& shard_path, Homes* homes) {
  const auto [home, is_new] = homes->emplace(tensor.name, shard);
  if (!is_new)
    refuse(shard_path,
           fmt::format("tensor {} is also in {}", shown(tensor.name), shown(home->second)), {},
           tensor.name);
  const auto it = index.shard_of.find(tensor.name);
  if (it == index.shard_of.end())
    refuse(shard_path, fmt::format("tensor {} is not in the index", shown(tensor.name)), {},
           tensor.name);
  if (it->second != shard)
    refuse(shard_path,
           fmt::format("tensor {} is here, but the index places it in {}", shown(tensor.name),
                       shown(it->second)),
           {}, tensor.name);
}

}  // namespace

std::string_view shard_name_fault(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > 255) return "is longer than a file name can be";
  if (name.find('\0') != name.npos) return "holds a NUL character";
  if (name.find('/') != name.npos || name.find('\\') != name.npos)
    return "is a path: shards lie in the folder of the index";
  if (name.starts_with('.')) return "begins with a dot";
  if (!name.ends_with(".safetensors")) return "does not end in .safetensors";
  return {};
}

ShardIndex parse_shard_index(std::string_view text, const std::string& file) {
  const json::Value root = parse_json(text, file);
  ShardIndex index;
  std::set<std::string> shards;
  for (const json::Member& member : weight_map_of(root, file)) {
    const std::string* shard = member.value.if_string();
    if (shard == nullptr)
      refuse_json(file, member.value.position,
                  fmt::format("the shard of tensor {} is {}, not a file name", shown(member.key),
                              member.value.kind()));
    if (!shards.contains(*shard)) {
      const std::string_view fault = shard_name_fault(*shard);
      if (!fault.empty())
        refuse_json(file, member.value.position,
                    fmt::format("the shard name {} {}", shown(*shard), fault));
      shards.insert(*shard);
    }
    if (shards.size() > kMaxShards)
      refuse(file, fmt::format("lists more than {} shards", grouped(kMaxShards)));
    index.shard_of.emplace(member.key, *shard);
  }
  index.shards.assign(shards.begin(), shards.end());
  return index;
}

void check_shards(const ShardIndex& index, const std::vector<SafetensorsFile>& shards,
                  const std::string& index_file) {
  Homes homes;
  for (std::size_t i = 0; i < shards.size(); ++i)
    for (const TensorInfo& tensor : shards[i].header.tensors)
      check_tensor(index, tensor, index.shards[i], shards[i].file.path().string(), &homes);
  if (homes.size() == index.shard_of.size()) return;
  // Of all that are missing, the first by name: the order of a hash table is no order.
  const std::pair<const std::string, std::string>* missing = nullptr;
  for (const auto& entry : index.shard_of) {
    if (homes.contains(entry.first)) continue;
    if (missing == nullptr || entry.first < missing->first) missing = &entry;
  }
  const std::size_t others = index.shard_of.size() - homes.size() - 1;
  refuse(index_file,
         fmt::format("tensor {} should be in {}, which does not hold it{}", shown(missing->first),
                     shown(missing->second),
                     others == 0 ? "" : fmt::format(" ({} more are missing)", grouped(others))),
         "the shards are of different versions, or one was replaced: download all of them again",
         missing->first);
}

}  // namespace detent
