// SPDX-License-Identifier: Apache-2.0
#include "sources.hpp"

namespace detent::torchscript {

// The packed weight is made when the archive is loaded: it depends on the machine. The operator
// quantizes its input as this PyTorch does: uint8, asymmetric, one scale for all. reduce_range
// keeps it to 7 bits, without which the kernels for AVX2 saturate.
const Source kFastInt8{"fast_int8", R"(
def detent_pack8_zero(q, scale, zero):
    s = scale.to(7).reshape([-1]).expand([q.size(0)]).contiguous()
    z = zero.to(4).reshape([-1]).expand([q.size(0)]).contiguous()
    return ops.quantized.linear_prepack(torch._make_per_channel_quantized_tensor(q, s, z, 0), None)

def detent_pack8(q, scale):
    return detent_pack8_zero(q, scale, torch.zeros([1], dtype=4))

def detent_linear8(x, packed: __torch__.torch.classes.quantized.LinearPackedParamsBase, bias: Optional[Tensor]):
    y = ops.quantized.linear_dynamic(x.reshape([-1, x.size(-1)]), packed, True)
    y = y.reshape(x.size()[:-1] + [y.size(1)])
    if bias is not None:
        y = y.add_(bias)
    return y
)"};

// Computed in bfloat16. The operator's codes have no sign and a zero point of 8:
// (u - 8) * scale + shift, shift = -zero * scale.
const Source kFastInt4{"fast_int4", R"(
def detent_pack4(q):
    u = torch.bitwise_xor(q, 136)
    codes = torch.stack([torch.bitwise_and(u, 15), torch.bitwise_right_shift(u, 4)], 2)
    return torch._convert_weight_to_int4pack_for_cpu(codes.reshape([q.size(0), -1]).to(3), 1)

def detent_pack4_scale(scale):
    return torch.stack([scale, torch.zeros_like(scale)], 2).transpose(0, 1).contiguous().to(15)

def detent_pack4_scale_zero(scale, zero):
    return torch.stack([scale, torch.neg(zero.to(6) * scale)], 2).transpose(0, 1).contiguous().to(15)

def detent_linear4(x, packed, scale, group: int, bias: Optional[Tensor]):
    rows = x.reshape([-1, x.size(-1)]).to(15)
    y = torch._weight_int4pack_mm_for_cpu(rows, packed, group, scale).to(x.dtype)
    y = y.reshape(x.size()[:-1] + [scale.size(1)])
    if bias is not None:
        y = y.add_(bias)
    return y
)"};

}  // namespace detent::torchscript
