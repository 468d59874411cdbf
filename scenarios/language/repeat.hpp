// Lists with copies: an item with the key "$repeat" stands for as many copies of itself as the
// counts say, each with the indices put in for ${NAME}.
//
//   {"$repeat": {"as": "d", "count": 16}, "name": "dsa${d}", "iommu": "iommu0"}
//
// A list of counts makes every combination, the last one moves fastest.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "scenarios/language/json_tree.hpp"

namespace ioasim::scenario {

constexpr const char* kRepeat = "$repeat";
constexpr std::uint64_t kMaxCopies = 100'000;  // of a document

// What one copy puts in beside `values`.
using Indices = std::map<std::string, Node>;

// The indices of each copy of an item that has the key. Problems are messages, and then there is
// none.
std::vector<Indices> copies_of(const Node& item, const std::map<std::string, Node>& values,
                               const std::string& pointer, Diagnostics& diagnostics);

}  // namespace ioasim::scenario
