#include "scenarios/language/reading.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/base/timing_profile.hpp"
#include "core/base/units.hpp"

namespace ioasim::scenario {

std::string text_of(const Node* node, const std::string& otherwise) {
    return node != nullptr && node->is(Node::Kind::String) ? node->text : otherwise;
}

std::uint64_t integer_of(const Node* node, std::uint64_t otherwise) {
    if (node == nullptr || !node->is(Node::Kind::Number)) {
        return otherwise;
    }
    bool out_of_range = false;
    const UnitResult result = parse_integer_text(node->text, out_of_range);
    return result.ok() ? result.value : otherwise;
}

bool boolean_value(const Node* node, bool otherwise) {
    return node != nullptr && node->is(Node::Kind::Boolean) ? node->boolean : otherwise;
}

TimePs time_of(const Node* node, TimePs otherwise) {
    if (node == nullptr || !node->is(Node::Kind::String)) {
        return otherwise;
    }
    const UnitResult result = parse_time_text(node->text);
    return result.ok() ? TimePs{result.value} : otherwise;
}

std::uint64_t size_of(const Node* node, std::uint64_t otherwise) {
    if (node == nullptr || !node->is(Node::Kind::String)) {
        return otherwise;
    }
    const UnitResult result = parse_size_text(node->text);
    return result.ok() ? result.value : otherwise;
}

std::uint64_t quantity_of(const Node* node, std::uint64_t otherwise) {
    if (node == nullptr || !node->is(Node::Kind::String)) {
        return integer_of(node, otherwise);
    }
    const UnitResult result = parse_quantity_text(node->text);
    return result.ok() ? result.value : otherwise;
}

std::vector<std::uint8_t> bytes_of(const Node* node) {
    const std::string text = text_of(node);
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i + 2 <= text.size(); i += 2) {
        std::uint8_t value = 0;
        const char* at = text.data() + i;
        if (std::from_chars(at, at + 2, value, 16).ptr != at + 2) {
            return {};
        }
        bytes.push_back(value);
    }
    return bytes;
}

const std::vector<Node>& items_of(const Node* node) {
    static const std::vector<Node> none;
    return node == nullptr ? none : node->items;
}

std::vector<std::string> item_names(const Node* list) {
    std::vector<std::string> names;
    for (const Node& item : items_of(list)) {
        const std::string name = text_of(item.get("name"));
        if (!name.empty()) {
            names.push_back(name);
        }
    }
    return names;
}

bool Reading::known(const Node& node, const std::string& pointer, const char* what,
                    const std::vector<std::string>& names, Code code) {
    if (!node.is(Node::Kind::String) || node.broken) {
        return false;
    }
    if (std::find(names.begin(), names.end(), node.text) != names.end()) {
        return true;
    }
    report(code, node.place, pointer, fmt::format("there is no {} {}", what, quoted(node.text)),
           names.empty() ? fmt::format("the scenario has no {}", what) : suggest(node.text, names));
    return false;
}

namespace {

bool is_requester(const Node& platform, const std::string& device) {
    const auto& devices = items_of(platform.get("devices"));
    return std::any_of(devices.begin(), devices.end(), [&device](const Node& d) {
        return text_of(d.get("name")) == device && text_of(d.get("kind")) == "requester";
    });
}

}  // namespace

std::vector<const ParamTableBase*> tables_of(const Node& document, const Vocabulary& vocabulary,
                                             const std::string& component) {
    const auto has = [&component](const Node* list) {
        const std::vector<std::string> names = item_names(list);
        return std::find(names.begin(), names.end(), component) != names.end();
    };
    const Node* platform = document.get("platform");
    std::vector<std::string> owners{component};
    if (platform != nullptr && has(platform->get("iommus"))) {
        owners = {"iommu"};
    } else if (platform != nullptr && has(platform->get("devices"))) {
        owners = {is_requester(*platform, component) ? "requester" : "device"};
    } else if (has(document.get("vms"))) {
        owners = {"vm", "kernel", "ioasid"};
    } else if (component == "host" || (platform != nullptr && has(platform->get("hosts")))) {
        owners = {"kernel"};
    }
    std::vector<const ParamTableBase*> tables;
    for (const ParamTableBase* table : vocabulary.tables) {
        if (std::find(owners.begin(), owners.end(), table->owner()) != owners.end()) {
            tables.push_back(table);
        }
    }
    return tables;
}

std::vector<std::string> component_names(const Node& document, const Vocabulary& vocabulary) {
    std::vector<std::string> names{"host"};
    for (const ParamTableBase* table : vocabulary.tables) {
        names.push_back(table->owner());
    }
    const Node* platform = document.get("platform");
    for (const Node* list :
         {platform == nullptr ? nullptr : platform->get("hosts"),
          platform == nullptr ? nullptr : platform->get("iommus"),
          platform == nullptr ? nullptr : platform->get("devices"), document.get("vms")}) {
        const std::vector<std::string> more = item_names(list);
        names.insert(names.end(), more.begin(), more.end());
    }
    return names;
}

namespace {

struct ParamValue {
    std::uint64_t value = 0;
    Code code = Code::WrongType;
    std::string problem;
    std::string help;
};

ParamValue wrong(Code code, std::string problem, std::string help = {}) {
    return {0, code, std::move(problem), std::move(help)};
}

ParamValue unit_value(const UnitResult& result, Code code) {
    return result.ok() ? ParamValue{result.value, {}, {}, {}}
                       : wrong(code, result.problem, result.help);
}

// A value as the parameter's unit wants it written.
ParamValue read_param(const ParamInfo& info, const Node& node) {
    const bool text = node.is(Node::Kind::String);
    switch (info.unit) {
        case Unit::Count: {
            if (!node.is(Node::Kind::Number)) {
                return wrong(Code::WrongType,
                             fmt::format("wants an integer, not {}", kind_name(node.kind)));
            }
            bool out_of_range = false;
            return unit_value(parse_integer_text(node.text, out_of_range), Code::NotInteger);
        }
        case Unit::Flag:
            return node.is(Node::Kind::Boolean)
                       ? ParamValue{node.boolean ? 1U : 0U, {}, {}, {}}
                       : wrong(Code::WrongType,
                               fmt::format("wants true or false, not {}", kind_name(node.kind)));
        case Unit::Choice: {
            const auto found = std::find(info.choices.begin(), info.choices.end(), node.text);
            if (!text || found == info.choices.end()) {
                return wrong(Code::NotAChoice, fmt::format("wants {}", quoted_list(info.choices)),
                             text ? suggest(node.text, info.choices) : "");
            }
            return {static_cast<std::uint64_t>(found - info.choices.begin()), {}, {}, {}};
        }
        case Unit::Bytes:
            return text ? unit_value(parse_size_text(node.text), Code::BadSize)
                        : wrong(Code::WrongType, "wants a size (\"4KiB\")");
        case Unit::Time:
            return text ? unit_value(parse_time_text(node.text), Code::BadTime)
                        : wrong(Code::WrongType, "wants a time (\"200ns\")");
        case Unit::Bandwidth:
            return text ? unit_value(parse_bandwidth_text(node.text), Code::BadBandwidth)
                        : wrong(Code::WrongType, "wants a bandwidth (\"16GB/s\")");
        case Unit::Bits: {
            std::uint64_t value = 0;
            return text && parse_address_text(node.text, value)
                       ? ParamValue{value, {}, {}, {}}
                       : wrong(Code::WrongType, "wants a hexadecimal number (\"0x1f\")");
        }
    }
    return {};
}

}  // namespace

void read_model_params(Reading& reading, platform::PlatformConfig& config) {
    const Node* platform = reading.root.get("platform");
    const Node* params = platform == nullptr ? nullptr : platform->get("params");
    if (params == nullptr) {
        return;
    }
    for (const Member& member : params->members) {
        const std::string pointer = pointer_join("/platform/params", member.key);
        const std::size_t dot = member.key.find('.');
        const std::string component = member.key.substr(0, dot);
        const std::string path = dot == std::string::npos ? "" : member.key.substr(dot + 1);
        const std::vector<const ParamTableBase*> tables =
            tables_of(reading.root, reading.vocabulary, component);
        if (tables.empty()) {
            reading.report(Code::UnknownParameter, member.place, pointer,
                           fmt::format("{} is neither a component of the scenario nor a kind of "
                                       "component",
                                       quoted(component)),
                           suggest(component, component_names(reading.root, reading.vocabulary)));
            continue;
        }
        const ParamInfo* info = nullptr;
        std::vector<std::string> known;
        for (const ParamTableBase* table : tables) {
            info = info == nullptr ? table->find(path) : info;
            for (const ParamInfo& candidate : table->params()) {
                known.push_back(component + "." + candidate.path);
            }
        }
        if (info == nullptr) {
            reading.report(Code::UnknownParameter, member.place, pointer,
                           fmt::format("{} has no parameter {}", quoted(component), quoted(path)),
                           suggest(member.key, known));
            continue;
        }
        if (member.value.broken) {
            continue;
        }
        const ParamValue value = read_param(*info, member.value);
        if (!value.problem.empty()) {
            reading.report(
                value.code, member.value.place, pointer,
                fmt::format("{} ({}): {}", quoted(member.key), info->meaning, value.problem),
                value.help);
        } else if (!info->allows(value.value)) {
            reading.report(Code::OutOfRange, member.value.place, pointer,
                           fmt::format("{} is out of range: {} ({}) must be {}",
                                       param_text(*info, value.value), quoted(member.key),
                                       info->meaning, param_range(*info)));
        } else {
            config.params.push_back({component, path, value.value});
        }
    }
}

}  // namespace ioasim::scenario
