#include "traces/questions/endings.hpp"

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "traces/event_text.hpp"

namespace ioasim::traces {
namespace {

struct IdEnd {
    std::string state = "FREE";
    std::map<std::string, int> holders;
    std::uint64_t lives = 0;

    std::string text() const {
        std::string held;
        for (const auto& [holder, count] : holders) {
            if (count > 0) {
                held += (held.empty() ? ", held by " : ", ") + holder +
                        (count > 1 ? fmt::format(" ({})", count) : "");
            }
        }
        return state + held + (lives > 1 ? fmt::format(", {} lives", lives) : "");
    }
};

class Endings {
public:
    explicit Endings(const EventLog& log) : log_(log) {}

    std::map<std::string, std::string> take() {
        for (std::size_t i = 0; i < log_.size(); ++i) {
            look(i);
        }
        for (const auto& [name, id] : ids_) {
            ends_[name] = id.text();
        }
        return std::move(ends_);
    }

private:
    IdEnd& id_of(std::size_t i) {
        return ids_[fmt::format("{}.ioasid({})", log_.field_text(i, "kernel"),
                                log_.field_text(i, "ioasid"))];
    }
    void look(std::size_t i) {
        if (log_.is<trace::IoasidAlloc>(i)) {
            IdEnd& id = id_of(i);
            ++id.lives;
            id.holders = {{"owner", 1}};
        } else if (log_.is<trace::IoasidGet>(i)) {
            ++id_of(i).holders[LOG_TEXT(log_, i, IoasidGet, holder)];
        } else if (log_.is<trace::IoasidPut>(i)) {
            --id_of(i).holders[LOG_TEXT(log_, i, IoasidPut, holder)];
        } else if (log_.is<trace::IoasidStateChange>(i)) {
            id_of(i).state = log_.field_text(i, "to");
        } else if (log_.is<trace::StepResult>(i)) {
            const std::string step = fmt::format(
                "{}[{}] {}", LOG_TEXT(log_, i, StepResult, program),
                LOG_FIELD(log_, i, StepResult, index), LOG_TEXT(log_, i, StepResult, step));
            ends_[step] = log_.field_text(i, "result");
        } else if (log_.is<trace::VmDestroy>(i)) {
            ends_[LOG_TEXT(log_, i, VmDestroy, vm)] =
                "destroyed: " + LOG_TEXT(log_, i, VmDestroy, cause);
        } else if (log_.is<trace::ProcessExit>(i)) {
            ends_[LOG_TEXT(log_, i, ProcessExit, process)] =
                "ended: " + LOG_TEXT(log_, i, ProcessExit, cause);
        } else if (log_.is<trace::RunEnd>(i)) {
            ends_["run"] = LOG_TEXT(log_, i, RunEnd, reason);
        }
    }
    const EventLog& log_;
    std::map<std::string, IdEnd> ids_;
    std::map<std::string, std::string> ends_;
};

}  // namespace

std::map<std::string, std::string> endings_of(const EventLog& log) {
    return Endings(log).take();
}

std::map<std::string, std::uint64_t> findings_of(const EventLog& log) {
    std::map<std::string, std::uint64_t> counts;
    for (std::size_t i = 0; i < log.size(); ++i) {
        if (log.is<trace::RunFinding>(i)) {
            ++counts[LOG_TEXT(log, i, RunFinding, code)];
        }
    }
    return counts;
}

}  // namespace ioasim::traces
