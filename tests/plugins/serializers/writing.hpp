// SPDX-License-Identifier: Apache-2.0
// A serializer with a folder in memory, for the tests of this folder.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include <detent/sdk/testing.hpp>

namespace writing {

namespace testing = detent::sdk::testing;

struct Writer {
  explicit Writer(const std::string& library_path = DETENT_TEST_PLUGINS "/safetensors.detent.so",
                  const char* id = "safetensors")
      : library(library_path), writer(library.plugin(id), params.config()) {}

  int32_t begin() { return writer->begin(writer, call, folder, "model"); }
  int32_t declare(const char* name, const testing::Tensor& t) {
    const detent_tensor_spec spec = t.spec(name);
    return writer->declare(writer, call, &spec);
  }
  int32_t alias(const char* other, const char* name) {
    return writer->declare_alias(writer, call, other, name);
  }
  int32_t set(const char* key, const char* json) {
    return writer->set_metadata(writer, call, key, json);
  }
  int32_t add(const char* name, const testing::Tensor& t) {
    return writer->add_tensor(writer, call, name, t);
  }
  int32_t finish() { return writer->finish(writer, call); }
  std::string file() const { return folder.content("model"); }
  bool says(const char* text) const { return call.message.find(text) != std::string::npos; }
  // The JSON of a safetensors header, without its padding.
  std::string json() const {
    uint64_t n = 0;
    std::memcpy(&n, file().data(), 8);
    const std::string header = file().substr(8, n);
    return header.substr(0, header.find_last_not_of(' ') + 1);
  }

  testing::Library library;
  testing::Params params;
  testing::Serializer writer;
  testing::Folder folder;
  testing::Call call;
};

}  // namespace writing
