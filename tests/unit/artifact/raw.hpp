// SPDX-License-Identifier: Apache-2.0
// Tensors of safetensors files as bytes, read without the framework.
#pragma once
#include <map>
#include <string>

#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {

inline std::map<std::string, TinyTensor> raw_tensors(const std::filesystem::path& path) {
  const RawSafetensors raw = read_raw_safetensors(path);
  std::map<std::string, TinyTensor> tensors;
  const json::Value header = json::parse(raw.header);
  for (const json::Member& m : *header.if_object()) {
    if (m.key == "__metadata__") continue;
    TinyTensor t{m.key, text(m.value, "/dtype"), {}, {}};
    for (const json::Value& extent : list(m.value, "/shape"))
      t.shape.push_back(static_cast<std::int64_t>(number(json::Array{extent}, "/0")));
    const auto from = static_cast<std::size_t>(number(m.value, "/data_offsets/0"));
    const auto to = static_cast<std::size_t>(number(m.value, "/data_offsets/1"));
    t.bytes = raw.data.substr(from, to - from);
    tensors.emplace(m.key, std::move(t));
  }
  return tensors;
}

}  // namespace detent::test
