#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "tools/cli/help/verb_tree.hpp"
#include "tools/cli/version.hpp"

namespace ioasim::tools {
namespace {

// Text as man(7) takes it: nothing of it is a request.
std::string plain(const std::string& text) {
    std::string out;
    bool line_begins = true;
    for (const char c : text) {
        if (line_begins && (c == '.' || c == '\'')) {
            out += "\\&";
        }
        out += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
        line_begins = c == '\n';
    }
    return out;
}

std::string bold(const std::string& text) {
    return "\\fB" + plain(text) + "\\fR";
}

std::string italic(const std::string& text) {
    return "\\fI" + plain(text) + "\\fR";
}

std::string heading(const char* name) {
    return fmt::format(".SH {}\n", name);
}

// One paragraph an option: names and value, then what it does.
std::string option_entry(const CLI::Option& option) {
    std::string term;
    for (const std::string& name : option_names(option)) {
        term += (term.empty() ? "" : ", ") + bold(name);
    }
    const std::string value = value_name(option);
    term += value.empty() ? "" : (term.empty() ? "" : " ") + italic(value);
    std::string text = option.get_description();
    std::string values;
    for (const std::string& one : allowed_values(option)) {
        values += (values.empty() ? "" : ", ") + one;
    }
    text += values.empty() ? "" : fmt::format("{}one of {}", text.empty() ? "" : "; ", values);
    text += option.get_required() ? " (required)" : "";
    text += !value.empty() && takes_many(option) ? " (several times)" : "";
    return fmt::format(".TP\n{}\n{}\n", term, plain(text));
}

std::string synopsis(const CLI::App& app, const std::string& path) {
    std::string text = bold(path);
    if (!verbs_of(app).empty()) {
        return text + " " + italic("VERB") + " ...\n";
    }
    for (const CLI::Option* positional : positionals_of(app)) {
        const std::string name =
            italic(value_name(*positional)) + (takes_many(*positional) ? " ..." : "");
        text += positional->get_required() ? " " + name : " [" + name + "]";
    }
    for (const CLI::Option* option : options_of(app)) {
        if (option->get_required()) {
            text += " " + bold(option_names(*option).back()) + " " + italic(value_name(*option));
        }
    }
    return text + " [" + italic("OPTION") + " ...]\n";
}

std::string dashed(std::string path) {
    std::replace(path.begin(), path.end(), ' ', '-');
    return path;
}

// What stands below the help: paragraphs. Those that are no examples and tell of no exit codes are
// notes.
std::string notes(const std::string& footer) {
    const auto begins = [](const std::string& text, const std::string& start) {
        return text.compare(0, start.size(), start) == 0;
    };
    const std::string examples_begin = "Examples:\n";
    std::string examples;
    std::string codes;
    std::string others;
    std::string rest = footer;
    while (!rest.empty()) {
        const std::size_t end = rest.find("\n\n");
        const std::string paragraph = rest.substr(0, end);
        rest = end == std::string::npos ? "" : rest.substr(end + 2);
        if (begins(paragraph, examples_begin)) {
            examples += ".nf\n" + plain(paragraph.substr(examples_begin.size())) + "\n.fi\n";
        } else {
            std::string& target = begins(paragraph, "Exit code") ? codes : others;
            target += (target.empty() ? "" : ".PP\n") + plain(paragraph) + "\n";
        }
    }
    return (examples.empty() ? "" : heading("EXAMPLES") + examples) +
           (codes.empty() ? "" : heading("EXIT STATUS") + codes) +
           (others.empty() ? "" : heading("NOTES") + others);
}

void add_pages(const CLI::App& app, const std::string& path, const std::string& above,
               std::vector<ManualPage>& pages) {
    const std::string name = dashed(path);
    std::string title = name;
    std::transform(title.begin(), title.end(), title.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    std::string text =
        fmt::format(".TH \"{}\" 1 \"\" \"ioasim {}\" \"User commands\"\n", title, kVersion);
    std::string described = app.get_description();
    const std::string own = app.get_name() + ": ";
    if (described.compare(0, own.size(), own) == 0) {
        described.erase(0, own.size());
    }
    text += heading("NAME") + plain(name) + " \\- " + plain(described) + "\n";
    text += heading("SYNOPSIS") + synopsis(app, path);
    const std::vector<const CLI::App*> verbs = verbs_of(app);
    if (!verbs.empty()) {
        text += heading("VERBS");
        for (const CLI::App* verb : verbs) {
            text += fmt::format(".TP\n{}(1)\n{}\n", bold(name + "-" + verb->get_name()),
                                plain(verb->get_description()));
        }
    }
    if (const auto positionals = positionals_of(app); !positionals.empty()) {
        text += heading("ARGUMENTS");
        for (const CLI::Option* positional : positionals) {
            text += option_entry(*positional);
        }
    }
    text += heading("OPTIONS");
    for (const CLI::Option* option : options_of(app)) {
        text += option_entry(*option);
    }
    text += notes(app.get_footer());
    if (!above.empty()) {
        text += heading("SEE ALSO") + bold(above) + "(1)\n";
    }
    pages.push_back({name, text});
    for (const CLI::App* verb : verbs) {
        add_pages(*verb, path + " " + verb->get_name(), name, pages);
    }
}

}  // namespace

std::vector<ManualPage> manual_pages(const CLI::App& app) {
    std::vector<ManualPage> pages;
    add_pages(app, app.get_name(), "", pages);
    return pages;
}

}  // namespace ioasim::tools
