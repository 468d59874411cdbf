#include "scenarios/language/compose.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "scenarios/language/repeat.hpp"
#include "scenarios/language/schema.hpp"

namespace ioasim::scenario {
namespace {

constexpr std::size_t kMaxBases = 16;

void report(Diagnostics& diagnostics, Code code, const Place& place, std::string pointer,
            std::string text, std::string help = {}) {
    diagnostics.add({code, place, std::move(text), std::move(help), std::move(pointer), false});
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

std::string real_path(const std::string& path) {
    struct Free {
        void operator()(char* p) const { std::free(p); }
    };
    const std::unique_ptr<char, Free> resolved(::realpath(path.c_str(), nullptr));
    return resolved ? std::string(resolved.get()) : path;
}

bool ends_with(const std::string& text, std::string_view end) {
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool read_chain(const std::string& path, const Place& from, std::vector<std::string>& chain,
                SourceSet& sources, Diagnostics& diagnostics, Node& out) {
    const std::string identity = real_path(path);
    if (std::find(chain.begin(), chain.end(), identity) != chain.end()) {
        report(diagnostics, Code::BadBase, from, "/extends",
               fmt::format("{} extends itself, directly or by way of others", quoted(path)));
        return false;
    }
    if (chain.size() > kMaxBases) {
        report(diagnostics, Code::BadBase, from, "/extends",
               fmt::format("more than {} bases follow each other", kMaxBases));
        return false;
    }
    Node own;
    if (!read_json_file(path, from, sources, diagnostics, own)) {
        return false;
    }
    const Member* extends = own.find("extends");
    if (extends == nullptr) {
        out = std::move(own);
        return true;
    }
    const Node& base = extends->value;
    if (!base.is(Node::Kind::String) || base.text.empty()) {
        report(diagnostics, Code::WrongType, base.place, "/extends",
               fmt::format("\"extends\" must be a file name, not {}", kind_name(base.kind)));
        return false;
    }
    if (!ends_with(base.text, ".jsonc")) {
        report(diagnostics, Code::BaseName, base.place, "/extends",
               fmt::format("{}: bases end in .jsonc", quoted(base.text)),
               "files that end in .json can be run alone");
        return false;
    }
    chain.push_back(identity);
    const std::string file = base.text.front() == '/' ? base.text : folder_of(path) + base.text;
    Node merged;
    if (!read_chain(file, base.place, chain, sources, diagnostics, merged)) {
        return false;
    }
    chain.pop_back();
    own.erase("extends");
    merge_patch(merged, own);
    // Messages about the document as a whole belong to the file that was asked for.
    merged.place = own.place;
    out = std::move(merged);
    return true;
}

// One part of a path: a key, or an index in brackets.
struct Part {
    std::string text;
    bool bracket = false;
};

bool split_path(const std::string& path, std::vector<Part>& out) {
    if (!path.empty() && path.front() == '/') {
        std::size_t at = 1;
        while (at <= path.size()) {
            const std::size_t end = std::min(path.find('/', at), path.size());
            out.push_back({path.substr(at, end - at), false});
            at = end + 1;
        }
        return true;
    }
    std::size_t at = 0;
    while (at < path.size()) {
        if (path[at] == '[') {
            const std::size_t end = path.find(']', at);
            if (end == std::string::npos || end == at + 1) {
                return false;
            }
            out.push_back({path.substr(at + 1, end - at - 1), true});
            at = end + 1;
            if (at < path.size() && path[at] == '.') {
                ++at;
            }
            continue;
        }
        const std::size_t end = std::min(path.find_first_of(".[", at), path.size());
        if (end == at) {
            return false;
        }
        out.push_back({path.substr(at, end - at), false});
        at = end < path.size() && path[end] == '.' ? end + 1 : end;
    }
    return !out.empty();
}

// An item of a list by number or by the "name" it has.
Node* list_item(Node& list, const std::string& text) {
    const bool number = text.find_first_not_of("0123456789") == std::string::npos;
    if (number && text.size() < 8 && std::stoul(text) < list.items.size()) {
        return &list.items[std::stoul(text)];
    }
    for (Node& item : list.items) {
        const Node* name = item.get("name");
        if (name != nullptr && name->is(Node::Kind::String) && name->text == text) {
            return &item;
        }
    }
    return nullptr;
}

std::vector<std::string> names_below(const Node& node) {
    std::vector<std::string> names;
    for (const Member& member : node.members) {
        names.push_back(member.key);
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Node* name = node.items[i].get("name");
        names.push_back(name != nullptr && name->is(Node::Kind::String) ? name->text
                                                                        : std::to_string(i));
    }
    return names;
}

void set_member(Node& object, const std::string& key, const Assignment& assignment) {
    if (assignment.value.is(Node::Kind::Null) && !assignment.value.broken) {
        object.erase(key);
        return;
    }
    object.set(key, assignment.value);
    // A key nobody knows is shown where it was written.
    object.find(key)->place = assignment.place;
}

void assign_at(Node& document, const std::vector<Part>& parts, const Assignment& assignment,
               Diagnostics& diagnostics) {
    Node* at = &document;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const bool last = i + 1 == parts.size();
        if (at->is(Node::Kind::Array)) {
            Node* item = list_item(*at, parts[i].text);
            if (item == nullptr) {
                report(diagnostics, Code::BadSetPath, assignment.place, {},
                       fmt::format("the list has no item {}", quoted(parts[i].text)),
                       fmt::format("it has {} items{}", at->items.size(),
                                   at->items.empty() ? "" : ": " + quoted_list(names_below(*at))));
                return;
            }
            if (last) {
                *item = assignment.value;
                return;
            }
            at = item;
            continue;
        }
        if (parts[i].bracket || !at->is(Node::Kind::Object)) {
            report(diagnostics, Code::BadSetPath, assignment.place, {},
                   fmt::format("{} is looked for in {}, which has no such part",
                               quoted(parts[i].text), kind_name(at->kind)));
            return;
        }
        if (last) {
            set_member(*at, parts[i].text, assignment);
            return;
        }
        Member* member = at->find(parts[i].text);
        if (member == nullptr) {
            set_member(*at, parts[i].text,
                       {assignment.path, assignment.place, Node::object(assignment.place)});
            member = at->find(parts[i].text);
        }
        at = &member->value;
    }
}

// What `ioasid.KEY` means without "platform" in front of it; other parts of it are parameters.
bool is_key_of_ioasid(const std::string& key) {
    return key == "profile" || key == "capacity" || key == "switches";
}

// The document has kernel code, and the modelled kernel has parameters of the same first name.
bool is_key_of_kernel_code(const std::string& key) {
    const auto named = [](const std::vector<Field>& fields, const std::string& name) {
        return std::find_if(fields.begin(), fields.end(),
                            [&name](const Field& field) { return field.key == name; });
    };
    const std::vector<Field>& code = named(scenario_type().fields, "kernel")->type->fields;
    return named(code, key) != code.end();
}

std::vector<std::string> top_level_keys() {
    std::vector<std::string> keys;
    for (const Field& field : scenario_type().fields) {
        keys.push_back(field.key);
    }
    return keys;
}

bool number_of(const Node& node, const std::string& type, std::uint64_t& out) {
    if (type == "integer") {
        bool range = false;
        const UnitResult r = parse_integer_text(node.text, range);
        out = r.value;
        return node.is(Node::Kind::Number) && r.ok();
    }
    const UnitResult r = type == "time" ? parse_time_text(node.text) : parse_size_text(node.text);
    out = r.value;
    return node.is(Node::Kind::String) && r.ok();
}

// Empty: the value fits its declaration.
std::string misfit(const Node& declaration, const Node& value) {
    const Node* type_node = declaration.get("type");
    const std::string type = type_node == nullptr ? "" : type_node->text;
    const bool known = type == "integer" || type == "time" || type == "size" || type == "boolean" ||
                       type == "string" || type == "object";
    if (!known || value.broken) {
        return {};  // a message about that was given already
    }
    const bool numeric = type == "integer" || type == "time" || type == "size";
    std::uint64_t number = 0;
    const bool right = numeric             ? number_of(value, type, number)
                       : type == "boolean" ? value.is(Node::Kind::Boolean)
                       : type == "object"  ? value.is(Node::Kind::Object)
                                           : value.is(Node::Kind::String);
    if (!right) {
        return fmt::format("{} is no {}", scalar_text(value), type);
    }
    for (const char* bound : {"min", "max"}) {
        const Node* limit = declaration.get(bound);
        std::uint64_t limit_value = 0;
        if (!numeric || limit == nullptr || !number_of(*limit, type, limit_value)) {
            continue;
        }
        const bool low = std::string_view(bound) == "min";
        if (low ? number < limit_value : number > limit_value) {
            return fmt::format("{} is {} the {} of {}", scalar_text(value), low ? "below" : "above",
                               bound, scalar_text(*limit));
        }
    }
    const Node* values = declaration.get("values");
    if (values != nullptr &&
        std::none_of(values->items.begin(), values->items.end(),
                     [&value](const Node& v) { return same_scalar(v, value); })) {
        return fmt::format("{} is not in \"values\"", scalar_text(value));
    }
    return {};
}

}  // namespace

std::string scalar_text(const Node& node) {
    switch (node.kind) {
        case Node::Kind::Boolean:
            return node.boolean ? "true" : "false";
        case Node::Kind::Number:
        case Node::Kind::String:
            return node.text;
        default:
            return to_json(node, 0);
    }
}

bool same_scalar(const Node& a, const Node& b) {
    return a.kind == b.kind && a.boolean == b.boolean && a.text == b.text;
}

bool is_one_of(const Node& value, const Node& wanted) {
    return wanted.is(Node::Kind::Array)
               ? std::any_of(wanted.items.begin(), wanted.items.end(),
                             [&value](const Node& each) { return same_scalar(value, each); })
               : same_scalar(value, wanted);
}

void merge_patch(Node& base, const Node& patch) {
    if (!patch.is(Node::Kind::Object) || !base.is(Node::Kind::Object)) {
        base = patch;
        return;
    }
    for (const Member& member : patch.members) {
        if (member.value.is(Node::Kind::Null) && !member.value.broken) {
            base.erase(member.key);
            continue;
        }
        Member* known = base.find(member.key);
        if (known == nullptr) {
            base.members.push_back({member.key, member.place, Node::object(member.value.place)});
            known = &base.members.back();
        }
        known->place = member.place;
        if (member.value.is(Node::Kind::Object) && known->value.is(Node::Kind::Object)) {
            merge_patch(known->value, member.value);
        } else {
            known->value = member.value;
        }
    }
}

bool read_with_bases(const std::string& path, SourceSet& sources, Diagnostics& diagnostics,
                     Node& out) {
    std::vector<std::string> chain;
    return read_chain(path, {}, chain, sources, diagnostics, out);
}

bool parse_assignment(const std::string& argument, SourceSet& sources, Diagnostics& diagnostics,
                      Assignment& out) {
    const std::uint32_t file = sources.add("--set", argument);
    const std::size_t equals = argument.find('=');
    const auto length = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
    if (equals == std::string::npos || equals == 0) {
        report(diagnostics, Code::BadSet,
               {file, 0, length(std::max<std::size_t>(1, argument.size()))}, {},
               fmt::format("--set wants PATH=VALUE, not {}", quoted(argument)));
        return false;
    }
    out.path = argument.substr(0, equals);
    out.place = {file, 0, length(equals)};
    const std::string text = argument.substr(equals + 1);
    const Place value_place{file, length(equals + 1),
                            length(std::max<std::size_t>(1, text.size()))};
    // JSON where it is JSON, else text. The path is blanked so that places stay those of the
    // argument.
    SourceSet scratch;
    Diagnostics quiet;
    const std::uint32_t scratch_file = scratch.add("--set", std::string(equals + 1, ' ') + text);
    Node node;
    if (!text.empty() && parse_json(scratch_file, scratch, quiet, node) && quiet.empty()) {
        struct Move {
            static void to(Node& n, std::uint32_t target) {
                n.place.file = target;
                for (Node& item : n.items) {
                    to(item, target);
                }
                for (Member& member : n.members) {
                    member.place.file = target;
                    to(member.value, target);
                }
            }
        };
        Move::to(node, file);
        out.value = std::move(node);
    } else {
        out.value = Node::string(text, value_place);
    }
    return true;
}

void assign(Node& document, const Assignment& assignment, const IsComponent& is_component,
            Diagnostics& diagnostics) {
    std::vector<Part> parts;
    const auto params_key = [&](const std::string& key) {
        assign_at(document, {{"platform", false}, {"params", false}, {key, false}}, assignment,
                  diagnostics);
    };
    if (assignment.path.rfind("platform.params.", 0) == 0) {
        params_key(assignment.path.substr(std::string_view("platform.params.").size()));
        return;
    }
    if (!split_path(assignment.path, parts)) {
        report(diagnostics, Code::BadSetPath, assignment.place, {},
               fmt::format("{} is not a path", quoted(assignment.path)),
               "KEY.KEY, KEY[2].KEY or KEY[NAME].KEY");
        return;
    }
    const std::string first = parts[0].text;
    const std::vector<std::string> keys = top_level_keys();
    const Node* params = document.get("params");
    if (parts.size() == 1 && params != nullptr && params->get(first) != nullptr) {
        parts = {{"params", false}, {first, false}, {"default", false}};
    } else if (first == "params" && parts.size() == 2) {
        parts.push_back({"default", false});
    } else if (first == "kernel" && parts.size() > 1 && !is_key_of_kernel_code(parts[1].text)) {
        params_key(assignment.path);
        return;
    } else if (std::find(keys.begin(), keys.end(), first) != keys.end()) {
        // A path from the top of the document.
    } else if (first == "ioasid" && parts.size() > 1 && is_key_of_ioasid(parts[1].text)) {
        parts.insert(parts.begin(), {"platform", false});
    } else if (parts.size() > 1 && is_component(document, first)) {
        params_key(assignment.path);
        return;
    } else if (is_component(document, first)) {
        report(diagnostics, Code::BadSetPath, assignment.place, {},
               fmt::format("{} has parts, and is no value itself", quoted(first)),
               first == "ioasid" ? "ioasid.profile, ioasid.capacity, ioasid.switches.NAME, or a "
                                   "parameter (`ioasim params ioasid`)"
                                 : "COMPONENT.PATH names a parameter: `ioasim params` lists them");
        return;
    } else {
        std::vector<std::string> known = keys;
        if (params != nullptr) {
            const std::vector<std::string> own = names_below(*params);
            known.insert(known.end(), own.begin(), own.end());
        }
        known.emplace_back("ioasid");
        const std::string near = nearest(first, known);
        report(
            diagnostics, Code::BadSetPath, assignment.place, {},
            fmt::format("{} is no key of a scenario, no parameter and no component", quoted(first)),
            near.empty() ? "" : fmt::format("did you mean {}?", quoted(near)));
        return;
    }
    assign_at(document, parts, assignment, diagnostics);
}

std::map<std::string, Node> param_values(const Node& document, Diagnostics& diagnostics) {
    std::map<std::string, Node> values;
    const Node* params = document.get("params");
    if (params == nullptr) {
        return values;
    }
    const std::vector<std::string> keys = top_level_keys();
    for (const Member& member : params->members) {
        const Node* value = member.value.get("default");
        if (value == nullptr) {
            continue;
        }
        const std::string pointer = pointer_join("/params", member.key);
        if (std::find(keys.begin(), keys.end(), member.key) != keys.end()) {
            report(diagnostics, Code::NameTaken, member.place, pointer,
                   fmt::format("a parameter cannot be named {}: --set could not tell it from the "
                               "key of a scenario",
                               quoted(member.key)));
        }
        const std::string problem = misfit(member.value, *value);
        if (!problem.empty()) {
            report(diagnostics, Code::BadParam, value->place, pointer_join(pointer, "default"),
                   fmt::format("parameter {}: {}", quoted(member.key), problem));
        }
        Node& kept = values.emplace(member.key, *value).first->second;
        kept.broken = kept.broken || !problem.empty();
    }
    return values;
}

namespace {

class Substitution {
public:
    using Values = std::map<std::string, Node>;
    explicit Substitution(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    void in(Node& node, const Values& values, const std::string& pointer) {
        in_items(node, values, pointer);
        for (Member& member : node.members) {
            in(member.value, values, pointer_join(pointer, member.key));
        }
        if (node.is(Node::Kind::String) && node.text.find('$') != std::string::npos) {
            in_text(node, values, pointer);
        }
    }

private:
    // Items that stand for several become so many.
    void in_items(Node& list, const Values& values, const std::string& pointer) {
        const bool repeats =
            std::any_of(list.items.begin(), list.items.end(),
                        [](const Node& item) { return item.get(kRepeat) != nullptr; });
        std::vector<Node> out;
        for (std::size_t i = 0; i < list.items.size(); ++i) {
            Node& item = list.items[i];
            const std::string at = pointer_join(pointer, repeats ? out.size() : i);
            if (item.get(kRepeat) != nullptr) {
                copy(item, values, at, pointer, out);
                continue;
            }
            in(item, values, at);
            if (repeats) {
                out.push_back(std::move(item));
            }
        }
        if (repeats) {
            list.items = std::move(out);
        }
    }

    void copy(const Node& item, const Values& values, const std::string& at,
              const std::string& list, std::vector<Node>& out) {
        if (told_) {
            return;
        }
        const std::vector<Indices> copies = copies_of(item, values, at, diagnostics_);
        copies_ += copies.size();
        if (copies_ > kMaxCopies) {
            told_ = true;
            report(diagnostics_, Code::OutOfRange, item.place, at,
                   fmt::format("more than {} copies in all", kMaxCopies));
            return;
        }
        for (const Indices& indices : copies) {
            Values inside = values;
            inside.insert(indices.begin(), indices.end());
            out.push_back(item);
            out.back().erase(kRepeat);
            in(out.back(), inside, pointer_join(list, out.size() - 1));
        }
    }

    void in_text(Node& node, const Values& values, const std::string& pointer);

    Diagnostics& diagnostics_;
    std::uint64_t copies_ = 0;
    bool told_ = false;
};

void Substitution::in_text(Node& node, const Values& values, const std::string& pointer) {
    std::string out;
    const std::string text = node.text;
    std::size_t at = 0;
    while (at < text.size()) {
        if (text[at] != '$') {
            out += text[at++];
            continue;
        }
        if (text.compare(at, 2, "$$") == 0) {
            out += '$';
            at += 2;
            continue;
        }
        const std::size_t end = text.find('}', at);
        if (text.compare(at, 2, "${") != 0 || end == std::string::npos) {
            report(diagnostics_, Code::UnknownParam, node.place, pointer,
                   fmt::format("{} has a $ that begins no ${{NAME}}", quoted(text)),
                   "a dollar sign is written $$");
            node.broken = true;
            return;
        }
        const std::string name = text.substr(at + 2, end - at - 2);
        const auto value = values.find(name);
        if (value == values.end()) {
            std::vector<std::string> known;
            for (const auto& entry : values) {
                known.push_back(entry.first);
            }
            report(diagnostics_, Code::UnknownParam, node.place, pointer,
                   fmt::format("no parameter is named {}", quoted(name)),
                   known.empty() ? "declare it in \"params\"" : suggest(name, known));
            node.broken = true;
            return;
        }
        if (at == 0 && end + 1 == text.size()) {
            const Place place = node.place;
            node = value->second;
            node.place = place;
            return;
        }
        out += scalar_text(value->second);
        at = end + 1;
    }
    node.text = out;
}

}  // namespace

void substitute(Node& node, const std::map<std::string, Node>& values, const std::string& pointer,
                Diagnostics& diagnostics) {
    Substitution(diagnostics).in(node, values, pointer);
}

}  // namespace ioasim::scenario
