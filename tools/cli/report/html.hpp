// HTML and SVG as text. Whatever comes from a scenario or a trace goes through escape(): nothing of
// it can become markup.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ioasim::tools::report {

// For text and for attributes in double quotes. Control characters become U+FFFD, as does what is
// not UTF-8.
std::string escape(std::string_view text);

// JSON inside a <script>: nothing in it ends the script.
std::string script_json(std::string json);

// What the page is given beside its own text: a script with its style, or nothing.
struct Assets {
    std::string script;
    std::string style;
    std::string hash;  // of the script, for the Content-Security-Policy: "sha256-..."
    bool present() const { return !script.empty(); }
};

struct Section {
    std::string id;
    std::string title;
    std::string body;  // HTML
};

struct Page {
    std::string title;
    std::string head;  // HTML: what stands above the sections
    std::vector<Section> sections;
    std::string data;  // JSON for the script
};

// The whole file. It loads nothing: the policy in it forbids the network.
std::string document(const Page& page, const Assets& assets);

// A table with a caption and a header row; cells are HTML. `filter`: the script may filter its
// rows.
class Table {
public:
    Table(std::string id, std::string caption, std::vector<std::string> headers,
          bool filter = false);
    // Columns of numbers are set to the right.
    void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    bool empty() const { return rows_.empty(); }
    std::size_t rows() const { return rows_.size(); }
    std::string text() const;

private:
    bool numeric(std::size_t column) const;

    std::string id_;
    std::string caption_;
    std::vector<std::string> headers_;
    bool filter_;
    std::vector<std::vector<std::string>> rows_;
};

// "12.345 us"
std::string time_text(std::uint64_t ps);
std::string details(const std::string& summary, const std::string& body, bool open = false);

extern const char* const kStyle;

}  // namespace ioasim::tools::report
