// SPDX-License-Identifier: Apache-2.0
// effective_config: the document that was meant, and where each value of it came from.
#include <fmt/format.h>
#include <map>

#include "config/complete.hpp"
#include "config/config.hpp"
#include "config/layout.hpp"
#include "config/plugin_uses.hpp"
#include "config/problems.hpp"

namespace detent {
namespace {

using json::Array;
using json::Member;
using json::Object;
using json::Value;

// Writes the complete document again with each plugin as {"id", "params"}, and notes origins on the
// way: of every value that has no members or items of its own.
class Effective {
 public:
  explicit Effective(const Config& config) : source_{config.file.string(), config.overrides} {
    for (const auto& named : plugin_uses(config)) uses_[named.use->pointer] = named.use;
  }

  // `from`: where the value is in the document; `to`: where it goes.
  Value rewrite(const Value& value, const std::string& from, const std::string& to) {
    if (const auto use = uses_.find(from); use != uses_.end())
      return rewrite_plugin(*use->second, to);
    if (const Object* object = value.if_object(); object != nullptr && !object->empty())
      return rewrite_object(*object, from, to);
    if (const Array* array = value.if_array(); array != nullptr && !array->empty())
      return rewrite_array(*array, from, to);
    note(value.position, from, to);
    return value;
  }

  Object take_origins() { return std::move(origins_); }

 private:
  Value rewrite_object(const Object& object, const std::string& from, const std::string& to) {
    const bool is_scheme = uses_.contains(from + "/quantizer");
    Object result;
    for (const Member& m : object) {
      if (is_scheme && m.key == "params") continue;  // it is with the quantizer now
      const std::string step = json::pointer_step(m.key);
      result.append({m.key, {}, rewrite(m.value, from + step, to + step)});
    }
    return result;
  }

  Value rewrite_array(const Array& array, const std::string& from, const std::string& to) {
    Array result;
    for (std::size_t i = 0; i < array.size(); ++i) {
      const std::string step = fmt::format("/{}", i);
      result.push_back(rewrite(array[i], from + step, to + step));
    }
    return result;
  }

  Value rewrite_plugin(const PluginUse& use, const std::string& to) {
    note(use.position, use.name_pointer, to + "/id");
    default_word_ = "plugin default";
    Value params = rewrite(Value(use.params), use.params_pointer, to + "/params");
    default_word_ = "default";
    return Object{{"id", use.plugin == nullptr ? use.name : use.plugin->id},
                  {"params", std::move(params)}};
  }

  void note(json::Position position, const std::string& from, const std::string& to) {
    std::string origin = default_word_;
    if (position.line > 0) {
      origin = source_.override_of(from) != nullptr
                   ? "--set"
                   : fmt::format("{}:{}:{}", source_.file, position.line, position.column);
    }
    origins_.append({to, {}, origin});
  }

  Source source_;
  std::map<std::string, const PluginUse*> uses_;
  const char* default_word_ = "default";
  Object origins_;
};

}  // namespace

Value effective_config(const Config& config) {
  Effective effective(config);
  Value value = effective.rewrite(complete_document(config.document, pipeline_layout()), "", "");
  return Object{{"value", std::move(value)}, {"origins", effective.take_origins()}};
}

}  // namespace detent
