// SPDX-License-Identifier: Apache-2.0
// Archive: the records of a state-dict file and where they lie.
//
//   archive/data.pkl            the names (pickle.hpp)
//   archive/.format_version, .storage_alignment, byteorder
//   archive/data/0, 1, ...      the tensors, in the order of declaration
//   archive/version
//   archive/extra/<key>         the metadata, as text
#pragma once
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../common/metadata.hpp"
#include "../common/tensor_list.hpp"
#include "zip_layout.hpp"

namespace detent::state_dict {

// A record whose content is small, and known to the archive.
struct TextRecord {
  size_t record;  // in the layout
  std::string content;
};

// Every function throws sdk::Error.
class Archive {
 public:
  void declare(const detent_tensor_spec& spec);
  void declare_alias(std::string_view alias, std::string_view name);
  // UNSUPPORTED for a key that cannot be part of a path.
  void set_metadata(std::string_view key, std::string_view value_json);

  // Fixes where the tensors lie: after it nothing is declared. Once or more often.
  void freeze();
  // Adds the records behind the tensors. Once, after the last set_metadata.
  void close();

  serializers::TensorList& tensors() { return tensors_; }
  ZipRecord& record_of_tensor(size_t i) { return zip_.at(first_tensor_ + i); }  // after freeze
  ZipLayout& zip() { return zip_; }
  const std::vector<TextRecord>& texts() const { return texts_; }  // data.pkl first

 private:
  void add_text(const std::string& name, std::string content);
  std::string pickle() const;

  serializers::TensorList tensors_;
  std::vector<std::pair<std::string, size_t>> aliases_;  // alias, index of the tensor
  std::unordered_set<std::string> alias_names_;
  serializers::Metadata metadata_;
  ZipLayout zip_;
  std::vector<TextRecord> texts_;
  size_t first_tensor_ = 0;
};

}  // namespace detent::state_dict
