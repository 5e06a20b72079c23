// SPDX-License-Identifier: Apache-2.0
// The optional LibTorch bridge: at::Tensor over a view, and a view of an at::Tensor. Nothing is
// copied.
//
// Owns      nothing: the result of either function is valid while its argument's memory is, and,
// for
//           to_view, while the tensor object lives and is not resized
// Errors    sdk::Error: UNSUPPORTED for what the other side cannot express, INVALID_ARG for a view
//           that reaches beyond its buffer
// Cost      a plugin that includes this is tied to one LibTorch release; one that does not, to none
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <cstdint>
#include <string>

#include <detent/sdk/tensor_view.hpp>

namespace detent {
namespace sdk DETENT_HIDDEN {
namespace detail {

struct TorchType {
  detent_dtype ours;
  at::ScalarType theirs;
};

// f(pair) for each dtype that both sides know, until it returns true. Packed 4-bit codes have no
// counterpart: take their bytes as U8.
template <class F>
bool any_torch_type(F&& f) {
  constexpr TorchType types[] = {{DETENT_F32, at::kFloat},
                                 {DETENT_F64, at::kDouble},
                                 {DETENT_F16, at::kHalf},
                                 {DETENT_BF16, at::kBFloat16},
                                 {DETENT_I8, at::kChar},
                                 {DETENT_U8, at::kByte},
                                 {DETENT_I16, at::kShort},
                                 {DETENT_U16, at::kUInt16},
                                 {DETENT_I32, at::kInt},
                                 {DETENT_U32, at::kUInt32},
                                 {DETENT_I64, at::kLong},
                                 {DETENT_U64, at::kUInt64},
                                 {DETENT_BOOL, at::kBool},
                                 {DETENT_F8_E4M3FN, at::kFloat8_e4m3fn},
                                 {DETENT_F8_E4M3FNUZ, at::kFloat8_e4m3fnuz},
                                 {DETENT_F8_E5M2, at::kFloat8_e5m2},
                                 {DETENT_F8_E5M2FNUZ, at::kFloat8_e5m2fnuz}};
  for (const TorchType& type : types)
    if (f(type)) return true;
  return false;
}

inline bool add_product(uint64_t& sum, uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(sum, product, &sum);
}

// Bytes from element 0 to the end of the last one; strides are not negative.
inline bool reach(const detent_tensor& t, uint64_t element, uint64_t& bytes) {
  bytes = element;
  for (int32_t d = 0; d < t.ndim; ++d) {
    uint64_t step = 0;
    if (t.shape[d] == 0) return bytes = 0, true;
    if (!add_product(step, static_cast<uint64_t>(t.strides[d]), element) ||
        !add_product(bytes, static_cast<uint64_t>(t.shape[d]) - 1, step))
      return false;
  }
  return true;
}

}  // namespace detail

// The same elements as a tensor. LibTorch has no read-only tensors: do not write into one that was
// made of an input.
inline at::Tensor from_view(const detent_tensor& view) {
  at::ScalarType type = at::ScalarType::Undefined;
  const bool known = detail::any_torch_type([&](const detail::TorchType& t) {
    if (t.ours == view.dtype) type = t.theirs;
    return t.ours == view.dtype;
  });
  if (!known || view.device_type != DETENT_DEVICE_CPU)
    throw Error(DETENT_E_UNSUPPORTED,
                "LibTorch has no type for dtype " + std::to_string(view.dtype));
  for (int32_t d = 0; d < view.ndim; ++d)
    if (view.strides[d] < 0)
      throw Error(DETENT_E_UNSUPPORTED, "LibTorch has no negative strides\ncopy the tensor");
  uint64_t needed = 0;
  if (!detail::reach(view, c10::elementSize(type), needed) || view.byte_offset > view.nbytes ||
      needed > view.nbytes - view.byte_offset)
    throw Error(DETENT_E_INVALID_ARG, "the view reaches beyond its buffer");
  const auto ndim = static_cast<size_t>(view.ndim);
  return at::from_blob(static_cast<char*>(view.data) + view.byte_offset,
                       at::IntArrayRef(view.shape, ndim), at::IntArrayRef(view.strides, ndim),
                       at::TensorOptions().dtype(type));
}

// The same elements as a read-only view, with the tensor's own shape and strides.
inline detent_tensor to_view(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.device().is_cpu() || tensor.layout() != at::kStrided)
    throw Error(DETENT_E_UNSUPPORTED, "only strided tensors on the CPU have a view");
  if (tensor.is_neg() || tensor.is_conj())
    throw Error(DETENT_E_UNSUPPORTED, "a lazily negated or conjugated tensor\nuse resolve_neg()");
  detent_tensor view{};
  const bool known = detail::any_torch_type([&](const detail::TorchType& t) {
    if (t.theirs == tensor.scalar_type()) view.dtype = t.ours;
    return t.theirs == tensor.scalar_type();
  });
  if (!known)
    throw Error(DETENT_E_UNSUPPORTED,
                std::string("no dtype for ") + c10::toString(tensor.scalar_type()));
  view.data = tensor.numel() != 0 ? const_cast<void*>(tensor.const_data_ptr()) : nullptr;
  view.device_type = DETENT_DEVICE_CPU;
  view.ndim = static_cast<int32_t>(tensor.dim());
  view.shape = view.ndim != 0 ? tensor.sizes().data() : nullptr;
  view.strides = view.ndim != 0 ? tensor.strides().data() : nullptr;
  view.flags = DETENT_TENSOR_READ_ONLY;
  if (!detail::reach(view, tensor.element_size(), view.nbytes))
    throw Error(DETENT_E_INVALID_ARG, "the tensor is larger than a view can say");
  return view;
}

}  // namespace DETENT_HIDDEN
}  // namespace detent
