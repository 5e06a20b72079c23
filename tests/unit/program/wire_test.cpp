// SPDX-License-Identifier: Apache-2.0
#include "program/wire.hpp"

#include <array>
#include <cstring>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/tensor.hpp"

using namespace detent;
using wire::Channel;

namespace {

// Two connected descriptors.
struct Pair {
  std::array<int, 2> fd{};
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fd.data()) == 0); }
  ~Pair() {
    close(0);
    close(1);
  }
  void close(std::size_t end) {
    if (fd[end] >= 0) ::close(fd[end]);
    fd[end] = -1;
  }
};

struct Header {
  std::uint32_t magic = wire::kMagic;
  std::uint32_t json_bytes = 0;
  std::uint64_t data_bytes = 0;
};

// What a receiver says to these bytes.
std::string answer_to_bytes(const Header& header, const std::string& rest,
                            std::uint64_t limit = 1000) {
  Pair pair;
  REQUIRE(::write(pair.fd[0], &header, sizeof header) == sizeof header);
  REQUIRE(::write(pair.fd[0], rest.data(), rest.size()) == static_cast<ssize_t>(rest.size()));
  pair.close(0);
  try {
    Channel(pair.fd[1], limit).receive();
    return "received";
  } catch (const Channel::Closed&) {
    return "closed";
  } catch (const Channel::Broken& e) {
    return e.what();
  }
}

std::string answer_to(const std::string& json, const std::string& data) {
  return answer_to_bytes(
      {.json_bytes = static_cast<std::uint32_t>(json.size()), .data_bytes = data.size()},
      json + data);
}

}  // namespace

TEST_CASE("A message arrives as it was sent, with tensors of any type and shape") {
  Pair pair;
  const auto matrix = test::Tensor::of<float>({2, 3}, {0, 0.25F, 0.5F, 0.75F, 1, 1.25F});
  const auto scalar = test::Tensor::of<std::int64_t>({}, {-7});
  const test::Tensor empty(DETENT_F16, {0, 5});
  const std::vector<wire::Part> parts{
      {"matrix", matrix.view()}, {"scalar", scalar.view()}, {"empty", empty.view()}};
  Channel(pair.fd[0], 1000).send({{"do", "run"}, {"n", 3}}, parts);

  const wire::Message m = Channel(pair.fd[1], 1000).receive();
  CHECK(wire::text_of(m.facts, "do") == "run");
  CHECK(wire::integer_of(m.facts, "n") == 3);
  REQUIRE(m.tensors.size() == 3);
  CHECK(m.tensors[0]->shape() == std::vector<std::int64_t>{2, 3});
  float fifth = 0;
  std::memcpy(&fifth, m.tensors[0]->bytes().data() + 5 * sizeof(float), sizeof fifth);
  CHECK(fifth == 1.25F);
  CHECK(m.tensors[1]->shape().empty());
  CHECK(static_cast<signed char>(m.tensors[1]->bytes()[0]) == -7);
  CHECK(m.tensors[2]->dtype() == DETENT_F16);
  CHECK(m.tensors[2]->bytes().empty());
}

TEST_CASE("A message that is larger than the socket's buffer arrives whole") {
  Pair pair;
  std::vector<std::byte> sent(5'000'000);
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::byte>(i * 31);
  std::thread sender([&] { Channel(pair.fd[0], 0).send_raw({{"chunk", true}}, sent); });
  const wire::Message m = Channel(pair.fd[1], sent.size()).receive();
  sender.join();
  CHECK(m.bytes == sent);
}

TEST_CASE("Every way a message can lie is found before memory is taken for it") {
  CHECK(answer_to_bytes({.magic = 7}, "") == "what arrived is no message");
  CHECK(answer_to_bytes({.json_bytes = 0xFFFFFFFF}, "") == "a message is too long");
  CHECK(answer_to_bytes({.json_bytes = 2, .data_bytes = UINT64_MAX}, "{}") ==
        "a message of 18446744073709551615 bytes is larger than the limit of 1000 bytes");
  CHECK(answer_to_bytes({.json_bytes = 10}, "{}") == "closed");
  CHECK(answer_to("[]", "") == "a message is no object");
  CHECK(answer_to("{}", "x") == "a message has data that it does not describe");
  CHECK(answer_to("{", "").find("a message is no JSON") == 0);
  CHECK(answer_to(std::string(100, '['), "").find("a message is no JSON") == 0);
}

TEST_CASE("Tensors that do not fit their data are refused") {
  const auto one = [](const std::string& dtype, const std::string& shape) {
    return R"({"tensors":[{"name":"a","dtype":)" + dtype + R"(,"shape":)" + shape + "}]}";
  };
  const std::string f32 = std::to_string(DETENT_F32);
  CHECK(answer_to(one(f32, "[4]"), std::string(64, 'x')) == "received");
  CHECK(answer_to(one(f32, "[4]"), std::string(63, 'x')) == "a tensor is larger than its data");
  CHECK(answer_to(one(f32, "[4]"), std::string(128, 'x')) ==
        "a message has data that it does not describe");
  CHECK(answer_to(one(f32, "[-1]"), "") == "a shape is wrong");
  CHECK(answer_to(one(f32, "[4611686018427387904, 4]"), "") == "a tensor cannot exist");
  CHECK(answer_to(one("-1", "[4]"), "") == "a tensor cannot exist");
  CHECK(answer_to(one("0", "[4]"), "") == "a tensor cannot exist");
  CHECK(answer_to(R"({"tensors":[{"dtype":1,"shape":[]}]})", "").find("cannot exist") !=
        std::string::npos);
  CHECK(answer_to(R"({"tensors":[7]})", "") == "a tensor is not described");
  CHECK(answer_to(R"({"tensors":7})", "") == "a message has no list \"tensors\"");
  CHECK(answer_to(R"({"raw":1})", "") == "\"raw\" of a message is no boolean");
}

TEST_CASE("The end of the other side is told from a broken message") {
  Pair pair;
  pair.close(0);
  CHECK_THROWS_AS(Channel(pair.fd[1], 10).receive(), Channel::Closed);
  CHECK_THROWS_AS(Channel(pair.fd[1], 10).send({{"do", "run"}}), Channel::Closed);
}

TEST_CASE("Members that are missing or of another kind are told by name") {
  const json::Object facts{{"text", "a"}, {"number", 5}};
  CHECK_THROWS_WITH(wire::text_of(facts, "number"), "a message has no text \"number\"");
  CHECK_THROWS_WITH(wire::integer_of(facts, "text"), "a message has no integer \"text\"");
  CHECK_THROWS_WITH(wire::list_of(facts, "text"), "a message has no list \"text\"");
  CHECK_FALSE(wire::flag_of(facts, "absent"));
}
