// SPDX-License-Identifier: Apache-2.0
// The torchscript serializer: a model that stock PyTorch and LibTorch load and run.
//
// It links no LibTorch: what replaces operators is source text, and the host splices it into the
// program. Metadata become extra files of the archive, under their keys.
#include <memory>

#include "../common/metadata.hpp"
#include "../common/stored.hpp"
#include "rewrite.hpp"
#include <detent/sdk/library.hpp>
#include <detent/sdk/serializer.hpp>

namespace detent::torchscript {
namespace {

constexpr const char* kSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "form": {
      "type": "string",
      "enum": ["portable", "fast", "static"],
      "default": "portable",
      "title": "Form of the operators",
      "description": "portable: dequantize in the graph; runs wherever TorchScript does. fast: int8 and int4 kernels of this PyTorch where they fit, else portable with a warning. static: portable, and refused unless every quantized activation has stored parameters."
    }
  }
})json";

constexpr const char* kExecution = "execution";  // the extra file that says how exact it runs

Form form_of(const sdk::Config& config) {
  const std::string form = config.params.get("/form", "portable");
  if (form == "portable") return Form::portable;
  if (form == "fast") return Form::fast;
  if (form == "static") return Form::statical;
  throw sdk::Error(DETENT_E_PARAMS, "\"form\" is portable, fast or static, not \"" + form + "\"");
}

class TorchScript final : public sdk::Serializer, public sdk::ProgramWriter {
 public:
  static constexpr const char* id = "torchscript";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "TorchScript";
  static constexpr const char* description =
      "A .pt that torch.jit.load runs without extensions, with quantized weights";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr const char* schema = kSchema;
  static constexpr const char* provides[] = {"format:torchscript", "extension:.pt", nullptr};
  static constexpr const char* requirements[] = {DETENT_NEEDS_PROGRAM, nullptr};
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;

  explicit TorchScript(const sdk::Config& config) : form_(form_of(config)) {}

  sdk::Status use_program(const sdk::Program& program) override {
    reset();
    Rewrite(program, form_).run();
    for (uint64_t i = 0; i < program.tensor_count(); ++i) {
      const detent_program_tensor* t = program.tensor(i);
      if (t != nullptr && t->scheme == nullptr) kept_.insert(t->original->name);
    }
    program_ = program;
    return {};
  }

  sdk::Status begin(const sdk::Folder& folder, const char* file_name) override {
    if (!program_.valid())
      return {DETENT_E_UNSUPPORTED,
              "this format holds a program, and the model has none"
              "\nuse the serializer safetensors or state_dict"};
    if (const sdk::Status opened = folder.open(file_name, file_); !opened.ok())
      return {opened.code(), "cannot open \"" + std::string(file_name) + "\" for writing"};
    metadata_ = std::make_unique<serializers::Metadata>();
    return {};
  }

  sdk::Status declare(const detent_tensor_spec& spec) override {
    if (!declared_.insert(spec.name).second)
      return {DETENT_E_INVALID_ARG, "\"" + std::string(spec.name) + "\" is declared twice"};
    return {};
  }

  sdk::Status set_metadata(std::string_view key, std::string_view value_json) override {
    if (metadata_ == nullptr) return {DETENT_E_INVALID_ARG, "no file: begin comes first"};
    metadata_->set(key, value_json);
    return {};
  }

  // A tensor that is kept is in the program already.
  sdk::Status add_tensor(std::string_view tensor_name, const sdk::TensorView& tensor) override {
    const std::string text(tensor_name);
    if (declared_.erase(text) == 0)
      return {DETENT_E_INVALID_ARG, "\"" + text + "\" was not declared, or is added twice"};
    if (kept_.count(text) != 0) return {};
    detent_tensor bytes = tensor.raw();
    const detent_tensor_spec spec{text.c_str(), bytes.shape, bytes.ndim, bytes.dtype};
    const serializers::Stored stored = serializers::stored_as(spec);
    if (stored.dtype == bytes.dtype) return program_.set_tensor(text, tensor);
    const std::vector<int64_t> strides = compact(stored.shape);
    bytes.dtype = stored.dtype;
    bytes.shape = stored.shape.data();
    bytes.strides = strides.data();
    return program_.set_tensor(text, sdk::TensorView(bytes));
  }

  sdk::Status finish() override {
    const sdk::Status written = write();
    reset();
    return written;
  }

  void abort() noexcept override { reset(); }

 private:
  sdk::Status write() {
    if (!declared_.empty())
      return {DETENT_E_INVALID_ARG, "\"" + *declared_.begin() + "\" was declared and not added"};
    for (const auto& [key, text] : metadata_->texts()) {
      if (key == kExecution) continue;  // of the file that was read, not of this one
      if (const sdk::Status set = program_.set_extra_file(key, text); !set.ok()) return set;
    }
    // Weights as they are dequantized elsewhere too, and the operators that were there: the
    // round-trip check may hold the program to it. The fast kernels round in other places.
    if (form_ != Form::fast)
      if (const sdk::Status set = program_.set_extra_file(kExecution, R"({"exact":true})");
          !set.ok())
        return set;
    return program_.write(file_);
  }

  void reset() noexcept {
    program_ = sdk::Program();
    metadata_.reset();
    kept_.clear();
    declared_.clear();
  }

  static std::vector<int64_t> compact(const std::vector<int64_t>& shape) {
    std::vector<int64_t> strides(shape.size());
    int64_t step = 1;
    for (size_t d = shape.size(); d-- > 0; step *= shape[d]) strides[d] = step;
    return strides;
  }

  Form form_;
  sdk::Program program_;  // from use_program to finish or abort
  sdk::File file_;
  std::unique_ptr<serializers::Metadata> metadata_;
  std::set<std::string> kept_;      // tensors of the model that are not quantized
  std::set<std::string> declared_;  // and not yet added
};

}  // namespace
}  // namespace detent::torchscript

DETENT_LIBRARY(detent::torchscript::TorchScript);
