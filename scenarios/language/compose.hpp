// How one document is made from several texts: bases (`extends`), assignments (`--set`), parameters
// (`${NAME}`) and the cells of a matrix. Works on trees only; every value keeps the place it came
// from, so that later messages point into the right text.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/language/json_tree.hpp"

namespace ioasim::scenario {

// RFC 7396: objects merge, null deletes, everything else replaces.
void merge_patch(Node& base, const Node& patch);

// Reads a file with all that it extends, merged. false: no document.
bool read_with_bases(const std::string& path, SourceSet& sources, Diagnostics& diagnostics,
                     Node& out);

// PATH=VALUE of the command line; the value is parsed from the argument's own text.
struct Assignment {
    std::string path;
    Place place;  // of the path
    Node value;
};
bool parse_assignment(const std::string& argument, SourceSet& sources, Diagnostics& diagnostics,
                      Assignment& out);

// Whether a name is a component (or kind) that has model parameters.
using IsComponent = std::function<bool(const Node& document, const std::string& name)>;

// Performs an assignment. A path that leads nowhere is a message.
void assign(Node& document, const Assignment& assignment, const IsComponent& is_component,
            Diagnostics& diagnostics);

// Values of the declared parameters: defaults, checked against their declarations.
std::map<std::string, Node> param_values(const Node& document, Diagnostics& diagnostics);

// Replaces ${NAME} in every string below `node`: a string that is nothing else becomes the value
// itself, else its text is put in. $$ is a dollar sign. Items of lists that repeat (repeat.hpp)
// become their copies.
void substitute(Node& node, const std::map<std::string, Node>& values, const std::string& pointer,
                Diagnostics& diagnostics);

// One cell of a matrix: its axes and values, in the order of the file.
struct Cell {
    std::vector<std::pair<std::string, Node>> axes;
    std::vector<Place> places;    // of the axes' names
    std::vector<Assignment> set;  // further values of this cell
    std::vector<Node> expect;     // further expectations of this cell
    std::string id() const;       // "n=2,ioasid.profile=v4"; empty without a matrix
};
// The cells, in order: the last axis moves fastest. Axes that `pinned` names keep the value given.
std::vector<Cell> matrix_cells(const Node& document, const std::vector<Assignment>& pinned,
                               Diagnostics& diagnostics);

// A scalar as it stands in ids and in text.
std::string scalar_text(const Node& node);
bool same_scalar(const Node& a, const Node& b);
// `wanted` is a scalar or a list of them.
bool is_one_of(const Node& value, const Node& wanted);

}  // namespace ioasim::scenario
