// SPDX-License-Identifier: Apache-2.0
// The C layer, by what C plugins rely on; its arithmetic is that of the C++ layer, which stands on
// it.
#include <detent/c.h>

#include "plugins.hpp"
#include "support/catch.hpp"

using namespace sdk_tests;
using testing::Tensor;

TEST_CASE("detent_walk gives every element of any strides, and where it is", "[sdk]") {
  const std::vector<float> v{0, 1, 2, 3, 4, 5};
  const Tensor t({3, 2}, {1, 3}, v);
  detent_walk w;
  REQUIRE(detent_walk_start(&w, t) == 1);
  std::vector<double> values;
  std::vector<int64_t> rows, columns;
  while (detent_walk_next(&w) != 0) {
    values.push_back(w.value);
    rows.push_back(w.index[0]);
    columns.push_back(w.index[1]);
  }
  CHECK(values == std::vector<double>{0, 3, 1, 4, 2, 5});
  CHECK(rows == std::vector<int64_t>{0, 0, 1, 1, 2, 2});
  CHECK(columns == std::vector<int64_t>{0, 1, 0, 1, 0, 1});

  const Tensor empty({2, 0}, std::vector<float>{});
  REQUIRE(detent_walk_start(&w, empty) == 1);
  CHECK(detent_walk_next(&w) == 0);
  const Tensor longs({1}, std::vector<int64_t>{1});
  CHECK(detent_walk_start(&w, longs) == 0);
}

TEST_CASE("detent_row is one index of the first dimension", "[sdk]") {
  const Tensor t({3, 2}, {-2, 1}, std::vector<float>{0, 1, 2, 3, 4, 5}, 4);
  const detent_tensor row = detent_row(t, 1);
  CHECK(row.ndim == 1);
  double value = 0;
  REQUIRE(detent_load(row.dtype, detent_bytes(&row), &value) == 1);
  CHECK(value == 2);
}

TEST_CASE("detent_fail formats a text and cuts what is too long", "[sdk]") {
  testing::Call call;
  CHECK(detent_fail(call, DETENT_E_PARAMS, "bits is %d", 9) == DETENT_E_PARAMS);
  CHECK(call.message == "bits is 9");
  CHECK(detent_fail(call, DETENT_E_IO, "%s", std::string(1000, 'x').c_str()) == DETENT_E_IO);
  CHECK(call.message == std::string(511, 'x'));
}

TEST_CASE("a reader tells a stream that ends from one that fails", "[sdk]") {
  testing::Stream three("abc", 2);
  detent_reader in = {three.in(), 0};
  char data[4] = {};
  CHECK(detent_read(&in, data, 3) == 1);
  CHECK(std::string(data) == "abc");
  CHECK(detent_at_end(&in) == 1);
  CHECK(detent_read(&in, data, 1) == 0);
  CHECK(in.failed == 0);
  const detent_istream torn = {
      nullptr, [](const detent_istream*, void*, uint64_t) -> int64_t { return -1; }};
  in.stream = &torn;
  CHECK(detent_read(&in, data, 1) == 0);
  CHECK(in.failed == 1);
}

TEST_CASE("a file is written whole, in row-major order, or the failure is told", "[sdk]") {
  testing::Folder folder;
  folder.step = 3;
  const detent_folder* c = folder;
  const detent_file* file = nullptr;
  REQUIRE(c->open(c, "x", &file) == DETENT_OK);
  const Tensor columns({2, 2}, {1, 2}, std::vector<float>{1, 3, 2, 4});
  REQUIRE(detent_file_write_tensor(file, 0, columns) == 1);
  float back[4] = {};
  REQUIRE(detent_file_read(file, 0, back, sizeof back) == 1);
  CHECK(std::vector<float>(back, back + 4) == std::vector<float>{1, 2, 3, 4});
  CHECK(detent_file_read(file, 8, back, sizeof back) == 0);
  folder.room = 8;
  CHECK(detent_file_write_tensor(file, 0, columns) == 0);
}
