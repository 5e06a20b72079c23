// SPDX-License-Identifier: Apache-2.0
#include "conformance/validator_exhibit.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/hash.hpp"

namespace detent::conformance {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kRows = 12;
constexpr int kColumns = 64;

std::string digest_of(const std::string& bytes) {
  return xxh3(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

Made floats(const Shape& shape, const std::vector<double>& values) {
  Made made{DETENT_F32, shape, {}, {}};
  for (const double v : values) {
    const auto f = static_cast<float>(v);
    made.bytes.append(reinterpret_cast<const char*>(&f), sizeof f);
  }
  return made;
}

double scale_at(const Exhibit& e, std::size_t row) {
  float scale = 0;
  std::memcpy(&scale, e.outputs.at("scale").bytes.data() + row * sizeof scale, sizeof scale);
  return static_cast<double>(scale);
}

void set_scale(Exhibit& e, std::size_t row, float scale) {
  std::memcpy(e.outputs.at("scale").bytes.data() + row * sizeof scale, &scale, sizeof scale);
}

// The values that codes and scales stand for.
void dequantize(Exhibit& e) {
  const std::string& codes = e.outputs.at("qweight").bytes;
  e.dequantized.resize(codes.size());
  for (std::size_t i = 0; i < codes.size(); ++i)
    e.dequantized[i] = static_cast<double>(static_cast<float>(scale_at(e, i / kColumns)) *
                                           static_cast<float>(static_cast<signed char>(codes[i])));
}

std::uint64_t count_non_finite(const std::vector<double>& values) {
  return static_cast<std::uint64_t>(
      std::count_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); }));
}

// As the host measures it.
void measure(Exhibit& e) {
  double signal = 0;
  double noise = 0;
  double largest = 0;
  for (std::size_t i = 0; i < e.dequantized.size(); ++i) {
    const double error = e.original[i] - e.dequantized[i];
    signal += e.original[i] * e.original[i];
    noise += error * error;
    largest = std::max(largest, std::abs(error));
  }
  std::uint64_t after = 0;
  for (const StoredExhibit& s : e.stored) after += s.data.bytes.size();
  e.metrics = {noise == 0 ? kInfinity : 10 * std::log10(signal / noise),
               std::isnan(noise) ? kNaN : largest,
               4 * e.original.size(),
               after,
               count_non_finite(e.original),
               count_non_finite(e.dequantized)};
}

// What the artefact holds is what the quantizer made.
void store(Exhibit& e) {
  e.stored.clear();
  for (const auto& [name, made] : e.outputs) {
    const std::string digest = digest_of(made.bytes);
    const std::string stored = name == "qweight" ? e.target : e.target + "_" + name;
    e.stored.push_back({stored, made, digest, digest, true});
  }
}

// Numbers were changed; the quantizer wrote them like that.
void accept(Exhibit& e) {
  dequantize(e);
  store(e);
  measure(e);
}

void set_code(Exhibit& e, std::size_t i, int code) {
  e.outputs.at("qweight").bytes[i] = static_cast<char>(code);
}

std::size_t last_code(const Exhibit& e) { return e.outputs.at("qweight").bytes.size() - 1; }

constexpr std::array kTensorFaults = {
    TensorFault{"stored bytes differ",
                [](Exhibit& e) {
                  std::string& found = e.stored.front().digest_found;
                  found.back() = found.back() == '0' ? '1' : '0';
                }},
    TensorFault{"stored tensor missing",
                [](Exhibit& e) {
                  e.stored.back().found = false;
                  e.stored.back().digest_found.clear();
                }},
    TensorFault{"nothing stored", [](Exhibit& e) { e.stored.clear(); }},
    TensorFault{"code out of range",
                [](Exhibit& e) {
                  set_code(e, 0, -128);
                  accept(e);
                }},
    TensorFault{"last code out of range",
                [](Exhibit& e) {
                  set_code(e, last_code(e), -128);
                  accept(e);
                }},
    TensorFault{"scale zero",
                [](Exhibit& e) {
                  set_scale(e, 1, 0);
                  accept(e);
                }},
    TensorFault{"scale NaN",
                [](Exhibit& e) {
                  set_scale(e, kRows - 1, std::numeric_limits<float>::quiet_NaN());
                  accept(e);
                }},
    TensorFault{"dequantized NaN",
                [](Exhibit& e) {
                  e.dequantized[5] = kNaN;
                  measure(e);
                }},
    TensorFault{"terrible SQNR",
                [](Exhibit& e) {
                  for (std::size_t row = 0; row < kRows; ++row)
                    set_scale(e, row, static_cast<float>(scale_at(e, row) * 5));
                  accept(e);
                }},
    TensorFault{"all values lost",
                [](Exhibit& e) {
                  std::string& codes = e.outputs.at("qweight").bytes;
                  std::fill(codes.begin(), codes.end(), '\0');
                  accept(e);
                }},
};

constexpr std::array kRunFaults = {
    RunFault{"tensors grown",
             [](detent_run_summary& s) {
               s.bytes_after = 2 * s.bytes_before;
               s.file_bytes_after = 2 * s.file_bytes_before;
             }},
    RunFault{"files grown",
             [](detent_run_summary& s) { s.file_bytes_after = 100 * s.file_bytes_before; }},
    RunFault{"nothing quantized",
             [](detent_run_summary& s) {
               s.tensors_quantized = 0;
               s.bytes_after = s.bytes_before;
             }},
};

constexpr std::array kOutputFaults = {
    OutputFault{"accuracy lost",
                [](detent_output_input& o) {
                  o.accuracy_after = 0.1;
                  o.top1_agreement = 0.1;
                  o.cosine_mean = o.cosine_min = 0.05;
                  o.output_sqnr_db = -3;
                  o.max_abs_error = 40;
                }},
    OutputFault{"output not finite", [](detent_output_input& o) { o.non_finite = 7; }},
    OutputFault{"artefact computes something else",
                [](detent_output_input& o) { o.intended_sqnr_db = 0.5; }},
    OutputFault{"artefact has other outputs",
                [](detent_output_input& o) {
                  o.intended_sqnr_db = kNaN;
                  o.intended_mismatch = "2 outputs instead of 1";
                }},
    OutputFault{"artefact does not run",
                [](detent_output_input& o) {
                  o = no_output(DETENT_OUTPUT_FAILED, "operator \"x::y\" is unknown");
                }},
};

}  // namespace

std::span<const TensorFault> tensor_faults() { return kTensorFaults; }
std::span<const RunFault> run_faults() { return kRunFaults; }
std::span<const OutputFault> output_faults() { return kOutputFaults; }

Exhibit quantized_exhibit(const std::string& target, Random& random, bool exact) {
  Exhibit e;
  e.target = target;
  e.shape = {kRows, kColumns};
  e.original = random.bells(kRows * kColumns, 0.5);
  e.qspec = {sizeof(detent_qspec),
             DETENT_I8,
             DETENT_F32,
             DETENT_I8,
             1,
             DETENT_PER_CHANNEL,
             0,
             0,
             0,
             -127,
             127,
             "detent.affine/1",
             0,
             0};
  e.outputs["qweight"] = {DETENT_I8, e.shape, std::string(e.original.size(), '\0'), {}};
  e.outputs["scale"] = floats({kRows}, std::vector<double>(kRows, 1));
  for (std::size_t row = 0; row < kRows; ++row) {
    const auto begin = e.original.begin() + static_cast<std::ptrdiff_t>(row * kColumns);
    const auto larger = [](double a, double b) { return std::abs(a) < std::abs(b); };
    const double most = std::abs(*std::max_element(begin, begin + kColumns, larger));
    set_scale(e, row, static_cast<float>(most / 127));
    for (std::size_t i = row * kColumns; i < (row + 1) * kColumns; ++i)
      set_code(e, i, static_cast<int>(std::lround(e.original[i] * 127 / most)));
  }
  dequantize(e);
  if (exact) e.original = e.dequantized;
  store(e);
  measure(e);
  return e;
}

Exhibit kept_exhibit(const std::string& target, const Shape& shape, Random& random) {
  Exhibit e;
  e.target = target;
  e.shape = shape;
  e.original = random.bells(count_elements(shape));
  e.is_quantized = false;
  const Made data = floats(shape, e.original);
  const std::string digest = digest_of(data.bytes);
  e.stored.push_back({target, data, digest, digest, true});
  measure(e);
  return e;
}

Exhibit faulty(Exhibit exhibit, const char* fault) {
  for (const TensorFault& f : kTensorFaults)
    if (std::strcmp(f.name, fault) == 0) f.plant(exhibit);
  return exhibit;
}

detent_run_summary summary_of(std::span<const Exhibit> exhibits) {
  constexpr std::uint64_t kHeader = 400;
  detent_run_summary s{};
  s.struct_size = sizeof s;
  for (const Exhibit& e : exhibits) {
    ++s.tensors;
    s.tensors_quantized += e.is_quantized ? 1 : 0;
    s.bytes_before += e.metrics.bytes_before;
    s.bytes_after += e.metrics.bytes_after;
  }
  s.file_bytes_before = s.bytes_before + kHeader;
  s.file_bytes_after = s.bytes_after + kHeader;
  return s;
}

detent_output_input good_output() {
  return {sizeof(detent_output_input),
          DETENT_OUTPUT_ARTIFACT,
          1,
          "",
          100,
          100,
          42.5,
          0.01,
          0.9999,
          0.9995,
          1,
          0.95,
          0.95,
          0,
          4,
          120,
          ""};
}

detent_output_input no_output(std::uint32_t how, const char* why) {
  return {sizeof(detent_output_input),
          how,
          0,
          why,
          0,
          0,
          kNaN,
          kNaN,
          kNaN,
          kNaN,
          kNaN,
          kNaN,
          kNaN,
          0,
          0,
          kNaN,
          ""};
}

}  // namespace detent::conformance
