// SPDX-License-Identifier: Apache-2.0
// Results: where a plugin writes what the host is to have.
#pragma once
#include <cstdint>
#include <deque>
#include <detent/abi.h>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_stream.hpp"
#include "isolate/link.hpp"

namespace detent::isolate {

// A description that came from a plugin; as none when it is none that can be.
void put_spec(ByteWriter& out, const detent_tensor_spec* spec);

// Of one call, in memory that the host sees. Behind each tensor lies a page that cannot be touched:
// who writes beyond the end by more than a few bytes is stopped there, and those bytes are looked
// at when the call is over.
class Results {
 public:
  struct Place {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::byte* data = nullptr;
  };

  // more(bytes): another segment from the host; its descriptor, or none.
  explicit Results(std::function<Descriptor(std::uint64_t)> more);

  // Zeroed. nullptr in `data` when the host gives no more.
  Place take(std::uint64_t bytes);
  // The same of one tensor that is no result of the sink; its end is looked at, too.
  Place take_named(const std::string& name, std::uint64_t bytes);
  // The name of the first tensor that something was written behind; or empty.
  std::string overrun() const;
  void clear();  // the call is over

  // A sink for tensors and metadata, refusing what the host's refuses; and its contents.
  const detent_tensor_sink* sink() const { return &sink_; }
  void write(ByteWriter& out) const;

 private:
  struct Segment {
    SharedMemory memory;
    std::uint64_t used = 0;
    bool is_clean = true;  // nothing was ever written there
  };
  struct Tensor {
    std::string name;
    detent_dtype dtype = 0;
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
    std::uint64_t nbytes = 0;
    Place place;
  };
  static std::int32_t DETENT_CALL create(const detent_tensor_sink*, const detent_tensor_spec*,
                                         detent_tensor* out) noexcept;
  static std::int32_t DETENT_CALL set_meta(const detent_tensor_sink*, const char* key,
                                           const char* value) noexcept;
  bool has(const std::string& name) const;
  Place take_of(std::size_t segment, std::uint64_t bytes);

  std::function<Descriptor(std::uint64_t)> more_;
  std::vector<Segment> segments_;
  std::deque<Tensor> tensors_;
  std::deque<Tensor> others_;
  std::vector<std::pair<std::string, std::string>> metas_;
  detent_tensor_sink sink_{};
};

}  // namespace detent::isolate
