#include <algorithm>
#include <filesystem>
#include <map>

#include <CLI/CLI.hpp>

#include "core/base/defects.hpp"
#include "tools/cli/bench/bench.hpp"
#include "tools/cli/help/verb_tree.hpp"
#include "tools/cli/info_commands.hpp"
#include "tools/cli/vocabulary.hpp"

namespace ioasim::tools {
namespace {

using Completions = std::vector<Completion>;

bool begins_with(const std::string& text, const std::string& start) {
    return text.compare(0, start.size(), start) == 0;
}

// --- values -------------------------------------------------------------------------------------

Completions defects(const std::string&) {
    Completions all;
    for (const Declaration* defect : Declaration::all(Declaration::Kind::Defect)) {
        all.push_back({std::string(defect->name()), std::string(defect->meaning())});
    }
    return all;
}

// Of each kind of component; and of the one that the word names, "iommu0" of kind "iommu".
Completions parameters(const std::string& word, const std::string& after) {
    Completions all;
    const std::string component = word.substr(0, word.find('.'));
    const std::string kind = component.substr(0, component.find_last_not_of("0123456789") + 1);
    for (const ParamTableBase* table : program_vocabulary().tables) {
        for (const ParamInfo& info : table->params()) {
            const std::string rest = "." + info.path + after;
            all.push_back({table->owner() + rest, info.meaning});
            if (table->owner() == kind && component != kind) {
                all.push_back({component + rest, info.meaning});
            }
        }
    }
    return all;
}

Completions settings(const std::string& word) {
    return parameters(word, "=");
}

Completions parameter_names(const std::string& word) {
    return parameters(word, "");
}

Completions explained(const std::string&) {
    Completions all;
    for (const std::string& word : known_words()) {
        all.push_back({word, ""});
    }
    return all;
}

Completions benchmarks(const std::string&) {
    Completions all;
    std::string rest = bench_names();
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string line = rest.substr(0, end);
        const std::size_t colon = line.find(": ");
        all.push_back({line.substr(0, colon), line.substr(std::min(colon, line.size() - 2) + 2)});
        rest = rest.substr(std::min(end + 1, rest.size()));
    }
    return all;
}

// Entries of the folder that the word has got to. `wanted`: endings of files; none: all of them.
Completions entries(const std::string& word, const std::vector<std::string>& wanted, bool files) {
    namespace fs = std::filesystem;
    const std::size_t slash = word.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : word.substr(0, slash + 1);
    Completions all;
    std::error_code error;
    fs::directory_iterator entry(folder.empty() ? "." : folder, error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        std::error_code unknown;
        if (entry->is_directory(unknown)) {
            all.push_back({folder + name + "/", ""});
            continue;
        }
        bool fits = wanted.empty();
        for (const std::string& ending : wanted) {
            fits |= name.size() > ending.size() &&
                    name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
        }
        if (files && fits) {
            all.push_back({folder + name, ""});
        }
    }
    // Hidden ones only for who asks.
    const bool hidden = word.size() > folder.size() && word[folder.size()] == '.';
    all.erase(std::remove_if(
                  all.begin(), all.end(),
                  [&](const Completion& one) { return !hidden && one.text[folder.size()] == '.'; }),
              all.end());
    return all;
}

Completions scenario_files(const std::string& word) {
    return entries(word, {".json", ".jsonc", ".jsonl", ".jsonl.gz"}, true);
}

Completions any_files(const std::string& word) {
    return entries(word, {}, true);
}

Completions folders(const std::string& word) {
    return entries(word, {}, false);
}

// By the name of the value, as the help shows it.
Completions values_of(const CLI::Option& option, const std::string& word) {
    Completions all;
    for (const std::string& value : allowed_values(option)) {
        all.push_back({value, ""});
    }
    if (!all.empty()) {
        return all;
    }
    using Maker = Completions (*)(const std::string&);
    static const std::map<std::string, Maker> makers{
        {"DEFECT", defects},  {"PATH=VALUE", settings},  {"WORD", explained},
        {"NAME", benchmarks}, {"TEXT", parameter_names}, {"FOLDER", folders},
    };
    const std::string name = value_name(option);
    if (name == "FILE") {
        return option.get_positional() ? scenario_files(word) : any_files(word);
    }
    // Only a positional TEXT is a part of a parameter's name.
    const auto maker = makers.find(name);
    if (maker == makers.end() || (name == "TEXT" && !option.get_positional())) {
        return {};
    }
    return maker->second(word);
}

// --- the place of the last word -----------------------------------------------------------------

const CLI::Option* option_called(const CLI::App& app, const std::string& name) {
    for (const CLI::Option* option : options_of(app)) {
        const std::vector<std::string> names = option_names(*option);
        if (std::find(names.begin(), names.end(), name) != names.end()) {
            return option;
        }
    }
    return nullptr;
}

const CLI::App* verb_called(const CLI::App& app, const std::string& name) {
    for (const CLI::App* verb : verbs_of(app)) {
        if (verb->get_name() == name) {
            return verb;
        }
    }
    return nullptr;
}

struct Place {
    const CLI::App* app;
    const CLI::Option* option = nullptr;  // whose value comes next
    std::vector<std::string> positionals;
};

Place place_after(const CLI::App& app, const std::vector<std::string>& words) {
    Place place{&app, nullptr, {}};
    for (const std::string& word : words) {
        if (place.option != nullptr) {
            place.option = nullptr;
        } else if (word.size() > 1 && word[0] == '-') {
            const CLI::Option* const option = option_called(*place.app, word);
            place.option = option != nullptr && !value_name(*option).empty() ? option : nullptr;
        } else if (const CLI::App* const verb = verb_called(*place.app, word);
                   verb != nullptr && place.positionals.empty()) {
            place.app = verb;
        } else {
            place.positionals.push_back(word);
        }
    }
    return place;
}

Completions of_option_names(const CLI::App& app) {
    Completions all;
    for (const CLI::Option* option : options_of(app)) {
        for (const std::string& name : option_names(*option)) {
            all.push_back({name, option->get_description()});
        }
    }
    return all;
}

Completions of_verbs(const CLI::App& app) {
    Completions all;
    for (const CLI::App* verb : verbs_of(app)) {
        all.push_back({verb->get_name(), verb->get_description()});
    }
    return all;
}

Completions of_positional(const CLI::App& root, const Place& place, const std::string& word) {
    std::size_t left = place.positionals.size();
    for (const CLI::Option* positional : positionals_of(*place.app)) {
        if (left == 0 || takes_many(*positional)) {
            if (value_name(*positional) != "VERB") {
                return values_of(*positional, word);
            }
            return of_verbs(*place_after(root, place.positionals).app);
        }
        --left;
    }
    return {};
}

}  // namespace

std::vector<Completion> complete(const CLI::App& app, const std::vector<std::string>& words) {
    const std::string last = words.empty() ? "" : words.back();
    const Place place =
        place_after(app, {words.begin(), words.empty() ? words.end() : words.end() - 1});
    Completions all;
    std::string before;  // of the word, that stays as it is
    const std::size_t equals = last.find('=');
    if (place.option != nullptr) {
        all = values_of(*place.option, last);
    } else if (last.size() > 1 && last[0] == '-' && equals != std::string::npos) {
        before = last.substr(0, equals + 1);
        if (const CLI::Option* option = option_called(*place.app, last.substr(0, equals))) {
            all = values_of(*option, last.substr(equals + 1));
        }
    } else if (!last.empty() && last[0] == '-') {
        all = of_option_names(*place.app);
    } else if (place.positionals.empty() && !verbs_of(*place.app).empty()) {
        all = of_verbs(*place.app);
    } else {
        all = of_positional(app, place, last);
    }
    Completions fitting;
    for (Completion& one : all) {
        one.text = before + one.text;
        if (begins_with(one.text, last)) {
            fitting.push_back(std::move(one));
        }
    }
    std::sort(fitting.begin(), fitting.end(),
              [](const Completion& a, const Completion& b) { return a.text < b.text; });
    fitting.erase(
        std::unique(fitting.begin(), fitting.end(),
                    [](const Completion& a, const Completion& b) { return a.text == b.text; }),
        fitting.end());
    return fitting;
}

}  // namespace ioasim::tools
