// SPDX-License-Identifier: Apache-2.0
#include "torch/loaded_model.hpp"

#include <algorithm>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <cerrno>
#include <torch/csrc/jit/serialization/import_read.h>
#include <unistd.h>

namespace detent::torch_worker {
namespace {

class Descriptor final : public caffe2::serialize::ReadAdapterInterface {
 public:
  Descriptor(int fd, std::uint64_t bytes) : fd_(fd), bytes_(bytes) {}
  std::size_t size() const override { return bytes_; }
  std::size_t read(std::uint64_t offset, void* to, std::size_t n, const char* what) const override {
    auto* at = static_cast<char*>(to);
    std::size_t done = 0;
    while (done < n) {
      const ssize_t got = ::pread(fd_, at + done, n - done, static_cast<off_t>(offset + done));
      if (got > 0) {
        done += static_cast<std::size_t>(got);
      } else if (got == 0 || errno != EINTR) {
        throw std::runtime_error(std::string("the file ends early, while reading ") + what);
      }
    }
    return done;
  }

 private:
  int fd_;
  std::uint64_t bytes_;
};

const void* storage_of(const at::Tensor& t) {
  return t.defined() && t.has_storage() ? t.storage().unsafeGetStorageImpl() : nullptr;
}

std::vector<at::Tensor> read_constants(const std::shared_ptr<Descriptor>& file) {
  caffe2::serialize::PyTorchStreamReader reader(file);
  if (!reader.hasRecord("constants.pkl")) return {};
  const c10::IValue value = torch::jit::readArchiveAndTensors(
      "constants", "", "constants/", std::nullopt, std::nullopt, c10::Device(c10::kCPU), reader);
  std::vector<at::Tensor> constants;
  if (!value.isTuple()) return constants;
  for (const c10::IValue& element : value.toTupleRef().elements())
    constants.push_back(element.isTensor() ? element.toTensor() : at::Tensor());
  return constants;
}

}  // namespace

bool is_same_tensor(const at::Tensor& a, const at::Tensor& b) {
  return storage_of(a) != nullptr && storage_of(a) == storage_of(b) &&
         a.storage_offset() == b.storage_offset() && a.sizes() == b.sizes() &&
         a.strides() == b.strides();
}

LoadedModel::LoadedModel(int fd, std::uint64_t bytes) {
  const auto file = std::make_shared<Descriptor>(fd, bytes);
  module_ = torch::jit::load(file, c10::Device(c10::kCPU));
  module_.eval();
  walk(module_, "");
  first_constant_ = tensors_.size();
  const bool frozen = tensors_.empty();
  const std::vector<at::Tensor> constants = read_constants(file);
  for (std::size_t i = 0; i < constants.size(); ++i) {
    const at::Tensor& t = constants[i];
    if (!t.defined() || !t.has_storage()) continue;
    const bool weight = t.is_floating_point() && t.dim() >= 2;
    if (!weight && !frozen) continue;  // as the host reads the archive
    tensors_.push_back({"constants." + std::to_string(i) + (weight ? ".weight" : ".value"), t});
  }
}

void LoadedModel::add(std::string name, const at::Tensor& tensor) {
  if (!tensor.has_storage()) return;
  auto& places = by_storage_[storage_of(tensor)];
  const bool known = std::any_of(places.begin(), places.end(),
                                 [&](const Place& p) { return is_same_tensor(p.tensor, tensor); });
  if (known) return;
  places.push_back({tensor, tensors_.size()});
  tensors_.push_back({std::move(name), tensor});
}

// As state_dict: a module's parameters, its buffers, then its modules.
void LoadedModel::walk(const torch::jit::Module& module, const std::string& prefix) {
  const auto type = module.type();
  const auto each = [&](const auto& is_one) {
    for (std::size_t i = 0; i < type->numAttributes(); ++i) {
      const c10::IValue value = module._ivalue()->getSlot(i);
      if (is_one(i) && value.isTensor() && value.toTensor().defined())
        add(prefix + type->getAttributeName(i), value.toTensor());
    }
  };
  each([&](std::size_t i) { return type->is_parameter(i); });
  each([&](std::size_t i) { return type->is_buffer(i); });
  for (const auto& child : module.named_children()) walk(child.value, prefix + child.name + ".");
}

const ModelTensor* LoadedModel::owner(const at::Tensor& x) const {
  const auto found = by_storage_.find(storage_of(x));
  if (found == by_storage_.end()) return nullptr;
  const auto* at = static_cast<const char*>(x.const_data_ptr());
  for (const Place& place : found->second) {
    const auto* from = static_cast<const char*>(place.tensor.const_data_ptr());
    if (at >= from && at < from + std::max<std::size_t>(place.tensor.nbytes(), 1))
      return &tensors_[place.index];
  }
  return nullptr;
}

void LoadedModel::bind(const at::Tensor& stand_in, const ModelTensor& original) {
  by_storage_[storage_of(stand_in)].push_back(
      {stand_in, static_cast<std::size_t>(&original - tensors_.data())});
}

const ModelTensor* LoadedModel::find(const std::string& name) const {
  const auto it = std::find_if(tensors_.begin(), tensors_.end(),
                               [&](const ModelTensor& t) { return t.name == name; });
  return it == tensors_.end() ? nullptr : &*it;
}

const ModelTensor* LoadedModel::constant(const at::Tensor& x) const {
  for (std::size_t i = first_constant_; i < tensors_.size(); ++i) {
    const at::Tensor& t = tensors_[i].tensor;
    if (t.scalar_type() == x.scalar_type() && t.sizes() == x.sizes() && at::equal(t, x))
      return &tensors_[i];
  }
  return nullptr;
}

}  // namespace detent::torch_worker
