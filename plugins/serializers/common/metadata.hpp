// SPDX-License-Identifier: Apache-2.0
// Metadata: the texts of a file by key, and what set_metadata may do before and after the data.
#pragma once
#include <map>
#include <string>
#include <string_view>

namespace detent::serializers {

class Metadata {
 public:
  // Throws sdk::Error INVALID_ARG for what is no UTF-8 or not one JSON value. After freeze only a
  // key that is there may be set, and to no text that is longer, once escaped, than the one at that
  // time.
  void set(std::string_view key, std::string_view value_json);
  void freeze();

  const std::map<std::string, std::string, std::less<>>& texts() const { return texts_; }

 private:
  void check_room(const std::string& key, const std::string& text) const;

  std::map<std::string, std::string, std::less<>> texts_;
  std::map<std::string, size_t> room_;  // lengths at freeze
  bool frozen_ = false;
};

}  // namespace detent::serializers
