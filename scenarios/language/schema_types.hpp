// How the types of the scenario language are made. They live as long as the program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/language/schema.hpp"

namespace ioasim::scenario::types {

constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

Type& make(Type::Kind kind, std::string what);
const Type& text(std::string what = "a string", std::uint64_t least = 0);
const Type& name(std::string what, std::string charset);
const Type& integer(std::uint64_t low, std::uint64_t high = kNoLimit);
const Type& time(std::uint64_t low, std::uint64_t high);
const Type& size(std::uint64_t low, std::uint64_t high);
const Type& boolean();
const Type& any(std::string what);
const Type& scalar();
const Type& choice(std::vector<std::string> choices);
const Type& list(const Type& element, std::uint64_t low = 0, std::uint64_t high = kNoLimit);
const Type& map(const Type& element);
const Type& object(std::string what, std::vector<Field> fields);
const Type& either(std::string what, std::vector<const Type*> types);
const Type& error_number();
// What kernel threads register, queue and lock, with such steps.
const Type& kernel_code(const Type& step);

}  // namespace ioasim::scenario::types
