// SPDX-License-Identifier: Apache-2.0
// The messages between the host and the process that runs a model. Both sides use this file, and
// neither trusts the other: every length is checked before memory is taken for it.
//
//   frame   u32 magic, u32 bytes of the JSON, u64 bytes of the data, the JSON, the data
//
// "tensors" of the JSON describes the data: [{"name", "dtype", "shape"}], compact and one behind
// the other, each starting on a multiple of 64 bytes. When "shared" is true the data are in the
// ring, and the frame has a u64 for each piece of them: its bytes. For each part of the ring that
// was read to its end goes back a header without anything behind it, of another magic.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.hpp"
#include "plugin/tensor_store.hpp"
#include "program/ring.hpp"

namespace detent::wire {

inline constexpr std::uint32_t kMagic = 0x4D524744;  // "DGRM"
inline constexpr std::uint32_t kFreed = 0x46524744;  // "DGRF": a part of the ring was read
inline constexpr std::uint32_t kMaxJson = 64U << 20U;

struct Message {
  json::Object facts;  // without "tensors"
  std::vector<std::unique_ptr<HostTensor>> tensors;
  std::vector<std::byte> bytes;  // data that is no tensors ("raw" is true)
};

struct Part {  // of what is sent; compact
  std::string name;
  detent_tensor view{};
};

// One end of the connection. Not for several threads.
//
// Errors  Closed when the other side is gone; Broken for what is no message
class Channel {
 public:
  struct Closed : std::runtime_error {
    Closed() : std::runtime_error("the connection is closed") {}
  };
  struct Broken : std::runtime_error {
    using std::runtime_error::runtime_error;
  };

  // limit: bytes of data in one message at most. wait(for_reading), when given, is called before
  // each read or write of a non-blocking descriptor would block; it throws to give up.
  Channel(int fd, std::uint64_t limit, std::function<void(bool)> wait = {});

  // Tensors that are large enough go through the ring from now on, or come through it.
  void send_through(Ring ring) { out_.emplace(std::move(ring)); }
  void receive_through(Ring ring) { in_.emplace(std::move(ring)); }

  void send(const json::Object& facts, std::span<const Part> parts = {});
  void send_raw(const json::Object& facts, std::span<const std::byte> bytes);
  Message receive();
  // The memory of a tensor that came and is done with, for the next one; nullptr: none.
  void recycle(std::unique_ptr<HostTensor> tensor) { spare_ = std::move(tensor); }
  // Are these the bytes of the tensor that was sent last, as far as is known? It is known of what
  // went through the ring.
  bool has_sent(const detent_tensor& compact) const;

 private:
  void write_all(const void* from, std::uint64_t n);
  void read_all(void* to, std::uint64_t n);
  void skip(std::uint64_t n);
  void send_shared(std::string frame, std::span<const Part> parts);
  void wait_for_room();
  void read_header(void* header);
  void read_tensors(const json::Array& list, std::uint64_t data_bytes, bool shared,
                    Message& message);
  std::unique_ptr<HostTensor> tensor_for(const std::string& name, detent_dtype dtype,
                                         const std::vector<std::int64_t>& shape);
  void read_shared(std::span<std::byte> to);

  std::optional<Ring> out_;
  bool sent_shared_ = false;  // the tensor that was sent last
  std::optional<Ring> in_;
  std::unique_ptr<HostTensor> spare_;
  int fd_;
  std::uint64_t limit_;
  std::function<void(bool)> wait_;
};

// Reading members of a message that the other side may have made wrong. Broken when they are.
std::string text_of(const json::Object& facts, std::string_view key);
std::int64_t integer_of(const json::Object& facts, std::string_view key);
bool flag_of(const json::Object& facts, std::string_view key);  // false when absent
const json::Array& list_of(const json::Object& facts, std::string_view key);

}  // namespace detent::wire
