// SPDX-License-Identifier: Apache-2.0
#include "conformance/exchange.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "conformance/case.hpp"
#include "plugin/tensor_store.hpp"

namespace detent::conformance {
namespace {

Sink& self(const detent_tensor_sink* s) { return *static_cast<Sink*>(s->ctx); }

detent_tensor view(void* data, std::uint64_t bytes, detent_dtype dtype, const Shape& shape,
                   const Shape& strides, std::uint64_t flags) {
  const bool scalar = shape.empty();
  return {bytes != 0 ? data : nullptr,
          DETENT_DEVICE_CPU,
          0,
          static_cast<std::int32_t>(shape.size()),
          dtype,
          scalar ? nullptr : shape.data(),
          scalar ? nullptr : strides.data(),
          0,
          bytes,
          flags};
}

bool is_near(double a, double b, double tolerance) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

std::string difference(const std::string& name, const Made& got, const Made& expected,
                       double tolerance) {
  if (got.dtype != expected.dtype)
    return fmt::format("{} is {} instead of {}", name, dtype_name(got.dtype),
                       dtype_name(expected.dtype));
  if (got.shape != expected.shape)
    return fmt::format("{} has the shape {} instead of {}", name, shape_text(got.shape),
                       shape_text(expected.shape));
  if (got.bytes == expected.bytes) return {};
  const std::vector<double> a = got.values();
  const std::vector<double> b = expected.values();
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!is_near(a[i], b[i], tolerance))
      return fmt::format("{}[{}] is {} instead of {}", name, i, a[i], b[i]);
  return tolerance > 0 ? "" : fmt::format("{} has other bytes", name);
}

}  // namespace

std::string shape_text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Shape compact_strides(const Shape& shape) {
  Shape strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= std::max<std::int64_t>(shape[d], 1);
  }
  return strides;
}

detent_tensor Made::tensor() const {
  strides = compact_strides(shape);
  return view(const_cast<char*>(bytes.data()), bytes.size(), dtype, shape, strides,
              DETENT_TENSOR_READ_ONLY);
}

std::vector<double> Made::values() const { return read_values(tensor()); }

Sink::Sink(Minor minor, std::uint64_t grants)
    : grants_(grants),
      sink_({sizeof(detent_tensor_sink), this,
             [](const detent_tensor_sink* s, const detent_tensor_spec* spec,
                detent_tensor* out) noexcept -> std::int32_t { return self(s).create(spec, out); },
             [](const detent_tensor_sink* s, const char* key,
                const char* json) noexcept -> std::int32_t {
               if (key == nullptr || json == nullptr) return DETENT_E_INVALID_ARG;
               self(s).meta_[key] = json;
               return DETENT_OK;
             }},
            minor, sizeof(detent_tensor_sink)) {}

std::int32_t Sink::create(const detent_tensor_spec* spec, detent_tensor* out) {
  if (!is_valid_spec(spec)) {
    misuse_ = "it created a tensor that cannot exist";
    return DETENT_E_INVALID_ARG;
  }
  const auto same = [&](const auto& o) { return o->name == spec->name; };
  if (std::any_of(open_.begin(), open_.end(), same)) return DETENT_E_INVALID_ARG;
  if (grants_ == 0) return DETENT_E_NO_MEMORY;
  --grants_;
  try {
    Shape shape(spec->shape, spec->shape + spec->ndim);
    const std::uint64_t bytes = detent_nbytes(spec->dtype, spec->ndim, spec->shape);
    open_.push_back(std::make_unique<Open>(
        Open{spec->name, spec->dtype, shape, compact_strides(shape), Guarded(bytes)}));
    Open& made = *open_.back();
    std::fill_n(made.memory.data(), bytes, std::byte{0});
    *out = view(made.memory.data(), bytes, made.dtype, made.shape, made.strides, 0);
    return DETENT_OK;
  } catch (const std::bad_alloc&) {
    return DETENT_E_NO_MEMORY;
  }
}

Answers Sink::take() {
  if (!misuse_.empty()) fail("{}", misuse_);
  Answers answers;
  for (const auto& o : open_) {
    if (!o->memory.canaries_intact())
      throw Failure{fmt::format("bytes before the tensor \"{}\" were written", printable(o->name)),
                    "write inside the tensors that the sink hands out and nowhere else"};
    const auto* text = reinterpret_cast<const char*>(o->memory.data());
    answers[o->name] = {o->dtype, o->shape, std::string(text, o->memory.size()), {}};
  }
  open_.clear();
  return answers;
}

Source::Source(const Answers& tensors, std::map<std::string, std::string> meta, Minor minor)
    : meta_(std::move(meta)),
      source_({sizeof(detent_tensor_source), this,
               [](const detent_tensor_source* s, const char* name) -> const detent_tensor* {
                 const auto& all = static_cast<const Source*>(s->ctx)->tensors_;
                 const auto found = all.find(name);
                 return found != all.end() ? &found->second->tensor : nullptr;
               },
               [](const detent_tensor_source* s, const char* key) -> const char* {
                 const auto& all = static_cast<const Source*>(s->ctx)->meta_;
                 const auto found = all.find(key);
                 return found != all.end() ? found->second.c_str() : nullptr;
               }},
              minor, sizeof(detent_tensor_source)) {
  for (const auto& [name, made] : tensors) {
    auto lent = std::make_unique<Lendable>(
        Lendable{made.shape, compact_strides(made.shape), Guarded(made.bytes.size()), {}});
    std::memcpy(lent->memory.data(), made.bytes.data(), made.bytes.size());
    lent->memory.make_read_only();
    lent->tensor = view(lent->memory.data(), made.bytes.size(), made.dtype, lent->shape,
                        lent->strides, DETENT_TENSOR_READ_ONLY);
    tensors_[name] = std::move(lent);
  }
}

std::string difference(const Answers& got, const Answers& expected, double tolerance) {
  for (const auto& [name, made] : expected) {
    const auto found = got.find(name);
    if (found == got.end()) return fmt::format("\"{}\" is missing", name);
    const std::string text = difference(name, found->second, made, tolerance);
    if (!text.empty()) return text;
  }
  for (const auto& [name, made] : got)
    if (!expected.contains(name)) return fmt::format("\"{}\" was not there before", name);
  return {};
}

Bytes::Bytes(std::string content, std::uint64_t step, std::uint64_t good)
    : content_(std::move(content)), step_(step), good_(good) {
  out_ = {this, [](const detent_ostream* s, const void* from, std::uint64_t n) -> std::int64_t {
            Bytes& b = *static_cast<Bytes*>(s->ctx);
            if (b.content_.size() >= b.good_) return -1;
            n = std::min(n, b.step_);
            b.content_.append(static_cast<const char*>(from), n);
            return static_cast<std::int64_t>(n);
          }};
  in_ = {this, [](const detent_istream* s, void* to, std::uint64_t n) -> std::int64_t {
           Bytes& b = *static_cast<Bytes*>(s->ctx);
           if (b.at_ >= b.good_) return -1;
           n = std::min({n, b.step_, b.content_.size() - b.at_});
           std::memcpy(to, b.content_.data() + b.at_, n);
           b.at_ += n;
           return static_cast<std::int64_t>(n);
         }};
}

}  // namespace detent::conformance
