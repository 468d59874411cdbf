// From the tree to expectations: events, fields and their values are checked against the catalogue.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "core/trace/catalogue.hpp"
#include "scenarios/language/reading.hpp"

namespace ioasim::scenario {
namespace {

using trace::FieldType;

std::vector<std::string> event_names() {
    std::vector<std::string> names;
    for (const trace::EventInfo* info : trace::catalogue()) {
        names.push_back(info->name);
    }
    return names;
}

std::vector<std::string> field_names(const trace::EventInfo& info) {
    std::vector<std::string> names;
    for (const trace::FieldInfo& field : info.fields) {
        names.push_back(field.name);
    }
    return names;
}

const char* wants(FieldType type) {
    switch (type) {
        case FieldType::Count:
            return "a number";
        case FieldType::Id:
            return "a number or \"none\"";
        case FieldType::Hex:
            return "a number or \"0x...\"";
        case FieldType::Rid:
            return "a requester id (\"00:01.0\")";
        case FieldType::Bool:
            return "true or false";
        case FieldType::Time:
            return "a time (\"12us\")";
        case FieldType::Error:
            return "an error number (\"ENOSPC\", \"0\")";
        case FieldType::Text:
            return "a string";
        case FieldType::Enum:
            return "one of its labels";
    }
    return "a value";
}

std::vector<std::string> labels(const trace::FieldInfo& field) {
    return {field.labels, field.labels + field.label_count};
}

// One scalar as the packed value of a field.
bool pack_scalar(const trace::FieldInfo& field, const Node& node, std::uint64_t& out) {
    const bool number = node.is(Node::Kind::Number);
    const bool text = node.is(Node::Kind::String);
    bool out_of_range = false;
    UnitResult result;
    switch (field.type) {
        case FieldType::Count:
        case FieldType::Id:
        case FieldType::Hex:
            if (number) {
                result = parse_integer_text(node.text, out_of_range);
                out = result.value;
                return result.ok();
            }
            if (text && field.type == FieldType::Hex) {
                return parse_address_text(node.text, out);
            }
            out = kInvalidIoasid;
            return text && field.type == FieldType::Id && node.text == "none";
        case FieldType::Rid:
            return text && parse_rid_text(node.text, out);
        case FieldType::Bool:
            out = node.boolean ? 1 : 0;
            return node.is(Node::Kind::Boolean);
        case FieldType::Time:
            result = text ? parse_time_text(node.text) : UnitResult{0, "no text", {}};
            out = result.value;
            return result.ok();
        case FieldType::Error: {
            Errno error = Errno::Ok;
            const bool good = text && parse_errno(node.text, error);
            out = static_cast<std::uint64_t>(error);
            return good;
        }
        case FieldType::Enum:
            for (std::size_t i = 0; text && i < field.label_count; ++i) {
                if (node.text == field.labels[i]) {
                    out = i;
                    return true;
                }
            }
            return false;
        case FieldType::Text:
            return false;
    }
    return false;
}

class ExpectReader {
public:
    ExpectReader(Reading& reading, const platform::PlatformConfig& config)
        : r_(reading), config_(config) {}

    std::vector<Expectation> read() {
        std::vector<Expectation> all;
        std::size_t index = 0;
        for (const Node& item : items_of(r_.root.get("expect"))) {
            Expectation e;
            if (one(item, pointer_join("/expect", index++), e)) {
                e.always = boolean_value(item.get("always"), false);
                e.why = text_of(item.get("why"));
                e.where = r_.where(item.place);
                e.text = to_json(item, 0);
                all.push_back(std::move(e));
            }
        }
        return all;
    }

    bool pattern(const Node& node, const std::string& pointer, std::vector<Pattern>& out) {
        const bool plain = node.is(Node::Kind::String);
        const Node* event = plain ? &node : node.get("event");
        if (event == nullptr || !event->is(Node::Kind::String)) {
            return false;
        }
        Pattern p;
        p.event = trace::find_event(event->text);
        p.text = event->text;
        if (p.event == nullptr) {
            r_.report(Code::UnknownEvent, event->place, plain ? pointer : pointer + "/event",
                      fmt::format("there is no event {}", quoted(event->text)),
                      event_help(event->text));
            return false;
        }
        const Node* where = plain ? nullptr : node.get("where");
        bool good = true;
        if (where != nullptr && !where->members.empty()) {
            p.text += " where";
            for (const Member& member : where->members) {
                good = field(*p.event, member, pointer_join(pointer + "/where", member.key), p) &&
                       good;
            }
        }
        out.push_back(std::move(p));
        return good;
    }

private:
    bool one(const Node& item, const std::string& pointer, Expectation& e) {
        using Kind = Expectation::Kind;
        const auto is = [&item](const char* key) { return item.get(key) != nullptr; };
        if (is("event")) {
            e.kind = Kind::Count;
            counts(item, pointer, e);
            return pattern(item, pointer, e.patterns);
        }
        if (is("never")) {
            e.kind = Kind::Never;
            return pattern(*item.get("never"), pointer + "/never", e.patterns);
        }
        if (is("order")) {
            e.kind = Kind::Order;
            return order(*item.get("order"), pointer + "/order", e);
        }
        if (is("final")) {
            e.kind = Kind::Final;
            return final_state(item, pointer, e);
        }
        if (is("finding")) {
            e.kind = Kind::Finding;
            e.name = text_of(item.get("finding"));
            counts(item, pointer, e);
            return r_.known(*item.get("finding"), pointer + "/finding", "finding",
                            r_.vocabulary.findings, Code::UnknownFinding);
        }
        if (is("ends")) {
            e.kind = Kind::Ends;
            e.name = text_of(item.get("ends"));
            return true;
        }
        if (is("step")) {
            e.kind = Kind::Step;
            return step(item, pointer, e);
        }
        if (is("bytes")) {
            e.kind = Kind::Bytes;
            return bytes(*item.get("bytes"), pointer + "/bytes", e);
        }
        if (is("latency")) {
            e.kind = Kind::Latency;
            return latency(*item.get("latency"), pointer + "/latency", e);
        }
        e.kind = Kind::Invariants;
        return is("invariants");
    }

    void counts(const Node& item, const std::string& pointer, Expectation& e) {
        const auto read = [&item](const char* key) -> std::optional<std::uint64_t> {
            const Node* node = item.get(key);
            return node == nullptr ? std::nullopt
                                   : std::optional<std::uint64_t>(integer_of(node, 0));
        };
        e.at_least = read("at_least");
        e.at_most = read("at_most");
        if (const auto count = read("count")) {
            if (e.at_least || e.at_most) {
                r_.report(Code::OneOf, item.find("count")->place, pointer,
                          "\"count\" is exact: it stands without \"at_least\" and \"at_most\"");
            }
            e.at_least = e.at_most = count;
        }
        if (!e.at_least && !e.at_most) {
            e.at_least = 1;
        }
        if (e.at_least && e.at_most && *e.at_least > *e.at_most) {
            r_.report(Code::MinAboveMax, item.place, pointer,
                      "\"at_least\" is larger than \"at_most\"");
        }
        if (e.at_least == std::uint64_t{0} && !e.at_most) {
            r_.report(Code::OutOfRange, item.place, pointer,
                      "at least 0 is always true: this expectation cannot fail");
        }
    }

    static std::string event_help(const std::string& name) {
        const std::vector<std::string> names = event_names();
        const std::string near = nearest(name, names);
        return near.empty() ? "`ioasim trace catalogue` lists all events"
                            : fmt::format("did you mean {}?", quoted(near));
    }

    bool field(const trace::EventInfo& event, const Member& member, const std::string& pointer,
               Pattern& p) {
        const std::size_t index = event.field(member.key);
        if (index == event.fields.size()) {
            r_.report(
                Code::UnknownField, member.place, pointer,
                fmt::format("event {} has no field {}", quoted(event.name), quoted(member.key)),
                suggest(member.key, field_names(event)));
            return false;
        }
        const trace::FieldInfo& info = event.fields[index];
        FieldTest test;
        test.field = index;
        test.type = info.type;
        p.text += fmt::format(" {}={}", member.key, scalar_text(member.value));
        bool good = true;
        if (member.value.is(Node::Kind::Array)) {
            for (const Node& item : member.value.items) {
                good = value(info, item, pointer, test) && good;
            }
            if (member.value.items.empty()) {
                return bad_value(info, member.value, pointer);
            }
        } else if (member.value.is(Node::Kind::Object)) {
            good = bounds(info, member.value, pointer, test);
        } else {
            good = value(info, member.value, pointer, test);
        }
        p.tests.push_back(std::move(test));
        return good;
    }

    bool bad_value(const trace::FieldInfo& info, const Node& node, const std::string& pointer) {
        std::string help = fmt::format("field {} holds {}", quoted(info.name), wants(info.type));
        if (info.type == FieldType::Enum) {
            help += ": " + quoted_list(labels(info));
            const std::string near = nearest(text_of(&node), labels(info));
            help = near.empty() ? help : fmt::format("did you mean {}?", quoted(near));
        }
        r_.report(Code::BadFieldValue, node.place, pointer,
                  fmt::format("field {} cannot be {}", quoted(info.name), to_json(node, 0)), help);
        return false;
    }

    bool value(const trace::FieldInfo& info, const Node& node, const std::string& pointer,
               FieldTest& test) {
        if (node.broken) {
            return false;
        }
        if (info.type == FieldType::Text) {
            if (!node.is(Node::Kind::String)) {
                return bad_value(info, node, pointer);
            }
            test.texts.push_back(node.text);
            return true;
        }
        std::uint64_t packed = 0;
        if (!pack_scalar(info, node, packed)) {
            return bad_value(info, node, pointer);
        }
        test.ranges.push_back({packed, packed});
        return true;
    }

    bool bounds(const trace::FieldInfo& info, const Node& node, const std::string& pointer,
                FieldTest& test) {
        const bool ordered = info.type == FieldType::Count || info.type == FieldType::Id ||
                             info.type == FieldType::Hex || info.type == FieldType::Time;
        FieldTest::Range range{0, ~std::uint64_t{0}};
        bool good = ordered && !node.members.empty();
        for (const Member& member : node.members) {
            const bool low = member.key == "min";
            good = good && (low || member.key == "max") &&
                   pack_scalar(info, member.value, low ? range.low : range.high);
        }
        if (!good) {
            r_.report(Code::BadFieldValue, node.place, pointer,
                      fmt::format("field {} cannot be {}", quoted(info.name), to_json(node, 0)),
                      ordered
                          ? fmt::format("{{\"min\": ..., \"max\": ...}} with {}", wants(info.type))
                          : "only numbers and times have a range");
            return false;
        }
        if (range.low > range.high) {
            r_.report(Code::MinAboveMax, node.place, pointer, "min is larger than max");
        }
        test.ranges.push_back(range);
        return true;
    }

    bool order(const Node& list, const std::string& pointer, Expectation& e) {
        bool good = true;
        for (std::size_t i = 0; i < list.items.size(); ++i) {
            good = pattern(list.items[i], pointer_join(pointer, i), e.patterns) && good;
        }
        return good;
    }

    bool final_state(const Node& item, const std::string& pointer, Expectation& e) {
        const Node& path = *item.get("final");
        e.name = text_of(&path);
        const Node* is = item.get("is");
        const Node* is_not = item.get("is_not");
        if ((is == nullptr) == (is_not == nullptr)) {
            r_.report(Code::OneOf, item.place, pointer,
                      "a final state has \"is\" or \"is_not\", one of them");
        }
        if (is != nullptr) {
            e.is = scalar_text(*is);
        }
        if (is_not != nullptr) {
            e.is_not = scalar_text(*is_not);
        }
        const std::string problem =
            path.is(Node::Kind::String) ? r_.vocabulary.check_state_path(e.name) : std::string();
        if (!problem.empty()) {
            r_.report(Code::BadStatePath, path.place, pointer + "/final",
                      fmt::format("{} is no path into the final state", quoted(e.name)), problem);
            return false;
        }
        return true;
    }

    // "vm1/vcpu0/app", "kvm/FREE" -> the steps, or a message.
    const std::vector<platform::Step>* steps_named(const Node& node, const std::string& name,
                                                   const std::string& pointer) {
        const auto lists = platform::step_lists(config_);
        const auto found = lists.find(name);
        if (found != lists.end()) {
            return found->second;
        }
        std::vector<std::string> names;
        for (const auto& entry : lists) {
            names.push_back(entry.first);
        }
        r_.report(Code::UnknownStep, node.place, pointer,
                  fmt::format("there is no program {}", quoted(name)), suggest(name, names));
        return nullptr;
    }

    bool in_steps(const std::vector<platform::Step>& steps, const std::string& name,
                  std::uint64_t step, const Node& node, const std::string& pointer) {
        if (step < steps.size()) {
            return true;
        }
        r_.report(Code::UnknownStep, node.place, pointer,
                  fmt::format("{} has no step {}: its steps are 0 to {}", quoted(name), step,
                              steps.size() - 1));
        return false;
    }

    bool step(const Node& item, const std::string& pointer, Expectation& e) {
        const Node& node = *item.get("step");
        const std::string text = text_of(&node);
        const std::size_t open = text.rfind('[');
        const char* digits = text.data() + std::min(open + 1, text.size());
        const auto parsed = std::from_chars(digits, text.data() + text.size(), e.step);
        if (open == std::string::npos || parsed.ec != std::errc() ||
            parsed.ptr + 1 != text.data() + text.size() || text.back() != ']') {
            r_.report(Code::UnknownStep, node.place, pointer + "/step",
                      fmt::format("{} names no step", quoted(text)),
                      "ON/PROCESS[NUMBER], as in \"vm1/vcpu0/app[2]\"; the first step is 0");
            return false;
        }
        e.name = text.substr(0, open);
        const std::vector<platform::Step>* steps = steps_named(node, e.name, pointer + "/step");
        const Node* error = item.get("errno");
        const Node* value = item.get("value");
        if (error == nullptr && value == nullptr) {
            r_.report(Code::MissingKey, item.place, pointer,
                      "an expectation about a step needs \"errno\" or \"value\"");
            return false;
        }
        Errno number = Errno::Ok;
        if (error != nullptr && parse_errno(text_of(error), number)) {
            e.error = number;
        }
        if (value != nullptr) {
            e.value = integer_of(value, 0);
        }
        return steps != nullptr && in_steps(*steps, e.name, e.step, node, pointer + "/step");
    }

    bool bytes(const Node& node, const std::string& pointer, Expectation& e) {
        const Node* name = node.get("program");
        const Node* step_node = node.get("step");
        if (name == nullptr || step_node == nullptr) {
            return false;
        }
        e.name = text_of(name);
        e.step = integer_of(step_node, 0);
        e.buffer = text_of(node.get("buffer"), "destination");
        e.offset = integer_of(node.get("offset"), 0);
        e.length = integer_of(node.get("length"), 0);
        const Node* equals = node.get("equals");
        const Node* differs = node.get("differs");
        if ((equals == nullptr) == (differs == nullptr)) {
            r_.report(Code::OneOf, node.place, pointer,
                      "bytes in memory have \"equals\" or \"differs\", one of them");
            return false;
        }
        e.equal = equals != nullptr;
        const Node& other = e.equal ? *equals : *differs;
        e.other = text_of(&other);
        const bool word = e.other == "source" || e.other == "destination" || e.other == "zero";
        const bool hex = !e.other.empty() && e.other.size() % 2 == 0 &&
                         e.other.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
        if (!word && !hex) {
            r_.report(Code::BadFieldValue, other.place,
                      pointer + (e.equal ? "/equals" : "/differs"),
                      fmt::format("{} are no bytes", quoted(e.other)),
                      "\"source\", \"destination\", \"zero\", or pairs of hexadecimal digits");
            return false;
        }
        if (e.other == e.buffer) {
            r_.report(Code::BadFieldValue, other.place,
                      pointer + (e.equal ? "/equals" : "/differs"),
                      fmt::format("the {} is compared with itself", e.buffer));
            return false;
        }
        const std::vector<platform::Step>* steps = steps_named(*name, e.name, pointer + "/program");
        if (steps == nullptr || !in_steps(*steps, e.name, e.step, *step_node, pointer + "/step")) {
            return false;
        }
        if ((*steps)[e.step].kind != platform::StepKind::Submit) {
            r_.report(Code::UnknownStep, step_node->place, pointer + "/step",
                      fmt::format("step {} is no submit: it has no buffers", e.step));
            return false;
        }
        return true;
    }

    bool latency(const Node& node, const std::string& pointer, Expectation& e) {
        const Node* from = node.get("from");
        const Node* to = node.get("to");
        if (from == nullptr || to == nullptr) {
            return false;
        }
        const bool good = pattern(*from, pointer + "/from", e.patterns) &&
                          pattern(*to, pointer + "/to", e.patterns);
        if (node.get("min") != nullptr) {
            e.at_least = time_of(node.get("min"), {}).ps();
        }
        if (node.get("max") != nullptr) {
            e.at_most = time_of(node.get("max"), {}).ps();
        }
        if (!e.at_least && !e.at_most) {
            r_.report(Code::MissingKey, node.place, pointer, "a latency needs \"max\" or \"min\"");
        }
        if (e.at_least && e.at_most && *e.at_least > *e.at_most) {
            r_.report(Code::MinAboveMax, node.place, pointer, "min is larger than max");
        }
        const Node* match = node.get("match");
        if (!good || match == nullptr) {
            return good;
        }
        for (const Pattern& p : e.patterns) {
            if (p.event->field(text_of(match)) == p.event->fields.size()) {
                r_.report(Code::UnknownField, match->place, pointer + "/match",
                          fmt::format("event {} has no field {}", quoted(p.event->name),
                                      quoted(text_of(match))),
                          suggest(text_of(match), field_names(*p.event)));
                return false;
            }
        }
        e.matched = true;
        e.match_from = e.patterns[0].event->field(text_of(match));
        e.match_to = e.patterns[1].event->field(text_of(match));
        return true;
    }

    Reading& r_;
    const platform::PlatformConfig& config_;
};

}  // namespace

std::optional<Pattern> read_pattern(Reading& reading, const Node& node,
                                    const std::string& pointer) {
    const platform::PlatformConfig none;  // a pattern names nothing of it
    std::vector<Pattern> patterns;
    const bool good = ExpectReader(reading, none).pattern(node, pointer, patterns);
    return good ? std::optional<Pattern>(std::move(patterns.front())) : std::nullopt;
}

std::vector<Expectation> read_expectations(Reading& reading,
                                           const platform::PlatformConfig& config) {
    return ExpectReader(reading, config).read();
}

}  // namespace ioasim::scenario
