// Verbs that tell what the program knows: schema, explain, params, trace catalogue.
#pragma once

#include <string>
#include <vector>

namespace ioasim::tools {

// `of`: "report", else scenarios.
int schema_command(const std::string& of, bool tables);
// `code`: a number, for words that want one ("fault").
int explain_command(const std::string& word, const std::string& code);
// Every word that it takes.
std::vector<std::string> known_words();
int params_command(const std::string& filter, bool json);
int catalogue_command(bool json);

}  // namespace ioasim::tools
