// SPDX-License-Identifier: Apache-2.0
#include "model/torch/torch_types.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "model/refuse.hpp"

namespace detent {
namespace {

struct Row {
  std::string_view dtype;    // as in Python, behind "torch."
  std::string_view storage;  // of the class of its storages; that of float8 and its like is the
                             // name that TorchScript archives use
  TorchType type;
};

TorchType read_as(detent_dtype dtype) { return {dtype, DETENT_DTYPE_BITS(dtype) / 8, {}}; }

TorchType refused(unsigned bytes, std::string_view fault) { return {0, bytes, std::string(fault)}; }

const auto& rows() {
  static const std::array kRows = {
      Row{"float32", "FloatStorage", read_as(DETENT_F32)},
      Row{"float64", "DoubleStorage", read_as(DETENT_F64)},
      Row{"float16", "HalfStorage", read_as(DETENT_F16)},
      Row{"bfloat16", "BFloat16Storage", read_as(DETENT_BF16)},
      Row{"int64", "LongStorage", read_as(DETENT_I64)},
      Row{"int32", "IntStorage", read_as(DETENT_I32)},
      Row{"int16", "ShortStorage", read_as(DETENT_I16)},
      Row{"int8", "CharStorage", read_as(DETENT_I8)},
      Row{"uint8", "ByteStorage", read_as(DETENT_U8)},
      Row{"bool", "BoolStorage", read_as(DETENT_BOOL)},
      Row{"uint16", "UInt16Storage", read_as(DETENT_U16)},
      Row{"uint32", "UInt32Storage", read_as(DETENT_U32)},
      Row{"uint64", "UInt64Storage", read_as(DETENT_U64)},
      Row{"float8_e4m3fn", "Float8_e4m3fnStorage", read_as(DETENT_F8_E4M3FN)},
      Row{"float8_e4m3fnuz", "Float8_e4m3fnuzStorage", read_as(DETENT_F8_E4M3FNUZ)},
      Row{"float8_e5m2", "Float8_e5m2Storage", read_as(DETENT_F8_E5M2)},
      Row{"float8_e5m2fnuz", "Float8_e5m2fnuzStorage", read_as(DETENT_F8_E5M2FNUZ)},
      Row{"float8_e8m0fnu", "Float8_e8m0fnuStorage", read_as(DETENT_F8_E8M0FNU)},
      Row{"complex32", "ComplexHalfStorage", refused(4, "is complex")},
      Row{"complex64", "ComplexFloatStorage", refused(8, "is complex")},
      Row{"complex128", "ComplexDoubleStorage", refused(16, "is complex")},
      Row{"qint8", "QInt8Storage", refused(1, "is quantized by PyTorch (qint8)")},
      Row{"quint8", "QUInt8Storage", refused(1, "is quantized by PyTorch (quint8)")},
      Row{"qint32", "QInt32Storage", refused(4, "is quantized by PyTorch (qint32)")},
  };
  return kRows;
}

template <typename Column>
TorchType lookup(std::string_view name, Column column) {
  constexpr std::string_view kModule = "torch.";
  if (name.starts_with(kModule)) {
    const std::string_view word = name.substr(kModule.size());
    const auto row =
        std::find_if(rows().begin(), rows().end(), [&](const Row& r) { return column(r) == word; });
    if (row != rows().end()) return row->type;
  }
  return refused(0, fmt::format("is of type {}, which is not read", shown(name)));
}

}  // namespace

TorchType torch_dtype(std::string_view name) {
  return lookup(name, [](const Row& r) { return r.dtype; });
}

TorchType torch_storage_type(std::string_view name) {
  if (name == "torch.storage.UntypedStorage" || name == "torch.UntypedStorage") return {0, 1, {}};
  return lookup(name, [](const Row& r) { return r.storage; });
}

}  // namespace detent
