#include "scenarios/language/schema_types.hpp"

#include <deque>
#include <utility>

namespace ioasim::scenario::types {
namespace {

using Kind = Type::Kind;

}  // namespace

// Types live as long as the program; a deque keeps their addresses.
Type& make(Kind kind, std::string what) {
    static std::deque<Type> all;
    all.emplace_back();
    all.back().kind = kind;
    all.back().what = std::move(what);
    return all.back();
}

const Type& text(std::string what, std::uint64_t least) {
    Type& t = make(Kind::Text, std::move(what));
    t.low = least;
    return t;
}
const Type& name(std::string what, std::string charset) {
    Type& t = make(Kind::Name, std::move(what));
    t.charset = std::move(charset);
    return t;
}
const Type& integer(std::uint64_t low, std::uint64_t high) {
    Type& t = make(Kind::Integer, "an integer");
    t.low = low;
    t.high = high;
    return t;
}
const Type& time(std::uint64_t low, std::uint64_t high) {
    Type& t = make(Kind::Time, "a time (\"12us\")");
    t.low = low;
    t.high = high;
    return t;
}
const Type& size(std::uint64_t low, std::uint64_t high) {
    Type& t = make(Kind::Size, "a size (\"4KiB\")");
    t.low = low;
    t.high = high;
    return t;
}
const Type& boolean() {
    static const Type& t = make(Kind::Boolean, "true or false");
    return t;
}
const Type& any(std::string what) {
    return make(Kind::Any, std::move(what));
}
const Type& scalar() {
    static const Type& t = make(Kind::Scalar, "a string, an integer, true or false");
    return t;
}
const Type& choice(std::vector<std::string> choices) {
    Type& t = make(Kind::Choice, "a string");
    t.choices = std::move(choices);
    return t;
}
const Type& list(const Type& element, std::uint64_t low, std::uint64_t high) {
    Type& t = make(Kind::List, "a list");
    t.element = &element;
    t.low = low;
    t.high = high;
    return t;
}
const Type& map(const Type& element) {
    Type& t = make(Kind::Map, "an object");
    t.element = &element;
    return t;
}
const Type& object(std::string what, std::vector<Field> fields) {
    Type& t = make(Kind::Object, std::move(what));
    t.fields = std::move(fields);
    return t;
}
const Type& either(std::string what, std::vector<const Type*> types) {
    Type& t = make(Kind::Either, std::move(what));
    t.either = std::move(types);
    return t;
}
const Type& error_number() {
    static const Type& t = make(Kind::Errno, "an error number (\"ENOSPC\", \"0\")");
    return t;
}

}  // namespace ioasim::scenario::types
