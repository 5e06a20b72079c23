// SPDX-License-Identifier: Apache-2.0
// A reset observer is a new one, whichever it is.
#include "support/catch.hpp"
#include "support/mini_host.hpp"

namespace detent::test {

TEST_CASE("a reset observer has seen nothing, and sees new data as a new one does",
          "[plugins][observers]") {
  for (const char* id : {"minmax", "ema", "histogram"})
    for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 0)}) {
      CAPTURE(id, spec.granularity);
      const auto make = [&] { return Observer(Library::built_in(id).plugin(id), {}, spec); };
      const Tensor first = Tensor::of<float>({2, 3}, {-9, 1, 2, 3, 40, 5});
      const Tensor second = Tensor::of<float>({2, 3}, {1, 2, 3, -4, 5, 6});
      Observer used = make();
      Observer fresh = make();
      const std::string empty = fresh.save();
      used.observe(first);
      CHECK(used.save() != empty);
      used.reset();
      CHECK(used.save() == empty);
      Results none;
      CHECK(used.try_qparams(spec, none) == DETENT_E_NOT_READY);
      CHECK(used.error().find("no data observed") == 0);
      used.observe(second);
      fresh.observe(second);
      CHECK(used.save() == fresh.save());
      CHECK(used.qparams().values<float>("scale") == fresh.qparams().values<float>("scale"));
    }
}

}  // namespace detent::test
