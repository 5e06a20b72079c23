// SPDX-License-Identifier: Apache-2.0
#include "conformance/input.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include <detent/sdk/tensor_view.hpp>

namespace detent::conformance {
namespace {

std::uint64_t element_bytes(detent_dtype dtype) {
  return std::max<std::uint64_t>(1, DETENT_DTYPE_BITS(dtype) / 8);
}

// Rounds to a binary format with `mantissa` explicit bits and that exponent bias.
std::uint16_t to_bits16(double value, int mantissa, int bias) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const int exponent_bits = 15 - mantissa;
  const auto infinity = static_cast<std::uint16_t>(((1 << exponent_bits) - 1) << mantissa);
  if (std::isnan(value)) return static_cast<std::uint16_t>(infinity | 1U << (mantissa - 1));
  const double magnitude = std::abs(value);
  if (magnitude == 0) return sign;
  int exponent = std::isinf(magnitude) ? 0 : std::ilogb(magnitude);
  exponent = std::max(exponent, 1 - bias);  // below it, numbers are denormal
  const double steps = std::nearbyint(std::ldexp(magnitude, mantissa - exponent));
  const double code = std::isinf(magnitude) ? std::numeric_limits<double>::max()
                                            : steps + std::ldexp(exponent + bias - 1, mantissa);
  const bool fits = code < infinity;
  return static_cast<std::uint16_t>(sign | (fits ? static_cast<std::uint16_t>(code) : infinity));
}

template <class T>
void store(T value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
}
template <class T>
double fetch(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

// Of extents that are twice as large for gaps; in elements.
Shape strides_for(const Shape& shape, Layout layout) {
  Shape order(shape.size());  // from the innermost to the outermost
  std::iota(order.begin(), order.end(), 0);
  if (layout != Layout::transposed) std::reverse(order.begin(), order.end());
  Shape strides(shape.size());
  std::int64_t step = layout == Layout::gaps ? 2 : 1;
  for (const std::int64_t d : order) {
    const auto at = static_cast<std::size_t>(d);
    strides[at] = layout == Layout::reversed ? -step : step;
    step *= std::max<std::int64_t>(shape[at], 1) * (layout == Layout::gaps ? 2 : 1);
  }
  return strides;
}

std::int64_t span_of(const Shape& shape, const Shape& strides) {
  std::int64_t last = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return 0;
    last += (shape[d] - 1) * std::abs(strides[d]);
  }
  return last + 1;
}

constexpr std::uint64_t kOffset = 3;  // elements
constexpr std::uint64_t kRoom = 64;   // bytes

// Between the memory and the guard page.
std::uint64_t room_beside(Layout layout) {
  if (layout == Layout::at_begin || layout == Layout::at_end) return 0;
  return layout == Layout::unaligned ? kRoom + 1 : kRoom;
}

std::uint64_t bytes_for(detent_dtype dtype, const Shape& shape, Layout layout) {
  const auto span = static_cast<std::uint64_t>(span_of(shape, strides_for(shape, layout)));
  const std::uint64_t before = layout == Layout::offset ? kOffset : 0;
  return (span + before) * element_bytes(dtype);
}

// Calls f(address, index in row-major order) for every element.
template <class F>
void walk(const detent_tensor& t, std::uint64_t bytes, F&& f) {
  const auto n = count_elements({t.shape, static_cast<std::size_t>(t.ndim)});
  Shape index(static_cast<std::size_t>(t.ndim), 0);
  for (std::uint64_t i = 0; i < n; ++i) {
    std::int64_t at = 0;
    for (std::size_t d = 0; d < index.size(); ++d) at += index[d] * t.strides[d];
    f(static_cast<std::byte*>(t.data) + t.byte_offset + at * static_cast<std::int64_t>(bytes), i);
    for (std::size_t d = index.size(); d-- > 0;) {
      if (++index[d] < t.shape[d]) break;
      index[d] = 0;
    }
  }
}

}  // namespace

std::uint64_t count_elements(std::span<const std::int64_t> shape) {
  std::uint64_t n = 1;
  for (const std::int64_t extent : shape) n *= static_cast<std::uint64_t>(extent);
  return n;
}

void write_element(detent_dtype dtype, double value, std::byte* to) {
  switch (dtype) {
    case DETENT_F32: return store(static_cast<float>(value), to);
    case DETENT_F64: return store(value, to);
    case DETENT_F16: return store(to_bits16(value, 10, 15), to);
    case DETENT_BF16: return store(to_bits16(value, 7, 127), to);
    case DETENT_I8: return store(static_cast<std::int8_t>(value), to);
    case DETENT_BOOL:
    case DETENT_U8: return store(static_cast<std::uint8_t>(value), to);
    case DETENT_I16: return store(static_cast<std::int16_t>(value), to);
    case DETENT_I32: return store(static_cast<std::int32_t>(value), to);
    case DETENT_I64: return store(static_cast<std::int64_t>(value), to);
    default: std::fill_n(to, element_bytes(dtype), std::byte{0});
  }
}

double read_element(detent_dtype dtype, const std::byte* from) {
  std::uint16_t bits = 0;
  if (dtype == DETENT_F16 || dtype == DETENT_BF16) std::memcpy(&bits, from, 2);
  switch (dtype) {
    case DETENT_F32: return fetch<float>(from);
    case DETENT_F64: return fetch<double>(from);
    case DETENT_F16: return static_cast<double>(sdk::half_to_float(bits));
    case DETENT_BF16: return static_cast<double>(sdk::bfloat16_to_float(bits));
    case DETENT_I8: return fetch<std::int8_t>(from);
    case DETENT_I16: return fetch<std::int16_t>(from);
    case DETENT_U16: return fetch<std::uint16_t>(from);
    case DETENT_I32: return fetch<std::int32_t>(from);
    case DETENT_U32: return fetch<std::uint32_t>(from);
    case DETENT_I64: return fetch<std::int64_t>(from);
    case DETENT_U64: return fetch<std::uint64_t>(from);
    default: return fetch<std::uint8_t>(from);
  }
}

Input::Input(detent_dtype dtype, Shape shape, std::uint64_t bytes, Flush flush, std::uint64_t skew)
    : shape_(std::move(shape)), memory_(bytes, flush, skew) {
  tensor_.device_type = DETENT_DEVICE_CPU;
  tensor_.ndim = static_cast<std::int32_t>(shape_.size());
  tensor_.dtype = dtype;
  tensor_.data = bytes != 0 ? memory_.data() : nullptr;
  tensor_.nbytes = bytes;
  tensor_.flags = DETENT_TENSOR_READ_ONLY;
}

Input::Input(detent_dtype dtype, Shape shape, std::span<const double> values, Layout layout)
    : Input(dtype, shape, bytes_for(dtype, shape, layout),
            layout == Layout::at_begin ? Flush::to_begin : Flush::to_end, room_beside(layout)) {
  strides_ = strides_for(shape_, layout);
  const std::uint64_t each = element_bytes(dtype);
  if (layout == Layout::offset) tensor_.byte_offset = kOffset * each;
  if (layout == Layout::reversed && !values.empty())
    tensor_.byte_offset = (static_cast<std::uint64_t>(span_of(shape_, strides_)) - 1) * each;
  std::fill_n(memory_.data(), memory_.size(), std::byte{0x7F});  // what lies between counts as huge
  write(values);
}

void Input::write(std::span<const double> values) {
  if (values.empty()) return;
  const detent_dtype dtype = tensor_.dtype;
  walk(*c(), element_bytes(dtype),
       [&](std::byte* at, std::uint64_t i) { write_element(dtype, values[i], at); });
}

Input Input::broadcast(detent_dtype dtype, Shape shape, double value) {
  const std::size_t dimensions = shape.size();
  Input input(dtype, std::move(shape), element_bytes(dtype), Flush::to_end, kRoom);
  input.strides_.assign(dimensions, 0);
  write_element(dtype, value, input.memory_.data());
  return input;
}

std::vector<double> read_values(const detent_tensor& t) {
  std::vector<double> values;
  const std::uint32_t bits = DETENT_DTYPE_BITS(t.dtype);
  if (bits >= 8) {
    walk(t, bits / 8,
         [&](const std::byte* at, std::uint64_t) { values.push_back(read_element(t.dtype, at)); });
    return values;
  }
  // Compact rows that begin on a byte, the low bits first.
  const std::uint64_t row =
      t.ndim > 0 ? static_cast<std::uint64_t>(t.shape[t.ndim - 1]) : std::uint64_t{1};
  const std::uint64_t row_bytes = (row * bits + 7) / 8;
  const bool is_signed = DETENT_DTYPE_CODE(t.dtype) == 0;
  const std::uint64_t n = count_elements({t.shape, static_cast<std::size_t>(t.ndim)});
  const auto* data = static_cast<const std::uint8_t*>(t.data) + t.byte_offset;
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t bit = i % row * bits;
    const std::uint8_t* at = data + i / row * row_bytes + bit / 8;
    const unsigned two = at[0] | (bit % 8 + bits > 8 ? at[1] << 8U : 0U);
    int code = static_cast<int>(two >> (bit % 8) & ((1U << bits) - 1));
    if (is_signed && code >= 1 << (bits - 1)) code -= 1 << bits;
    values.push_back(code);
  }
  return values;
}

}  // namespace detent::conformance
