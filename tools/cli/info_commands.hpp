// Verbs that tell what the program knows: schema, explain, params, trace catalogue.
#pragma once

#include <string>
#include <vector>

namespace ioasim::tools {

int schema_command(bool tables);
int explain_command(const std::string& word);
int params_command(const std::string& filter, bool json);
int catalogue_command(bool json);

}  // namespace ioasim::tools
