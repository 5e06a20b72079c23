// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <string>

#include "config/config.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace detent {
namespace {

using test::TempFolder;

constexpr const char* kFile = R"({
  "model": {"path": "m.safetensors"},
  "rules": [
    {"weight": {"observer": "obs", "quantizer": "q", "params": {"a": [1, 2], "b": {}}}}
  ],
  "outputs": [{"serializer": {"id": "s"}, "path": "o"}],
  "runtime": {"threads": 2}
})";

std::string text_at(const json::Value& document, std::string_view pointer) {
  const json::Value* v = document.at_pointer(pointer);
  return v == nullptr ? "nothing" : json::dump(*v);
}

// Pointers of everything that has no members or items.
void collect_leaves(const json::Value& v, const std::string& at, std::set<std::string>& out) {
  if (const json::Object* object = v.if_object(); object != nullptr && !object->empty()) {
    for (const json::Member& m : *object)
      collect_leaves(m.value, at + json::pointer_step(m.key), out);
  } else if (const json::Array* array = v.if_array(); array != nullptr && !array->empty()) {
    for (std::size_t i = 0; i < array->size(); ++i)
      collect_leaves((*array)[i], at + "/" + std::to_string(i), out);
  } else {
    out.insert(at);
  }
}

TEST_CASE("every value of the effective configuration has an origin and no other has") {
  const TempFolder temp;
  const Config c = load_config(temp.write("p.json", kFile), {{"/runtime/seed", "3"}});
  const json::Value effective = effective_config(c);
  std::set<std::string> leaves;
  collect_leaves(*effective.at_pointer("/value"), "", leaves);
  std::set<std::string> origins;
  for (const json::Member& m : *effective.at_pointer("/origins")->if_object())
    origins.insert(m.key);
  CHECK(leaves == origins);
}

TEST_CASE("origins tell the file from --set and from defaults") {
  const TempFolder temp;
  const std::string file = temp.write("p.json", kFile).string();
  const Config c = load_config(file, {{"/runtime/seed", "3"}, {"/report/path", "r"}});
  const json::Value effective = effective_config(c);
  const json::Object& origins = *effective.at_pointer("/origins")->if_object();
  const auto origin = [&](const char* pointer) {
    const json::Value* v = origins.find(pointer);
    return v == nullptr ? "nothing" : *v->if_string();
  };
  CHECK(origin("/model/path") == file + ":2:21");
  CHECK(origin("/model/types") == "default");
  CHECK(origin("/version") == "default");
  CHECK(origin("/runtime/threads") == file + ":7:26");
  CHECK(origin("/runtime/seed") == "--set");
  CHECK(origin("/runtime/isolation") == "default");
  CHECK(origin("/report/path") == "--set");
  CHECK(origin("/provenance") == "default");
  CHECK(origin("/rules/0/weight/observer/id") == file + ":4:29");
  CHECK(origin("/rules/0/weight/quantizer/id") == file + ":4:49");
  CHECK(origin("/rules/0/weight/quantizer/params/a/1") == file + ":4:74");
  CHECK(origin("/rules/0/weight/quantizer/params/b") == file + ":4:83");
  CHECK(origin("/rules/0/weight/params") == "nothing");
  CHECK(origin("/outputs/0/serializer/id") == file + ":6:37");
}

TEST_CASE("defaults inside what --set made are defaults") {
  const TempFolder temp;
  const std::string file =
      temp.write("p.json", R"({"model":{"path":"m"},"outputs":[{"serializer":"s","path":"o"}]})")
          .string();
  const json::Value effective =
      effective_config(load_config(file, {{"/runtime/threads", "3"}, {"/validation", "{}"}}));
  const json::Object& origins = *effective.at_pointer("/origins")->if_object();
  CHECK(*origins.find("/runtime/threads")->if_string() == "--set");
  CHECK(*origins.find("/runtime/seed")->if_string() == "default");
  CHECK(*origins.find("/validation/on_failure")->if_string() == "default");
}

TEST_CASE("the effective configuration is complete and can be loaded again") {
  const TempFolder temp;
  const Config c = load_config(temp.write("p.json", kFile), {{"/runtime/seed", "3"}});
  const json::Value first = effective_config(c);
  const json::Value& value = *first.at_pointer("/value");
  CHECK(text_at(value, "/runtime") == R"({"threads":2,"isolation":"auto","plugin_timeout":600,"plugin_memory":0,"on_plugin_failure":"error","model_threads":1,"model_timeout":600,"memory_limit":0,"seed":3})");
  CHECK(text_at(value, "/rules/0/weight") ==
        R"({"observer":{"id":"obs","params":{}},)"
        R"("quantizer":{"id":"q","params":{"a":[1,2],"b":{}}}})");
  CHECK(text_at(value, "/plugins") == R"({"search":[],"trust":"any","pin":{}})");
  CHECK(text_at(value, "/validation") == R"({"validators":[],"on_failure":"error"})");
  CHECK(text_at(value, "/calibration") == "nothing");

  const Config again = load_config(temp.write("again.json", json::dump(value, 2)), {});
  const json::Value second = effective_config(again);
  CHECK(*second.at_pointer("/value") == value);
  CHECK(again.seed == 3);
}

}  // namespace
}  // namespace detent
