// The table of the language as a draft-07 JSON schema and as tables of the manual. Objects that
// appear in several places, steps above all, are written once and referred to.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "scenarios/language/repeat.hpp"
#include "scenarios/language/schema.hpp"

namespace ioasim::scenario {
namespace {

using Kind = Type::Kind;

constexpr const char* kRefersTo = R"({"$ref": )";
constexpr const char* kReference = R"(\\$\\{[A-Za-z][A-Za-z0-9_]*\\})";

class Exporter {
public:
    explicit Exporter(const std::vector<SchemaParameter>& parameters) : parameters_(parameters) {}

    std::string value(const Type& type) {
        switch (type.kind) {
            case Kind::Text:
                return type.low > 0 ? R"({"type": "string", "minLength": 1})"
                                    : R"({"type": "string"})";
            case Kind::Name:
                return fmt::format(R"({{"type": "string", )"
                                   R"("pattern": "^([A-Za-z0-9]|\\$\\{{)[A-Za-z0-9{}${{}}]*$"}})",
                                   charset(type.charset));
            case Kind::Integer:
                return or_reference(integer(type));
            case Kind::Boolean:
                return or_reference(R"({"type": "boolean"})");
            case Kind::Time:
                return or_reference(
                    R"({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ps|ns|us|ms|s|h)$"})");
            case Kind::Size:
                return or_reference(
                    R"({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(B|KiB|MiB|GiB|TiB)$"})");
            case Kind::Choice:
                return or_reference(choice(type));
            case Kind::Quantity:
                return fmt::format(
                    R"({{"anyOf": [{}, {{"type": "string", "pattern": )"
                    R"("^(0[xX][0-9a-fA-F]+|[0-9]+(\\.[0-9]+)?(B|KiB|MiB|GiB|TiB))$"}}]}})",
                    or_reference(integer(type)));
            case Kind::Bytes:
                return or_reference(
                    R"({"type": "string", "pattern": "^([0-9a-fA-F][0-9a-fA-F])*$"})");
            case Kind::Errno:
                return or_reference(
                    type.choices.empty()
                        ? R"({"type": "string", "pattern": "^(0|-?E[A-Z0-9]+)$"})"
                        : fmt::format(R"({{"type": "string", "pattern": "^(0|-?E[A-Z0-9]+|{})$"}})",
                                      fmt::join(type.choices, "|")));
            case Kind::List:
                return fmt::format(R"({{"type": "array", "items": {}{}{}}})", item(*type.element),
                                   type.low > 0 ? fmt::format(R"(, "minItems": {})", type.low) : "",
                                   type.high != ~std::uint64_t{0}
                                       ? fmt::format(R"(, "maxItems": {})", type.high)
                                       : "");
            case Kind::Object:
                return reference(type, object(type.fields, nullptr, {}));
            case Kind::Map:
                return fmt::format(R"({{"type": "object", "additionalProperties": {}}})",
                                   value(*type.element));
            case Kind::Cases:
                return reference(type, cases(type));
            case Kind::Either:
                return either(type);
            case Kind::Scalar:
                return R"({"type": ["string", "integer", "boolean"]})";
            case Kind::Any:
                return "{}";
        }
        return "{}";
    }

    // What references lead to: "a-step": {...}, ...
    std::string definitions() const {
        std::string out;
        for (const auto& [name, schema] : definitions_) {
            out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", json_quote(name), schema);
        }
        return "{" + out + "}";
    }

    std::string object(const std::vector<Field>& fields, const Case* chosen,
                       const std::vector<Field>& common) {
        std::string properties;
        std::string required;
        const auto add = [&](const std::string& key, const Type& type, const std::string& doc,
                             const std::string& initial, bool needed) {
            const unsigned outside = std::exchange(depth_, 0U);
            std::string schema = key == "params" && !parameters_.empty() &&
                                         type.kind == Kind::Map && type.element->kind == Kind::Any
                                     ? model_parameters()
                                     : value(type);
            depth_ = outside;
            std::string extra = fmt::format(R"("description": {})", json_quote(doc));
            if (!initial.empty()) {
                extra += fmt::format(R"(, "default": {})", initial);
            }
            // Beside a $ref nothing else is read.
            const bool refers = schema.rfind(kRefersTo, 0) == 0;
            schema = schema == "{}" ? "{" + extra + "}"
                     : refers       ? fmt::format(R"({{{}, "allOf": [{}]}})", extra, schema)
                                    : "{" + extra + ", " + schema.substr(1);
            properties +=
                fmt::format("{}{}: {}", properties.empty() ? "" : ", ", json_quote(key), schema);
            if (needed) {
                required += fmt::format("{}{}", required.empty() ? "" : ", ", json_quote(key));
            }
        };
        if (chosen != nullptr) {
            add(chosen->key, *chosen->type, chosen->doc, "", true);
        }
        for (const std::vector<Field>* list : {&fields, &common}) {
            for (const Field& f : *list) {
                add(f.key, *f.type, f.doc, f.initial, f.required);
            }
        }
        if (depth_ > 0) {
            properties +=
                fmt::format(R"({}"{}": {})", properties.empty() ? "" : ", ", kRepeat, repetition());
        }
        return fmt::format(
            R"({{"type": "object", "properties": {{{}}}{}, "additionalProperties": false}})",
            properties, required.empty() ? "" : fmt::format(R"(, "required": [{}])", required));
    }

private:
    // Items may say that they stand for several.
    std::string item(const Type& type) {
        const unsigned outside = std::exchange(depth_, 1U);
        std::string out = value(type);
        depth_ = outside;
        return out;
    }
    std::string repetition() {
        const unsigned outside = std::exchange(depth_, 0U);
        const std::string one = value(repeat_type());
        depth_ = outside;
        return fmt::format(R"({{"description": "the item stands for several", "anyOf": [{0}, )"
                           R"({{"type": "array", "items": {0}}}]}})",
                           one);
    }
    // Two types that read the same are one; two that are called the same are told apart.
    std::string reference(const Type& type, const std::string& schema) {
        std::string name = type.what;
        std::replace(name.begin(), name.end(), ' ', '-');
        for (unsigned number = 2;; ++number) {
            const auto [known, fresh] = definitions_.emplace(name, schema);
            if (fresh || known->second == schema) {
                return fmt::format(R"({}"#/definitions/{}"}})", kRefersTo, name);
            }
            name = name.substr(0, name.find('.')) + fmt::format(".{}", number);
        }
    }
    static std::string charset(const std::string& extra) {
        std::string out;
        for (const char c : extra) {
            out += c == '-' ? "\\\\-" : std::string(1, c);
        }
        return out;
    }
    static std::string or_reference(const std::string& schema) {
        return fmt::format(R"({{"anyOf": [{}, {{"type": "string", "pattern": "{}"}}]}})", schema,
                           kReference);
    }
    static std::string integer(const Type& type) {
        std::string out = fmt::format(R"({{"type": "integer", "minimum": {})", type.low);
        if (type.high != ~std::uint64_t{0}) {
            out += fmt::format(R"(, "maximum": {})", type.high);
        }
        return out + "}";
    }
    static std::string choice(const Type& type) {
        std::string out;
        for (const std::string& c : type.choices) {
            out += (out.empty() ? "" : ", ") + json_quote(c);
        }
        return fmt::format(R"({{"enum": [{}]}})", out);
    }
    std::string cases(const Type& type) {
        std::string out;
        for (const Case& c : type.cases) {
            out += (out.empty() ? "" : ", ") + object(c.options, &c, type.fields);
        }
        return or_reference(fmt::format(R"({{"oneOf": [{}]}})", out));
    }
    std::string either(const Type& type) {
        std::string out;
        for (const Type* t : type.either) {
            out += (out.empty() ? "" : ", ") + value(*t);
        }
        return fmt::format(R"({{"anyOf": [{}]}})", out);
    }
    std::string model_parameters() const {
        std::string out;
        for (const SchemaParameter& p : parameters_) {
            out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", json_quote(p.pattern),
                               or_reference(p.schema));
        }
        return fmt::format(
            R"({{"type": "object", "patternProperties": {{{}}}, "additionalProperties": false}})",
            out);
    }

    const std::vector<SchemaParameter>& parameters_;
    std::map<std::string, std::string> definitions_;
    unsigned depth_ = 0;  // 1: what is written is an item of a list
};

std::string type_words(const Type& type) {
    switch (type.kind) {
        case Kind::Integer:
            return type.high == ~std::uint64_t{0}
                       ? fmt::format("integer, {} or more", type.low)
                       : fmt::format("integer {}..{}", type.low, type.high);
        case Kind::Time:
            return fmt::format("time {}..{}", time_text(type.low), time_text(type.high));
        case Kind::Size:
            return fmt::format("size {}..{}", size_text(type.low), size_text(type.high));
        case Kind::Quantity:
            return type.high == ~std::uint64_t{0}
                       ? std::string("number")
                       : fmt::format("number {}..{}", type.low, type.high);
        case Kind::Choice: {
            std::string out;
            for (const std::string& c : type.choices) {
                out += fmt::format("{}`{}`", out.empty() ? "" : ", ", c);
            }
            return out;
        }
        case Kind::List:
            return "list of: " + type_words(*type.element);
        case Kind::Map:
            return "object: name -> " + type_words(*type.element);
        case Kind::Boolean:
            return "boolean";
        case Kind::Any:
            return type.what.empty() ? "any" : type.what;
        default:
            return type.what;
    }
}

void rows_of(const std::vector<Field>& fields, std::string& out) {
    for (const Field& f : fields) {
        const std::string initial = f.required          ? "**required**"
                                    : f.initial.empty() ? std::string("–")
                                                        : fmt::format("`{}`", f.initial);
        out += fmt::format("| `{}` | {} | {} | {} |\n", f.key, type_words(*f.type), initial, f.doc);
    }
}

constexpr const char* kHead = "| key | type | default | meaning |\n|---|---|---|---|\n";

// One table an object, parents first; what has its table is only told of.
void tables(const Type& type, const std::string& path, std::set<std::string>& told,
            std::string& out) {
    switch (type.kind) {
        case Kind::List:
            tables(*type.element, path + "[]", told, out);
            break;
        case Kind::Map:
            tables(*type.element, path + ".NAME", told, out);
            break;
        case Kind::Either:
            for (const Type* t : type.either) {
                // "one or a list of them": the one says all.
                const bool again = t->kind == Kind::List &&
                                   std::find(type.either.begin(), type.either.end(), t->element) !=
                                       type.either.end();
                if (!again) {
                    tables(*t, path, told, out);
                }
            }
            break;
        case Kind::Object:
            out += fmt::format("\n### `{}`: {}\n\n{}", path.empty() ? "/" : path, type.what, kHead);
            rows_of(type.fields, out);
            for (const Field& f : type.fields) {
                // Expectations are told where they stand alone.
                const bool again = f.key == "expect" && path.find("matrix") != std::string::npos;
                if (!again) {
                    tables(*f.type, path.empty() ? f.key : path + "." + f.key, told, out);
                }
            }
            break;
        case Kind::Cases:
            if (!told.insert(type.what).second) {
                out += fmt::format("\n### `{}`: {}, as above\n", path, type.what);
                break;
            }
            out += fmt::format("\n### `{}`: {}, one of\n\n{}", path, type.what,
                               "| key | value | further keys | meaning |\n|---|---|---|---|\n");
            for (const Case& c : type.cases) {
                std::string options;
                for (const Field& f : c.options) {
                    options += fmt::format("{}`{}`{}", options.empty() ? "" : ", ", f.key,
                                           f.required ? " (required)" : "");
                }
                out += fmt::format("| `{}` | {} | {} | {} |\n", c.key, type_words(*c.type),
                                   options.empty() ? "–" : options, c.doc);
            }
            out += fmt::format("\nWith every kind:\n\n{}", kHead);
            rows_of(type.fields, out);
            for (const Case& c : type.cases) {
                if (c.type->kind == Kind::Object) {
                    tables(*c.type, path + "." + c.key, told, out);
                }
            }
            break;
        default:
            break;
    }
}

}  // namespace

std::string json_schema(const std::vector<SchemaParameter>& parameters) {
    Exporter exporter(parameters);
    const std::string body = exporter.object(scenario_type().fields, nullptr, {});
    const std::string text =
        fmt::format(R"({{"$schema": "http://json-schema.org/draft-07/schema#", )"
                    R"("$id": "scenario-1.schema.json", )"
                    R"("title": "ioasim scenario", {}, "definitions": {}}})",
                    body.substr(1, body.size() - 2), exporter.definitions());
    // The same writer as for every other document: one style, and the text is known to be JSON.
    SourceSet sources;
    Diagnostics diagnostics;
    Node node;
    const std::uint32_t file = sources.add("schema", text);
    const bool good = parse_json(file, sources, diagnostics, node);
    return good ? to_json(node, 2) + "\n" : render(diagnostics, sources, false);
}

std::string key_tables() {
    std::string out;
    std::set<std::string> told;
    tables(scenario_type(), "", told, out);
    return out;
}

}  // namespace ioasim::scenario
