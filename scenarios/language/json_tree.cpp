#include "scenarios/language/json_tree.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace ioasim::scenario {

const Member* Node::find(std::string_view key) const {
    for (const Member& member : members) {
        if (member.key == key) {
            return &member;
        }
    }
    return nullptr;
}

Member* Node::find(std::string_view key) {
    for (Member& member : members) {
        if (member.key == key) {
            return &member;
        }
    }
    return nullptr;
}

const Node* Node::get(std::string_view key) const {
    const Member* member = find(key);
    return member == nullptr ? nullptr : &member->value;
}

void Node::erase(std::string_view key) {
    members.erase(std::remove_if(members.begin(), members.end(),
                                 [key](const Member& m) { return m.key == key; }),
                  members.end());
}

Node& Node::set(std::string_view key, Node value) {
    if (Member* member = find(key)) {
        member->value = std::move(value);
        return member->value;
    }
    const Place where = value.place;
    members.push_back({std::string(key), where, std::move(value)});
    return members.back().value;
}

Node Node::string(std::string text, Place place) {
    Node node;
    node.kind = Kind::String;
    node.text = std::move(text);
    node.place = place;
    return node;
}

Node Node::number(std::uint64_t value, Place place) {
    Node node;
    node.kind = Kind::Number;
    node.text = std::to_string(value);
    node.place = place;
    return node;
}

Node Node::boolean_of(bool value, Place place) {
    Node node;
    node.kind = Kind::Boolean;
    node.boolean = value;
    node.place = place;
    return node;
}

Node Node::object(Place place) {
    Node node;
    node.kind = Kind::Object;
    node.place = place;
    return node;
}

Node Node::array(Place place) {
    Node node;
    node.kind = Kind::Array;
    node.place = place;
    return node;
}

std::string_view kind_name(Node::Kind kind) {
    switch (kind) {
        case Node::Kind::Null:
            return "null";
        case Node::Kind::Boolean:
            return "true or false";
        case Node::Kind::Number:
            return "a number";
        case Node::Kind::String:
            return "a string";
        case Node::Kind::Array:
            return "a list";
        case Node::Kind::Object:
            return "an object";
    }
    return "a value";
}

std::string json_quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (byte < 0x20) {
                    out += fmt::format("\\u{:04x}", byte);
                } else {
                    out += c;
                }
        }
    }
    return out + "\"";
}

namespace {

void write_compact(const Node& node, std::string& out) {
    switch (node.kind) {
        case Node::Kind::Null:
            out += "null";
            break;
        case Node::Kind::Boolean:
            out += node.boolean ? "true" : "false";
            break;
        case Node::Kind::Number:
            out += node.text;
            break;
        case Node::Kind::String:
            out += json_quote(node.text);
            break;
        case Node::Kind::Array: {
            out += '[';
            for (std::size_t i = 0; i < node.items.size(); ++i) {
                out += i == 0 ? "" : ", ";
                write_compact(node.items[i], out);
            }
            out += ']';
            break;
        }
        case Node::Kind::Object: {
            out += '{';
            for (std::size_t i = 0; i < node.members.size(); ++i) {
                out += i == 0 ? "" : ", ";
                out += json_quote(node.members[i].key) + ": ";
                write_compact(node.members[i].value, out);
            }
            out += '}';
            break;
        }
    }
}

void write_indented(const Node& node, unsigned indent, unsigned level, std::string& out) {
    constexpr std::size_t kOneLine = 90;
    std::string compact;
    write_compact(node, compact);
    if (compact.size() + std::size_t{indent} * level <= kOneLine ||
        (node.kind != Node::Kind::Array && node.kind != Node::Kind::Object)) {
        out += compact;
        return;
    }
    const std::string inner(std::size_t{indent} * (level + 1), ' ');
    const bool list = node.kind == Node::Kind::Array;
    out += list ? "[\n" : "{\n";
    const std::size_t count = list ? node.items.size() : node.members.size();
    for (std::size_t i = 0; i < count; ++i) {
        out += inner;
        if (!list) {
            out += json_quote(node.members[i].key) + ": ";
        }
        write_indented(list ? node.items[i] : node.members[i].value, indent, level + 1, out);
        out += i + 1 < count ? ",\n" : "\n";
    }
    out += std::string(std::size_t{indent} * level, ' ') + (list ? "]" : "}");
}

}  // namespace

std::string to_json(const Node& node, unsigned indent) {
    std::string out;
    if (indent == 0) {
        write_compact(node, out);
    } else {
        write_indented(node, indent, 0, out);
    }
    return out;
}

std::string pointer_join(const std::string& parent, std::string_view key) {
    std::string out = parent + "/";
    for (const char c : key) {
        if (c == '~') {
            out += "~0";
        } else if (c == '/') {
            out += "~1";
        } else {
            out += c;
        }
    }
    return out;
}

std::string pointer_join(const std::string& parent, std::size_t index) {
    return parent + "/" + std::to_string(index);
}

const Node& pointer_lookup(const Node& root, std::string_view pointer) {
    const Node* at = &root;
    while (!pointer.empty() && pointer.front() == '/') {
        pointer.remove_prefix(1);
        const std::size_t end = std::min(pointer.find('/'), pointer.size());
        std::string key;
        for (std::size_t i = 0; i < end; ++i) {
            if (pointer[i] == '~' && i + 1 < end) {
                key += pointer[++i] == '0' ? '~' : '/';
            } else {
                key += pointer[i];
            }
        }
        pointer.remove_prefix(end);
        if (at->is(Node::Kind::Array)) {
            std::size_t index = at->items.size();
            std::from_chars(key.data(), key.data() + key.size(), index);
            if (index >= at->items.size()) {
                return *at;
            }
            at = &at->items[index];
        } else {
            const Node* next = at->get(key);
            if (next == nullptr) {
                return *at;
            }
            at = next;
        }
    }
    return *at;
}

}  // namespace ioasim::scenario
