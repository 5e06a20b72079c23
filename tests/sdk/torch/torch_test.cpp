// SPDX-License-Identifier: Apache-2.0
// The LibTorch bridge: LibTorch itself is the oracle.
#include <ATen/ATen.h>

#include "support/catch.hpp"
#include <detent/sdk/testing.hpp>
#include <detent/torch.hpp>

namespace sdk = detent::sdk;
namespace testing = detent::sdk::testing;

namespace {
bool same(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && at::equal(a, b);
}
}  // namespace

TEST_CASE("a tensor comes back from its view as itself", "[torch]") {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kChar,
                                    at::kByte, at::kShort, at::kInt, at::kLong, at::kBool}) {
    CAPTURE(c10::toString(type));
    const at::Tensor x = at::arange(24).reshape({2, 3, 4}).to(type);
    for (const at::Tensor& y :
         {x, x.transpose(0, 2), x.slice(2, 1, 4, 2), x.select(1, 2),
          x.select(0, 0).expand({5, 3, 4}), x.flatten()[3], x.narrow(0, 0, 0)}) {
      const detent_tensor view = sdk::to_view(y);
      CHECK(view.flags == DETENT_TENSOR_READ_ONLY);
      const at::Tensor back = sdk::from_view(view);
      CHECK(same(back, y));
      if (y.numel() != 0) CHECK(back.const_data_ptr() == y.const_data_ptr());
    }
  }
}

TEST_CASE("float8 tensors keep their bytes", "[torch]") {
  for (const at::ScalarType type : {at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    const at::Tensor x = at::arange(6).to(at::kFloat).to(type);
    CHECK(same(sdk::from_view(sdk::to_view(x)).to(at::kFloat), x.to(at::kFloat)));
  }
}

TEST_CASE("a view's byte offset and size are respected", "[torch]") {
  const testing::Tensor t({2, 2}, {1, 2}, std::vector<float>{9, 0, 1, 2, 3}, 1);
  CHECK(same(sdk::from_view(t.view()), at::tensor({0.0F, 2.0F, 1.0F, 3.0F}).reshape({2, 2})));
  detent_tensor cut = t.view();
  cut.nbytes -= 1;
  CHECK_THROWS_AS(sdk::from_view(cut), sdk::Error);
}

TEST_CASE("what the other side cannot express is refused", "[torch]") {
  const testing::Tensor reversed({2}, {-1}, std::vector<float>{1, 2}, 1);
  CHECK_THROWS_AS(sdk::from_view(reversed.view()), sdk::Error);
  const testing::Tensor packed(testing::Tensor::Zeros{}, DETENT_I4, {2});
  CHECK_THROWS_AS(sdk::from_view(packed.view()), sdk::Error);
  CHECK_THROWS_AS(sdk::to_view(at::zeros({2}, at::kComplexFloat)), sdk::Error);
  CHECK_THROWS_AS(sdk::to_view(at::Tensor()), sdk::Error);
  CHECK_THROWS_AS(sdk::to_view(at::zeros({2, 2}).to_sparse()), sdk::Error);
}

#ifdef DETENT_TEST_MINMAX
TEST_CASE("minmax over a view of a transposed tensor gives torch's minimum and maximum",
          "[torch]") {
  const testing::Library library(DETENT_TEST_PLUGINS "/minmax.detent.so");
  const at::Tensor x =
      at::randn({7, 5, 3}, at::TensorOptions().dtype(at::kHalf)).permute({2, 0, 1});
  detent_qspec target{};
  target.struct_size = sizeof target;
  target.qdtype = DETENT_I8;
  target.scale_dtype = DETENT_F32;
  target.zero_dtype = DETENT_I8;
  target.granularity = DETENT_PER_CHANNEL;
  target.axis = 0;
  target.qmin = -128;
  target.qmax = 127;
  target.scheme = "detent.affine/1";
  const testing::Params params;
  const testing::Observer o(library.plugin("minmax"), params.config("x", &target));
  testing::Call call;
  const detent_tensor view = sdk::to_view(x);
  REQUIRE(o->observe(o, call, &view) == DETENT_OK);
  testing::Store stat;
  REQUIRE(o->compute_stat(o, call, "stat:minmax/1", stat.sink()) == DETENT_OK);
  const at::Tensor rows = x.reshape({3, -1});
  CHECK(same(sdk::from_view(stat.find("min")->view()), at::amin(rows, 1).to(at::kDouble)));
  CHECK(same(sdk::from_view(stat.find("max")->view()), at::amax(rows, 1).to(at::kDouble)));
}
#endif
