// Memory that a process maps by name, as keys and types of the language.
#include <deque>
#include <utility>

#include "scenarios/language/schema.hpp"
#include "scenarios/language/schema_types.hpp"

namespace ioasim::scenario {
namespace {

using types::make;
using Kind = Type::Kind;

const Type& mapping_name() {
    Type& t = make(Kind::Name, "the name of a mapping");
    t.charset = "_";
    return t;
}
const Type& boolean() {
    static const Type& t = make(Kind::Boolean, "true or false");
    return t;
}
const Type& process_name() {
    Type& t = make(Kind::Text, "the name of a process");
    t.low = 1;
    return t;
}
const Type& bytes() {
    Type& t = make(Kind::Size, "a size (\"4KiB\")");
    t.low = 1;
    t.high = 1ULL << 31U;
    return t;
}

}  // namespace

std::vector<Case> mapping_cases() {
    return {
        {"mmap",
         &mapping_name(),
         "map anonymous memory under this name",
         {{"size", &bytes(), false, "bytes", "\"4KiB\""},
          {"populate", &boolean(), false, "all pages at once; else when they are touched", "true"},
          {"writable", &boolean(), false, "it may be written", "true"},
          {"on_storage", &boolean(), false, "a page that is missing is read from storage first",
           "false"}}},
        {"munmap", &mapping_name(), "unmap it; the name then leads to freed memory", {}},
        {"fork",
         &process_name(),
         "the process of the program with this one as \"parent\" begins, with a copy of the "
         "memory, "
         "the same names, and no PASID",
         {}},
        {"thread",
         &process_name(),
         "the program with this one as \"parent\" begins, a thread of the same process (clone): "
         "the same memory, the same names, and IA32_PASID in its initial state",
         {}},
        {"exec", &boolean(), "the process goes on with an empty address space (true)", {}},
    };
}

std::vector<Field> submission_mappings() {
    return {
        {"source", &mapping_name(), false,
         "a mapping to read from, as it is (default: a fresh buffer, filled)", ""},
        {"destination", &mapping_name(), false, "a mapping to write to (default: a fresh buffer)",
         ""},
        {"block_on_fault", &boolean(), false,
         "the device waits for pages that it lacks and asks for them", "false"},
        {"credits", &boolean(), false,
         "hands a dedicated workqueue no more than it holds; false: writes on and on, and looks "
         "for no record",
         "true"}};
}

}  // namespace ioasim::scenario
