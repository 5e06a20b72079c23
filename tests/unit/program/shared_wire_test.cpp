// SPDX-License-Identifier: Apache-2.0
// Messages whose data go through memory that both sides share.
#include <array>
#include <cstring>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "program/wire.hpp"
#include "support/catch.hpp"
#include "support/tensor.hpp"

using namespace detent;
using wire::Channel;
using wire::Ring;

namespace {

constexpr std::uint64_t kLimit = std::uint64_t{1} << 30U;

// Two ends, and the memory: what the worker sends goes through it.
struct Pair {
  std::array<int, 2> fd{};
  std::unique_ptr<Channel> host;
  std::unique_ptr<Channel> worker;
  Pair() {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fd.data()) == 0);
    host = std::make_unique<Channel>(fd[0], kLimit);
    worker = std::make_unique<Channel>(fd[1], kLimit);
    Ring ring = *Ring::create();
    worker->send_through(*Ring::open(::dup(ring.descriptor())));
    host->receive_through(std::move(ring));
  }
  ~Pair() {
    close(0);
    close(1);
  }
  void close(std::size_t end) {
    if (fd[end] >= 0) ::close(fd[end]);
    fd[end] = -1;
  }
};

test::Tensor counting(std::int64_t n, std::int32_t from) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i) + from;
  return test::Tensor::of({n}, values);
}

bool equal(const HostTensor& found, const test::Tensor& sent) {
  const detent_tensor view = sent.view();
  return found.bytes().size() == view.nbytes &&
         std::memcmp(found.bytes().data(), view.data, view.nbytes) == 0;
}

struct Header {
  std::uint32_t magic = wire::kMagic;
  std::uint32_t json_bytes = 0;
  std::uint64_t data_bytes = 0;
};

// What the host says to a message of a tensor of 100 000 bytes whose pieces are said to be those.
std::string answer_to(const std::vector<std::uint64_t>& pieces, bool has_ring = true) {
  Pair pair;
  const std::string json = R"({"shared":true,"tensors":[{"name":"a","dtype":)" +
                           std::to_string(DETENT_U8) + R"(,"shape":[100000]}]})";
  const Header header{wire::kMagic, static_cast<std::uint32_t>(json.size()), 100'032};
  (void)!::write(pair.fd[1], &header, sizeof header);
  (void)!::write(pair.fd[1], json.data(), json.size());
  (void)!::write(pair.fd[1], pieces.data(), pieces.size() * sizeof pieces[0]);
  pair.close(1);
  Channel without(pair.fd[0], kLimit);
  try {
    (has_ring ? *pair.host : without).receive();
    return "received";
  } catch (const Channel::Closed&) {
    return "closed";
  } catch (const Channel::Broken& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("Tensors larger than the memory, small ones and empty ones arrive, in their order") {
  Pair pair;
  const auto large = counting(static_cast<std::int64_t>(Ring::kBytes / 4 * 3 + 77), 5);
  const auto small = counting(3, 9);
  const test::Tensor empty(DETENT_F32, {0, 3});
  const auto middle = counting(100'000, -4);
  const std::vector<wire::Part> parts{
      {"large", large.view()}, {"small", small.view()}, {"empty", empty.view()}};
  std::thread sender([&] {
    for (int i = 0; i < 3; ++i) {
      pair.worker->send({{"round", i}}, parts);
      const wire::Part one{"middle", middle.view()};
      pair.worker->send({{"round", i}}, {&one, 1});
      const wire::Part few{"few", small.view()};
      pair.worker->send({{"round", i}}, {&few, 1});  // through the socket
    }
  });
  for (int i = 0; i < 3; ++i) {
    const wire::Message first = pair.host->receive();
    REQUIRE(first.tensors.size() == 3);
    CHECK(wire::integer_of(first.facts, "round") == i);
    CHECK_FALSE(first.facts.contains("shared"));
    CHECK(equal(*first.tensors[0], large));
    CHECK(equal(*first.tensors[1], small));
    CHECK(equal(*first.tensors[2], empty));
    const wire::Message second = pair.host->receive();
    REQUIRE(second.tensors.size() == 1);
    CHECK(equal(*second.tensors[0], middle));
    CHECK(equal(*pair.host->receive().tensors.at(0), small));
  }
  sender.join();
}

TEST_CASE("The news of parts that were read come between requests, and none of them is one") {
  Pair pair;
  const auto tensor = counting(static_cast<std::int64_t>(Ring::kPartBytes / 4 + 1000), 1);
  const wire::Part part{"a", tensor.view()};
  for (int i = 0; i < 20; ++i) {  // more parts than there are, none of them at once
    pair.worker->send({{"i", i}}, {&part, 1});
    CHECK(equal(*pair.host->receive().tensors.at(0), tensor));
    pair.host->send({{"do", i}});
    CHECK(wire::integer_of(pair.worker->receive().facts, "do") == i);
  }
}

TEST_CASE("A sender that has no room waits, until the other side reads or is gone") {
  Pair pair;
  const auto tensor = counting(static_cast<std::int64_t>(Ring::kBytes / 2), 1);
  const wire::Part part{"a", tensor.view()};
  bool closed = false;
  std::thread sender([&] {
    try {
      pair.worker->send({{"i", 1}}, {&part, 1});
    } catch (const Channel::Closed&) {
      closed = true;
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::shutdown(pair.fd[0], SHUT_RDWR);
  sender.join();
  CHECK(closed);
}

TEST_CASE("Pieces that are not those of the tensor are refused") {
  CHECK(answer_to({100'000}) == "received");
  CHECK(answer_to({60'000, 40'000}) == "received");
  const std::string wrong = "a piece of a tensor has a wrong size";
  CHECK(answer_to({100'001}) == wrong);
  CHECK(answer_to({60'000, 40'001}) == wrong);
  CHECK(answer_to({0}) == wrong);
  CHECK(answer_to({UINT64_MAX}) == wrong);
  CHECK(answer_to({UINT64_MAX - Ring::kBytes + 1}) == wrong);
  CHECK(answer_to({60'000}) == "closed");
  CHECK(answer_to({100'000}, false) == "a message has its data in memory that is not shared");
}

TEST_CASE("News of parts that nobody wrote are no message, on either side") {
  const Header freed{wire::kFreed, 0, 0};
  const auto answer = [&](std::size_t to) {
    Pair pair;
    (void)!::write(pair.fd[1 - to], &freed, sizeof freed);
    Channel& channel = to == 0 ? *pair.host : *pair.worker;
    try {
      channel.receive();
    } catch (const Channel::Broken& e) {
      return std::string(e.what());
    }
    return std::string("received");
  };
  CHECK(answer(0) == "what arrived is no message");
  CHECK(answer(1) == "what arrived is no message");
}

TEST_CASE("What was sent last is known of what went through the memory, and of nothing else") {
  Pair pair;
  const auto tensor = counting(50'000, 1);
  const auto other = counting(50'000, 2);
  const test::Tensor zeros(DETENT_F32, {50'000});
  const wire::Part part{"a", tensor.view()};
  CHECK_FALSE(pair.worker->has_sent(zeros.view()));  // as the memory was, before anything was sent
  pair.worker->send({}, {&part, 1});
  CHECK(pair.worker->has_sent(tensor.view()));
  CHECK_FALSE(pair.worker->has_sent(other.view()));
  pair.worker->send({{"nothing", 1}});
  CHECK(pair.worker->has_sent(tensor.view()));
  const auto few = counting(3, 49'998);  // the last of the tensor's values
  CHECK(pair.worker->has_sent(few.view()));
  const auto small = counting(3, 7);
  const wire::Part socket{"b", small.view()};
  pair.worker->send({}, {&socket, 1});
  CHECK_FALSE(pair.worker->has_sent(few.view()));
  CHECK_FALSE(pair.worker->has_sent(small.view()));
}
