// SPDX-License-Identifier: Apache-2.0
#include "isolate/link.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "isolate/protocol.hpp"

namespace detent::isolate {
namespace {

struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t bytes = 0;
};
static_assert(kMostMessage <= UINT32_MAX);

union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

void attach(msghdr& message, Control& control, int descriptor) {
  control = {};
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
}

Descriptor descriptor_in(msghdr& message) {
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  int descriptor = -1;
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof descriptor))
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return Descriptor(descriptor);
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this == &other) return *this;
  reset();
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

void Descriptor::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Link::send(std::string_view bytes, int descriptor) {
  if (bytes.size() > kMostMessage) throw std::bad_alloc();
  Header header;
  header.bytes = static_cast<std::uint32_t>(bytes.size());
  std::size_t done = 0;
  const std::size_t whole = sizeof header + bytes.size();
  while (done < whole) {
    std::array<iovec, 2> parts{};
    std::size_t count = 0;
    if (done < sizeof header)
      parts[count++] = {reinterpret_cast<char*>(&header) + done, sizeof header - done};
    const std::size_t body = done < sizeof header ? 0 : done - sizeof header;
    parts[count++] = {const_cast<char*>(bytes.data()) + body, bytes.size() - body};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    Control control;
    if (descriptor >= 0 && done == 0) attach(message, control, descriptor);
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      done += static_cast<std::size_t>(sent);
    } else if (would_block() && wait_) {
      wait_(false);
    } else if (errno != EINTR) {
      throw Closed();
    }
  }
}

std::size_t Link::read_some(void* to, std::size_t n, Descriptor* descriptor) {
  for (;;) {
    if (wait_) wait_(true);
    iovec part{to, n};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    Control control{};
    if (descriptor != nullptr) {
      message.msg_control = control.bytes.data();
      message.msg_controllen = control.bytes.size();
    }
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (got > 0) {
      if (descriptor != nullptr && message.msg_controllen > 0) *descriptor = descriptor_in(message);
      return static_cast<std::size_t>(got);
    }
    if (got == 0 || (errno != EINTR && !would_block())) throw Closed();
  }
}

Link::Message Link::receive(bool takes_descriptors) {
  Message message;
  Header header;
  for (std::size_t done = 0; done < sizeof header;)
    done += read_some(reinterpret_cast<char*>(&header) + done, sizeof header - done,
                      takes_descriptors ? &message.descriptor : nullptr);
  if (header.magic != kMagic) throw Broken("its message has no beginning");
  if (header.bytes > kMostMessage) throw Broken("its message is too long");
  // Piece by piece: memory is taken for what has come, not for what is announced.
  constexpr std::size_t kPiece = std::size_t{1} << 20U;
  while (message.bytes.size() < header.bytes) {
    const std::size_t done = message.bytes.size();
    message.bytes.resize(std::min<std::size_t>(header.bytes, done + kPiece));
    const std::size_t got =
        read_some(message.bytes.data() + done, message.bytes.size() - done, nullptr);
    message.bytes.resize(done + got);
  }
  return message;
}

}  // namespace detent::isolate
