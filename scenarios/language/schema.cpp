#include "scenarios/language/schema.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/base/units.hpp"

namespace ioasim::scenario {
namespace {

using Kind = Type::Kind;

class Validator {
public:
    explicit Validator(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    void value(const Node& node, const Type& type, const std::string& pointer) {
        if (node.broken || type.kind == Kind::Any) {
            return;
        }
        switch (type.kind) {
            case Kind::Text:
                text(node, type, pointer);
                break;
            case Kind::Name:
                name(node, type, pointer);
                break;
            case Kind::Integer:
                integer(node, type, pointer);
                break;
            case Kind::Boolean:
                wants(node, Node::Kind::Boolean, type, pointer);
                break;
            case Kind::Time:
                with_unit(node, type, pointer, Code::BadTime);
                break;
            case Kind::Size:
                with_unit(node, type, pointer, Code::BadSize);
                break;
            case Kind::Choice:
                choice(node, type, pointer);
                break;
            case Kind::Quantity:
                quantity(node, type, pointer);
                break;
            case Kind::Bytes:
                bytes(node, type, pointer);
                break;
            case Kind::Errno:
                errno_text(node, type, pointer);
                break;
            case Kind::List:
                list(node, type, pointer);
                break;
            case Kind::Object:
                object(node, type, pointer);
                break;
            case Kind::Map:
                map(node, type, pointer);
                break;
            case Kind::Cases:
                cases(node, type, pointer);
                break;
            case Kind::Either:
                either(node, type, pointer);
                break;
            case Kind::Scalar:
                scalar(node, type, pointer);
                break;
            case Kind::Any:
                break;
        }
    }

private:
    void report(Code code, const Place& place, const std::string& pointer, std::string text,
                std::string help = {}) {
        diagnostics_.add({code, place, std::move(text), std::move(help), pointer, false});
    }

    // The last part of the pointer, as a subject: `"quota"`, or "item 2 of "vms"".
    static std::string subject(const std::string& pointer) {
        const std::size_t slash = pointer.rfind('/');
        if (slash == std::string::npos) {
            return "the document";
        }
        const std::string last = pointer.substr(slash + 1);
        const bool number =
            !last.empty() && last.find_first_not_of("0123456789") == std::string::npos;
        if (!number) {
            return quoted(last);
        }
        const std::size_t before = pointer.rfind('/', slash - 1);
        const std::string list = before == std::string::npos
                                     ? std::string("the list")
                                     : quoted(pointer.substr(before + 1, slash - before - 1));
        return fmt::format("item {} of {}", last, list);
    }

    bool wants(const Node& node, Node::Kind kind, const Type& type, const std::string& pointer) {
        if (node.kind == kind) {
            return true;
        }
        std::string help;
        if (kind == Node::Kind::Array) {
            help = "a list stands in [ ]";
        } else if (node.kind == Node::Kind::String &&
                   (kind == Node::Kind::Number || kind == Node::Kind::Boolean)) {
            help = "write it without the quotes";
        } else if ((type.kind == Kind::Time || type.kind == Kind::Size) &&
                   node.kind == Node::Kind::Number) {
            help =
                type.kind == Kind::Time
                    ? fmt::format("did you mean \"{}us\"? units are ps, ns, us, ms, s", node.text)
                    : fmt::format("did you mean \"{}B\"? units are B, KiB, MiB, GiB", node.text);
        }
        report(
            Code::WrongType, node.place, pointer,
            fmt::format("{} must be {}, not {}", subject(pointer), type.what, kind_name(node.kind)),
            help);
        return false;
    }

    void text(const Node& node, const Type& type, const std::string& pointer) {
        if (wants(node, Node::Kind::String, type, pointer) && node.text.size() < type.low) {
            report(Code::WrongType, node.place, pointer,
                   fmt::format("{} is empty", subject(pointer)));
        }
    }

    void name(const Node& node, const Type& type, const std::string& pointer) {
        if (!wants(node, Node::Kind::String, type, pointer)) {
            return;
        }
        const auto plain = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        };
        const std::string& t = node.text;
        const bool good = !t.empty() && t.size() <= 64 && plain(t.front()) &&
                          std::all_of(t.begin(), t.end(), [&](char c) {
                              return plain(c) || type.charset.find(c) != std::string::npos;
                          });
        if (!good) {
            std::string others;
            for (const char c : type.charset) {
                others += fmt::format(" '{}'", c);
            }
            report(Code::BadName, node.place, pointer,
                   fmt::format("{} cannot be {}", quoted(t), type.what),
                   fmt::format("1 to 64 letters, digits and{}, beginning with a letter or digit",
                               others));
        }
    }

    std::string range_text(const Type& type) const {
        const auto show = [&type](std::uint64_t v) {
            return type.kind == Kind::Time   ? time_text(v)
                   : type.kind == Kind::Size ? size_text(v)
                                             : std::to_string(v);
        };
        return type.high == ~std::uint64_t{0}
                   ? fmt::format("at least {}", show(type.low))
                   : fmt::format("{}..{}", show(type.low), show(type.high));
    }

    void range(std::uint64_t value, const Node& node, const Type& type,
               const std::string& pointer) {
        if (pointer == "/version" && value != type.low) {
            report(Code::Version, node.place, pointer,
                   fmt::format("version {} of the language is not known", value),
                   fmt::format("this program reads version {}", type.low));
        } else if (value < type.low || value > type.high) {
            report(Code::OutOfRange, node.place, pointer,
                   fmt::format("{} is out of range: {} must be {}", node.text, subject(pointer),
                               range_text(type)));
        }
    }

    void integer(const Node& node, const Type& type, const std::string& pointer) {
        if (!wants(node, Node::Kind::Number, type, pointer)) {
            return;
        }
        bool out_of_range = false;
        const UnitResult result = parse_integer_text(node.text, out_of_range);
        if (result.ok()) {
            range(result.value, node, type, pointer);
        } else {
            report(out_of_range ? Code::OutOfRange : Code::NotInteger, node.place, pointer,
                   out_of_range ? fmt::format("{}: {} must be {}", result.problem, subject(pointer),
                                              range_text(type))
                                : fmt::format("{}: {} must be {}", result.problem, subject(pointer),
                                              type.what),
                   result.help);
        }
    }

    void with_unit(const Node& node, const Type& type, const std::string& pointer, Code code) {
        if (!wants(node, Node::Kind::String, type, pointer)) {
            return;
        }
        const UnitResult result =
            type.kind == Kind::Time ? parse_time_text(node.text) : parse_size_text(node.text);
        if (result.ok()) {
            range(result.value, node, type, pointer);
        } else {
            report(code, node.place, pointer,
                   fmt::format("{}: {}", subject(pointer), result.problem), result.help);
        }
    }

    void quantity(const Node& node, const Type& type, const std::string& pointer) {
        if (node.is(Node::Kind::Number)) {
            integer(node, type, pointer);
            return;
        }
        if (!wants(node, Node::Kind::String, type, pointer)) {
            return;
        }
        const UnitResult result = parse_quantity_text(node.text);
        if (result.ok()) {
            range(result.value, node, type, pointer);
        } else {
            report(Code::BadSize, node.place, pointer,
                   fmt::format("{}: {}", subject(pointer), result.problem), result.help);
        }
    }

    void bytes(const Node& node, const Type& type, const std::string& pointer) {
        const std::string& t = node.text;
        if (wants(node, Node::Kind::String, type, pointer) &&
            (t.size() % 2 != 0 ||
             t.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)) {
            report(Code::BadFieldValue, node.place, pointer,
                   fmt::format("{} is not bytes: {}", quoted(t), subject(pointer)),
                   "two hexadecimal digits a byte, as in \"00ff10\"");
        }
    }

    void choice(const Node& node, const Type& type, const std::string& pointer) {
        if (!wants(node, Node::Kind::String, type, pointer)) {
            return;
        }
        if (std::find(type.choices.begin(), type.choices.end(), node.text) == type.choices.end()) {
            report(
                Code::NotAChoice, node.place, pointer,
                fmt::format("{} is no value of {}: it is {}", quoted(node.text), subject(pointer),
                            quoted_list(type.choices)),
                nearest(node.text, type.choices).empty() ? "" : suggest(node.text, type.choices));
        }
    }

    void errno_text(const Node& node, const Type& type, const std::string& pointer) {
        if (!wants(node, Node::Kind::String, type, pointer)) {
            return;
        }
        Errno value = Errno::Ok;
        const bool word =
            std::find(type.choices.begin(), type.choices.end(), node.text) != type.choices.end();
        if (!word && !parse_errno(node.text, value)) {
            std::vector<std::string> names = type.choices;
            for (int i = 1; i < 200; ++i) {
                const std::string_view known = errno_name_or_empty(i);
                if (!known.empty()) {
                    names.emplace_back(known.substr(1));
                }
            }
            report(Code::BadErrno, node.place, pointer,
                   fmt::format("{} is no error number", quoted(node.text)),
                   suggest(node.text, names));
        }
    }

    static std::string_view errno_name_or_empty(int number) {
        static constexpr int kKnown[] = {1,  2,  3,  4,  5,  6,  7,  9,  11, 12, 13,  14, 16,
                                         17, 19, 22, 25, 28, 34, 35, 61, 62, 95, 110, 125};
        return std::find(std::begin(kKnown), std::end(kKnown), number) == std::end(kKnown)
                   ? std::string_view{}
                   : errno_name(static_cast<Errno>(number));
    }

    void list(const Node& node, const Type& type, const std::string& pointer) {
        if (!wants(node, Node::Kind::Array, type, pointer)) {
            return;
        }
        if (node.items.size() < type.low || node.items.size() > type.high) {
            report(Code::ListLength, node.place, pointer,
                   fmt::format("{} has {} items; it must have {}", subject(pointer),
                               node.items.size(), range_text(type)));
        }
        for (std::size_t i = 0; i < node.items.size(); ++i) {
            value(node.items[i], *type.element, pointer_join(pointer, i));
        }
    }

    void map(const Node& node, const Type& type, const std::string& pointer) {
        if (!wants(node, Node::Kind::Object, type, pointer)) {
            return;
        }
        for (const Member& member : node.members) {
            value(member.value, *type.element, pointer_join(pointer, member.key));
        }
    }

    static const Field* field_of(const std::vector<Field>& fields, const std::string& key) {
        for (const Field& field : fields) {
            if (field.key == key) {
                return &field;
            }
        }
        return nullptr;
    }

    // Members against up to two lists of fields; `skip` is the key that told the case.
    void members(const Node& node, const std::vector<Field>& fields, const std::vector<Field>& more,
                 const std::string& skip, const std::string& what, const std::string& pointer,
                 const std::vector<Case>* others) {
        for (const Member& member : node.members) {
            if (member.key == skip) {
                continue;
            }
            const std::string inner = pointer_join(pointer, member.key);
            const Field* field = field_of(fields, member.key);
            field = field == nullptr ? field_of(more, member.key) : field;
            if (field != nullptr) {
                value(member.value, *field->type, inner);
                continue;
            }
            std::vector<std::string> keys;
            for (const std::vector<Field>* list : {&fields, &more}) {
                for (const Field& f : *list) {
                    keys.push_back(f.key);
                }
            }
            std::string help = suggest(member.key, keys);
            if (others != nullptr && nearest(member.key, keys).empty()) {
                for (const Case& other : *others) {
                    if (field_of(other.options, member.key) != nullptr) {
                        help = fmt::format("{} belongs to {}; ", quoted(member.key),
                                           quoted(other.key)) +
                               help;
                        break;
                    }
                }
            }
            report(Code::UnknownKey, member.place, inner,
                   fmt::format("unknown key {} in {}", quoted(member.key), what), help);
        }
        for (const std::vector<Field>* list : {&fields, &more}) {
            for (const Field& f : *list) {
                if (f.required && node.find(f.key) == nullptr) {
                    report(Code::MissingKey, node.place, pointer.empty() ? "/" : pointer,
                           fmt::format("{} needs the key {}", what, quoted(f.key)), f.doc);
                }
            }
        }
    }

    void object(const Node& node, const Type& type, const std::string& pointer) {
        if (wants(node, Node::Kind::Object, type, pointer)) {
            members(node, type.fields, {}, "", type.what, pointer, nullptr);
        }
    }

    void cases(const Node& node, const Type& type, const std::string& pointer) {
        if (!wants(node, Node::Kind::Object, type, pointer)) {
            return;
        }
        std::vector<std::string> keys;
        const Case* found = nullptr;
        std::vector<std::string> present;
        for (const Case& c : type.cases) {
            keys.push_back(c.key);
        }
        // In the order of the document: the first one names the case.
        for (const Member& member : node.members) {
            for (const Case& c : type.cases) {
                const bool option =
                    found != nullptr && field_of(found->options, member.key) != nullptr;
                if (c.key == member.key && !option) {
                    found = found == nullptr ? &c : found;
                    present.push_back(c.key);
                }
            }
        }
        if (found == nullptr) {
            std::string near;
            for (const Member& member : node.members) {
                near = near.empty() && field_of(type.fields, member.key) == nullptr
                           ? nearest(member.key, keys)
                           : near;
            }
            report(Code::OneOf, node.place, pointer,
                   fmt::format("{} has no key that says what it is", type.what),
                   near.empty() ? "one of " + quoted_list(keys, 40)
                                : fmt::format("did you mean {}?", quoted(near)));
            return;
        }
        if (present.size() > 1) {
            report(Code::OneOf, node.find(present[1])->place, pointer,
                   fmt::format("{} is one thing only: {} and {} are two", type.what,
                               quoted(present[0]), quoted(present[1])),
                   "write two items");
            return;
        }
        value(*node.get(found->key), *found->type, pointer_join(pointer, found->key));
        members(node, found->options, type.fields, found->key,
                fmt::format("{} of kind {}", type.what, quoted(found->key)), pointer, &type.cases);
    }

    static bool accepts(const Type& type, Node::Kind kind) {
        switch (type.kind) {
            case Kind::Text:
            case Kind::Name:
            case Kind::Time:
            case Kind::Size:
            case Kind::Choice:
            case Kind::Errno:
            case Kind::Bytes:
                return kind == Node::Kind::String;
            case Kind::Quantity:
                return kind == Node::Kind::String || kind == Node::Kind::Number;
            case Kind::Integer:
                return kind == Node::Kind::Number;
            case Kind::Boolean:
                return kind == Node::Kind::Boolean;
            case Kind::List:
                return kind == Node::Kind::Array;
            case Kind::Object:
            case Kind::Map:
            case Kind::Cases:
                return kind == Node::Kind::Object;
            case Kind::Scalar:
                return kind != Node::Kind::Array && kind != Node::Kind::Object &&
                       kind != Node::Kind::Null;
            case Kind::Either:
            case Kind::Any:
                return true;
        }
        return true;
    }

    void either(const Node& node, const Type& type, const std::string& pointer) {
        for (const Type* option : type.either) {
            if (accepts(*option, node.kind)) {
                value(node, *option, pointer);
                return;
            }
        }
        report(Code::WrongType, node.place, pointer,
               fmt::format("{} must be {}, not {}", subject(pointer), type.what,
                           kind_name(node.kind)));
    }

    void scalar(const Node& node, const Type& type, const std::string& pointer) {
        if (!accepts(type, node.kind)) {
            report(Code::WrongType, node.place, pointer,
                   fmt::format("{} must be {}, not {}", subject(pointer), type.what,
                               kind_name(node.kind)));
        }
    }

    Diagnostics& diagnostics_;
};

}  // namespace

void validate(const Node& node, const Type& type, const std::string& pointer,
              Diagnostics& diagnostics) {
    Validator(diagnostics).value(node, type, pointer);
}

}  // namespace ioasim::scenario
