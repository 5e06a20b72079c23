// SPDX-License-Identifier: Apache-2.0
#include "plugin/tensor_store.hpp"

#include <algorithm>
#include <limits>

#include "fixtures.hpp"

using namespace detent;
using namespace detent::test;

namespace {

std::int32_t create(TensorStore& store, const detent_tensor_spec& spec, detent_tensor* out) {
  return store.sink()->create(store.sink(), &spec, out);
}

}  // namespace

TEST_CASE("a host tensor is zeroed, compact and aligned to 64 bytes") {
  const HostTensor t("w", DETENT_F32, {3, 5, 7});
  CHECK(t.bytes().size() == 420);
  CHECK(reinterpret_cast<std::uintptr_t>(t.bytes().data()) % 64 == 0);
  CHECK(std::all_of(t.bytes().begin(), t.bytes().end(),
                    [](std::byte b) { return b == std::byte{0}; }));
  CHECK(t.numel() == 105);
  const detent_tensor& v = t.view();
  CHECK(v.data == t.bytes().data());
  CHECK(v.device_type == DETENT_DEVICE_CPU);
  CHECK(v.ndim == 3);
  CHECK(std::vector<std::int64_t>(v.strides, v.strides + 3) == std::vector<std::int64_t>{35, 7, 1});
  CHECK(v.nbytes == 420);
  CHECK(v.byte_offset == 0);
  CHECK(v.flags == 0);
  CHECK(t.read_only().flags == DETENT_TENSOR_READ_ONLY);
  CHECK(std::string(t.spec().name) == "w");
}

TEST_CASE("a scalar and an empty tensor keep to the rules on null pointers") {
  const HostTensor scalar("s", DETENT_F64, {});
  CHECK(scalar.view().shape == nullptr);
  CHECK(scalar.view().strides == nullptr);
  CHECK(scalar.view().data != nullptr);
  CHECK(scalar.numel() == 1);
  CHECK(scalar.bytes().size() == 8);
  const HostTensor empty("e", DETENT_F32, {4, 0});
  CHECK(empty.view().data == nullptr);
  CHECK(empty.view().shape != nullptr);
  CHECK(empty.numel() == 0);
  // The product of the other extents fits no integer, and does not have to.
  const std::int64_t huge = std::int64_t{1} << 40;
  CHECK(HostTensor("h", DETENT_I8, {0, huge, huge}).numel() == 0);
}

TEST_CASE("each row of a packed tensor starts on a byte") {
  CHECK(HostTensor("c", DETENT_I4, {3, 5}).bytes().size() == 9);
  CHECK(HostTensor("c", DETENT_U4, {3, 4}).bytes().size() == 6);
  CHECK(HostTensor("c", DETENT_I4, {}).bytes().size() == 1);
}

TEST_CASE("shapes and types that cannot exist are refused") {
  const std::int64_t big = std::int64_t{1} << 32;
  const std::vector<std::int64_t> negative{2, -1};
  const std::vector<std::int64_t> overflow{big, big};
  const std::vector<std::int64_t> too_many(65, 1);
  const std::vector<std::int64_t> largest{std::numeric_limits<std::int64_t>::max()};
  CHECK(is_valid_tensor(DETENT_F32, std::vector<std::int64_t>(64, 1)));
  CHECK_FALSE(is_valid_tensor(DETENT_F32, negative));
  CHECK_FALSE(is_valid_tensor(DETENT_F32, overflow));
  CHECK_FALSE(is_valid_tensor(DETENT_F32, too_many));
  CHECK_FALSE(is_valid_tensor(DETENT_I8, largest));
  CHECK_FALSE(is_valid_tensor(DETENT_DTYPE(0, 0), std::vector<std::int64_t>{1}));
  CHECK_FALSE(is_valid_tensor(DETENT_DTYPE(0, 128), std::vector<std::int64_t>{1}));
  CHECK_FALSE(is_valid_tensor(DETENT_F32 + 0x10000, std::vector<std::int64_t>{1}));  // two lanes
  CHECK(error_of([&] { HostTensor("w", DETENT_F32, {2, -1}); }).code() == ErrorCode::unexpected);
}

TEST_CASE("the sink hands out tensors and refuses a name that is taken") {
  TensorStore store;
  const std::int64_t shape[] = {2, 3};
  detent_tensor out{};
  CHECK(create(store, {"a", shape, 2, DETENT_F32}, &out) == DETENT_OK);
  CHECK(out.nbytes == 24);
  CHECK(out.flags == 0);
  static_cast<float*>(out.data)[5] = 2.5F;
  CHECK(create(store, {"a", shape, 2, DETENT_F32}, &out) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {"b", nullptr, 0, DETENT_I32}, &out) == DETENT_OK);
  CHECK(store.tensors().size() == 2);
  const detent_tensor* lent = store.source()->get(store.source(), "a");
  REQUIRE(lent != nullptr);
  CHECK(static_cast<const float*>(lent->data)[5] == 2.5F);
  CHECK((lent->flags & DETENT_TENSOR_READ_ONLY) != 0);
  CHECK(store.source()->get(store.source(), "c") == nullptr);
  CHECK(store.source()->get(store.source(), nullptr) == nullptr);
}

TEST_CASE("the sink refuses what a broken plugin may hand it") {
  TensorStore store;
  const std::int64_t shape[] = {2, 3};
  const std::int64_t negative[] = {-2};
  const std::int64_t huge[] = {INT64_MAX, INT64_MAX};
  detent_tensor out{};
  const detent_tensor_sink* sink = store.sink();
  CHECK(sink->create(sink, nullptr, &out) == DETENT_E_INVALID_ARG);
  const detent_tensor_spec good{"a", shape, 2, DETENT_F32};
  CHECK(sink->create(sink, &good, nullptr) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {nullptr, shape, 2, DETENT_F32}, &out) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {"", shape, 2, DETENT_F32}, &out) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {"a", nullptr, 2, DETENT_F32}, &out) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {"a", shape, -1, DETENT_F32}, &out) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {"a", shape, INT32_MAX, DETENT_F32}, &out) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {"a", negative, 1, DETENT_F32}, &out) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {"a", huge, 2, DETENT_F32}, &out) == DETENT_E_INVALID_ARG);
  CHECK(create(store, {"a", shape, 2, 0}, &out) == DETENT_E_INVALID_ARG);
  CHECK(sink->set_meta(sink, nullptr, "1") == DETENT_E_INVALID_ARG);
  CHECK(sink->set_meta(sink, "", "1") == DETENT_E_INVALID_ARG);
  CHECK(sink->set_meta(sink, "k", nullptr) == DETENT_E_INVALID_ARG);
  CHECK(store.tensors().empty());
  CHECK(store.all_meta().empty());
}

TEST_CASE("metadata keep their order and are replaced in place") {
  TensorStore store;
  store.set_meta("scheme", "\"a\"");
  store.set_meta("bits", "4");
  CHECK(store.sink()->set_meta(store.sink(), "scheme", "\"b\"") == DETENT_OK);
  const std::vector<std::pair<std::string, std::string>> expected{{"scheme", "\"b\""},
                                                                  {"bits", "4"}};
  CHECK(store.all_meta() == expected);
  CHECK(std::string(store.source()->get_meta(store.source(), "bits")) == "4");
  CHECK(store.source()->get_meta(store.source(), "none") == nullptr);
  store.clear();
  CHECK(store.meta("bits") == nullptr);
}

TEST_CASE("a store refuses a second tensor of one name from the host as well") {
  TensorStore store;
  store.add("a", DETENT_F32, {1});
  CHECK(error_of([&] { store.add("a", DETENT_F32, {1}); }).code() == ErrorCode::unexpected);
}
