// SPDX-License-Identifier: Apache-2.0
// The numeric kernels on one thread, on data that fits the second-level cache (512 KiB) and on data
// that does not (16 MiB). Bytes are those of the elements as float32, whatever type they have, so
// that all figures compare. plain/...: loops without the kernels; plain/read is what the machine
// gives at most.
#include <benchmark/benchmark.h>
#include <random>
#include <vector>

#include "plain_loops.hpp"
#include <detent/kernels/affine.hpp>
#include <detent/kernels/convert.hpp>
#include <detent/kernels/error_lanes.hpp>
#include <detent/kernels/finite_range.hpp>
#include <detent/kernels/histogram_count.hpp>
#include <detent/kernels/non_finite.hpp>
#include <detent/kernels/quantize_affine.hpp>
#include <detent/kernels/quantize_int4.hpp>
#include <detent/kernels/range_search.hpp>

namespace detent::bench {
namespace {

using namespace kernels;

constexpr Codes kInt4{-8, 7};
constexpr Codes kInt8{-127, 127};
constexpr std::int64_t kBins = 2048;

template <class T>
T from_float(float x) {
  if constexpr (std::is_same_v<T, Half>) {
    return float_to_half_ref(x);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return {static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16U)};
  } else {
    return static_cast<T>(x);
  }
}

// Normal values, the same in every run.
template <class T>
const std::vector<T>& normal(std::size_t n) {
  static std::vector<T> values;
  std::mt19937 random(1);
  std::normal_distribution<float> draw(0.0F, 0.05F);
  for (values.reserve(n); values.size() < n;) values.push_back(from_float<T>(draw(random)));
  return values;
}

std::size_t elements(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0)) / sizeof(float);
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

void plain_read(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<float>& x = normal<float>(n);
  for (auto _ : state) benchmark::DoNotOptimize(bench::plain_read(x.data(), n));
  count_bytes(state);
}

template <class T>
void ranges(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<T>& x = normal<T>(n);
  const auto length = state.range(1) == 0 ? n : static_cast<std::size_t>(state.range(1));
  std::vector<FiniteRange> out(n / length);
  for (auto _ : state) {
    finite_ranges(x.data(), out.size(), length, out.data());
    benchmark::DoNotOptimize(out.data());
  }
  count_bytes(state);
}

void columns(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<float>& x = normal<float>(n);
  const auto length = static_cast<std::size_t>(state.range(1));
  std::vector<FiniteRange> out(length);
  for (auto _ : state) {
    finite_columns(x.data(), n / length, length, out.data());
    benchmark::DoNotOptimize(out.data());
  }
  count_bytes(state);
}

template <class T>
void non_finite(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<T>& x = normal<T>(n);
  for (auto _ : state) benchmark::DoNotOptimize(count_non_finite(x.data(), n));
  count_bytes(state);
}

template <class T>
void errors(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<T>& x = normal<T>(n);
  const std::vector<float>& y = normal<float>(n);
  for (auto _ : state) {
    ErrorLanes sums;
    add_errors(x.data(), y.data(), n, 0, sums);
    benchmark::DoNotOptimize(sums);
  }
  count_bytes(state);
}

Histogram histogram_of(const float* x, std::size_t n) {
  FiniteRange range;
  finite_ranges(x, 1, n, &range);
  Histogram h = make_histogram(range.range, kBins);
  std::vector<std::uint64_t> odd(h.counts.size());
  count_bins(x, n, h.grid, h.counts.data(), odd.data());
  for (std::size_t i = 0; i < odd.size(); ++i) h.counts[i] += odd[i];
  return h;
}

// Runs of as many elements as a channel has, each into a table of its own; 0: one slot.
template <class T>
void histogram(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<T>& x = normal<T>(n);
  const auto length = state.range(1) == 0 ? n : static_cast<std::size_t>(state.range(1));
  const BinGrid grid = histogram_of(normal<float>(n).data(), n).grid;
  std::vector<std::uint64_t> counts(kBins * std::max<std::size_t>(n / length, 2));
  for (auto _ : state) {
    for (std::size_t i = 0; i * length < n; ++i) {
      std::uint64_t* const even = counts.data() + i * kBins;
      count_bins(x.data() + i * length, length, grid, even, length == n ? even + kBins : even);
    }
    benchmark::DoNotOptimize(counts.data());
  }
  count_bytes(state);
}

template <Range (*kSearch)(const Histogram&, const SearchTarget&, SearchScratch&)>
void search(benchmark::State& state) {
  const Histogram h = histogram_of(normal<float>(1U << 22U).data(), 1U << 22U);
  const bool symmetric = state.range(0) != 0;
  const SearchTarget target{symmetric ? kInt8 : Codes{-128, 127},
                            symmetric ? Mapping::symmetric : Mapping::asymmetric};
  SearchScratch scratch;
  for (auto _ : state) benchmark::DoNotOptimize(kSearch(h, target, scratch));
}

// What the quantizer did before it had one kernel for all of it: ranges, parameters, codes.
void int8_rows_separately(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<float>& x = normal<float>(n);
  const auto length = static_cast<std::size_t>(state.range(1));
  std::vector<FiniteRange> found(n / length);
  std::vector<std::int8_t> q(n);
  for (auto _ : state) {
    std::fill(found.begin(), found.end(), FiniteRange{});
    finite_ranges(x.data(), found.size(), length, found.data());
    for (std::size_t row = 0; row < found.size(); ++row)
      quantize_affine(
          std::span(x).subspan(row * length, length),
          choose_affine(found[row].range.lo, found[row].range.hi, kInt8, Mapping::symmetric), kInt8,
          q.data() + row * length);
    benchmark::DoNotOptimize(q.data());
  }
  count_bytes(state);
}

void int4_rows_separately(benchmark::State& state) {
  constexpr std::size_t kRow = 4096;
  const std::size_t n = elements(state);
  const std::vector<float>& x = normal<float>(n);
  const auto group = static_cast<std::size_t>(state.range(1));
  const auto mapping = static_cast<Mapping>(state.range(2));
  std::vector<FiniteRange> found(kRow / group);
  std::vector<AffineParams> params(kRow / group);
  std::vector<std::uint8_t> packed(n / 2);
  for (auto _ : state) {
    for (std::size_t row = 0; row < n; row += kRow) {
      std::fill(found.begin(), found.end(), FiniteRange{});
      finite_ranges(x.data() + row, found.size(), group, found.data());
      for (std::size_t g = 0; g < found.size(); ++g)
        params[g] = choose_affine(found[g].range.lo, found[g].range.hi, kInt4, mapping);
      quantize_int4_row(std::span<const float>(x).subspan(row, kRow), {group, params.data()}, kInt4,
                        packed.data() + row / 2);
    }
    benchmark::DoNotOptimize(packed.data());
  }
  count_bytes(state);
}

template <class T>
void int8_rows(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<T>& x = normal<T>(n);
  const auto length = static_cast<std::size_t>(state.range(1));
  std::vector<std::int8_t> q(n);
  for (auto _ : state) {
    for (std::size_t at = 0; at + length <= n; at += length) {
      FiniteRange found;
      finite_ranges(x.data() + at, 1, length, &found);
      quantize_affine(x.data() + at, length,
                      choose_affine(found.range.lo, found.range.hi, kInt8, Mapping::symmetric),
                      kInt8, q.data() + at);
    }
    benchmark::DoNotOptimize(q.data());
  }
  count_bytes(state);
}

template <class T>
void int4_rows(benchmark::State& state) {
  constexpr std::size_t kRow = 4096;
  const std::size_t n = elements(state);
  const std::vector<T>& x = normal<T>(n);
  const auto group = static_cast<std::size_t>(state.range(1));
  const Int4Rounding how{group, kInt4, static_cast<Mapping>(state.range(2))};
  std::vector<AffineParams> params(kRow / group);
  std::vector<std::uint8_t> packed(n / 2);
  for (auto _ : state) {
    for (std::size_t row = 0; row < n; row += kRow)
      round_int4_row(std::span<const T>(x).subspan(row, kRow), how, params.data(),
                     packed.data() + row / 2);
    benchmark::DoNotOptimize(packed.data());
  }
  count_bytes(state);
}

void plain_int4(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<float>& x = normal<float>(n);
  const auto group = static_cast<std::size_t>(state.range(1));
  std::vector<float> scales(n / group);
  std::vector<std::uint8_t> packed(n / 2);
  for (auto _ : state) {
    bench::plain_int4(x.data(), n, group, scales.data(), packed.data());
    benchmark::DoNotOptimize(packed.data());
  }
  count_bytes(state);
}

void dequantize_int8(benchmark::State& state) {
  const std::size_t n = elements(state);
  std::vector<std::int8_t> q(n);
  quantize_affine(std::span(normal<float>(n)).first(n), {0.002F, 3}, kInt8, q.data());
  std::vector<float> x(n);
  for (auto _ : state) {
    dequantize_affine(std::span<const std::int8_t>(q), {0.002F, 3}, x.data());
    benchmark::DoNotOptimize(x.data());
  }
  count_bytes(state);
}

void dequantize_int4(benchmark::State& state) {
  constexpr std::size_t kRow = 4096;
  const std::size_t n = elements(state);
  const auto group = static_cast<std::size_t>(state.range(1));
  const std::vector<AffineParams> params(kRow / group, AffineParams{0.01F, 0});
  std::vector<std::uint8_t> packed(n / 2, 0x3A);
  std::vector<float> x(n);
  for (auto _ : state) {
    for (std::size_t row = 0; row < n; row += kRow)
      dequantize_int4_row(packed.data() + row / 2, {group, params.data()},
                          std::span(x).subspan(row, kRow));
    benchmark::DoNotOptimize(x.data());
  }
  count_bytes(state);
}

template <class T>
void floats(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<T>& from = normal<T>(n);
  std::vector<float> to(n);
  for (auto _ : state) {
    to_float(std::span(from).first(n), to.data());
    benchmark::DoNotOptimize(to.data());
  }
  count_bytes(state);
}

template <class T>
void halfs(benchmark::State& state) {
  const std::size_t n = elements(state);
  const std::vector<T>& from = normal<T>(n);
  std::vector<Half> to(n);
  for (auto _ : state) {
    benchmark::DoNotOptimize(to_half(std::span(from).first(n), HalfOverflow::infinity, to.data()));
    benchmark::DoNotOptimize(to.data());
  }
  count_bytes(state);
}

// name/bytes/what the benchmark takes beside
void add(const char* name, void (*run)(benchmark::State&),
         const std::vector<std::vector<std::int64_t>>& more = {{}}) {
  auto* const made = benchmark::RegisterBenchmark(name, run);
  for (const std::int64_t bytes : {512 << 10, 16 << 20})
    for (std::vector<std::int64_t> args : more) {
      args.insert(args.begin(), bytes);
      made->Args(args);
    }
}

void add_all() {
  add("plain/read", plain_read);
  add("range/f32", ranges<float>, {{0}, {4096}, {384}});
  add("range/f64", ranges<double>, {{4096}});
  add("range/f16", ranges<Half>, {{4096}});
  add("range/bf16", ranges<BFloat16>, {{4096}});
  add("columns/f32", columns, {{4096}, {384}});
  add("non_finite/f32", non_finite<float>);
  add("non_finite/f16", non_finite<Half>);
  add("errors/f32", errors<float>);
  add("errors/f16", errors<Half>);
  add("errors/f64", errors<double>);
  add("histogram/f32", histogram<float>, {{0}, {4096}});
  add("histogram/f64", histogram<double>, {{0}});
  add("histogram/f16", histogram<Half>, {{0}});
  add("histogram/bf16", histogram<BFloat16>, {{0}});
  benchmark::RegisterBenchmark("search/kl", search<search_kl>)->Arg(0)->Arg(1);
  benchmark::RegisterBenchmark("search/mse", search<search_mse>)->Arg(0)->Arg(1);
  add("int8/separately", int8_rows_separately, {{4096}, {384}});
  add("int8/f32", int8_rows<float>, {{4096}, {384}});
  add("int8/f16", int8_rows<Half>, {{4096}});
  add("int8/bf16", int8_rows<BFloat16>, {{4096}});
  add("int8/f64", int8_rows<double>, {{4096}});
  add("int8/dequantize", dequantize_int8);
  add("int4/plain", plain_int4, {{128}, {32}});
  add("int4/separately", int4_rows_separately, {{128, 1}, {32, 1}, {128, 0}, {32, 0}});
  add("int4/f32", int4_rows<float>, {{128, 1}, {32, 1}, {128, 0}, {32, 0}});
  add("int4/f16", int4_rows<Half>, {{128, 1}, {32, 1}});
  add("int4/bf16", int4_rows<BFloat16>, {{128, 1}});
  add("int4/f64", int4_rows<double>, {{128, 1}});
  add("int4/dequantize", dequantize_int4, {{128}, {32}});
  add("to_float/f16", floats<Half>);
  add("to_float/bf16", floats<BFloat16>);
  add("to_float/f64", floats<double>);
  add("to_half/f32", halfs<float>);
  add("to_half/f64", halfs<double>);
}

}  // namespace
}  // namespace detent::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  detent::bench::add_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
