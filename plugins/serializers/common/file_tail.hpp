// SPDX-License-Identifier: Apache-2.0
// FileTail: writes pieces one behind the other into a file of the host.
#pragma once
#include <string_view>

#include "elements.hpp"
#include <detent/sdk/serializer.hpp>

namespace detent::serializers {

class FileTail final : public PieceSink {
 public:
  FileTail(const sdk::File& file, uint64_t offset) : file_(file), offset_(offset) {}
  // Throws sdk::Error IO when the host takes no more.
  void piece(const char* bytes, uint64_t n) override;
  void text(std::string_view bytes) { piece(bytes.data(), bytes.size()); }

 private:
  const sdk::File& file_;
  uint64_t offset_;
};

}  // namespace detent::serializers
