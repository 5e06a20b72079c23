// SPDX-License-Identifier: Apache-2.0
// Where records lie, and how the directory says so, on both sides of the limits of 32 bits.
#include "../../../plugins/serializers/state_dict/zip_layout.hpp"

#include "support/catch.hpp"
#include "zip_reading.hpp"
#include <detent/sdk/error.hpp>

using detent::state_dict::ZipLayout;
using detent::state_dict::ZipRecord;

namespace {

// The directory as a reader finds it; the file in front of it is not there.
std::vector<zip_reading::Record> directory(const ZipLayout& zip, uint64_t n) {
  return zip_reading::directory(zip.directory(), 0, n);
}

// A layout whose next record begins at `cursor`.
ZipLayout up_to(uint64_t cursor) {
  ZipLayout zip;
  const uint64_t descriptor = cursor - 64 > UINT32_MAX ? 24 : 16;
  zip.append("q", cursor - 64 - descriptor);
  REQUIRE(zip.end() == cursor);
  return zip;
}

}  // namespace

TEST_CASE("data lie where PyTorch computes them", "[zip]") {
  struct Case {
    uint64_t cursor, size;
    const char* name;
    uint64_t data;
  };
  // torch._C.PyTorchFileReader.get_record_offset_no_read(cursor, name, size, 64) of torch 2.13
  const Case cases[] = {
      {100, 1, "q/data/1", 192},
      {100, 1, "q/data/123456789", 192},
      {100, 4294967295, "q/data/1", 192},
      {4294967294, 1, "q/data/123456789", 4294967360},
      {4294967294, 4294967294, "q/data/123456789", 4294967360},
      {4294967294, 4294967295, "q/data/1", 4294967360},
      {4294967294, 4294967295, "q/data/123456789", 4294967424},
      {4294967295, 1, "q/data/1", 4294967360},
      {4294967295, 4294967294, "q/data/1", 4294967360},
      {4294967295, 4294967295, "q/data/1", 4294967424},
      {8589934597, 1, "q/data/1", 8589934656},
      {8589934597, 1, "q/data/123456789", 8589934720},
      {8589934597, 4294967295, "q/data/1", 8589934720},
  };
  for (const Case& c : cases) {
    CAPTURE(c.cursor, c.size, c.name);
    ZipLayout zip = up_to(c.cursor);
    const ZipRecord r = zip.at(zip.append(c.name, c.size));
    CHECK(r.header == c.cursor);
    CHECK(r.data == c.data);
    CHECK(ZipLayout::header(r).size() == r.data - r.header);
    CHECK(ZipLayout::descriptor(r).size() == zip.end() - r.data_end());
  }
}

TEST_CASE("sizes and offsets are found again on both sides of 4 GiB", "[zip]") {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{0xFFFFFFFE}, uint64_t{0xFFFFFFFF},
                              uint64_t{0x100000000}, uint64_t{5} << 40U}) {
    CAPTURE(size);
    ZipLayout zip;
    zip.append("large", size);
    zip.append("behind", 7);
    zip.at(0).crc = 0x12345678;
    const auto found = directory(zip, 2);
    CHECK(found[0].name == "large");
    CHECK(found[0].size == size);
    CHECK(found[0].header == 0);
    CHECK(found[0].crc == 0x12345678);
    CHECK(found[1].size == 7);
    CHECK(found[1].header == zip.at(1).header);
    CHECK(found[1].header >= size);
    CHECK(zip.at(1).data % 64 == 0);
  }
}

TEST_CASE("the descriptor behind the data has the sum, and wide sizes where needed", "[zip]") {
  ZipLayout zip;
  zip.append("small", 5);
  zip.append("large", 0xFFFFFFFF);
  zip.append("none", 0);
  zip.at(0).crc = 0x11223344;
  using namespace std::string_literals;
  CHECK(ZipLayout::descriptor(zip.at(0)) == "PK\x07\x08\x44\x33\x22\x11\x05\0\0\0\x05\0\0\0"s);
  CHECK(ZipLayout::descriptor(zip.at(1)) ==
        "PK\x07\x08\0\0\0\0\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\0\0\0\0"s);
  CHECK(ZipLayout::descriptor(zip.at(2)).empty());
}

TEST_CASE("the ends of the directory count every record", "[zip]") {
  using zip_reading::number;
  for (const uint64_t n : {uint64_t{3}, uint64_t{65535}, uint64_t{70000}}) {
    CAPTURE(n);
    ZipLayout zip;
    for (uint64_t i = 0; i < n; ++i) zip.append("r", 1);
    const std::string tail = zip.directory();
    const uint64_t size = tail.size() - 56 - 20 - 22;
    const uint64_t zip64 = size;  // where the zip64 end begins
    CHECK(number<uint32_t>(tail, zip64) == 0x06064B50);
    CHECK(number<uint64_t>(tail, zip64 + 24) == n);
    CHECK(number<uint64_t>(tail, zip64 + 32) == n);
    CHECK(number<uint64_t>(tail, zip64 + 40) == size);
    CHECK(number<uint64_t>(tail, zip64 + 48) == zip.end());
    CHECK(number<uint32_t>(tail, zip64 + 56) == 0x07064B50);
    CHECK(number<uint64_t>(tail, zip64 + 64) == zip.end() + size);
    CHECK(number<uint32_t>(tail, zip64 + 76) == 0x06054B50);
    CHECK(number<uint16_t>(tail, zip64 + 86) == (n < 65535 ? n : 65535));
    CHECK(number<uint32_t>(tail, zip64 + 88) == size);
    CHECK(number<uint32_t>(tail, zip64 + 92) == zip.end());
  }
}

TEST_CASE("a record that no file can hold is refused", "[zip]") {
  ZipLayout zip;
  CHECK_THROWS_AS(zip.append("r", INT64_MAX), detent::sdk::Error);
  zip.append("r", INT64_MAX / 2);
  CHECK_THROWS_AS(zip.append("r", INT64_MAX / 2), detent::sdk::Error);
  CHECK(directory(zip, 1)[0].size == INT64_MAX / 2);
}
