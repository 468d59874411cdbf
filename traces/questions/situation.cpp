// Everything at one time: which IDs are in use and by whom, what programs are in the middle of,
// which work waits, who holds which lock.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "traces/event_text.hpp"
#include "traces/questions/stories.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kNever = ~std::size_t{0};
constexpr std::size_t kShown = 40;  // IDs

struct Held {
    std::size_t since;
    std::string holder;
};

struct IdNow {
    std::string state;
    std::size_t state_since = 0;
    std::vector<Held> held;
};

class Situation {
public:
    Situation(const Scene& scene, TimePs time) : scene_(scene), log_(scene.log()), time_(time) {}

    std::string text() {
        end_ = 0;
        while (end_ < log_.size() && log_.time(end_) <= time_) {
            look(end_++);
        }
        out_ = fmt::format("at {}\n", story_time(time_));
        ids();
        programs();
        work();
        locks();
        queues();
        nearby();
        return out_;
    }

private:
    std::string id_name(std::size_t i) const {
        return fmt::format("{}.ioasid({})", log_.field_text(i, "kernel"),
                           log_.field_text(i, "ioasid"));
    }
    void look(std::size_t i) {
        if (log_.is<trace::IoasidAlloc>(i)) {
            ids_[id_name(i)] = {"IDLE", i, {{i, "owner"}}};
        } else if (log_.is<trace::IoasidGet>(i)) {
            ids_[id_name(i)].held.push_back({i, LOG_TEXT(log_, i, IoasidGet, holder)});
        } else if (log_.is<trace::IoasidPut>(i)) {
            std::vector<Held>& held = ids_[id_name(i)].held;
            const auto found = std::find_if(held.begin(), held.end(), [&](const Held& h) {
                return h.holder == LOG_TEXT(log_, i, IoasidPut, holder);
            });
            if (found != held.end()) {
                held.erase(found);
            }
        } else if (log_.is<trace::IoasidStateChange>(i)) {
            IdNow& id = ids_[id_name(i)];
            id.state = log_.field_text(i, "to");
            id.state_since = i;
        } else if (log_.is<trace::IoasidReclaim>(i)) {
            ids_.erase(id_name(i));
        } else if (log_.is<trace::IoasidWork>(i)) {
            const std::string item =
                fmt::format("{} of {}", LOG_TEXT(log_, i, IoasidWork, work), id_name(i));
            works_[item] = i;
        } else if (log_.is<trace::LockAcquire>(i)) {
            locks_[LOG_TEXT(log_, i, LockAcquire, lock)] = i;
        } else if (log_.is<trace::LockRelease>(i)) {
            locks_.erase(LOG_TEXT(log_, i, LockRelease, lock));
        } else if (log_.is<trace::DsaEnqueue>(i) && LOG_FIELD(log_, i, DsaEnqueue, accepted) != 0) {
            ++flying_[LOG_TEXT(log_, i, DsaEnqueue, device)][LOG_ID(log_, i, DsaEnqueue, pasid)];
        } else if (log_.is<trace::DsaComplete>(i)) {
            --flying_[LOG_TEXT(log_, i, DsaComplete, device)][LOG_ID(log_, i, DsaComplete, pasid)];
        }
    }

    void ids() {
        out_ += ids_.empty() ? "no IOASID is allocated\n" : "\nIOASIDs and who holds them\n";
        std::size_t shown = 0;
        for (const auto& [name, id] : ids_) {
            if (++shown > kShown) {
                out_ += fmt::format("  ... and {} more\n", ids_.size() - kShown);
                break;
            }
            const bool pending = id.state == "FREE_PENDING";
            out_ += fmt::format("{} {}  {} since {}{}\n", pending ? "!" : " ", name, id.state,
                                story_time(log_.time(id.state_since)),
                                pending ? ", " + scene_.causes().because(id.state_since) : "");
            for (const Held& h : id.held) {
                out_ +=
                    fmt::format("      {:<20} since {:>14}  {}\n", h.holder,
                                story_time(log_.time(h.since)), scene_.causes().because(h.since));
            }
        }
    }

    // Steps that had begun and not ended; all that comes later is still there to be looked at.
    void programs() {
        std::string rows;
        for (std::size_t i = end_; i < log_.size(); ++i) {
            if (!log_.is<trace::StepResult>(i)) {
                continue;
            }
            const TimePs took{LOG_FIELD(log_, i, StepResult, took)};
            const TimePs began = log_.time(i) - took;
            if (began <= time_) {
                rows += fmt::format("  {} step {} ({}), begun at {}, will end at {}: {}\n",
                                    LOG_TEXT(log_, i, StepResult, program),
                                    LOG_FIELD(log_, i, StepResult, index),
                                    LOG_TEXT(log_, i, StepResult, step), story_time(began),
                                    story_time(log_.time(i)), log_.field_text(i, "result"));
            }
        }
        out_ += rows.empty() ? "" : "\nsteps under way\n" + rows;
    }

    void work() {
        std::string rows;
        for (const auto& [item, last] : works_) {
            const std::string& phase = LOG_TEXT(log_, last, IoasidWork, phase);
            if (phase != "done") {
                rows += fmt::format(
                    "  {}: {} {} since {}{}\n", item, phase == "start" ? "runs" : "waits",
                    phase == "start" ? "" : "in the ordered workqueue", story_time(log_.time(last)),
                    phase == "start" ? "" : ", " + scene_.causes().because(last));
            }
        }
        out_ += rows.empty() ? "" : "\nordered work\n" + rows;
    }

    void locks() {
        std::string rows;
        for (const auto& [lock, taken] : locks_) {
            rows += fmt::format("  {} held by {} since {}\n", lock,
                                LOG_TEXT(log_, taken, LockAcquire, owner),
                                story_time(log_.time(taken)));
            for (std::size_t i = end_; i < log_.size(); ++i) {
                if (log_.is<trace::LockAcquire>(i) &&
                    LOG_TEXT(log_, i, LockAcquire, lock) == lock) {
                    const TimePs waited{LOG_FIELD(log_, i, LockAcquire, waited)};
                    if (log_.time(i) - waited <= time_) {
                        rows += fmt::format("      {} waits for it since {}\n",
                                            LOG_TEXT(log_, i, LockAcquire, owner),
                                            story_time(log_.time(i) - waited));
                    } else {
                        break;
                    }
                }
            }
        }
        out_ += rows.empty() ? "" : "\nlocks\n" + rows;
    }

    void queues() {
        std::string rows;
        for (const auto& [device, pasids] : flying_) {
            for (const auto& [pasid, count] : pasids) {
                if (count > 0) {
                    rows += fmt::format("  {}: {} of PASID {}\n", device,
                                        plural(static_cast<std::uint64_t>(count), "descriptor"),
                                        pasid == kNoId ? "none" : fmt::format("{}", pasid));
                }
            }
        }
        out_ += rows.empty() ? "" : "\naccepted and not ended\n" + rows;
    }

    bool is_control(std::size_t i) const {
        const trace::Category c = log_.info(i).category;
        return c == trace::Category::Ioasid || c == trace::Category::Software ||
               log_.is<trace::RunFinding>(i) || log_.is<trace::VmDestroy>(i);
    }
    // What software did last before, and first after.
    void nearby() {
        constexpr std::size_t kAround = 4;
        std::vector<std::size_t> before;
        for (std::size_t i = end_; i-- > 0 && before.size() < kAround;) {
            if (is_control(i)) {
                before.push_back(i);
            }
        }
        out_ += "\naround it\n";
        for (auto it = before.rbegin(); it != before.rend(); ++it) {
            out_ += "  " + format_event(log_.recorder(), log_.at(*it)) + "\n";
        }
        out_ += "  --\n";
        std::size_t shown = 0;
        for (std::size_t i = end_; i < log_.size() && shown < kAround; ++i) {
            if (is_control(i)) {
                out_ += "  " + format_event(log_.recorder(), log_.at(i)) + "\n";
                ++shown;
            }
        }
    }

    const Scene& scene_;
    const EventLog& log_;
    TimePs time_;
    std::size_t end_ = kNever;
    std::string out_;
    std::map<std::string, IdNow> ids_;
    std::map<std::string, std::size_t> works_;
    std::map<std::string, std::size_t> locks_;
    std::map<std::string, std::map<std::uint32_t, std::int64_t>> flying_;
};

}  // namespace

std::string situation_text(const Scene& scene, TimePs time) {
    return Situation(scene, time).text();
}

}  // namespace ioasim::traces
