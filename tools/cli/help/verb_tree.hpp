// The command line as data: what the pages of the manual and the completions of shells are made of.
// Read from the options as they were declared; there is no second list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ioasim::tools {

// Verbs and options that the help shows, in their order.
std::vector<const CLI::App*> verbs_of(const CLI::App& app);
std::vector<const CLI::Option*> options_of(const CLI::App& app);
std::vector<const CLI::Option*> positionals_of(const CLI::App& app);

// "-j", "--jobs".
std::vector<std::string> option_names(const CLI::Option& option);
// What stands for the value: "DEFECT", "N", "FILE"; empty: it takes none.
std::string value_name(const CLI::Option& option);
// The values that are allowed, where they are few.
std::vector<std::string> allowed_values(const CLI::Option& option);
bool takes_many(const CLI::Option& option);

struct Completion {
    std::string text;
    std::string meaning;  // may be empty
};
// What the last word can become after those before it (without the program's name). A text that
// ends with '/' or '=' goes on.
std::vector<Completion> complete(const CLI::App& app, const std::vector<std::string>& words);

// The page of a verb in man(7), and its name: "ioasim-campaign-run".
struct ManualPage {
    std::string name;
    std::string text;
};
// Of the program and all its verbs.
std::vector<ManualPage> manual_pages(const CLI::App& app);

// The script that tells a shell how to complete; empty: no such shell.
std::string_view completion_script(std::string_view shell);
const std::vector<std::string>& shell_names();

}  // namespace ioasim::tools
