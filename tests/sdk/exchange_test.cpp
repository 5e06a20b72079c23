// SPDX-License-Identifier: Apache-2.0
// Views, streams, calls and parameters of the C++ layer.
#include <cmath>
#include <cstring>
#include <limits>

#include "plugins.hpp"
#include "support/catch.hpp"

using namespace sdk_tests;
using testing::Tensor;

namespace {
std::vector<double> elements(const Tensor& t) {
  std::vector<double> out;
  REQUIRE(sdk::TensorView(t.view()).for_each(-1, [&](double v, int64_t) { out.push_back(v); }));
  return out;
}
}  // namespace

TEST_CASE("for_each walks any strides in row-major order", "[sdk]") {
  const std::vector<float> v{0, 1, 2, 3, 4, 5};
  CHECK(elements(Tensor({2, 3}, v)) == std::vector<double>{0, 1, 2, 3, 4, 5});
  CHECK(elements(Tensor({3, 2}, {1, 3}, v)) == std::vector<double>{0, 3, 1, 4, 2, 5});
  CHECK(elements(Tensor({3}, {-2}, v, 5)) == std::vector<double>{5, 3, 1});
  CHECK(elements(Tensor({2, 2}, {0, 1}, v, 4)) == std::vector<double>{4, 5, 4, 5});
  CHECK(elements(Tensor({}, std::vector<float>{7})) == std::vector<double>{7});
  CHECK(elements(Tensor({2, 0, 3}, std::vector<float>{})).empty());
}

TEST_CASE("for_each gives each element's index along the axis", "[sdk]") {
  const Tensor t({2, 3}, std::vector<int32_t>{0, 1, 2, 3, 4, 5});
  std::vector<int64_t> rows, columns;
  sdk::TensorView(t.view()).for_each(0, [&](double, int64_t i) { rows.push_back(i); });
  sdk::TensorView(t.view()).for_each(1, [&](double, int64_t i) { columns.push_back(i); });
  CHECK(rows == std::vector<int64_t>{0, 0, 0, 1, 1, 1});
  CHECK(columns == std::vector<int64_t>{0, 1, 2, 0, 1, 2});
}

TEST_CASE("for_each refuses a dtype whose values are no doubles", "[sdk]") {
  const Tensor longs({1}, std::vector<int64_t>{1});
  CHECK_FALSE(sdk::TensorView(longs.view()).for_each(-1, [](double, int64_t) { FAIL(); }));
}

TEST_CASE("every binary16 number becomes the float of the same value", "[sdk]") {
  for (uint32_t h = 0; h < 65536; ++h) {
    const int exponent = static_cast<int>((h >> 10) & 31);
    const int mantissa = static_cast<int>(h & 1023);
    double expected =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    if (exponent == 31) expected = mantissa == 0 ? INFINITY : NAN;
    if (h >= 0x8000) expected = -expected;
    const float found = sdk::half_to_float(static_cast<uint16_t>(h));
    const bool same =
        std::isnan(expected) ? std::isnan(found) : static_cast<double>(found) == expected;
    if (!same || (!std::isnan(expected) && std::signbit(found) != std::signbit(expected)))
      FAIL("code " << h << ": " << found << ", not " << expected);
  }
}

TEST_CASE("a view is contiguous whatever the stride of an extent of one", "[sdk]") {
  const std::vector<float> v{0, 1, 2, 3};
  CHECK(sdk::TensorView(Tensor({2, 2}, v).view()).contiguous());
  CHECK(sdk::TensorView(Tensor({1, 4}, {99, 1}, v).view()).contiguous());
  CHECK_FALSE(sdk::TensorView(Tensor({2, 2}, {1, 2}, v).view()).contiguous());
}

TEST_CASE("a length that lies costs no memory", "[sdk]") {
  const uint64_t claimed = uint64_t{1} << 40;
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &claimed, 8);
  testing::Stream stream(bytes + "12345678");
  sdk::Reader reader(stream.in());
  std::vector<double> values;
  CHECK_FALSE(reader.vec(values, uint64_t{1} << 62));
  CHECK(values.size() <= 65536);
  testing::Stream limited(bytes);
  sdk::Reader second(limited.in());
  CHECK_FALSE(second.vec(values, 10));
}

TEST_CASE("a source hands out data only of the type and size that is asked for", "[sdk]") {
  testing::Store store;
  store.put("scale", {2}, std::vector<float>{1, 2});
  const sdk::Source source(store.source());
  REQUIRE(source.data<float>("scale", 2) != nullptr);
  CHECK(source.data<float>("scale", 2)[1] == 2);
  CHECK(source.data<float>("scale", 3) == nullptr);
  CHECK(source.data<double>("scale", 2) == nullptr);
  CHECK(source.data<float>("zero_point", 1) == nullptr);
  CHECK(source.meta("scheme") == nullptr);
  CHECK(sdk::Source(nullptr).get("scale") == nullptr);
}

TEST_CASE("a sink refuses a second tensor of one name", "[sdk]") {
  testing::Store store;
  const sdk::Sink sink(store.sink());
  REQUIRE(sink.create<float>("scale", {2}) != nullptr);
  CHECK(sink.create<float>("scale", {2}) == nullptr);
}

TEST_CASE("a host that lacks a service is served by a default", "[sdk]") {
  detent_call old{};
  old.struct_size = DETENT_SIZE_UPTO(detent_call, fail);  // a host of long ago
  const sdk::Call call(&old);
  CHECK_FALSE(call.cancelled());
  CHECK(call.scratch(10) == nullptr);
  call.progress(1, 2);
  std::vector<uint64_t> order;
  call.parallel_for(3, [&](uint64_t i) { order.push_back(i); });
  CHECK(order == std::vector<uint64_t>{0, 1, 2});
}

TEST_CASE("a call reaches the host's services", "[sdk]") {
  testing::Call host;
  host.cancel = true;
  host.backwards = true;
  const sdk::Call call(host);
  CHECK(call.cancelled());
  std::vector<uint64_t> order;
  call.parallel_for(3, [&](uint64_t i) { order.push_back(i); });
  CHECK(order == std::vector<uint64_t>{2, 1, 0});
  CHECK(reinterpret_cast<uintptr_t>(call.scratch(10, 64)) % 64 == 0);
}

TEST_CASE("parameters fall back when absent or of another type", "[sdk]") {
  const testing::Params given{{"/b", true}, {"/i", 7}, {"/d", 0.5}, {"/s", "kl"}};
  const sdk::Config config = sdk::detail::read_config(given.config("fc"));
  CHECK(config.params.get("/b", false));
  CHECK(config.params.get("/i", int64_t{0}) == 7);
  CHECK(config.params.get("/i", 0.0) == 7.0);
  CHECK(config.params.get("/d", 0.0) == 0.5);
  CHECK(config.params.get("/s", "") == "kl");
  CHECK(config.params.get("/s", int64_t{3}) == 3);
  CHECK(config.params.get("/none", 1.5) == 1.5);
  CHECK(config.params_json == R"({"b":true,"i":7,"d":0.500000,"s":"kl"})");
  CHECK(config.target == "fc");
}
