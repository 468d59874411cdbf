#include "tools/cli/report/html.hpp"

#include <fmt/format.h>

#include "tools/cli/details.hpp"
#include "tools/cli/version.hpp"

namespace ioasim::tools::report {
namespace {

// Bytes of the UTF-8 sequence that begins here; 0: none does.
std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(at);
    const std::size_t length = first < 0x80                    ? 1
                               : first >= 0xC2 && first < 0xE0 ? 2
                               : first >= 0xE0 && first < 0xF0 ? 3
                               : first >= 0xF0 && first < 0xF5 ? 4
                                                               : 0;
    if (length == 0 || at + length > text.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(at + i) & 0xC0U) != 0x80) {
            return 0;
        }
    }
    return length;
}

void escape_one(char c, std::string& out) {
    switch (c) {
        case '&':
            out += "&amp;";
            return;
        case '<':
            out += "&lt;";
            return;
        case '>':
            out += "&gt;";
            return;
        case '"':
            out += "&quot;";
            return;
        case '\'':
            out += "&#39;";
            return;
        default:
            break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F) {
        out += "\xEF\xBF\xBD";
        return;
    }
    out += c;
}

// "12", "1.5 us": a number, with a unit or without.
bool is_number(const std::string& cell) {
    const std::size_t unit = cell.find_first_not_of("0123456789.");
    return unit != 0 && !cell.empty() &&
           (unit == std::string::npos || (cell[unit] == ' ' && cell.size() - unit <= 3));
}

std::string policy(const Assets& assets) {
    return "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
           "form-action 'none'" +
           (assets.present() ? "; script-src '" + assets.hash + "'" : std::string());
}

}  // namespace

std::string escape(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length(text, at);
        if (length > 1) {
            out += text.substr(at, length);
        } else if (length == 1) {
            escape_one(text[at], out);
        } else {
            out += "\xEF\xBF\xBD";
        }
        at += length == 0 ? 1 : length;
    }
    return out;
}

std::string script_json(std::string json) {
    std::string out;
    out.reserve(json.size());
    for (const char c : json) {
        if (c == '<') {
            out += "\\u003c";
        } else {
            out += c;
        }
    }
    return out;
}

std::string document(const Page& page, const Assets& assets) {
    std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n";
    out += fmt::format("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\"/>\n",
                       policy(assets));
    out +=
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
        "<meta name=\"color-scheme\" content=\"light dark\"/>\n";
    out += fmt::format("<meta name=\"generator\" content=\"ioasim {}\"/>\n<title>{}</title>\n",
                       kVersion, escape(page.title));
    out += fmt::format("<style>{}{}</style>\n</head>\n<body>\n", kStyle, assets.style);
    out += "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n";
    out += fmt::format("<header>\n{}</header>\n<nav aria-label=\"Sections\"><ul>\n", page.head);
    for (const Section& section : page.sections) {
        out += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, section.title);
    }
    out += "</ul></nav>\n<main id=\"main\" tabindex=\"-1\">\n";
    for (const Section& section : page.sections) {
        out += fmt::format(
            "<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n"
            "{2}</section>\n",
            section.id, section.title, section.body);
    }
    out += fmt::format(
        "</main>\n<footer><p>ioasim {}. This file loads nothing from anywhere."
        "</p></footer>\n",
        kVersion);
    if (assets.present() && !page.data.empty()) {
        out += fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n<script>",
                           script_json(page.data));
        out += assets.script;
        out += "</script>\n";
    }
    return out + "</body>\n</html>\n";
}

Table::Table(std::string id, std::string caption, std::vector<std::string> headers, bool filter)
    : id_(std::move(id)),
      caption_(std::move(caption)),
      headers_(std::move(headers)),
      filter_(filter) {}

bool Table::numeric(std::size_t column) const {
    bool any = false;
    for (const std::vector<std::string>& row : rows_) {
        if (row[column] != "-" && !is_number(row[column])) {
            return false;
        }
        any = any || row[column] != "-";
    }
    return any && column != 0;
}

std::string Table::text() const {
    std::string out = fmt::format(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table: {0}\">"
        "<table id=\"{1}\"{2}><caption>{0}</caption>\n<thead><tr>",
        caption_, id_, filter_ ? " data-filter=\"rows\"" : "");
    std::vector<std::string> classes;
    for (std::size_t i = 0; i < headers_.size(); ++i) {
        classes.emplace_back(numeric(i) ? " class=\"n\"" : "");
        out += fmt::format("<th scope=\"col\"{}>{}</th>", classes[i], headers_[i]);
    }
    out += "</tr></thead>\n<tbody>\n";
    for (const std::vector<std::string>& row : rows_) {
        out += fmt::format("<tr><th scope=\"row\">{}</th>", row.front());
        for (std::size_t i = 1; i < row.size(); ++i) {
            out += fmt::format("<td{}>{}</td>", classes[i], row[i]);
        }
        out += "</tr>\n";
    }
    return out + "</tbody></table></div>\n";
}

std::string time_text(std::uint64_t ps) {
    return short_time(TimePs{ps});
}

std::string details(const std::string& summary, const std::string& body, bool open) {
    return fmt::format("<details{}><summary>{}</summary>\n{}</details>\n", open ? " open=\"\"" : "",
                       summary, body);
}

}  // namespace ioasim::tools::report
