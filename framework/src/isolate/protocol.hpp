// SPDX-License-Identifier: Apache-2.0
// What the host and the process of a plugin say to each other. Numbers and texts one behind the
// other (base/byte_stream.hpp); the data of tensors are in memory that both see.
//
//   host    call      Op, instance, threads, place of the input segment, arguments of the operation
//   worker  question  while a call runs: more memory for results, a file of the output folder
//   worker  answer    status, text, how it broke its contract, log lines, results of the operation
//
// Memory  The host makes every segment and fixes its size for good. The input segment is written
//         by the host and can be mapped for reading only; results are written by the worker. What
//         the host reads there it copies, within bounds that it checked.
// Trust   The host believes nothing that a worker says; a worker believes its host.
#pragma once
#include <cstdint>

namespace detent::isolate {

enum class Op : std::uint32_t {
  create = 1,
  destroy,
  // observers
  observe,
  observe_weighted,
  reset,
  merge,        // with another instance of this process
  merge_saved,  // with one that is elsewhere: its configuration and its state
  save_state,
  load_state,
  compute_qparams,
  compute_stat,
  // quantizers
  plan,
  quantize,
  dequantize,
  // serializers
  begin,
  declare,
  declare_alias,
  set_metadata,
  add_tensor,
  add_rows,
  finish,
  abort,
  open,
  tensor_at,
  read_tensor,
  read_metadata,
  close,
  // validators
  check,
  check_output,
  finish_check,
};

// What a worker's message is.
enum class Word : std::uint32_t {
  answer = 1,
  more_memory,  // bytes -> index of a segment, which comes along
  open_file,    // path -> status, number of the file
  count_files,  // -> how many
  name_file,    // index -> 1 and the name, or 0
  read_file,    // number, offset, n, place -> bytes read
  write_file,   // number, offset, n, place -> bytes written
  size_file,    // number -> bytes
};

// A call to a quantizer's plan sink, in the order in which they were made.
enum class PlanWord : std::uint32_t {
  target = 1,
  output,
  decline,
  require_stat,
  memory,
  warn,
  meta
};

// Functions that a plugin's table need not have.
inline constexpr std::uint64_t kHasMerge = 1U << 0U;
inline constexpr std::uint64_t kHasComputeStat = 1U << 1U;
inline constexpr std::uint64_t kHasObserveWeighted = 1U << 2U;
inline constexpr std::uint64_t kHasDeclareAlias = 1U << 3U;
inline constexpr std::uint64_t kHasAddRows = 1U << 4U;
inline constexpr std::uint64_t kHasFinish = 1U << 5U;
inline constexpr std::uint64_t kHasCheckOutput = 1U << 6U;
inline constexpr std::uint64_t kHasReading = 1U << 7U;

inline constexpr std::uint32_t kMagic = 0x50494744;                       // "DGIP"
inline constexpr std::uint64_t kMostMessage = std::uint64_t{256} << 20U;  // bytes of one message
inline constexpr std::uint64_t kSegment = std::uint64_t{1} << 20U;        // the first of each kind
// A segment that is larger is given back when the call is over.
inline constexpr std::uint64_t kKeptSegment = std::uint64_t{64} << 20U;
inline constexpr std::uint64_t kTransfer = std::uint64_t{256} << 10U;  // of a file, at once
inline constexpr std::uint64_t kAlignment = 64;                        // of tensors in a segment

}  // namespace detent::isolate
