// SPDX-License-Identifier: Apache-2.0
#include "calibrate/state.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>

#include "base/dtype.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "calibrate/site.hpp"
#include "json/parse.hpp"
#include "model/bounded_json.hpp"
#include "plugin/affine_rules.hpp"

namespace detent {
namespace {

static_assert(std::endian::native == std::endian::little, "states are little-endian");

constexpr std::string_view kMagic = "DETENTOS";
constexpr std::size_t kDigest = 32;
constexpr std::size_t kMaxSites = 1'000'000;

[[noreturn]] void damaged(const std::string& file, const std::string& why) {
  throw Error(ErrorCode::io, fmt::format("{}: {}", file, why),
              "make it again with `detent observe`", {.file = file});
}

std::string digest_of(std::string_view bytes) {
  const std::string digest = xxh3(std::as_bytes(std::span(bytes)));
  return digest.substr(digest.find(':') + 1);
}

json::Value header_of(const Plan& plan, const Observations& seen, const StateOrigin& origin,
                      const std::vector<ObserverState::Site>& sites) {
  json::Array data;
  for (const auto& [name, digest] : origin.data)
    data.push_back(json::Object{{"name", name}, {"digest", digest}});
  json::Array list;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const Site site = site_of(plan, seen.sites[i]);
    list.push_back(json::Object{{"site", site.name},
                                {"side", to_string(site.side)},
                                {"statistic", site.statistic},
                                {"made_by", observer_identity(site)},
                                {"observer_bytes", sites[i].observer.size()},
                                {"tally_bytes", sites[i].tally.size()}});
  }
  return json::Object{{"format", kStateFormat},
                      {"model", origin.model},
                      {"shard", json::Array{origin.shard.index, origin.shard.shards}},
                      {"data", std::move(data)},
                      {"samples", seen.samples},
                      {"batches", seen.batches},
                      {"sites", std::move(list)}};
}

// The header's values, or what is wrong with it.
class HeaderReader {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  const json::Value& at(const json::Value& v, const char* pointer) const {
    const json::Value* found = v.at_pointer(pointer);
    if (found == nullptr) damaged(file_, fmt::format("its header has no {}", pointer));
    return *found;
  }
  std::uint64_t count(const json::Value& v, const char* pointer) const {
    std::uint64_t n = 0;
    if (!at(v, pointer).to_uint(&n) || n > (std::uint64_t{1} << 62U))
      damaged(file_, fmt::format("{} in its header is no count", pointer));
    return n;
  }
  std::string text(const json::Value& v, const char* pointer) const {
    const std::string* s = at(v, pointer).if_string();
    if (s == nullptr) damaged(file_, fmt::format("{} in its header is no text", pointer));
    return *s;
  }
  const json::Array& list(const json::Value& v, const char* pointer) const {
    const json::Array* a = at(v, pointer).if_array();
    if (a == nullptr) damaged(file_, fmt::format("{} in its header is no list", pointer));
    return *a;
  }
  const json::Object& object(const json::Value& v, const char* pointer) const {
    const json::Object* o = at(v, pointer).if_object();
    if (o == nullptr) damaged(file_, fmt::format("{} in its header is no object", pointer));
    return *o;
  }

 private:
  const std::string& file_;
};

// The first n bytes of rest, which loses them.
std::string take(std::string_view& rest, std::uint64_t n, const std::string& file) {
  if (n > rest.size()) damaged(file, "it is shorter than its header says");
  std::string bytes(rest.substr(0, n));
  rest.remove_prefix(n);
  return bytes;
}

ObserverState::Site parse_site(const json::Value& entry, const HeaderReader& read,
                               std::string_view& rest, const std::string& file) {
  ObserverState::Site site;
  site.site = read.text(entry, "/site");
  const std::string side = read.text(entry, "/side");
  if (side != "input" && side != "output") damaged(file, "a side in its header is neither");
  site.side = side == "input" ? Side::input : Side::output;
  site.statistic = read.text(entry, "/statistic");
  site.made_by = read.object(entry, "/made_by");
  site.observer = take(rest, read.count(entry, "/observer_bytes"), file);
  site.tally = take(rest, read.count(entry, "/tally_bytes"), file);
  return site;
}

json::Value parse_header(std::string_view text, const std::string& file) {
  try {
    return parse_bounded(text, {.depth = 16, .children = kMaxSites, .values = 20'000'000});
  } catch (const json::ParseError& e) {
    damaged(file, fmt::format("its header is no JSON: {}", e.what()));
  }
}

}  // namespace

json::Object observer_identity(const Site& site) {
  const Plugin& plugin = *site.observer.plugin;
  const detent_qspec& q = site.target.spec;
  return {{"observer", plugin.id},
          {"version", plugin.version},
          {"state_version", static_cast<std::int64_t>(plugin.state_version)},
          {"params", site.observer.params},
          {"target", json::Object{{"codes", dtype_name(q.qdtype)},
                                  {"symmetric", q.symmetric != 0},
                                  {"granularity", q.granularity},
                                  {"axis", q.axis},
                                  {"qmin", q.qmin},
                                  {"qmax", q.qmax},
                                  {"mapping", site.target.scheme},
                                  {"min_scale", q.min_scale},
                                  {"rules", affine_rule_names(q.affine_rules)}}}};
}

std::string save_state(const Plan& plan, const Observations& observations,
                       const StateOrigin& origin) {
  std::vector<ObserverState::Site> sites;
  for (const SiteObservation& seen : observations.sites) {
    ObserverState::Site site;
    site.observer = seen.observer.save_state();
    seen.tally.save(site.tally);
    sites.push_back(std::move(site));
  }
  const std::string header = json::dump(header_of(plan, observations, origin, sites));
  const std::uint64_t length = header.size();
  std::string bytes(kMagic);
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += header;
  for (const ObserverState::Site& site : sites) bytes += site.observer + site.tally;
  return bytes + digest_of(bytes);
}

ObserverState parse_state(std::string_view bytes, const std::string& file) {
  std::uint64_t length = 0;
  if (bytes.size() < kMagic.size() + sizeof length + kDigest || !bytes.starts_with(kMagic))
    damaged(file, "is no file of observers' states");
  const std::string_view body = bytes.substr(0, bytes.size() - kDigest);
  if (bytes.substr(body.size()) != digest_of(body))
    damaged(file, "it was changed after it was written: its checksum does not fit");
  std::string_view rest = body.substr(kMagic.size());
  std::memcpy(&length, rest.data(), sizeof length);
  rest.remove_prefix(sizeof length);
  const json::Value header = parse_header(take(rest, length, file), file);

  const HeaderReader read(file);
  if (read.count(header, "/format") != kStateFormat)
    damaged(file, fmt::format("it has format {}, and this detent reads {}",
                              read.count(header, "/format"), kStateFormat));
  ObserverState state;
  state.file = file;
  state.origin.model = read.text(header, "/model");
  state.origin.shard = {read.count(header, "/shard/0"), read.count(header, "/shard/1")};
  for (const json::Value& d : read.list(header, "/data"))
    state.origin.data.emplace_back(read.text(d, "/name"), read.text(d, "/digest"));
  state.samples = read.count(header, "/samples");
  state.batches = read.count(header, "/batches");
  for (const json::Value& entry : read.list(header, "/sites"))
    state.sites.push_back(parse_site(entry, read, rest, file));
  if (!rest.empty()) damaged(file, "it is longer than its header says");
  return state;
}

}  // namespace detent
