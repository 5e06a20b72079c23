// SPDX-License-Identifier: Apache-2.0
// The C++ API: quantize tensors in memory, read quantized files, run a pipeline, from one's own
// program. docs/api.md has examples.
//
// Threads  every function may be called from any thread, several at once; a QuantizedModel does not
//          change and may be read from several threads at once
// Errors   detent::Error for whatever goes wrong, and std::bad_alloc; a call that fails changed
//          nothing
// ABI      C++: build with the compiler and the standard library that built this package
#pragma once
#include <cstddef>
#include <cstdint>
#include <detent/abi/base.h>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <detent/error.hpp>

namespace detent {

// A tensor of yours, lent for the length of a call and only read: row-major, without gaps, on the
// CPU.
struct LentTensor {
  std::string name;  // "encoder.fc1.weight": what stands before the last dot is its layer
  detent_dtype dtype = DETENT_F32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // as many as dtype and shape say
  // "Linear", "Conv2d", ... of the layer, as rules match it; empty: guessed from names and shapes.
  std::string layer_type = {};
};

// A tensor with its memory, row-major and without gaps; copies share the memory, which lives as
// long as one of them.
struct OwnedTensor {
  std::string name;
  detent_dtype dtype = 0;
  std::vector<std::int64_t> shape;   // in elements, also where two share a byte (4-bit codes)
  std::span<const std::byte> bytes;  // aligned to 64
  std::shared_ptr<const void> owner;

  // The elements. Errors: Error{config} when T has another size than they have.
  template <class T>
  std::span<const T> as() const {
    if (DETENT_DTYPE_BITS(dtype) != 8 * sizeof(T))
      throw Error(ErrorCode::config, "\"" + name + "\" has elements of another size",
                  "compare its dtype with the type that is asked for", {.tensor = name});
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

// What became of one tensor of the original.
struct QuantizedTensor {
  std::string name;
  detent_dtype dtype = 0;  // of the original
  std::vector<std::int64_t> shape;
  std::string layer;
  std::string layer_type;
  std::string quantizer;  // id of the plugin; empty: kept as it was
  std::string reason;     // why it was kept, or the rule that selected it; not known of a file
  // What an artefact stores of it: the codes under the tensor's own name, "<name>_scale" and
  // "<name>_zero_point" (docs/formats/quantized_safetensors.md); the tensor itself when it is kept.
  std::vector<OwnedTensor> stored;
  std::optional<double> sqnr_db;  // of a quantized tensor, against the original; +inf when equal

  bool quantized() const { return !quantizer.empty(); }
};

// Tensors after quantization, in memory. Copies share it; it owns all that it gives.
class DETENT_EXPORT QuantizedModel {
 public:
  struct [[gnu::visibility("hidden")]] Impl;
  explicit QuantizedModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  const std::vector<QuantizedTensor>& tensors() const;
  // By its name or one of its further names; nullptr when there is none.
  const QuantizedTensor* find(std::string_view name) const;
  // (further name, name) of shared weights; only files know them.
  const std::vector<std::pair<std::string, std::string>>& aliases() const;
  const std::vector<Warning>& warnings() const;

  // The original's tensor again: float32 (code - zero_point) * scale where it was quantized, as it
  // was where not.
  //
  // Errors  Error{config}: no such tensor; Error{plugin}: its quantizer is not installed
  OwnedTensor dequantize(std::string_view name) const;
  // Every tensor under the original's names, further names included: the float model.
  std::map<std::string, OwnedTensor> dequantize() const;

 private:
  std::shared_ptr<const Impl> impl_;
};

struct QuantizeOptions {
  // JSON with the keys "rules", "modules_to_not_convert", "plugins" and "runtime" of a pipeline
  // file (docs/pipeline_file.md).
  std::string rules;
  // Searched for plugins before the usual folders and after those that `rules` names.
  std::vector<std::filesystem::path> plugin_folders = {};
  unsigned threads = 0;  // 0: as `rules` say, by default as many as the process may use
};

// Quantizes weights as `detent run` does with the same rules: the same bytes. Holds a copy of what
// is kept, and nothing of the original.
//
// Errors  Error{config}: the rules, with their line and column, or a tensor that contradicts itself
//         Error{quantization}: values that are not finite, a quantizer's refusal
//         Error{plugin}: a plugin that is broken or was refused
DETENT_EXPORT QuantizedModel quantize(std::span<const LentTensor> tensors,
                                      const QuantizeOptions& options);

struct OpenOptions {
  std::vector<std::filesystem::path> plugin_folders = {};  // as in QuantizeOptions
  unsigned threads = 0;                                    // of dequantize; 0: all
};

// Reads a file that detent wrote: safetensors, a PyTorch state dict or TorchScript, of which
// nothing is executed; or one of Mono Quant, whose weights have the quantizer "mono_quant" and its
// names in `stored` (docs/formats/mono_quant.md). In a file that is not quantized every tensor is
// kept.
//
// Errors  Error{io}: missing, corrupt or hostile
DETENT_EXPORT QuantizedModel open_artifact(const std::filesystem::path& path,
                                           const OpenOptions& options = {});

struct RunRequest {
  std::filesystem::path config;                               // a pipeline file
  std::vector<std::pair<std::string, std::string>> set = {};  // (JSON pointer, JSON): as --set
  std::vector<std::filesystem::path> plugin_folders = {};     // as --plugin-path
  bool overwrite = false;
  bool strict = false;
  bool trust_model = false;
  // Called on the calling thread: stage, done, total in bytes or samples.
  std::function<void(const std::string&, std::uint64_t, std::uint64_t)> progress = {};
};

struct RunResult {
  std::vector<std::filesystem::path> outputs;  // that were written
  std::vector<Warning> warnings;
  std::string report;  // JSON, as report.json (docs/report.md)
};

// All that `detent run` does, files included.
//
// Errors  as the program's exit codes; Error{validation} when a validator says no
DETENT_EXPORT RunResult run(const RunRequest& request);

}  // namespace detent
