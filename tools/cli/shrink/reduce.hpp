// Makes a scenario smaller, edit by edit, while a question about it keeps its answer: delta
// debugging (Zeller, Hildebrandt, 2002: chunks of a list, then halves of them) on the tree of the
// document. An edit drops items of a list, drops a key, or makes a number smaller. What an edit
// must take along goes with it: expectations name steps by their numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "scenarios/language/json_tree.hpp"

namespace ioasim::tools {

// From the top of the document: keys, and numbers of items in decimal.
using NodePath = std::vector<std::string>;

class Reducer {
public:
    using Node = scenario::Node;
    // The index of the first of these documents that keeps the answer; their number: none does.
    using Ask = std::function<std::size_t(const std::vector<Node>&)>;
    // Whether this value is what the question is about: it stays.
    using Stays = std::function<bool(const Node&)>;

    // `batch`: so many documents are asked about together.
    Reducer(Node document, Stays stays, std::size_t batch, Ask ask);

    // Until no single edit is left that keeps the answer, or the answer is always no.
    void run();
    const Node& document() const { return document_; }

private:
    bool shorten_lists();
    bool shorten(const NodePath& path);
    bool drop_keys();
    bool lower_numbers();
    bool lower(const NodePath& path);
    bool holds_what_stays(const Node& node) const;

    Node document_;
    Stays stays_;
    std::size_t batch_;
    Ask ask_;
};

// Drops items of a list. False: an expectation about one of them must stay, so nothing was done.
bool drop_items(scenario::Node& document, const NodePath& list, std::size_t first,
                std::size_t count, const Reducer::Stays& stays);

// Smaller values for a number, a time or a size of this key, the smallest first; none: it is no
// amount, or is small already.
std::vector<scenario::Node> smaller_values(const std::string& key, const scenario::Node& value);

// Steps of all programs, blocks and deferred work.
std::size_t count_steps(const scenario::Node& document);

}  // namespace ioasim::tools
