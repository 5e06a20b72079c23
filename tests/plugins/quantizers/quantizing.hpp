// SPDX-License-Identifier: Apache-2.0
// Quantizer: one instance of a built-in quantizer, driven through the C tables; and what tests look
// at.
#pragma once
#include <cmath>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/mini_host.hpp"

namespace detent::test {

struct Planned {
  struct Output {
    std::string name;
    detent_dtype dtype;
    Shape shape;
    bool operator==(const Output&) const = default;
  };
  std::int32_t status = DETENT_OK;
  std::string error;
  std::string declined;
  std::optional<detent_qspec> target;
  std::vector<Output> outputs;
  std::map<std::string, std::string> meta;
};

struct Layer {
  std::string name = "fc1";
  std::string type = "Linear";
  std::string param = "weight";
  std::uint64_t params = 1000000;
};

class Quantizer {
 public:
  explicit Quantizer(const std::string& id, const Params& params = {}, Order order = Order::forward,
                     std::uint32_t role = DETENT_ROLE_WEIGHT)
      : vtbl_(static_cast<const detent_quantizer_vtbl*>(Library::built_in(id).plugin(id).vtbl)),
        order_(order) {
    const Call call(order_);
    const detent_config config = config_of(params, nullptr, role);
    const std::int32_t status = vtbl_->create(host(), call.raw(), &config, &self_);
    if (status != DETENT_OK) throw std::runtime_error(call.error());
  }
  Quantizer(const Quantizer&) = delete;
  Quantizer& operator=(const Quantizer&) = delete;
  ~Quantizer() { vtbl_->destroy(self_); }

  Planned plan(const Shape& shape, const Layer& layer = {}, detent_dtype dtype = DETENT_F32) {
    Planned planned;
    const detent_plan_sink sink = plan_sink(planned);
    const std::string name = layer.name + "." + layer.param;
    const detent_tensor_spec spec{name.c_str(), shape.data(),
                                  static_cast<std::int32_t>(shape.size()), dtype};
    const detent_tensor_info info{sizeof(detent_tensor_info), &spec,
                                  layer.name.c_str(),         layer.type.c_str(),
                                  layer.param.c_str(),        layer.params};
    const Call call(order_);
    planned.status = vtbl_->plan(self_, call.raw(), &info, &sink);
    planned.error = call.error();
    return planned;
  }

  std::int32_t try_quantize(const Tensor& weight, const Results& stats, Results& out) {
    return try_quantize(weight.view(), stats, out);
  }
  // With the metadata that plan gives, as the host stores it.
  std::int32_t try_quantize(const detent_tensor& view, const Results& stats, Results& out) {
    out.meta = plan(Shape(view.shape, view.shape + view.ndim), {}, view.dtype).meta;
    const Call call(order_);
    const std::int32_t status =
        vtbl_->quantize(self_, call.raw(), &view, stats.source(), out.sink());
    error_ = call.error();
    return status;
  }
  Results quantize(const Tensor& weight, const Results& stats = {}) {
    return quantize(weight.view(), stats);
  }
  Results quantize(const detent_tensor& weight, const Results& stats = {}) {
    Results out;
    must(try_quantize(weight, stats, out));
    return out;
  }

  std::int32_t try_dequantize(const Results& quantized, Tensor& out) {
    const Call call(order_);
    const detent_tensor view = out.view();
    const std::int32_t status = vtbl_->dequantize(self_, call.raw(), quantized.source(), &view);
    error_ = call.error();
    return status;
  }
  std::vector<float> dequantize(const Results& quantized, const Shape& shape) {
    Tensor out(DETENT_F32, shape);
    must(try_dequantize(quantized, out));
    return out.values<float>();
  }

  const std::string& error() const { return error_; }

 private:
  static Planned& planned(const detent_plan_sink* sink) {
    return *static_cast<Planned*>(sink->ctx);
  }
  static detent_plan_sink plan_sink(Planned& to) {
    return {
        sizeof(detent_plan_sink),
        &to,
        [](const detent_plan_sink* s, const detent_qspec* spec) {
          planned(s).target = *spec;
          return std::int32_t{DETENT_OK};
        },
        [](const detent_plan_sink* s, const detent_tensor_spec* spec, std::uint32_t) {
          planned(s).outputs.push_back(
              {spec->name, spec->dtype, Shape(spec->shape, spec->shape + spec->ndim)});
          return std::int32_t{DETENT_OK};
        },
        [](const detent_plan_sink* s, const char* reason) {
          planned(s).declined = reason;
          return std::int32_t{DETENT_OK};
        },
        [](const detent_plan_sink*, const char*, const char*) { return std::int32_t{DETENT_OK}; },
        [](const detent_plan_sink*, std::uint64_t) { return std::int32_t{DETENT_OK}; },
        [](const detent_plan_sink*, const char*, const char*) { return std::int32_t{DETENT_OK}; },
        [](const detent_plan_sink* s, const char* key, const char* json) {
          planned(s).meta[key] = json;
          return std::int32_t{DETENT_OK};
        }};
  }
  void must(std::int32_t status) const {
    if (status != DETENT_OK)
      throw std::runtime_error("status " + std::to_string(status) + ": " + error_);
  }

  const detent_quantizer_vtbl* vtbl_;
  Order order_;
  detent_quantizer* self_ = nullptr;
  std::string error_;
};

// Of 4-bit codes in rows that start on a byte.
inline std::vector<std::int8_t> unpack(const Tensor& packed) {
  const std::int64_t columns = packed.shape().back();
  const std::int64_t row_bytes = (columns + 1) / 2;
  std::vector<std::int8_t> codes;
  for (std::int64_t row = 0; row < packed.shape()[0]; ++row)
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::uint8_t byte = packed.bytes()[static_cast<std::size_t>(row * row_bytes + c / 2)];
      const int nibble = c % 2 == 0 ? byte & 15 : byte >> 4;
      codes.push_back(static_cast<std::int8_t>(nibble < 8 ? nibble : nibble - 16));
    }
  return codes;
}

inline double squared_error(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
  return sum;
}

inline double sqnr_db(const std::vector<float>& x, const std::vector<float>& y) {
  return 10 * std::log10(squared_error(x, std::vector<float>(x.size())) / squared_error(x, y));
}

// Of [-1, 1], with every standard library the same.
inline std::vector<float> random_weights(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> x(n);
  for (float& value : x)
    value = static_cast<float>(static_cast<double>(random()) / 2147483647.5 - 1.0);
  return x;
}

// Everything that was written, for comparing runs.
inline std::vector<std::uint8_t> all_bytes(const Results& results) {
  std::vector<std::uint8_t> all;
  for (const char* name : {"qweight", "scale", "zero_point"}) {
    if (!results.has(name)) continue;
    const auto& bytes = results.tensor(name).bytes();
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  for (const auto& [key, value] : results.meta)
    for (const char c : key + "=" + value + ";") all.push_back(static_cast<std::uint8_t>(c));
  return all;
}

}  // namespace detent::test
