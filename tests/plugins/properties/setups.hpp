// SPDX-License-Identifier: Apache-2.0
// Setup: a quantizer with any parameters and a shape for it, made up by rapidcheck; and what to
// look at in its results.
#pragma once
#include <algorithm>
#include <functional>
#include <numeric>

#include "plugins/quantizers/quantizing.hpp"
#include "support/property.hpp"

namespace detent::test {

struct Setup {
  std::string id;
  Params params;
  Shape shape;
  bool symmetric;
  std::int64_t qmin, qmax;
  std::int64_t otherwise;         // the zero point where none is written
  std::vector<std::size_t> slot;  // which of the scales each element has
};

inline std::size_t count(const Shape& shape) {
  return static_cast<std::size_t>(
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}

inline Setup any_int8() {
  Setup s;
  s.id = "int8";
  s.shape = *rc::gen::container<Shape>(*rc::gen::inRange<std::size_t>(2, 5),
                                       rc::gen::inRange<std::int64_t>(1, 6));
  s.symmetric = *rc::gen::arbitrary<bool>();
  const bool is_unsigned = *rc::gen::arbitrary<bool>();
  const bool narrow = *rc::gen::arbitrary<bool>();
  const bool per_channel = *rc::gen::arbitrary<bool>();
  const int axis = *rc::gen::inRange(0, static_cast<int>(s.shape.size()));
  s.params = {{"/symmetric", s.symmetric},
              {"/dtype", is_unsigned ? "uint8" : "int8"},
              {"/narrow_range", narrow},
              {"/granularity", per_channel ? "per_channel" : "per_tensor"},
              {"/axis", axis}};
  s.qmin = (is_unsigned ? 0 : -128) + (narrow ? 1 : 0);
  s.qmax = is_unsigned ? 255 : 127;
  s.otherwise = is_unsigned ? 128 : 0;
  const auto at = s.shape.begin() + axis;
  const std::size_t inner = count(Shape(at + 1, s.shape.end()));
  for (std::size_t i = 0; i < count(s.shape); ++i)
    s.slot.push_back(per_channel ? i / inner % static_cast<std::size_t>(*at) : 0);
  return s;
}

inline Setup any_int4() {
  Setup s;
  s.id = "int4_groupwise";
  s.shape = {*rc::gen::inRange<std::int64_t>(1, 4), *rc::gen::inRange<std::int64_t>(1, 40)};
  if (*rc::gen::inRange(0, 3) == 0) s.shape.insert(s.shape.end(), {3, 3});  // a convolution
  s.symmetric = *rc::gen::arbitrary<bool>();
  const int group_size = *rc::gen::inRange(1, 50);
  s.params = {{"/symmetric", s.symmetric}, {"/group_size", group_size}};
  s.qmin = -8, s.qmax = 7, s.otherwise = 0;
  const std::size_t row = count(s.shape) / static_cast<std::size_t>(s.shape[0]);
  const std::size_t size = std::min(row, static_cast<std::size_t>(group_size));
  for (std::size_t i = 0; i < count(s.shape); ++i)
    s.slot.push_back(i / row * ((row + size - 1) / size) + i % row / size);
  return s;
}

inline Setup any_setup() { return *rc::gen::arbitrary<bool>() ? any_int8() : any_int4(); }

inline std::vector<std::int64_t> codes_of(const Results& results) {
  const Tensor& q = results.tensor("qweight");
  std::vector<std::int64_t> codes;
  if (q.dtype() == DETENT_I4) {
    for (const std::int8_t code : unpack(q)) codes.push_back(code);
  } else if (q.dtype() == DETENT_U8) {
    for (const std::uint8_t code : q.values<std::uint8_t>()) codes.push_back(code);
  } else {
    for (const std::int8_t code : q.values<std::int8_t>()) codes.push_back(code);
  }
  return codes;
}

inline std::int64_t zero_point_of(const Setup& s, const Results& results, std::size_t i) {
  if (!results.has("zero_point")) return s.otherwise;
  const std::uint8_t byte = results.tensor("zero_point").bytes()[s.slot[i]];
  return s.qmin < 0 ? std::int64_t{static_cast<std::int8_t>(byte)} : byte;
}

// Far enough from the largest float that no code stands for more than that.
inline std::vector<float> any_weight(std::size_t n) {
  if (*rc::gen::arbitrary<bool>()) return layer_values(n);
  auto x = *rc::gen::container<std::vector<float>>(n, finite_float());
  for (float& v : x) v = std::clamp(v, -1e38F, 1e38F);
  return x;
}

// The scale and zero point of one result, as an observer would give them to the next.
inline Results stats_of(const Results& results) {
  Results stats;
  for (const char* const name : {"scale", "zero_point"})
    if (results.has(name)) stats.put(name, results.tensor(name));
  return stats;
}

}  // namespace detent::test
