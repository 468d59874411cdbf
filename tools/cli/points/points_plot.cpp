// Plots of rows through gnuplot, which gets commands and data on its standard input.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "tools/cli/options.hpp"
#include "tools/cli/points/points_report.hpp"

namespace ioasim::tools {
namespace {

// Between single quotes gnuplot takes everything as it stands, but for such a quote.
std::string single_quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("''") : std::string(1, c);
    }
    return out + "'";
}

// A word of the data, between double quotes.
std::string data_word(std::string text) {
    std::replace_if(
        text.begin(), text.end(),
        [](char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' '; }, '_');
    return text;
}

std::string plot_text(const std::string& path, const RowResult& row) {
    std::string data;
    std::string plots;
    for (std::size_t p = 0; p < row.points.size(); ++p) {
        const PointResult& result = row.points[p];
        data += fmt::format("$d{} << EOD\n", p);
        for (std::size_t i = 0; i < result.scalars.size(); ++i) {
            const auto& measured = result.point->values[i].measured;
            const auto& simulated = result.scalars[i].simulated;
            data += fmt::format("\"{}\" {} {}\n", data_word(result.scalars[i].x),
                                measured ? fmt::format("{:.6g}", *measured) : "NaN",
                                simulated ? fmt::format("{:.6g}", *simulated) : "NaN");
        }
        data += "EOD\n";
        for (const char* const what : {"measured", "simulated"}) {
            const bool first = std::string_view(what) == "measured";
            plots += fmt::format("{}$d{} using 0:{}:xtic(1) with linespoints lc {} dt {} title {}",
                                 plots.empty() ? "" : ", ", p, first ? 2 : 3, p + 1, first ? 1 : 2,
                                 single_quoted(fmt::format("{} {}", result.point->id, what)));
        }
    }
    return fmt::format(
        "set terminal svg size 800,500\nset output {}\nset title {} noenhanced\n"
        "set key noenhanced left\nset grid\n{}plot {}\n",
        single_quoted(path),
        single_quoted(
            fmt::format("{} ({})", row.row, metric_name(row.points.front().point->metric))),
        data, plots);
}

}  // namespace

std::string write_plots(const std::string& folder, const std::vector<RowResult>& rows) {
    if (std::system("command -v gnuplot > /dev/null 2>&1") != 0) {
        return "no plots were made: gnuplot is not installed";
    }
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
        return fmt::format("cannot make {}: {}", folder, error.message());
    }
    for (const RowResult& row : rows) {
        std::FILE* const gnuplot = ::popen("gnuplot", "w");
        if (gnuplot == nullptr) {
            return fmt::format("cannot start gnuplot: {}", std::strerror(errno));
        }
        const std::string path =
            (std::filesystem::path(folder) / (file_safe(row.row) + ".svg")).string();
        const std::string text = plot_text(path, row);
        std::fwrite(text.data(), 1, text.size(), gnuplot);
        if (::pclose(gnuplot) != 0) {
            return fmt::format("gnuplot did not write {}", path);
        }
    }
    return {};
}

}  // namespace ioasim::tools
