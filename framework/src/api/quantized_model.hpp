// SPDX-License-Identifier: Apache-2.0
// What a QuantizedModel holds, wherever it came from.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "plugin/instance.hpp"
#include "plugin/registry.hpp"
#include "plugin/tensor_store.hpp"
#include <detent/detent.hpp>

namespace detent {

struct QuantizedModel::Impl {
  // Behind a tensor that is quantized; both empty for one that is kept.
  struct Source {
    std::shared_ptr<const TensorStore> outputs;
    std::function<void(const TensorStore& outputs, ThreadPool&, HostTensor& out)> dequantize;
  };

  explicit Impl(Registry found) : registry(std::move(found)) {}

  OwnedTensor dequantize(std::size_t index, ThreadPool& pool) const;
  void add_kept(QuantizedTensor tensor, std::unique_ptr<HostTensor> data);
  // names: of each output in the artefact.
  void add_quantized(QuantizedTensor tensor, Source source,
                     const std::vector<std::pair<std::string, std::string>>& names);

  Registry registry;  // the quantizers' own
  Config config;      // of the rules, where there are some
  unsigned threads = 0;
  std::vector<QuantizedTensor> tensors;
  std::vector<Source> sources;  // of each
  std::vector<std::pair<std::string, std::string>> aliases;
  std::vector<Warning> warnings;
};

}  // namespace detent
