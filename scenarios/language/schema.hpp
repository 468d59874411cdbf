// The language as data: every key with its type, unit, range, default and one line of meaning. One
// table (schema_table.cpp) drives validation, `ioasim schema` and the key lists of the manual.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/language/json_tree.hpp"

namespace ioasim::scenario {

struct Type;

struct Field {
    std::string key;
    const Type* type = nullptr;
    bool required = false;
    std::string doc;
    std::string initial;  // default as JSON text; empty: none
};

// One form of an object that is told apart by the key it has ("alloc", "bind", ...).
struct Case {
    std::string key;
    const Type* type = nullptr;
    std::string doc;
    std::vector<Field> options;
};

struct Type {
    enum class Kind : std::uint8_t {
        Text,     // any string (low: least length)
        Name,     // letters, digits, '_', '-', '.', '/' ...: see `charset`
        Integer,  // low..high
        Boolean,
        Time,      // low..high ps
        Size,      // low..high bytes
        Choice,    // one of `choices`
        Quantity,  // low..high: 12, "0x1000" or "4KiB"
        Bytes,     // an even number of hexadecimal digits
        Errno,
        List,    // of `element`, low..high items
        Object,  // `fields`
        Map,     // free keys, values of `element`
        Cases,   // exactly one of `cases`, plus `fields`
        Either,  // told apart by the JSON kind of the value
        Scalar,  // string, integer or boolean
        Any,     // judged elsewhere
    };
    Kind kind = Kind::Any;
    std::string what;  // "a virtual machine", "a time"
    std::uint64_t low = 0;
    std::uint64_t high = ~std::uint64_t{0};
    std::string charset;  // Name: extra characters allowed after the first letter or digit
    std::vector<std::string> choices;
    const Type* element = nullptr;
    std::vector<Field> fields;
    std::vector<Case> cases;
    std::vector<const Type*> either;
    std::string definition;  // the schema writes it once, under this name
};

// The document as a person writes it.
const Type& scenario_type();
// What an item of a list says to stand for several ("$repeat").
const Type& repeat_type();
const Type& params_type();
const Type& matrix_type();
// What firmware tells of a device.
const Type& firmware_type();
// A fault from outside.
const Type& injection_type();
// The steps of bare programs and of VFIO users, from the platform's table of them.
std::vector<Case> bare_cases();
// Mappings of a process, and what a submission may say of them.
std::vector<Case> mapping_cases();
std::vector<Field> submission_mappings();

// Every key of `node` against `type`; messages go to `diagnostics`.
void validate(const Node& node, const Type& type, const std::string& pointer,
              Diagnostics& diagnostics);

// The draft-07 schema, and the tables of the manual. `parameters` are the members of
// platform.params: name, JSON schema text.
struct SchemaParameter {
    std::string pattern;  // of the key
    std::string schema;   // JSON text
};
std::string json_schema(const std::vector<SchemaParameter>& parameters);
std::string key_tables();

}  // namespace ioasim::scenario
