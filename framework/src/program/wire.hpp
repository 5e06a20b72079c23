// SPDX-License-Identifier: Apache-2.0
// The messages between the host and the process that runs a model. Both sides use this file, and
// neither trusts the other: every length is checked before memory is taken for it.
//
//   frame   u32 magic, u32 bytes of the JSON, u64 bytes of the data, the JSON, the data
//
// "tensors" of the JSON describes the data: [{"name", "dtype", "shape"}], compact and one behind
// the other, each starting on a multiple of 64 bytes.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.hpp"
#include "plugin/tensor_store.hpp"

namespace detent::wire {

inline constexpr std::uint32_t kMagic = 0x4D524744;  // "DGRM"
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

  void send(const json::Object& facts, std::span<const Part> parts = {});
  void send_raw(const json::Object& facts, std::span<const std::byte> bytes);
  Message receive();

 private:
  void write_all(const void* from, std::uint64_t n);
  void read_all(void* to, std::uint64_t n);
  void skip(std::uint64_t n);
  void read_tensors(const json::Array& list, std::uint64_t data_bytes, Message& message);

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
