#include "tools/cli/shrink/signature.hpp"

#include <algorithm>
#include <cctype>
#include <tuple>

#include <fmt/format.h>

namespace ioasim::tools {
namespace {

bool digit(char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

bool has_finding(const RunResult& result, const std::string& code) {
    return std::any_of(result.findings.begin(), result.findings.end(),
                       [&code](const auto& f) { return !f.wanted && f.code == code; });
}

std::string manner(const scenario::Failure& failure) {
    return failure.seen.empty() ? std::string() : manner_of(failure.seen.front());
}

std::set<std::string> all_that_failed(const RunResult& result) {
    std::set<std::string> all;
    for (const scenario::SeenFinding& f : result.findings) {
        if (!f.wanted) {
            all.insert(f.code);
        }
    }
    for (const scenario::Failure& f : result.failures) {
        if (!f.about_finding) {
            all.insert(f.where);
        }
    }
    return all;
}

}  // namespace

std::string manner_of(const std::string& seen) {
    std::string out;
    for (std::size_t i = 0; i < seen.size();) {
        if (!digit(seen[i])) {
            out += seen[i++];
            continue;
        }
        std::size_t end = i;
        while (end < seen.size() && (digit(seen[end]) || seen[end] == '.')) {
            ++end;
        }
        const std::string number = seen.substr(i, end - i);
        i = end;
        // The unit of a time follows its number.
        for (const char* const unit : {" ps", " ns", " us", " ms", " s"}) {
            const std::string text = unit;
            const std::size_t after = i + text.size();
            if (seen.compare(i, text.size(), text) == 0 &&
                (after >= seen.size() ||
                 std::isalpha(static_cast<unsigned char>(seen[after])) == 0)) {
                i = after;
                break;
            }
        }
        out += number == "0" ? "0" : "#";
    }
    const std::string once = " once";
    const std::size_t at = out.find(once);
    return at == std::string::npos ? out : out.replace(at, once.size(), " # times");
}

std::string Signature::text() const {
    switch (kind) {
        case Kind::Finding:
            return fmt::format("finding {}", what);
        case Kind::Failure:
            return fmt::format("{}: {}", where, what);
        case Kind::End:
            return fmt::format("the run ends with \"{}\"", what);
        case Kind::Crash:
            return fmt::format("crash: {}", what);
        default:
            return "nothing";
    }
}

std::string Signature::kind_text() const {
    return kind == Kind::Failure ? "expectation" : kind == Kind::Crash ? "crash" : what;
}

bool Signature::shows(const RunResult& result, bool anywhere) const {
    switch (kind) {
        case Kind::Finding:
            return has_finding(result, what);
        case Kind::Failure:
            return std::any_of(
                result.failures.begin(), result.failures.end(), [&](const scenario::Failure& f) {
                    return !f.about_finding && (anywhere || f.where == where) && manner(f) == what;
                });
        case Kind::End:
            return result.reason == what;
        case Kind::Crash:
            return manner_of(result.error) == what;
        default:
            return false;
    }
}

// What was found before a run got stuck may be had without that.
bool Signature::ends_so(const RunResult& result) const {
    return result.exit_code == exit_code ||
           (kind == Kind::Finding && exit_code == kHang && result.exit_code == kFailed);
}

bool Signature::shown_by(const RunResult& result) const {
    if (!ends_so(result) || !shows(result, false)) {
        return false;
    }
    const std::set<std::string> all = all_that_failed(result);
    return std::includes(beside.begin(), beside.end(), all.begin(), all.end());
}

bool Signature::shown_anywhere_by(const RunResult& result) const {
    return ends_so(result) && shows(result, true);
}

Signature signature_of(const RunResult& result, const std::string& code) {
    using Kind = Signature::Kind;
    Signature s;
    s.exit_code = result.exit_code;
    s.beside = all_that_failed(result);
    if (result.exit_code == kPass || result.exit_code == kHostTimeout ||
        by_signal(result.exit_code)) {
        return s;
    }
    const auto earlier = [](const scenario::SeenFinding& a, const scenario::SeenFinding& b) {
        return std::make_tuple(a.wanted, a.time) < std::make_tuple(b.wanted, b.time);
    };
    const auto finding = std::min_element(result.findings.begin(), result.findings.end(), earlier);
    const bool found = finding != result.findings.end() && !finding->wanted;
    const auto failure = std::find_if(
        result.failures.begin(), result.failures.end(),
        [](const scenario::Failure& f) { return !f.about_finding && !f.where.empty(); });
    if (!code.empty()) {
        s.kind = has_finding(result, code) ? Kind::Finding : Kind::None;
        s.what = code;
    } else if (result.exit_code == kInternal) {
        s.kind = Kind::Crash;
        s.what = manner_of(result.error);
    } else if (result.exit_code == kHang && !(found && finding->time.ps() < result.end_ps)) {
        s.kind = Kind::End;
        s.what = result.reason;
    } else if (found) {
        s.kind = Kind::Finding;
        s.what = finding->code;
    } else if (failure != result.failures.end()) {
        s.kind = Kind::Failure;
        s.what = manner(*failure);
        s.where = failure->where;
    } else if (result.reason != "idle") {
        s.kind = Kind::End;
        s.what = result.reason;
    }
    return s;
}

}  // namespace ioasim::tools
