// SPDX-License-Identifier: Apache-2.0
// Stands in for the process that runs a model. What the model's file says is what it does.
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>

#include "plugin/tensor_store.hpp"
#include "program/wire.hpp"

extern char** environ;

namespace {

using namespace detent;

json::Object facts() {
  return {{"inputs", json::Array{}},
          {"uses", json::Array{}},
          {"other_readers", json::Object{}},
          {"out_of_reach", json::Object{}},
          {"not_editable", ""},
          {"runtime", "none"},
          {"isolation", "none"}};
}

// What a worker should not have: the caller's environment and files other than the channel, the
// model and the memory that it shares with the host.
std::string inherited() {
  std::string found;
  for (char** v = environ; *v != nullptr; ++v) found += std::string(*v) + ";";
  for (int fd = 6; fd < 256; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0) found += "fd" + std::to_string(fd) + ";";
  return found;
}

// Activations without an end, as fast as they are taken, or as the host is told that they are.
void flood(wire::Channel& channel) {
  channel.send_through(*wire::Ring::open(5));
  const HostTensor x("w", DETENT_F32, {100'000});
  const wire::Part part{"w", x.read_only()};
  for (;;) channel.send({{"seen", "input"}}, {&part, 1});
}

// Shows a tensor, and then says of others what they are.
void repeat(const std::string& how, wire::Channel& channel) {
  const HostTensor x("w", DETENT_F32, {4});
  const wire::Part part{"w", x.read_only()};
  if (how == "again at first") channel.send({{"seen", "input"}, {"again", "w"}});
  if (how == "again with data") channel.send({{"seen", "input"}, {"again", "w"}}, {&part, 1});
  if (how == "again by another name") {
    channel.send({{"seen", "input"}}, {&part, 1});
    channel.send({{"seen", "input"}, {"again", "v"}});
  }
  if (how == "again of nothing") channel.send({{"seen", "input"}, {"again", 7}});
}

void behave(const std::string& how, wire::Channel& channel) {
  if (how == "flood") flood(channel);
  if (how.starts_with("again")) repeat(how, channel);
  if (how == "exit") ::_exit(7);
  if (how == "crash") ::raise(SIGSEGV);
  if (how == "hang")
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  if (how == "nonsense") (void)!::write(3, "this is no message, whatever it is", 34);
  if (how == "huge") {
    const std::uint64_t header[2] = {wire::kMagic | (std::uint64_t{2} << 32U), UINT64_MAX / 2};
    (void)!::write(3, header, sizeof header);
  }
  if (how == "no facts") channel.send({{"done", true}});
  if (how == "no sandbox") channel.send({{"no_sandbox", "the kernel has no Landlock"}});
  if (how == "error") channel.send({{"error", "the archive is wrong"}});
  if (how == "inherited") {
    json::Object told = facts();
    told.set("runtime", inherited());
    channel.send(told);
  }
}

}  // namespace

int main() {
  char text[64] = {};
  if (::pread(4, text, sizeof text - 1, 0) < 0) return 1;
  std::string how = text;
  wire::Channel channel(3, 1U << 20U);
  const std::string later = "later: ";
  if (how.starts_with(later)) {
    channel.send(facts());
    channel.receive();
    how = how.substr(later.size());
  }
  behave(how, channel);
  try {
    for (;;) channel.receive();
  } catch (...) {
  }
  return 0;
}
