// The words that scenarios may use with the models, checkers and events linked into this program.
#pragma once

#include <string>
#include <vector>

#include "scenarios/language/scenario.hpp"
#include "scenarios/language/schema.hpp"

namespace ioasim::tools {

const scenario::Vocabulary& program_vocabulary();

// Model parameters as members of platform.params in the JSON schema.
std::vector<scenario::SchemaParameter> schema_parameters();

}  // namespace ioasim::tools
