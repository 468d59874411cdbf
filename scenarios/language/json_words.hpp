// JSON files that are no scenarios: what messages about a whole file call it, and what helps.
#pragma once

#include "scenarios/language/json_tree.hpp"

namespace ioasim::scenario {

struct FileWords {
    const char* what = "a scenario";
    const char* when_empty = "`ioasim schema` describes what a scenario looks like";
    const char* when_large =
        "large systems are described with params and matrix, not by repetition";
};

// read_json_file() of a file of another kind, which nobody named.
bool read_json_file_as(const FileWords& words, const std::string& path, SourceSet& sources,
                       Diagnostics& diagnostics, Node& out);

}  // namespace ioasim::scenario
