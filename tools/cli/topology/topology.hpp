// What a scenario builds, as a tree of named parts with a few facts each, and who uses what across
// the tree. Shown as text, or as a graph for Graphviz.
#pragma once

#include <string>
#include <vector>

#include "models/platform/config.hpp"

namespace ioasim::tools {

struct Part {
    std::string kind;   // "host", "iommu", "device", "workqueue", "vm", "program", ...
    std::string name;   // as scenarios name it
    std::string id;     // unique in the picture: its path
    std::string facts;  // "shared, 8 entries"
    std::vector<Part> parts{};
};

// "submits", "binds", "is", ...
struct Use {
    std::string from;  // ids
    std::string to;
    std::string how;
};

struct Topology {
    std::string title;
    std::vector<Part> parts;
    std::vector<Use> uses;
};

Topology topology_of(const platform::PlatformConfig& config, const std::string& title);
std::string topology_text(const Topology& topology);
// A digraph of the language of Graphviz, a cluster for each part that holds others.
std::string topology_dot(const Topology& topology);

}  // namespace ioasim::tools
