// SPDX-License-Identifier: Apache-2.0
// The first 48 bytes of a detent_tensor are a DLTensor, and dtypes are DLDataType's bytes.
#include <cstring>
#include <detent/abi.h>

#include "support/catch.hpp"

// As in dlpack.h 1.x (https://github.com/dmlc/dlpack), which is not needed otherwise.
namespace dlpack {
struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
}  // namespace dlpack

TEST_CASE("a DLTensor is the front of a detent_tensor", "[abi]") {
  CHECK(sizeof(dlpack::DLTensor) == 48);
  CHECK(offsetof(dlpack::DLTensor, data) == offsetof(detent_tensor, data));
  CHECK(offsetof(dlpack::DLTensor, device) == offsetof(detent_tensor, device_type));
  CHECK(offsetof(dlpack::DLTensor, ndim) == offsetof(detent_tensor, ndim));
  CHECK(offsetof(dlpack::DLTensor, dtype) == offsetof(detent_tensor, dtype));
  CHECK(offsetof(dlpack::DLTensor, shape) == offsetof(detent_tensor, shape));
  CHECK(offsetof(dlpack::DLTensor, strides) == offsetof(detent_tensor, strides));
  CHECK(offsetof(dlpack::DLTensor, byte_offset) == offsetof(detent_tensor, byte_offset));
  CHECK(offsetof(detent_tensor, nbytes) == sizeof(dlpack::DLTensor));
}

TEST_CASE("a dtype has the bytes of DLPack's code, bits and lanes", "[abi]") {
  const auto read = [](detent_dtype dtype) {
    dlpack::DLDataType out;
    std::memcpy(&out, &dtype, sizeof out);
    return out;
  };
  CHECK(read(DETENT_F32).code == 2);  // kDLFloat
  CHECK(read(DETENT_F32).bits == 32);
  CHECK(read(DETENT_F32).lanes == 1);
  CHECK(read(DETENT_BF16).code == 4);         // kDLBfloat
  CHECK(read(DETENT_BOOL).code == 6);         // kDLBool
  CHECK(read(DETENT_F8_E4M3FN).code == 10);   // kDLFloat8_e4m3fn
  CHECK(read(DETENT_F8_E5M2).code == 12);     // kDLFloat8_e5m2
  CHECK(read(DETENT_F8_E8M0FNU).code == 14);  // kDLFloat8_e8m0fnu
  CHECK(read(DETENT_F4_E2M1FN).code == 17);   // kDLFloat4_e2m1fn
  CHECK(read(DETENT_I4).bits == 4);
}

TEST_CASE("detent_nbytes starts each row on a byte and notices overflow", "[abi]") {
  const int64_t odd[] = {3, 5}, none[] = {3, 0}, huge[] = {INT64_MAX, 2}, negative[] = {-1};
  CHECK(detent_nbytes(DETENT_I4, 2, odd) == 9);
  CHECK(detent_nbytes(DETENT_F32, 2, odd) == 60);
  CHECK(detent_nbytes(DETENT_I4, 0, nullptr) == 1);
  CHECK(detent_nbytes(DETENT_F64, 0, nullptr) == 8);
  CHECK(detent_nbytes(DETENT_F32, 2, none) == 0);
  CHECK(detent_nbytes(DETENT_I8, 2, huge) == UINT64_MAX);
  CHECK(detent_nbytes(DETENT_I8, 1, negative) == UINT64_MAX);
  CHECK(detent_nbytes(DETENT_I8, -1, nullptr) == UINT64_MAX);
}
