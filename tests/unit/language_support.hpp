// What the tests of the scenario language share: texts as files, a vocabulary of a few words, and
// the codes of messages in order.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "scenarios/language/scenario.hpp"

namespace ioasim::scenario::test {

struct Parsed {
    SourceSet sources;
    Diagnostics diagnostics;
    Node node;
    bool good = false;
};

inline Parsed parse(const std::string& text) {
    Parsed p;
    const std::uint32_t file = p.sources.add("t.json", text);
    p.good = parse_json(file, p.sources, p.diagnostics, p.node);
    return p;
}

// "E0201 2:5" for each message, in source order.
inline std::vector<std::string> told(const Diagnostics& diagnostics, const SourceSet& sources) {
    std::vector<std::string> out;
    for (const Diagnostic& d : diagnostics.sorted()) {
        const auto at = sources.locate(d.place);
        out.push_back(d.place.length == 0
                          ? code_name(d.code)
                          : fmt::format("{} {}:{}", code_name(d.code), at.line, at.column));
    }
    return out;
}

// The same on one line, which a failing check can show.
inline std::string told_line(const Diagnostics& diagnostics, const SourceSet& sources) {
    std::string out;
    for (const std::string& one : told(diagnostics, sources)) {
        out += (out.empty() ? "" : ", ") + one;
    }
    return out;
}

inline std::vector<std::string> helps(const Diagnostics& diagnostics) {
    std::vector<std::string> out;
    for (const Diagnostic& d : diagnostics.sorted()) {
        out.push_back(d.help);
    }
    return out;
}

// A folder for the files of a test; gone with it.
class Folder {
public:
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "ioasim-language-XXXXXX";
        path_ = ::mkdtemp(name.data()) != nullptr ? name : ".";
    }
    ~Folder() {
        for (const std::string& file : files_) {
            std::remove(file.c_str());
        }
        ::rmdir(path_.c_str());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string write(const std::string& name, const std::string& text) {
        files_.push_back(path_ + "/" + name);
        std::ofstream(files_.back(), std::ios::binary) << text;
        return files_.back();
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
    std::vector<std::string> files_;
};

struct CacheParams {
    std::uint64_t entries = 0;
    std::uint64_t read = 0;
};

inline const ParamTableBase& cache_table() {
    static const ParamTable<CacheParams> table = [] {
        ParamTable<CacheParams> t{"iommu"};
        t.count("iotlb.entries", &CacheParams::entries, 0, 1024, 64, "entries of the IOTLB",
                "test");
        t.count("walk.read", &CacheParams::read, 1, 1'000'000, 50'000, "one read of a walk", "test",
                Unit::Time);
        return t;
    }();
    return table;
}

inline Vocabulary words() {
    Vocabulary v;
    v.tables = {&cache_table()};
    v.defects = {"ioasid.missing_put", "vtd.skip_invalidation"};
    v.checkers = {"isolation", "references"};
    v.findings = {"isolation.read", "references.leak"};
    v.checker_of = [](const std::string& code) { return code.substr(0, code.find('.')); };
    v.check_state_path = [](const std::string& path) {
        return path.find(".state") == std::string::npos ? std::string("no such form")
                                                        : std::string();
    };
    v.check_platform = [](const platform::PlatformConfig&) {
        return std::vector<platform::ConfigProblem>{};
    };
    return v;
}

// A scenario with the given further members.
inline std::string scenario_text(const std::string& more) {
    return R"({"version": 1, "name": "t", "purpose": "p")" + (more.empty() ? "" : ", " + more) +
           "}";
}

inline Loaded load_text(const std::string& text, const std::vector<std::string>& sets = {}) {
    Folder folder;
    return load(folder.write("t.json", text), words(), {sets, {}});
}

inline std::vector<std::string> codes_of(const Loaded& loaded) {
    std::vector<std::string> out;
    for (const Diagnostic& d : loaded.diagnostics.sorted()) {
        if (!d.warning) {
            out.push_back(code_name(d.code));
        }
    }
    return out;
}

}  // namespace ioasim::scenario::test
