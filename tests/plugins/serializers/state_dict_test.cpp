// SPDX-License-Identifier: Apache-2.0
// What the state_dict serializer writes, record by record.
#include "support/catch.hpp"
#include "writing.hpp"
#include "zip_reading.hpp"

using namespace std::string_literals;
using writing::testing::Tensor;
using zip_reading::find;
using zip_reading::Record;

namespace {

struct Writer : writing::Writer {
  Writer() : writing::Writer(DETENT_TEST_PLUGINS "/state_dict.detent.so", "state_dict") {}
  std::vector<Record> records() const { return zip_reading::read(file()); }
  std::string pickle() const { return find(records(), "data.pkl").bytes; }
};

std::string unicode(const std::string& text) {
  return "X"s + static_cast<char>(text.size()) + "\0\0\0"s + text;
}
const std::string kDict = "ccollections\nOrderedDict\n)R";

// What torch.save says of a tensor of a typed storage, by pickletools.
std::string entry(const std::string& name, const std::string& storage, const std::string& key,
                  const std::string& numel, const std::string& shape, const std::string& strides) {
  return unicode(name) + "ctorch._utils\n_rebuild_tensor_v2\n((" + unicode("storage") + "ctorch\n" +
         storage + "\n" + unicode(key) + unicode("cpu") + numel + "tQK\0("s + shape + "t(" +
         strides + "t\x89" + kDict + "tR";
}

}  // namespace

TEST_CASE("the names are a pickle of an ordered dict in protocol 2", "[state_dict]") {
  Writer w;
  const Tensor a({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const Tensor b({300}, std::vector<int8_t>(300, 7));
  const Tensor c({}, std::vector<int64_t>{9});
  const Tensor d({0, 4}, std::vector<uint8_t>{});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("a.w", a) == DETENT_OK);
  REQUIRE(w.declare("b", b) == DETENT_OK);
  REQUIRE(w.declare("c", c) == DETENT_OK);
  REQUIRE(w.declare("d", d) == DETENT_OK);
  REQUIRE(w.add("a.w", a) == DETENT_OK);
  REQUIRE(w.add("b", b) == DETENT_OK);
  REQUIRE(w.add("c", c) == DETENT_OK);
  REQUIRE(w.add("d", d) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  const std::string expected =
      "\x80\x02" + kDict + "(" +
      entry("a.w", "FloatStorage", "0", "K\x06", "K\x02K\x03", "K\x03K\x01") +
      entry("b", "CharStorage", "1", "M\x2c\x01", "M\x2c\x01", "K\x01") +
      entry("c", "LongStorage", "2", "K\x01", "", "") +
      entry("d", "ByteStorage", "3", "K\0"s, "K\0K\x04"s, "K\x04K\x01") + "u.";
  CHECK(w.pickle() == expected);
}

TEST_CASE("records are those of PyTorch, stored, checked and aligned to 64 bytes", "[state_dict]") {
  Writer w;
  const Tensor digits({9}, std::vector<uint8_t>{'1', '2', '3', '4', '5', '6', '7', '8', '9'});
  const Tensor empty({0}, std::vector<float>{});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("digits", digits) == DETENT_OK);
  REQUIRE(w.declare("empty", empty) == DETENT_OK);
  REQUIRE(w.set("metrics", "{\"a\": 1}") == DETENT_OK);
  REQUIRE(w.set("author", "\"somebody\"") == DETENT_OK);
  REQUIRE(w.add("digits", digits) == DETENT_OK);
  REQUIRE(w.add("empty", empty) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  const std::vector<Record> records = w.records();
  std::vector<std::string> names;
  for (const Record& r : records) {
    names.push_back(r.name);
    CAPTURE(r.name);
    CHECK(r.method == 0);
    CHECK(r.data % 64 == 0);
    CHECK(r.date == 0x21);  // 1980-01-01
  }
  CHECK(names == std::vector<std::string>{"archive/data.pkl", "archive/.format_version",
                                          "archive/.storage_alignment", "archive/byteorder",
                                          "archive/data/0", "archive/data/1", "archive/version",
                                          "archive/extra/author", "archive/extra/metrics"});
  CHECK(find(records, ".format_version").bytes == "1");
  CHECK(find(records, ".storage_alignment").bytes == "64");
  CHECK(find(records, "byteorder").bytes == "little");
  CHECK(find(records, "version").bytes == "3\n");
  CHECK(find(records, "data/0").bytes == "123456789");
  CHECK(find(records, "data/0").crc == 0xCBF43926);  // the check value of CRC-32
  CHECK(find(records, "data/1").bytes.empty());
  CHECK(find(records, "extra/author").bytes == "somebody");
  CHECK(find(records, "extra/metrics").bytes == "{\"a\": 1}");
}

TEST_CASE("metadata may be set again after the data to a text not longer", "[state_dict]") {
  Writer w;
  const Tensor t({1}, std::vector<float>{1});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.set("sqnr", "\"..........\"") == DETENT_OK);
  REQUIRE(w.declare("t", t) == DETENT_OK);
  REQUIRE(w.add("t", t) == DETENT_OK);
  CHECK(w.set("sqnr", "\"12345678901\"") == DETENT_E_INVALID_ARG);
  CHECK(w.set("other", "1") == DETENT_E_INVALID_ARG);
  REQUIRE(w.set("sqnr", "41.5") == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(find(w.records(), "extra/sqnr").bytes == "41.5");
}

TEST_CASE("an alias is a second name of the same storage", "[state_dict]") {
  Writer w;
  const Tensor t({2}, std::vector<float>{1, 2});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("embed", t) == DETENT_OK);
  REQUIRE(w.alias("head", "embed") == DETENT_OK);
  REQUIRE(w.declare("z", t) == DETENT_OK);
  REQUIRE(w.add("embed", t) == DETENT_OK);
  REQUIRE(w.add("z", t) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  const auto one = [](const char* name, const char* key) {
    return entry(name, "FloatStorage", key, "K\x02", "K\x02", "K\x01");
  };
  CHECK(w.pickle() ==
        "\x80\x02" + kDict + "(" + one("embed", "0") + one("z", "1") + one("head", "0") + "u.");
  CHECK(w.file().find("data/2") == std::string::npos);
}

TEST_CASE("four-bit codes become bytes, and later dtypes untyped storages", "[state_dict]") {
  Writer w;
  Tensor odd(Tensor::Zeros{}, DETENT_I4, {2, 3});  // two rows of two bytes
  std::memcpy(odd.bytes(), "\x21\x03\x54\x06", 4);
  const Tensor small(Tensor::Zeros{}, DETENT_U16, {3});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("odd", odd) == DETENT_OK);
  REQUIRE(w.declare("small", small) == DETENT_OK);
  REQUIRE(w.add("odd", odd) == DETENT_OK);
  REQUIRE(w.add("small", small) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(find(w.records(), "data/0").bytes == "\x21\x03\x54\x06");
  CHECK(w.pickle() == "\x80\x02" + kDict + "(" +
                          entry("odd", "ByteStorage", "0", "K\x04", "K\x02K\x02", "K\x02K\x01") +
                          unicode("small") + "ctorch._utils\n_rebuild_tensor_v3\n((" +
                          unicode("storage") + "ctorch.storage\nUntypedStorage\n" + unicode("1") +
                          unicode("cpu") + "K\x06tQK\0(K\x03t(K\x01t\x89"s + kDict +
                          "ctorch\nuint16\ntRu.");
}

TEST_CASE("a file whose writing stopped is no archive", "[state_dict]") {
  Writer w;
  const Tensor t({100}, std::vector<int8_t>(100, 1));
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("t", t) == DETENT_OK);
  REQUIRE(w.add("t", t) == DETENT_OK);
  CHECK(w.file().find("PK\x05\x06") == std::string::npos);
  CHECK(w.file().find("PK\x01\x02") == std::string::npos);
  CHECK(w.file().substr(0, 4) == "\xAA\xAA\xAA\xAA");  // a hole: zeros in a real file
}

TEST_CASE("strided tensors and hosts that take few bytes at a time give the same file",
          "[state_dict]") {
  std::string files[2];
  const std::vector<float> values{0, 1, 2, 3, 4, 5};
  const Tensor transposed({3, 2}, {1, 3}, values);  // of [[0,1,2],[3,4,5]]
  const Tensor compact({3, 2}, std::vector<float>{0, 3, 1, 4, 2, 5});
  for (const bool slow : {false, true}) {
    Writer w;
    if (slow) w.folder.step = 7;
    REQUIRE(w.begin() == DETENT_OK);
    REQUIRE(w.declare("t", compact) == DETENT_OK);
    REQUIRE(w.add("t", slow ? transposed : compact) == DETENT_OK);
    REQUIRE(w.finish() == DETENT_OK);
    files[slow ? 1 : 0] = w.file();
  }
  CHECK(files[0] == files[1]);
}

TEST_CASE("one instance writes a second state dict after finish and after abort", "[state_dict]") {
  Writer w;
  const Tensor t({1}, std::vector<float>{1});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("other", t) == DETENT_OK);
  w.writer->abort(w.writer);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(w.begin() == DETENT_OK);
    REQUIRE(w.declare("t", t) == DETENT_OK);
    REQUIRE(w.add("t", t) == DETENT_OK);
    REQUIRE(w.finish() == DETENT_OK);
  }
  CHECK(w.records().size() == 6);
}
