// SPDX-License-Identifier: Apache-2.0
#include "conformance/subject.hpp"

#include <cmath>
#include <dlfcn.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/schema.hpp"
#include "json/parse.hpp"
#include "plugin/handshake.hpp"

namespace detent::conformance {
namespace {

std::vector<std::string> read_list(const char* const* list) {
  std::vector<std::string> out;
  for (; list != nullptr && *list != nullptr; ++list) out.emplace_back(*list);
  return out;
}

const char* role_name(std::uint32_t role) {
  if (role == DETENT_ROLE_WEIGHT) return "weight";
  return role == DETENT_ROLE_ACTIVATION ? "activation" : "";
}

// The lowest number that the schema allows, or 0 if that will do.
json::Value legal_number(const json::Object& rules, bool is_integer) {
  double low = 0;
  const json::Value* minimum = rules.find("minimum");
  const json::Value* above = rules.find("exclusiveMinimum");
  double bound = 0;
  if (minimum != nullptr && minimum->to_double(&bound)) low = bound;
  if (above != nullptr && above->to_double(&bound)) low = is_integer ? bound + 1 : bound + 0.5;
  if (const json::Value* of = rules.find("multipleOf"); of != nullptr && of->to_double(&bound))
    low = std::ceil(low / bound) * bound;
  const json::Value* maximum = rules.find("maximum");
  if (maximum != nullptr && maximum->to_double(&bound) && low > bound) low = bound;
  return is_integer ? json::Value(static_cast<std::int64_t>(low)) : json::Value(low);
}

}  // namespace

std::uint64_t Random::bits() {
  state_ += 0x9E3779B97F4A7C15U;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

double Random::uniform() { return std::ldexp(static_cast<double>(bits() >> 11), -53); }

double Random::bell() {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += uniform();
  return std::round(sum * 64) / 64;
}

std::vector<double> Random::bells(std::size_t n, double scale, double shift) {
  std::vector<double> values(n);
  for (double& v : values) v = bell() * scale + shift;
  return values;
}

void* Subject::handle() {
  if (handle_ == nullptr) handle_ = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) {
    const char* reason = ::dlerror();
    fail("cannot be loaded: {}", printable(reason != nullptr ? reason : "no reason given"));
  }
  return handle_;
}

detent_entry_fn Subject::entry() {
  void* const symbol = ::dlsym(handle(), DETENT_ENTRY_SYMBOL);
  if (symbol == nullptr) fail("exports no " DETENT_ENTRY_SYMBOL);
  return reinterpret_cast<detent_entry_fn>(symbol);
}

const detent_library& Subject::library() {
  if (library_ == nullptr) {
    try {
      library_ = shake_hands(entry());
    } catch (const Error& e) {
      throw Failure{e.problems().front().message, e.problems().front().hint};
    }
  }
  return *library_;
}

const detent_plugin& Subject::plugin() {
  const detent_plugin* p = library().plugin_at(index_);
  if (p == nullptr) fail("plugin_at({}) is NULL", index_);
  return *p;
}

unsigned Subject::kind() { return plugin().kind <= 4 ? 1U << plugin().kind : 0; }

std::vector<std::string> Subject::provides() { return read_list(plugin().provides); }
std::vector<std::string> Subject::requirements() { return read_list(plugin().requires_); }

void Subject::start() {
  if (world_ != nullptr) return;
  const detent_library& l = library();
  world_ = std::make_unique<World>();
  if (l.init == nullptr) return;
  world_->must("init", [&](const detent_call* call) { return l.init(world_->host(), call); });
}

const json::Value& Subject::schema() {
  if (!schema_) {
    try {
      schema_ = json::parse(plugin().params_schema);
    } catch (const json::ParseError& e) {
      fail("params_schema is not JSON: {}", e.what());
    }
  }
  return *schema_;
}

json::Object Subject::params(std::uint32_t role) {
  json::Object all = with_defaults(params_, schema(), role_name(role));
  const json::Value* properties = schema().at_pointer("/properties");
  const json::Value* required = schema().at_pointer("/required");
  if (properties == nullptr || required == nullptr || required->if_array() == nullptr) return all;
  for (const json::Value& key : *required->if_array()) {
    const json::Value* one = properties->if_object()->find(*key.if_string());
    if (one != nullptr && !all.contains(*key.if_string()))
      all.set(*key.if_string(), legal_value(*one));
  }
  return all;
}

json::Value legal_value(const json::Value& schema) {
  const json::Object* rules = schema.if_object();
  if (rules == nullptr) return {};
  if (const json::Value* v = rules->find("default")) return *v;
  if (const json::Value* v = rules->find("const")) return *v;
  if (const json::Value* v = rules->find("enum")) return v->if_array()->front();
  const json::Value* type = rules->find("type");
  if (type != nullptr && type->if_array() != nullptr) type = &type->if_array()->front();
  const std::string name = type != nullptr && type->if_string() ? *type->if_string() : "null";
  std::uint64_t least = 0;
  if (name == "boolean") return false;
  if (name == "integer" || name == "number") return legal_number(*rules, name == "integer");
  if (name == "string") {
    if (const json::Value* v = rules->find("minLength")) v->to_uint(&least);
    return std::string(std::min<std::uint64_t>(least, 4096), 'x');
  }
  if (name == "object") return json::Object();
  if (name != "array") return {};
  json::Array items;
  if (const json::Value* v = rules->find("minItems")) v->to_uint(&least);
  const json::Value* item = rules->find("items");
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(least, 4096); ++i)
    items.push_back(item != nullptr ? legal_value(*item) : json::Value());
  return items;
}

Configuration::Configuration(const json::Object& params, std::uint32_t role,
                             const detent_qspec* target, Minor minor)
    : params_(params) {
  if (target != nullptr) target_.emplace(*target, minor, DETENT_SIZE_UPTO(detent_qspec, scheme));
  const detent_config config{sizeof(detent_config),
                             params_.c(),
                             params_.text().c_str(),
                             params_.text().size(),
                             "layer.weight",
                             target_ ? target_->c() : nullptr,
                             role,
                             0};
  config_.emplace(config, minor, DETENT_SIZE_UPTO(detent_config, qspec));
}

}  // namespace detent::conformance
