// SPDX-License-Identifier: Apache-2.0
// Made, Answers: what a plugin put into a sink, kept and compared. Bytes: streams of few bytes.
#pragma once
#include <cstdint>
#include <detent/abi/base.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conformance/guarded.hpp"
#include "conformance/input.hpp"
#include "conformance/world.hpp"

namespace detent::conformance {

// A tensor that a plugin made, after the call.
struct Made {
  detent_dtype dtype = 0;
  Shape shape;
  std::string bytes;

  detent_tensor tensor() const;        // valid while this lives unchanged
  std::vector<double> values() const;  // in row-major order
  mutable Shape strides;
};

using Answers = std::map<std::string, Made>;  // by name

// Collects what a plugin creates. Its memory lies between guard pages and is gone after take().
class Sink {
 public:
  explicit Sink(Minor minor = Minor::same, std::uint64_t grants = UINT64_MAX);
  Sink(const Sink&) = delete;
  const detent_tensor_sink* c() const { return sink_.c(); }
  // Errors  Failure when a canary beside a tensor is dead, or the plugin asked for nonsense
  Answers take();
  const std::map<std::string, std::string>& meta() const { return meta_; }

 private:
  struct Open {
    std::string name;
    detent_dtype dtype;
    Shape shape;
    Shape strides;
    Guarded memory;
  };
  std::int32_t create(const detent_tensor_spec* spec, detent_tensor* out);

  std::uint64_t grants_;
  Lent<detent_tensor_sink> sink_;
  std::vector<std::unique_ptr<Open>> open_;
  std::map<std::string, std::string> meta_;
  std::string misuse_;
};

// Lends tensors and metadata.
class Source {
 public:
  explicit Source(const Answers& tensors = {}, std::map<std::string, std::string> meta = {},
                  Minor minor = Minor::same);
  Source(const Source&) = delete;
  const detent_tensor_source* c() const { return source_.c(); }

 private:
  struct Lendable {
    Shape shape;
    Shape strides;
    Guarded memory;
    detent_tensor tensor;
  };
  std::map<std::string, std::unique_ptr<Lendable>> tensors_;
  std::map<std::string, std::string> meta_;
  Lent<detent_tensor_source> source_;
};

// Empty when two sets of answers are the same: bytes for tolerance 0, otherwise values within
// `tolerance` of their size. In words otherwise: "scale[2] is 0.5 instead of 0.25".
std::string difference(const Answers& got, const Answers& expected, double tolerance = 0);

// Strides of a compact, row-major tensor.
Shape compact_strides(const Shape& shape);
std::string shape_text(const Shape& shape);

// A stream that takes, or gives, at most `step` bytes at a time and fails after `good` bytes.
class Bytes {
 public:
  explicit Bytes(std::string content = {}, std::uint64_t step = UINT64_MAX,
                 std::uint64_t good = UINT64_MAX);
  Bytes(const Bytes&) = delete;
  const detent_ostream* out() const { return &out_; }
  const detent_istream* in() const { return &in_; }
  const std::string& content() const { return content_; }

 private:
  std::string content_;
  std::uint64_t at_ = 0;
  std::uint64_t step_;
  std::uint64_t good_;
  detent_ostream out_{};
  detent_istream in_{};
};

}  // namespace detent::conformance
