#include "tools/cli/fault_text.hpp"

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "models/vtd/vtd_fault_layout.hpp"

namespace ioasim::tools {
namespace {

const char* outcome_text(vtd::FaultOutcome outcome) {
    switch (outcome) {
        case vtd::FaultOutcome::None:
            return "does not happen";
        case vtd::FaultOutcome::Unsupported:
            return "blocked: Unsupported Request, a posted write vanishes";
        case vtd::FaultOutcome::Abort:
            return "Completer Abort";
        case vtd::FaultOutcome::NoTranslation:
            return "Success without permissions, not recorded: the device may send a page request";
        case vtd::FaultOutcome::NoTranslationLogged:
            return "Success without permissions, and recorded";
        case vtd::FaultOutcome::Reduced:
            return "Success with the permissions that there are, not recorded";
        case vtd::FaultOutcome::Invalid:
            return "the group is answered with Invalid Request";
    }
    return "";
}

std::string request_lines(const vtd::FaultReasonInfo& info) {
    std::string out;
    const auto line = [&out](const char* kind, vtd::FaultOutcome outcome) {
        out += fmt::format("  {:<21} {}\n", kind, outcome_text(outcome));
    };
    line("untranslated request", info.untranslated);
    line("translation request", info.translation_request);
    line("translated request", info.translated);
    line("page request", info.page_request);
    return out;
}

}  // namespace

std::string fault_list() {
    std::string out = "reasons (VT-d specification 7.1.3)\n";
    for (const vtd::FaultReasonInfo& info : vtd::kFaultReasons) {
        out += fmt::format("  {:#04x}  {:<7} {}{}\n", static_cast<unsigned>(info.reason), info.flow,
                           info.meaning, info.absent == nullptr ? "" : " (absent)");
    }
    return out;
}

std::string fault_entry(const std::string& code) {
    if (code.empty()) {
        return fault_list();
    }
    std::uint64_t number = 0;
    if (!parse_address_text(code, number) || number > 0xFF) {
        return {};
    }
    const vtd::FaultReasonInfo* const info = vtd::find_fault(static_cast<std::uint8_t>(number));
    if (info == nullptr) {
        return {};
    }
    std::string out = fmt::format("fault {:#04x} ({}): {}\n", number, info->flow, info->meaning);
    if (info->absent != nullptr) {
        return out + fmt::format("  never raised by this model: {}\n", info->absent);
    }
    out += fmt::format("  {}\n", info->qualified
                                     ? "not recorded when FPD is set in an entry on the way"
                                     : "recorded whatever FPD says");
    out += request_lines(*info);
    out += fmt::format("  example: {}\n", info->example);
    out +=
        "  raised by: unit test \"vtd faults: every reason of the list is raised by a request, "
        "or said to be absent\"\n";
    return out;
}

}  // namespace ioasim::tools
