// SPDX-License-Identifier: Apache-2.0
// Loads the built library as a host does and drives it: @NAME@_test <path of @NAME@.detent.so>.
#include <cmath>
#include <cstdio>

#include <detent/sdk/testing.hpp>

namespace testing = detent::sdk::testing;

static int failures = 0;
#define CHECK(condition) \
  if (!(condition)) ++failures, std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition)

// One block of the tensor "fc.weight"; the last one has the host's measurement of the whole.
static int32_t check(const testing::Validator& v, const detent_tensor* original, uint64_t first_row,
                     const detent_metrics* metrics, const testing::Findings& findings) {
  const int64_t shape[] = {2, 2};
  const detent_tensor_spec spec{"fc.weight", shape, 2, DETENT_F32};
  detent_check_input input{};
  input.struct_size = sizeof input;
  input.target = "fc.weight";
  input.tensor = &spec;
  input.original = original;
  input.first_row = first_row;
  input.metrics = metrics;
  input.last = metrics != nullptr ? 1 : 0;
  input.is_quantized = 1;
  testing::Call call;
  return v->check(v, call, &input, findings);
}

static int32_t severity(const detent_plugin& plugin, double error) {
  const testing::Params params;
  const testing::Validator v(plugin, params.config("", nullptr));
  const testing::Tensor first({1, 2}, std::vector<float>{1, -4}),
      second({1, 2}, std::vector<float>{2, 3});
  detent_metrics metrics{};
  metrics.max_abs_error = error;
  const testing::Findings findings;
  CHECK(check(v, first, 0, nullptr, findings) == DETENT_OK);
  CHECK(findings.all.empty());
  CHECK(check(v, second, 1, &metrics, findings) == DETENT_OK);
  const testing::Finding& found = findings.at("relative_error");
  CHECK(found.target == "fc.weight");
  CHECK(std::isnan(error) ? std::isnan(found.value) : found.value == error / 4);
  return found.severity;
}

static void judges(const detent_plugin& plugin) {
  CHECK(severity(plugin, 0.25) == DETENT_FINDING_INFO);
  CHECK(severity(plugin, 1) == DETENT_FINDING_WARN);
  CHECK(severity(plugin, 3) == DETENT_FINDING_FAIL);
  CHECK(severity(plugin, NAN) == DETENT_FINDING_FAIL);
}

static void sums_up(const detent_plugin& plugin) {
  const testing::Params params;
  const testing::Validator v(plugin, params.config("", nullptr));
  const testing::Tensor x({2, 2}, std::vector<float>{1, 2, 3, 4});
  detent_metrics metrics{};
  const testing::Findings findings;
  for (const double error : {0.25, 1.0, 0.5}) {
    metrics.max_abs_error = error;
    CHECK(check(v, x, 0, &metrics, findings) == DETENT_OK);
  }
  testing::Call call;
  const detent_run_summary summary{sizeof summary, 3, 3, 0, 0, 0, 0};
  CHECK(v->finish(v, call, &summary, findings) == DETENT_OK);
  CHECK(findings.at("relative_error_max").value == 0.25);
}

static void refuses_what_it_cannot_serve(const detent_plugin& plugin) {
  const testing::Params params;
  const testing::Validator v(plugin, params.config("", nullptr));
  const detent_metrics metrics{};
  const testing::Findings findings;
  CHECK(check(v, nullptr, 0, &metrics, findings) == DETENT_E_INVALID_ARG);
  const testing::Params wrong{{"/warn_above", 2.0}};
  try {
    const testing::Validator never(plugin, wrong.config("", nullptr));
    CHECK(!"warn_above was accepted above fail_above");
  } catch (const detent::sdk::Error& e) {
    CHECK(e.code() == DETENT_E_PARAMS);
  }
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const testing::Library library{std::string(argv[1])};
  const detent_plugin& plugin = library.plugin("@ID@");
  judges(plugin);
  sums_up(plugin);
  refuses_what_it_cannot_serve(plugin);
  return failures == 0 ? 0 : 1;
}
