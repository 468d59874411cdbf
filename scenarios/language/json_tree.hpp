// JSON text as a tree in which every value and every key knows its place. RFC 8259 plus `//`
// comments. Bounded: size of the file, nesting, number of values. Everything that people commonly
// write and JSON does not have (trailing commas, single quotes, bare keys, other number formats) is
// named as such, and reading goes on where the meaning is clear. Numbers stay text: the language
// has integers only, and they are read exactly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/language/diagnostics.hpp"

namespace ioasim::scenario {

constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20U;
constexpr std::size_t kMaxNesting = 64;
constexpr std::size_t kMaxValues = 400'000;

struct Member;

struct Node {
    enum class Kind : std::uint8_t { Null, Boolean, Number, String, Array, Object };
    Kind kind = Kind::Null;
    bool boolean = false;
    bool broken = false;  // a message about this value was given already
    Place place;          // of the whole value; for lists and objects the opening character
    std::string text;     // a string's value, or a number as written
    std::vector<Node> items;
    std::vector<Member> members;

    bool is(Kind k) const { return kind == k; }
    const Member* find(std::string_view key) const;
    Member* find(std::string_view key);
    const Node* get(std::string_view key) const;  // nullptr: no such key, or no object
    void erase(std::string_view key);
    // Sets or adds a member; the place of a new key is the value's.
    Node& set(std::string_view key, Node value);

    static Node string(std::string text, Place place = {});
    static Node number(std::uint64_t value, Place place = {});
    static Node boolean_of(bool value, Place place = {});
    static Node object(Place place = {});
    static Node array(Place place = {});
};

struct Member {
    std::string key;
    Place place;
    Node value;
};

// "an object", "a string", ...
std::string_view kind_name(Node::Kind kind);

// Reads a file into `sources` and parses it. Returns false when no tree can be had; errors are in
// `diagnostics`, those of opening the file at `from` (the place that named it, file 0: nobody).
bool read_json_file(const std::string& path, const Place& from, SourceSet& sources,
                    Diagnostics& diagnostics, Node& out);
// A regular file of bearable size as it stands, into `sources`; 0: it cannot be had.
std::uint32_t read_text_file(const std::string& path, SourceSet& sources, Diagnostics& diagnostics);
// Parses a text that is already in `sources`. false: no tree.
bool parse_json(std::uint32_t file, const SourceSet& sources, Diagnostics& diagnostics, Node& out);

// One value in the bytes from `begin` to before `end` of such a text: a line of JSON Lines.
bool parse_json_part(std::uint32_t file, std::size_t begin, std::size_t end,
                     const SourceSet& sources, Diagnostics& diagnostics, Node& out);

// Strict JSON; indent 0 is one line. Objects whose text is short stay on one line when indented.
std::string to_json(const Node& node, unsigned indent);
std::string json_quote(std::string_view text);

// "/vms/0/quota", with ~0 and ~1 as RFC 6901 has them.
std::string pointer_join(const std::string& parent, std::string_view key);
std::string pointer_join(const std::string& parent, std::size_t index);
// The value at a pointer; the nearest existing parent when it does not exist.
const Node& pointer_lookup(const Node& root, std::string_view pointer);

}  // namespace ioasim::scenario
