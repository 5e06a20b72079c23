// SPDX-License-Identifier: Apache-2.0
#include "conformance/serializer_sample.hpp"

#include <algorithm>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "config/schema.hpp"
#include "json/parse.hpp"
#include "plugin/capabilities.hpp"

namespace detent::conformance {
namespace {

// Of 8 elements a row, so that every dtype fills its bytes.
const Shape kRows = {3, 8};

// The schema of "tensor" in the capabilities; null when nothing is declared.
json::Value limits(Subject& subject) {
  const detent_plugin& p = subject.plugin();
  if (!DETENT_HAS(&p, detent_plugin, capabilities)) return {};
  const json::Value all = json::parse(p.capabilities);
  const json::Value* tensor = all.at_pointer("/tensor");
  return tensor != nullptr ? *tensor : json::Value();
}

bool is_packed_code(detent_dtype dtype) { return dtype == DETENT_I4 || dtype == DETENT_U4; }

std::string name_of(detent_dtype dtype) { return "layers.0." + dtype_name(dtype); }

// One that takes every shape.
detent_dtype plain_dtype(const std::vector<detent_dtype>& taken) {
  for (const detent_dtype wanted : {DETENT_F32, DETENT_U8, DETENT_I8, DETENT_F16})
    if (std::find(taken.begin(), taken.end(), wanted) != taken.end()) return wanted;
  return taken.front();
}

void add(Sample& sample, std::string name, Made tensor) {
  sample.tensors.emplace_back(std::move(name), std::move(tensor));
}

}  // namespace

const std::vector<detent_dtype>& known_dtypes() {
  static const std::vector<detent_dtype> all = {DETENT_BOOL,
                                                DETENT_U8,
                                                DETENT_I8,
                                                DETENT_I16,
                                                DETENT_U16,
                                                DETENT_I32,
                                                DETENT_U32,
                                                DETENT_I64,
                                                DETENT_U64,
                                                DETENT_F16,
                                                DETENT_BF16,
                                                DETENT_F32,
                                                DETENT_F64,
                                                DETENT_I4,
                                                DETENT_U4,
                                                DETENT_F8_E4M3FN,
                                                DETENT_F8_E5M2,
                                                DETENT_F8_E8M0FNU,
                                                DETENT_F8_E4M3FNUZ,
                                                DETENT_F8_E5M2FNUZ,
                                                DETENT_F4_E2M1FN,
                                                kF6E2M3,
                                                kF6E3M2,
                                                kC64};
  return all;
}

bool declares_limits(Subject& subject) { return !limits(subject).is_null(); }

bool is_declared(Subject& subject, detent_dtype dtype, const Shape& shape) {
  const json::Value schema = limits(subject);
  if (schema.if_object() == nullptr) return true;
  json::Object open = *schema.if_object();
  open.set("additionalProperties", true);
  return check_against_schema(tensor_facts(dtype, shape), open, "").empty();
}

std::vector<detent_dtype> taken_dtypes(Subject& subject) {
  World world;
  SerializerUnderTest s(subject, world);
  std::vector<detent_dtype> taken;
  for (const detent_dtype dtype : known_dtypes()) {
    if (!is_declared(subject, dtype, kRows)) continue;
    MemoryFolder folder;
    expect(s.begin(folder) == DETENT_OK, "begin was to succeed: {}", printable(s.text()));
    const std::int32_t status = s.declare(name_of(dtype), {dtype, kRows, {}, {}});
    const std::string what = fmt::format("a tensor of {} {}", dtype_name(dtype), shape_text(kRows));
    if (status == DETENT_OK)
      taken.push_back(dtype);
    else if (declares_limits(subject))
      fail("declare refused {}, which its capabilities allow: {}", what, printable(s.text()));
    else
      expect_refused(status, s.text(), what);
    s.abort();
  }
  expect(!taken.empty(), "declare takes no dtype at all");
  return taken;
}

Made random_tensor(detent_dtype dtype, const Shape& shape, Random& random) {
  Made made{dtype, shape, {}, {}};
  const std::uint64_t bytes =
      detent_nbytes(dtype, static_cast<std::int32_t>(shape.size()), shape.data());
  const std::uint64_t mask = dtype == DETENT_BOOL ? 1 : 255;
  for (std::uint64_t i = 0; i < bytes; ++i)
    made.bytes.push_back(static_cast<char>(random.bits() & mask));
  const std::uint64_t row_bits =
      shape.empty() ? 0 : static_cast<std::uint64_t>(shape.back()) * DETENT_DTYPE_BITS(dtype);
  const std::uint64_t row = (row_bits + 7) / 8;
  if (row_bits % 8 != 0)  // what is left of a row's last byte is zero
    for (std::uint64_t i = row - 1; i < bytes; i += row)
      made.bytes[i] =
          static_cast<char>(static_cast<unsigned char>(made.bytes[i]) & ((1U << row_bits % 8) - 1));
  return made;
}

Sample small_sample(Subject& subject, std::uint64_t variant) {
  const detent_dtype dtype = plain_dtype(taken_dtypes(subject));
  Random random(subject.seed() + variant);
  Sample sample;
  const auto rows = static_cast<std::int64_t>(4 + variant);
  add(sample, "fc.weight", random_tensor(dtype, {rows, 6}, random));
  add(sample, "fc.weight_scale", random_tensor(dtype, {rows}, random));
  add(sample, "fc.bias", random_tensor(dtype, {rows}, random));
  sample.metadata = {{"note", json::quote(fmt::format("variant {}", variant))}};
  return sample;
}

Sample large_sample(Subject& subject) {
  const std::vector<detent_dtype> taken = taken_dtypes(subject);
  Random random = subject.random();
  Sample sample;
  for (const detent_dtype dtype : taken) {
    if (dtype == kC64) continue;  // the host reads no complex numbers
    add(sample, name_of(dtype), random_tensor(dtype, kRows, random));
    if (is_packed_code(dtype))
      add(sample, name_of(dtype) + "_odd", random_tensor(dtype, {2, 3, 5}, random));
  }
  const detent_dtype plain = plain_dtype(taken);
  for (const Shape& shape :
       {Shape{}, Shape{1}, Shape{0}, Shape{4, 0}, Shape{0, 3}, Shape{1, 1, 1, 2}})
    add(sample, fmt::format("shape.{}", fmt::join(shape, "x")),
        random_tensor(plain, shape, random));
  for (const char* name : {"gr\u00f6\u00dfe.\u91cd\u307f.\U0001f642", "a \"quoted\" \\ name",
                           "a/b/c", " spaces ", ".hidden", "weight", "tab\tand\nline"})
    add(sample, name, random_tensor(plain, {5}, random));
  add(sample, std::string(300, 'n'), random_tensor(plain, {7}, random));
  sample.metadata = {{"text", R"("a \"quoted\" \\ text\n\u00e9 )"
                              "\u91cd\u307f\""},
                     {"empty", R"("")"},
                     {"integer", "-12345678901"},
                     {"double", "0.1"},
                     {"yes", "true"},
                     {"nothing", "null"},
                     {"list", R"([1,"two",[3.5,null],{}])"},
                     {"object", "{\"a\":{\"b\":[true,false]},\"gr\u00f6\u00dfe\":\"x\"}"}};
  return sample;
}

}  // namespace detent::conformance
