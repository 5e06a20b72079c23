// SPDX-License-Identifier: Apache-2.0
#include "api/quantized_model.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "api/boundary.hpp"

namespace detent {
namespace {

OwnedTensor own(std::string name, const HostTensor& tensor, std::shared_ptr<const void> owner) {
  return {std::move(name), tensor.dtype(), tensor.shape(), tensor.bytes(), std::move(owner)};
}

}  // namespace

void QuantizedModel::Impl::add_kept(QuantizedTensor tensor, std::unique_ptr<HostTensor> data) {
  const std::shared_ptr<const HostTensor> shared = std::move(data);
  tensor.stored.push_back(own(tensor.name, *shared, shared));
  tensors.push_back(std::move(tensor));
  sources.emplace_back();
}

void QuantizedModel::Impl::add_quantized(
    QuantizedTensor tensor, Source source,
    const std::vector<std::pair<std::string, std::string>>& names) {
  for (const auto& [output, name] : names)
    tensor.stored.push_back(own(name, *source.outputs->find(output), source.outputs));
  tensors.push_back(std::move(tensor));
  sources.push_back(std::move(source));
}

OwnedTensor QuantizedModel::Impl::dequantize(std::size_t index, ThreadPool& pool) const {
  const QuantizedTensor& tensor = tensors[index];
  const Source& source = sources[index];
  if (!source.outputs) return tensor.stored.front();
  const auto back = std::make_shared<HostTensor>(tensor.name, DETENT_F32, tensor.shape);
  source.dequantize(*source.outputs, pool, *back);
  return own(tensor.name, *back, back);
}

const std::vector<QuantizedTensor>& QuantizedModel::tensors() const { return impl_->tensors; }

const std::vector<std::pair<std::string, std::string>>& QuantizedModel::aliases() const {
  return impl_->aliases;
}

const std::vector<Warning>& QuantizedModel::warnings() const { return impl_->warnings; }

const QuantizedTensor* QuantizedModel::find(std::string_view name) const {
  for (const auto& [alias, original] : impl_->aliases)
    if (alias == name) return find(original);
  const auto& all = impl_->tensors;
  const auto it = std::ranges::find(all, name, &QuantizedTensor::name);
  return it == all.end() ? nullptr : &*it;
}

OwnedTensor QuantizedModel::dequantize(std::string_view name) const {
  return at_boundary([&] {
    const QuantizedTensor* tensor = find(name);
    if (tensor == nullptr)
      throw Error(ErrorCode::config, fmt::format("the model has no tensor \"{}\"", name),
                  "see QuantizedModel::tensors()");
    ThreadPool pool(impl_->threads);
    OwnedTensor back =
        impl_->dequantize(static_cast<std::size_t>(tensor - impl_->tensors.data()), pool);
    back.name = name;
    return back;
  });
}

std::map<std::string, OwnedTensor> QuantizedModel::dequantize() const {
  return at_boundary([&] {
    ThreadPool pool(impl_->threads);
    std::map<std::string, OwnedTensor> all;
    for (std::size_t i = 0; i < impl_->tensors.size(); ++i)
      all.emplace(impl_->tensors[i].name, impl_->dequantize(i, pool));
    for (const auto& [alias, name] : impl_->aliases) {
      OwnedTensor again = all.at(name);
      again.name = alias;
      all.emplace(alias, std::move(again));
    }
    return all;
  });
}

}  // namespace detent
