// SPDX-License-Identifier: Apache-2.0
// Link: one end of the connection between the host and the process of a plugin. SharedMemory: a
// segment that both have mapped.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace detent::isolate {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  void reset();

 private:
  int fd_ = -1;
};

// Not for several threads.
//
// Errors  Closed when the other side is gone; Broken for what is no message
class Link {
 public:
  struct Closed : std::runtime_error {
    Closed() : std::runtime_error("the connection is closed") {}
  };
  struct Broken : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  struct Message {
    std::string bytes;
    Descriptor descriptor;  // that came along; only who `takes_descriptors` gets one
  };

  // wait(for_reading) is called before each transfer; it throws to give up.
  explicit Link(Descriptor socket, std::function<void(bool)> wait = {})
      : socket_(std::move(socket)), wait_(std::move(wait)) {}

  void send(std::string_view bytes, int descriptor = -1);
  Message receive(bool takes_descriptors = false);
  int socket() const { return socket_.get(); }

 private:
  std::size_t read_some(void* to, std::size_t n, Descriptor* descriptor);

  Descriptor socket_;
  std::function<void(bool)> wait_;
};

class SharedMemory {
 public:
  enum class Written { by_host, by_worker };
  // The host's. Errors  std::bad_alloc when the system has none
  static SharedMemory create(std::uint64_t bytes, Written written);
  // The worker's; nullopt when it cannot be mapped so.
  static std::optional<SharedMemory> open(const Descriptor& descriptor, Written written);
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  std::byte* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  const Descriptor& descriptor() const { return descriptor_; }  // of the host
  void close_descriptor() { descriptor_.reset(); }
  // Do n bytes from there on lie in it?
  bool holds(std::uint64_t offset, std::uint64_t n) const {
    return n <= size_ && offset <= size_ - n;
  }

 private:
  SharedMemory(Descriptor descriptor, std::byte* data, std::uint64_t size)
      : descriptor_(std::move(descriptor)), data_(data), size_(size) {}

  Descriptor descriptor_;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace detent::isolate
