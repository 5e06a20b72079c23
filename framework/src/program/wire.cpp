// SPDX-License-Identifier: Apache-2.0
#include "program/wire.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <sys/socket.h>
#include <unistd.h>

#include "json/parse.hpp"

namespace detent::wire {
namespace {

constexpr std::uint64_t kAlign = 64;
constexpr std::uint64_t kMaxStep = std::uint64_t{1} << 30U;
constexpr std::uint64_t kLeastShared = 64U << 10U;  // bytes of data; fewer are sent as fast

struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t json_bytes = 0;
  std::uint64_t data_bytes = 0;
};
static_assert(sizeof(Header) == 16);

std::uint64_t padded(std::uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

json::Value describe(const Part& part) {
  const detent_tensor& view = part.view;
  json::Array shape(view.shape, view.shape + view.ndim);
  return json::Object{
      {"name", part.name}, {"dtype", std::int64_t{view.dtype}}, {"shape", std::move(shape)}};
}

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Header and JSON together: each write may wake the other side.
std::string frame_of(const json::Object& facts, std::uint64_t data_bytes) {
  const std::string text = json::dump(facts);
  if (text.size() > kMaxJson) throw Channel::Broken("a message is too long");
  std::string frame;
  append(frame, Header{kMagic, static_cast<std::uint32_t>(text.size()), data_bytes});
  return frame + text;
}

}  // namespace

Channel::Channel(int fd, std::uint64_t limit, std::function<void(bool)> wait)
    : fd_(fd), limit_(limit), wait_(std::move(wait)) {}

void Channel::write_all(const void* from, std::uint64_t n) {
  const auto* at = static_cast<const std::byte*>(from);
  while (n > 0) {
    const ssize_t done = ::send(fd_, at, std::min(n, kMaxStep), MSG_NOSIGNAL);
    if (done > 0) {
      at += done;
      n -= static_cast<std::uint64_t>(done);
    } else if (done < 0 && errno == EAGAIN && wait_) {
      wait_(false);
    } else if (done < 0 && errno != EINTR) {
      throw Closed();
    }
  }
}

void Channel::read_all(void* to, std::uint64_t n) {
  auto* at = static_cast<std::byte*>(to);
  while (n > 0) {
    const ssize_t done = ::recv(fd_, at, std::min(n, kMaxStep), 0);
    if (done > 0) {
      at += done;
      n -= static_cast<std::uint64_t>(done);
    } else if (done < 0 && errno == EAGAIN && wait_) {
      wait_(true);
    } else if (done == 0 || errno != EINTR) {
      throw Closed();
    }
  }
}

void Channel::skip(std::uint64_t n) {
  std::byte sink[kAlign];
  for (; n > 0; n -= std::min<std::uint64_t>(n, sizeof sink))
    read_all(sink, std::min<std::uint64_t>(n, sizeof sink));
}

void Channel::send(const json::Object& facts, std::span<const Part> parts) {
  json::Object whole = facts;
  std::uint64_t data_bytes = 0;
  if (!parts.empty()) {
    json::Array list;
    for (const Part& part : parts) {
      list.push_back(describe(part));
      data_bytes += padded(part.view.nbytes);
    }
    whole.set("tensors", std::move(list));
  }
  const bool shared = out_ && data_bytes >= kLeastShared;
  if (shared) whole.set("shared", true);
  std::string frame = frame_of(whole, data_bytes);
  if (!parts.empty()) sent_shared_ = shared;
  if (shared) return send_shared(std::move(frame), parts);
  write_all(frame.data(), frame.size());
  constexpr std::byte kZeros[kAlign] = {};
  for (const Part& part : parts) {
    write_all(part.view.data, part.view.nbytes);
    write_all(kZeros, padded(part.view.nbytes) - part.view.nbytes);
  }
}

// What is told of pieces waits until the last one, or until there is no room for more: the reader
// frees only what it was told of.
void Channel::send_shared(std::string frame, std::span<const Part> parts) {
  for (const Part& part : parts) {
    const auto* at = static_cast<const std::byte*>(part.view.data);
    for (std::uint64_t left = part.view.nbytes; left > 0;) {
      if (!out_->has_room()) {
        write_all(frame.data(), frame.size());
        frame.clear();
        wait_for_room();
      }
      const std::uint64_t n = out_->piece(left);
      out_->write(at, n);
      append(frame, n);
      at += n;
      left -= n;
    }
  }
  write_all(frame.data(), frame.size());
}

void Channel::wait_for_room() {
  while (!out_->has_room()) {
    Header header;
    read_all(&header, sizeof header);
    if (header.magic != kFreed || !out_->free_part())
      throw Broken("a message came while there was no room for the answer");
  }
}

bool Channel::has_sent(const detent_tensor& compact) const {
  return sent_shared_ && out_->holds(compact.data, compact.nbytes);
}

void Channel::send_raw(const json::Object& facts, std::span<const std::byte> bytes) {
  json::Object whole = facts;
  whole.set("raw", true);
  const std::string frame = frame_of(whole, bytes.size());
  write_all(frame.data(), frame.size());
  write_all(bytes.data(), bytes.size());
}

// The next that is more than the news of a part that was read.
void Channel::read_header(void* header) {
  for (;;) {
    Header next;
    read_all(&next, sizeof next);
    if (next.magic == kMagic) {
      std::memcpy(header, &next, sizeof next);
      return;
    }
    if (next.magic != kFreed || !out_ || !out_->free_part())
      throw Broken("what arrived is no message");
  }
}

Message Channel::receive() {
  Header header;
  read_header(&header);
  if (header.json_bytes > kMaxJson) throw Broken("a message is too long");
  if (header.data_bytes > limit_)
    throw Broken(fmt::format("a message of {} bytes is larger than the limit of {} bytes",
                             header.data_bytes, limit_));
  std::string text(header.json_bytes, '\0');
  read_all(text.data(), text.size());
  json::Value value;
  try {
    value = json::parse(text, {.max_depth = 32});
  } catch (const json::ParseError& e) {
    throw Broken(std::string("a message is no JSON: ") + e.what());
  }
  json::Object* facts = value.if_object();
  if (facts == nullptr) throw Broken("a message is no object");

  Message message;
  if (flag_of(*facts, "raw")) {
    message.bytes.resize(header.data_bytes);
    read_all(message.bytes.data(), message.bytes.size());
  } else if (facts->contains("tensors")) {
    const bool shared = flag_of(*facts, "shared");
    if (shared && !in_) throw Broken("a message has its data in memory that is not shared");
    read_tensors(list_of(*facts, "tensors"), header.data_bytes, shared, message);
  } else if (header.data_bytes != 0) {
    throw Broken("a message has data that it does not describe");
  }
  facts->erase("tensors");
  facts->erase("shared");
  message.facts = std::move(*facts);
  return message;
}

void Channel::read_tensors(const json::Array& list, std::uint64_t data_bytes, bool shared,
                           Message& message) {
  std::uint64_t left = data_bytes;
  for (const json::Value& item : list) {
    const json::Object* entry = item.if_object();
    if (entry == nullptr) throw Broken("a tensor is not described");
    const std::int64_t dtype = integer_of(*entry, "dtype");
    std::vector<std::int64_t> shape;
    for (const json::Value& extent : list_of(*entry, "shape")) {
      std::int64_t n = -1;
      if (!extent.to_int(&n) || n < 0) throw Broken("a shape is wrong");
      shape.push_back(n);
    }
    if (dtype < 0 || dtype > std::numeric_limits<std::uint32_t>::max() ||
        !is_valid_tensor(static_cast<detent_dtype>(dtype), shape))
      throw Broken("a tensor cannot exist");
    const auto type = static_cast<detent_dtype>(dtype);
    const std::uint64_t nbytes =
        detent_nbytes(type, static_cast<std::int32_t>(shape.size()), shape.data());
    if (nbytes > left || padded(nbytes) > left) throw Broken("a tensor is larger than its data");
    auto tensor = tensor_for(text_of(*entry, "name"), type, shape);
    if (shared) {
      read_shared(tensor->bytes());
    } else {
      read_all(tensor->bytes().data(), nbytes);
      skip(padded(nbytes) - nbytes);
    }
    left -= padded(nbytes);
    message.tensors.push_back(std::move(tensor));
  }
  if (left != 0) throw Broken("a message has data that it does not describe");
}

std::unique_ptr<HostTensor> Channel::tensor_for(const std::string& name, detent_dtype dtype,
                                                const std::vector<std::int64_t>& shape) {
  std::unique_ptr<HostTensor> tensor = std::move(spare_);
  if (tensor != nullptr && tensor->reuse(name, dtype, shape)) return tensor;
  tensor.reset();  // before there are two
  return std::make_unique<HostTensor>(name, dtype, shape, HostTensor::Filled::later);
}

void Channel::read_shared(std::span<std::byte> to) {
  while (!to.empty()) {
    std::uint64_t n = 0;
    read_all(&n, sizeof n);
    if (n == 0 || n > in_->piece(to.size())) throw Broken("a piece of a tensor has a wrong size");
    const bool part_is_read = in_->read(to.data(), n);
    to = to.subspan(n);
    if (!part_is_read) continue;
    const Header freed{kFreed, 0, 0};
    write_all(&freed, sizeof freed);
  }
}

std::string text_of(const json::Object& facts, std::string_view key) {
  const json::Value* value = facts.find(key);
  if (value == nullptr || value->if_string() == nullptr)
    throw Channel::Broken(fmt::format("a message has no text \"{}\"", key));
  return *value->if_string();
}

std::int64_t integer_of(const json::Object& facts, std::string_view key) {
  const json::Value* value = facts.find(key);
  std::int64_t n = 0;
  if (value == nullptr || !value->to_int(&n))
    throw Channel::Broken(fmt::format("a message has no integer \"{}\"", key));
  return n;
}

bool flag_of(const json::Object& facts, std::string_view key) {
  const json::Value* value = facts.find(key);
  if (value == nullptr) return false;
  if (value->if_bool() == nullptr)
    throw Channel::Broken(fmt::format("\"{}\" of a message is no boolean", key));
  return *value->if_bool();
}

const json::Array& list_of(const json::Object& facts, std::string_view key) {
  const json::Value* value = facts.find(key);
  if (value == nullptr || value->if_array() == nullptr)
    throw Channel::Broken(fmt::format("a message has no list \"{}\"", key));
  return *value->if_array();
}

}  // namespace detent::wire
