// SPDX-License-Identifier: Apache-2.0
// What serializers are given to write, and what independent readers find in it.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conformance/serializer_driver.hpp"

namespace detent::conformance {

// Every dtype that a serializer may meet, and those that this one takes: by its capabilities, or
// else because declare accepts them.
//
// Errors  Failure when declare refuses what the capabilities allow, or without a text
const std::vector<detent_dtype>& known_dtypes();
bool declares_limits(Subject& subject);
bool is_declared(Subject& subject, detent_dtype dtype, const Shape& shape);
std::vector<detent_dtype> taken_dtypes(Subject& subject);

// A tensor of that dtype with bytes of every value that it can have.
Made random_tensor(detent_dtype dtype, const Shape& shape, Random& random);

// Two tensors and one metadata key, of dtypes that the serializer takes.
Sample small_sample(Subject& subject, std::uint64_t variant = 0);
// Every dtype, scalars, tensors without elements, names and metadata that need care.
Sample large_sample(Subject& subject);

// What a reader found.
struct Reread {
  Answers tensors;
  std::map<std::string, std::string> metadata;  // JSON, or the text that a JSON string stands for
  Texts aliases;
  bool lists_aliases = false;  // all that there are
  std::string reader;          // "the host's reader of safetensors"
};

// By the host's own reader where it knows the format, otherwise by the plugin's.
//
// Errors  Failure when the files are refused; Skip when nobody here can read them
Reread reread(Subject& subject, const Files& files);
// By the plugin's reading side, in an instance of its own.
Reread reread_with_plugin(Subject& subject, const Files& files, FolderWishes wishes = {});

// In words what a reader did not find, or found otherwise; empty when all is there.
std::string sample_difference(const Reread& got, const Sample& sample);

}  // namespace detent::conformance
