// SPDX-License-Identifier: Apache-2.0
#include "dtype.hpp"

#include <array>
#include <string>

namespace detent::state_dict {
namespace {

struct Name {
  detent_dtype dtype;
  TorchType type;
};
// torch/storage.py, _dtype_to_storage_type_map; the untyped ones are saved by _rebuild_tensor_v3.
constexpr std::array kNames = {
    Name{DETENT_BOOL, {"BoolStorage", false}},
    Name{DETENT_U8, {"ByteStorage", false}},
    Name{DETENT_I8, {"CharStorage", false}},
    Name{DETENT_I16, {"ShortStorage", false}},
    Name{DETENT_I32, {"IntStorage", false}},
    Name{DETENT_I64, {"LongStorage", false}},
    Name{DETENT_F16, {"HalfStorage", false}},
    Name{DETENT_BF16, {"BFloat16Storage", false}},
    Name{DETENT_F32, {"FloatStorage", false}},
    Name{DETENT_F64, {"DoubleStorage", false}},
    Name{DETENT_DTYPE(5, 64), {"ComplexFloatStorage", false}},
    Name{DETENT_DTYPE(5, 128), {"ComplexDoubleStorage", false}},
    Name{DETENT_U16, {"uint16", true}},
    Name{DETENT_U32, {"uint32", true}},
    Name{DETENT_U64, {"uint64", true}},
    Name{DETENT_F8_E4M3FN, {"float8_e4m3fn", true}},
    Name{DETENT_F8_E4M3FNUZ, {"float8_e4m3fnuz", true}},
    Name{DETENT_F8_E5M2, {"float8_e5m2", true}},
    Name{DETENT_F8_E5M2FNUZ, {"float8_e5m2fnuz", true}},
    Name{DETENT_F8_E8M0FNU, {"float8_e8m0fnu", true}},
};

}  // namespace

const TorchType* torch_type(detent_dtype dtype) {
  for (const Name& n : kNames)
    if (n.dtype == dtype) return &n.type;
  return nullptr;
}

serializers::Stored stored_in_state_dict(const detent_tensor_spec& spec) {
  serializers::Stored stored = serializers::stored_as(spec);
  if (torch_type(stored.dtype) == nullptr)
    throw sdk::Error(DETENT_E_UNSUPPORTED, "tensor \"" + std::string(spec.name) +
                                               "\": torch.load has no name for " +
                                               serializers::describe_dtype(spec.dtype) +
                                               "\nwrite it with another serializer");
  return stored;
}

}  // namespace detent::state_dict
