// SPDX-License-Identifier: Apache-2.0
// SerializerUnderTest: one instance, driven through its C table. Sample: what it is given to write.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "conformance/exchange.hpp"
#include "conformance/serializer_folder.hpp"
#include "conformance/subject.hpp"
#include "conformance/world.hpp"

namespace detent::conformance {

using Texts = std::vector<std::pair<std::string, std::string>>;

// A small model.
struct Sample {
  std::vector<std::pair<std::string, Made>> tensors;  // name, content
  Texts aliases;                                      // alias, name
  Texts metadata;                                     // key, JSON
};

// Of a series of calls: the first that did not succeed.
struct CallsResult {
  std::int32_t status = DETENT_OK;
  std::string call;  // "add_tensor of \"a\""
  std::string text;
};

// "model.safetensors", by the first extension that the plugin provides.
std::string main_file(Subject& subject);

class SerializerUnderTest {
 public:
  // Errors  Skip when it cannot do without a program; Failure when create refuses
  SerializerUnderTest(Subject& subject, World& world);
  ~SerializerUnderTest();
  SerializerUnderTest(const SerializerUnderTest&) = delete;
  SerializerUnderTest& operator=(const SerializerUnderTest&) = delete;

  bool made() const { return handle_ != nullptr; }  // not when there was no memory
  bool has_rows() const;
  bool has_aliases() const;
  bool can_read() const;

  // Each returns what the plugin returned, and fails when the folder was misused.
  std::int32_t begin(MemoryFolder& folder);
  std::int32_t declare(const std::string& name, const Made& tensor);
  std::int32_t declare_alias(const std::string& alias, const std::string& name);
  std::int32_t set_metadata(const std::string& key, const std::string& json);
  std::int32_t add_tensor(const std::string& name, const Made& tensor);
  std::int32_t add_view(const std::string& name, const detent_tensor& tensor);
  // The rows [first, first + count) of a tensor.
  std::int32_t add_rows(const std::string& name, const Made& tensor, std::uint64_t first,
                        std::uint64_t count);
  std::int32_t finish();
  void abort();

  // All of it but the tensors; what lies between begin and the first add_tensor.
  CallsResult try_announce(const Sample& sample, MemoryFolder& folder);
  CallsResult try_write(const Sample& sample,
                        MemoryFolder& folder);  // aborts what does not succeed
  // Errors  Failure when a call does not succeed
  void announce(const Sample& sample, MemoryFolder& folder);
  Files write(const Sample& sample, FolderWishes wishes = {});

  // Of the reading side.
  std::int32_t open(MemoryFolder& folder, std::uint64_t* tensors);
  std::int32_t tensor_at(std::uint64_t i, detent_tensor_spec* spec);
  std::int32_t read_tensor(std::uint64_t i, const detent_tensor& to);
  std::int32_t read_metadata(Sink& sink);
  void close();

  const std::string& text() const { return world_.text(); }

 private:
  std::int32_t run(const char* name, const std::function<std::int32_t(const detent_call*)>& f);
  void end_folder();

  World& world_;
  const detent_serializer_vtbl& vtbl_;
  std::string file_;
  detent_serializer* handle_ = nullptr;
  MemoryFolder* folder_ = nullptr;  // from begin or open to finish, abort or close
};

// The first rows of a tensor and so on, as a tensor of its own.
Made rows_of(const Made& tensor, std::uint64_t first, std::uint64_t count);

// Refused, with a status that fits and a text.
//
// Errors  Failure otherwise
void expect_refused(std::int32_t status, const std::string& text, const std::string& what);

// Where two sets of files differ, in words; empty when nowhere.
std::string files_difference(const Files& got, const Files& expected);

}  // namespace detent::conformance
