// SPDX-License-Identifier: Apache-2.0
#include "api/memory_model.hpp"

#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "tensors.hpp"

using namespace detent;
using namespace detent::test;

namespace {

std::string refusal(const std::vector<LentTensor>& tensors) {
  try {
    const MemoryModel model(tensors);
  } catch (const Error& e) {
    return e.code() == ErrorCode::config ? e.what() : "another code";
  }
  return "accepted";
}

}  // namespace

TEST_CASE("tensors in memory are a model with layers and types") {
  const std::vector<TinyTensor> network = tiny_network();
  const MemoryModel model(lend(network));
  REQUIRE(model.find("fc1.weight") != nullptr);
  CHECK(model.find("fc1.weight")->layer == "fc1");
  CHECK(model.find("fc1.weight")->type == "Linear");
  CHECK(model.find("conv1.weight")->type == "Conv2d");
  std::string copy(model.find("fc1.weight")->nbytes, '\0');
  model.read(*model.find("fc1.weight"), std::as_writable_bytes(std::span(copy)));
  for (const TinyTensor& t : network)
    if (t.name == "fc1.weight") CHECK(copy == t.bytes);
}

TEST_CASE("a tensor that contradicts itself is refused before it is read") {
  const std::string eight(8, '\0');
  const auto one = [&](std::vector<std::int64_t> shape, detent_dtype dtype = DETENT_F32) {
    return LentTensor{"w", dtype, std::move(shape), bytes_of(eight)};
  };
  CHECK(refusal({one({2})}) == "accepted");
  CHECK(contains(refusal({one({3})}), "takes 12 bytes, and 8 are given"));
  CHECK(contains(refusal({one({1})}), "takes 4 bytes, and 8 are given"));
  CHECK(contains(refusal({one({-1, -2})}), "no tensor has this dtype and shape"));
  CHECK(contains(refusal({one({1LL << 62, 1LL << 62})}), "no tensor has this dtype and shape"));
  CHECK(contains(refusal({one({8}, 0)}), "no tensor has this dtype and shape"));
  CHECK(contains(refusal({one({2}), one({2})}), "two tensors have this name"));
  CHECK(contains(refusal({{"", DETENT_F32, {2}, bytes_of(eight)}}), "without a name"));
}
