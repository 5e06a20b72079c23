// SPDX-License-Identifier: Apache-2.0
// State: what observers have seen, in a file, to be merged with that of others and used later.
//
// The file  8 bytes "DETENTOS", u64 length of the header, the header as JSON, the states of the
//           sites in its order, 32 hexadecimal digits of XXH3-128 over all before them. Integers
//           are little-endian. No path, no time: equal data give equal bytes
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calibrate/observe.hpp"

namespace detent {

inline constexpr int kStateFormat = 2;
inline constexpr std::uint64_t kMaxStateBytes = std::uint64_t{1} << 32U;  // of one file

// What belongs to a state and is not the observers'.
struct StateOrigin {
  std::string model;  // digest of its file
  Shard shard;
  std::vector<std::pair<std::string, std::string>> data;  // name and digest of each file
};

struct ObserverState {
  std::string file;  // for messages
  StateOrigin origin;
  std::uint64_t samples = 0;
  std::uint64_t batches = 0;
  struct Site {
    std::string site;
    Side side = Side::input;
    std::string statistic;  // empty: of an activation that is quantized
    // What has to be equal for the state to be of use: observer, its version, that of its states,
    // its parameters and the quantization target.
    json::Object made_by;
    std::string observer;  // the plugin's own bytes
    std::string tally;
  };
  std::vector<Site> sites;
};

struct Site;  // calibrate/site.hpp
// The observer of a site as it stands in a state; see ObserverState::Site::made_by.
json::Object observer_identity(const Site& site);

std::string save_state(const Plan& plan, const Observations& observations,
                       const StateOrigin& origin);

// Errors  Error{io}: not a state, damaged, of a newer format
ObserverState parse_state(std::string_view bytes, const std::string& file);

// The observers with all that the states hold, merged in the order given.
//
// Errors  Error{config}: states of another model or configuration, the same data twice, a part that
//         is missing, several states of an observer that cannot merge; Error{io}: the plugin
//         refuses its bytes
Observations load_states(const Plan& plan, const std::string& model_digest,
                         const std::vector<ObserverState>& states, ThreadPool& pool);

}  // namespace detent
