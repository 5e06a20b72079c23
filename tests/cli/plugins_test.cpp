// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <random>

#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {

TEST_CASE("plugins list shows every built-in with its hash", "[cli][plugins]") {
  const json::Value all = json::parse(run_detent({"plugins", "list", "--json"}).out);
  for (const char* id :
       {"minmax", "ema", "histogram", "mse", "imatrix", "second_moment", "int8", "int4_groupwise",
        "fp16", "safetensors", "sqnr", "size", "weight_range", "roundtrip"}) {
    CAPTURE(id);
    const json::Value& p = item(all, "/plugins", "id", id);
    CHECK(*at(p, "/builtin").if_bool());
    CHECK(text(p, "/sha256").size() == 64);
    CHECK(at(p, "/shadowed_by").is_null());
  }
  CHECK(list(all, "/problems").empty());
}

TEST_CASE("a file that is no plugin is listed as a problem and stops nobody", "[cli][plugins]") {
  const TempFolder folder;
  write_file(folder / "broken.detent.so", "this is a text file");
  const Outcome outcome =
      run_detent({"plugins", "list", "--json", "--plugin-path", folder.path().string()});
  CHECK(outcome.exit_code == 0);
  const json::Value all = json::parse(outcome.out);
  REQUIRE(list(all, "/problems").size() == 1);
  CHECK(text(all, "/problems/0/path").find("broken.detent.so") != std::string::npos);
  CHECK_FALSE(text(all, "/problems/0/reason").empty());
  CHECK(list(all, "/plugins").size() == 17);
  const Outcome asked = run_detent({"plugins", "show", (folder / "broken.detent.so").string()});
  CHECK(asked.exit_code == 6);
  CHECK(asked.err.find("broken.detent.so") != std::string::npos);
}

TEST_CASE("plugins show prints the parameters with defaults", "[cli][plugins]") {
  const json::Value ema =
      json::parse(run_detent({"plugins", "show", "Moving_Average", "--json"}).out);
  CHECK(text(ema, "/id") == "ema");
  CHECK(number(ema, "/params_schema/properties/averaging_constant/default") == 0.01);
  CHECK(run_detent({"plugins", "show", "minmx"}).exit_code == 2);
  CHECK(run_detent({"plugins", "show", "minmx"}).err.find("minmax") != std::string::npos);
  CHECK(run_detent({"plugins", "show", "histogram"}).out.find("2048") != std::string::npos);
}

TEST_CASE("plugins try feeds an observer in name order and prints what it says", "[cli][plugins]") {
  const TempFolder folder;
  write_safetensors(folder / "d.safetensors", {f32("batch_001", {2}, {3.0F, -1.0F}),
                                               f32("batch_000", {3}, {0.0F, 1.0F, 4.0F})});
  const std::string data = (folder / "d.safetensors").string();
  const json::Value minmax =
      json::parse(run_detent({"plugins", "try", "minmax", "--data", data, "--json"}).out);
  CHECK(number(minmax, "/min/0") == -1);
  CHECK(number(minmax, "/max/0") == 4);
  CHECK(number(minmax, "/scale/0") == static_cast<double>(5.0F / 255.0F));
  CHECK(number(minmax, "/zero_point/0") == -77);  // -128 + 1 / (5/255) = -77
  CHECK(number(minmax, "/observed") == 5);
  CHECK(number(minmax, "/non_finite") == 0);
  CHECK(list(minmax, "/range/0").size() == 2);
  // With c = 1 the last batch, by name, is all that counts.
  const json::Value ema =
      json::parse(run_detent({"plugins", "try", "ema", "--data", data, "--params",
                              R"({"averaging_constant": 1})", "--json"})
                      .out);
  CHECK(number(ema, "/max/0") == 3);
  const Outcome symmetric = run_detent(
      {"plugins", "try", "minmax", "--data", data, "--json", "--target", R"({"symmetric": true})"});
  CHECK(number(json::parse(symmetric.out), "/scale/0") == static_cast<double>(4.0F / 127.0F));
  CHECK(number(json::parse(symmetric.out), "/zero_point/0") == 0);
}

TEST_CASE("plugins try follows the rules of other software", "[cli][plugins]") {
  const TempFolder folder;
  write_safetensors(folder / "x.safetensors", {f32("batch_000", {2}, {-1, 4})});
  const std::string data = (folder / "x.safetensors").string();
  const auto scale = [&](const char* target) {
    const Outcome r =
        run_detent({"plugins", "try", "minmax", "--data", data, "--json", "--target", target});
    return number(json::parse(r.out), "/scale/0");
  };
  CHECK(scale(R"({"symmetric": true, "qmin": -128, "rules": ["half_range"]})") ==
        static_cast<double>(4.0F / 127.5F));
  CHECK(scale(R"({"symmetric": true, "min_scale": 0.5})") == 0.5);
  CHECK(scale(R"({"symmetric": true, "min_scale": 0.5, "rules": ["floor_zero_only"]})") ==
        static_cast<double>(4.0F / 127.0F));
  for (const char* wrong : {R"({"rules": ["halfrange"]})", R"({"min_scale": 1e-40})"})
    CHECK(run_detent({"plugins", "try", "minmax", "--data", data, "--target", wrong}).exit_code ==
          2);
}

TEST_CASE("plugins try searches the range of a weight", "[cli][plugins]") {
  const TempFolder folder;
  // One outlier, which int4 is better without: GPTQ's search, as in the observers' own tests.
  std::vector<float> values(1023, 0.0F);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i)) + (i % 2 == 0 ? 0.3F : -0.3F);
  values.push_back(4.0F);
  write_safetensors(folder / "w.safetensors", {f32("w", {1, 1024}, values)});
  const std::string data = (folder / "w.safetensors").string();
  for (const char* const id : {"mse", "imatrix"}) {
    CAPTURE(id);
    const Outcome outcome = run_detent({"plugins", "try", id, "--data", data, "--json", "--target",
                                        R"({"dtype": "int4", "symmetric": true})"});
    REQUIRE(outcome.exit_code == 0);
    const json::Value found = json::parse(outcome.out);
    CHECK(number(found, "/max/0") == 4);
    CHECK(number(found, "/range/0/1") < 3);
    CHECK(number(found, "/scale/0") == Approx(number(found, "/range/0/1") / 7).epsilon(1e-6));
    CHECK(number(found, "/observed") == 1024);
  }
  write_safetensors(folder / "two.safetensors",
                    {f32("a", {2}, {1.0F, 2.0F}), f32("b", {2}, {1.0F, 2.0F})});
  const Outcome two =
      run_detent({"plugins", "try", "mse", "--data", (folder / "two.safetensors").string()});
  CHECK(two.exit_code != 0);
  CHECK(two.err.find("histogram") != std::string::npos);
}

TEST_CASE("plugins try shows statistics, and why they come without a range", "[cli][plugins]") {
  const TempFolder folder;
  write_safetensors(folder / "d.safetensors",
                    {f32("a", {2, 2}, {1.0F, 2.0F, 3.0F, 4.0F}), f32("b", {1, 2}, {5.0F, 6.0F})});
  const std::string data = (folder / "d.safetensors").string();
  const std::vector<std::string> command = {"plugins", "try", "second-moment", "--data", data};
  std::vector<std::string> as_json = command;
  as_json.insert(as_json.end(),
                 {"--json", "--target", R"({"granularity": "per_channel", "axis": 1})"});
  const json::Value found = json::parse(run_detent(as_json).out);
  CHECK(number(found, "/mean_square/0") == 35.0 / 3);
  CHECK(number(found, "/mean_square/1") == 56.0 / 3);
  CHECK(number(found, "/count/1") == 3);
  CHECK(number(found, "/observed") == 6);
  CHECK(text(found, "/no_range").find("statistic") != std::string::npos);
  CHECK(found.at_pointer("/scale") == nullptr);
  const Outcome printed = run_detent(command);
  CHECK(printed.exit_code == 0);
  CHECK(printed.out.find("mean_square") != std::string::npos);
  std::vector<std::string> as_page = command;
  as_page.insert(as_page.end(), {"--html", (folder / "page.html").string()});
  CHECK(run_detent(as_page).exit_code == 3);
  write_safetensors(folder / "none.safetensors", {f32("a", {0}, {})});
  CHECK(run_detent(
            {"plugins", "try", "second_moment", "--data", (folder / "none.safetensors").string()})
            .err.find("no data observed") != std::string::npos);
}

TEST_CASE("plugins try checks parameters and data", "[cli][plugins]") {
  const TempFolder folder;
  write_safetensors(folder / "empty.safetensors", {f32("batch_000", {0}, {})});
  const std::string data = (folder / "empty.safetensors").string();
  const Outcome nothing = run_detent({"plugins", "try", "minmax", "--data", data});
  CHECK(nothing.exit_code == 3);
  CHECK(nothing.err.find("no data observed") != std::string::npos);
  CHECK(run_detent(
            {"plugins", "try", "ema", "--data", data, "--params", R"({"averaging_constant": 0})"})
            .exit_code == 2);
  CHECK(run_detent({"plugins", "try", "ema", "--data", data, "--params", "{"}).exit_code == 2);
  CHECK(run_detent({"plugins", "try", "minmax", "--data", data, "--target", R"({"dtype": "int9"})"})
            .exit_code == 2);
}

TEST_CASE("plugins try measures a quantizer", "[cli][plugins]") {
  const TempFolder folder;
  write_safetensors(folder / "w.safetensors", {random_f32("w", {5, 7}, 1)});
  const json::Value r = json::parse(
      run_detent({"plugins", "try", "int4-groupwise", "--data", (folder / "w.safetensors").string(),
                  "--params", R"({"group_size": 4})", "--json"})
          .out);
  CHECK(json::dump(at(r, "/tensors/0/scale_shape")) == "[5,2]");
  CHECK(number(r, "/tensors/0/bytes") == 5 * 4 + 5 * 2 * 4);
  CHECK(number(r, "/tensors/0/sqnr_db") > 15);
}

TEST_CASE("a histogram of normal data about 2 keeps 50 dB", "[cli][plugins]") {
  // Sums of twelve uniform numbers: normal, with mean 2 and deviation 0.5.
  std::mt19937 random(1);  // the same numbers everywhere
  const auto normal = [&] {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random()) / 4294967296.0;
    return static_cast<float>(2 + 0.5 * sum);
  };
  std::vector<float> values(2000);
  for (float& v : values) v = normal();
  const TempFolder folder;
  write_safetensors(folder / "data.safetensors",
                    {f32("a", {1000}, {values.begin(), values.begin() + 1000}),
                     f32("b", {1000}, {values.begin() + 1000, values.end()})});
  for (const char* params : {"{}", R"({"method": "mse"})"}) {
    const json::Value said =
        json::parse(run_detent({"plugins", "try", "histogram", "--json", "-d",
                                (folder / "data.safetensors").string(), "-p", params})
                        .out);
    CHECK(number(said, "/observed") == 2000);
    const double scale = number(said, "/scale/0");
    const double zero_point = number(said, "/zero_point/0");
    double signal = 0;
    double noise = 0;
    for (const float x : values) {
      const double code = std::clamp(std::nearbyint(x / scale) + zero_point, -128.0, 127.0);
      const double error = x - (code - zero_point) * scale;
      signal += double{x} * x;
      noise += error * error;
    }
    CAPTURE(params, scale, zero_point);
    CHECK(10 * std::log10(signal / noise) > 50);
  }
}

}  // namespace detent::test
