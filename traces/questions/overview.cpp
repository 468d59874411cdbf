// What a trace has to tell, before one thing is asked about: what failed, and which things there
// are, each with the words that ask for its story.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/questions/endings.hpp"
#include "traces/questions/faults.hpp"
#include "traces/questions/injected.hpp"
#include "traces/questions/part.hpp"
#include "traces/questions/stories.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kShown = 12;  // of a list

struct Seen {
    std::size_t first = 0;
    std::uint64_t count = 0;
    void add(std::size_t event) {
        first = count == 0 ? event : first;
        ++count;
    }
};

class Overview {
public:
    explicit Overview(const Scene& scene) : scene_(scene), log_(scene.log()), part_(scene.log()) {}

    std::string text() {
        for (std::size_t i = 0; i < log_.size(); ++i) {
            look(i);
        }
        if (log_.empty()) {
            return "the trace has no events\n";
        }
        out_ = fmt::format("{} up to {}, ended: {}\n", plural(log_.size(), "event"),
                           story_time(log_.time(log_.size() - 1)),
                           reason_.empty() ? "not in this trace" : reason_);
        if (!defects_.empty()) {
            out_ += "seeded defects: " + defects_ + "\n";
        }
        injected();
        findings();
        failures();
        // States follow from every event before.
        if (part_.from_the_beginning()) {
            ids();
            machines();
        }
        descriptors();
        faults();
        return out_;
    }

private:
    void look(std::size_t i) {
        if (log_.is<trace::RunFinding>(i)) {
            findings_[{LOG_TEXT(log_, i, RunFinding, code), LOG_TEXT(log_, i, RunFinding, who)}]
                .add(i);
        } else if (log_.is<trace::RunEnd>(i)) {
            reason_ = LOG_TEXT(log_, i, RunEnd, reason);
        } else if (log_.is<trace::RunDefect>(i)) {
            defects_ += (defects_.empty() ? "" : ", ") + LOG_TEXT(log_, i, RunDefect, defect);
        } else if ((log_.is<trace::StepResult>(i) && log_.field_text(i, "result") != "0") ||
                   log_.is<trace::IoasidRefused>(i) || log_.is<trace::IoasidHazard>(i)) {
            failures_.push_back(i);
        } else if (log_.is<trace::DsaEnqueue>(i) && LOG_FIELD(log_, i, DsaEnqueue, accepted) != 0) {
            ++accepted_[LOG_TEXT(log_, i, DsaEnqueue, device)];
        } else if (log_.is<trace::DsaComplete>(i)) {
            complete(i);
        }
    }
    void complete(std::size_t i) {
        const std::string& how = LOG_TEXT(log_, i, DsaComplete, how);
        const std::uint64_t status = LOG_FIELD(log_, i, DsaComplete, status);
        const std::string& device = LOG_TEXT(log_, i, DsaComplete, device);
        if (status == 1 && how != "lost") {
            ++completed_[device];
        } else {
            bad_[{device, how == "record" ? fmt::format("status {:#x}", status) : how}].add(i);
        }
    }

    // By whom and what, in the order of their first time.
    void injected() {
        struct Row {
            Injected one;
            std::uint64_t count = 0;
        };
        std::vector<Row> all;
        for (Injected& one : injected_in(log_)) {
            const auto same = std::find_if(all.begin(), all.end(), [&](const Row& row) {
                return row.one.fault == one.fault && row.one.target == one.target &&
                       row.one.missed == one.missed;
            });
            Row& row = same == all.end() ? all.emplace_back(Row{std::move(one)}) : *same;
            ++row.count;
        }
        if (all.empty()) {
            return;
        }
        out_ += "\nfaults from outside (inject)\n";
        std::vector<std::pair<std::size_t, std::string>> rows;
        for (const auto& [one, count] : all) {
            rows.emplace_back(one.event,
                              fmt::format("  {:>14}  {}{}{}{}\n", story_time(log_.time(one.event)),
                                          one.fault, one.target.empty() ? "" : " of " + one.target,
                                          one.missed.empty() ? "" : " struck nobody: " + one.missed,
                                          count > 1 ? fmt::format(" ({} times)", count) : ""));
        }
        show(rows, "of them");
    }

    void findings() {
        if (findings_.empty()) {
            return;
        }
        out_ += "\nfindings of checkers\n";
        std::vector<std::pair<std::size_t, std::string>> rows;
        for (const auto& [key, seen] : findings_) {
            const std::size_t id = key.second.find(".ioasid(");
            std::string ask;
            if (id != std::string::npos) {
                const std::string number = key.second.substr(id + 8, key.second.size() - id - 9);
                const std::string kernel = key.second.substr(0, id);
                ask = fmt::format("  -> --ioasid {}{}", number,
                                  scene_.is_vm(kernel) ? " --kernel " + kernel : "");
            }
            rows.emplace_back(
                seen.first,
                fmt::format("! {:>14}  {}: {} {}{}{}\n", story_time(log_.time(seen.first)),
                            key.first, key.second, LOG_TEXT(log_, seen.first, RunFinding, text),
                            seen.count > 1 ? fmt::format(" ({} times)", seen.count) : "", ask));
        }
        std::sort(rows.begin(), rows.end());
        show(rows, "findings");
        out_ += fmt::format("  -> --at {}us tells who held what then\n",
                            exact_us(log_.time(rows.front().first)));
    }
    // As --at takes it: no earlier than the event.
    static std::string exact_us(TimePs time) {
        constexpr std::uint64_t kPsPerUs = 1'000'000;
        return fmt::format("{}.{:06}", time.ps() / kPsPerUs, time.ps() % kPsPerUs);
    }
    void show(const std::vector<std::pair<std::size_t, std::string>>& rows, const char* what) {
        for (std::size_t i = 0; i < std::min(rows.size(), kShown); ++i) {
            out_ += rows[i].second;
        }
        if (rows.size() > kShown) {
            out_ += fmt::format("  ... and {} more {}\n", rows.size() - kShown, what);
        }
    }

    void failures() {
        if (failures_.empty()) {
            return;
        }
        out_ += "\nwhat was refused or failed (it may have to)\n";
        std::vector<std::pair<std::size_t, std::string>> rows;
        for (const std::size_t i : failures_) {
            rows.emplace_back(i,
                              fmt::format("  {:>14}  {}\n", story_time(log_.time(i)), failure(i)));
        }
        show(rows, "of them");
    }
    std::string failure(std::size_t i) const {
        if (log_.is<trace::StepResult>(i)) {
            return fmt::format("{} step {} ({}): {}", LOG_TEXT(log_, i, StepResult, program),
                               LOG_FIELD(log_, i, StepResult, index),
                               LOG_TEXT(log_, i, StepResult, step), log_.field_text(i, "result"));
        }
        if (log_.is<trace::IoasidRefused>(i)) {
            return fmt::format(
                "{} of IOASID {} by {}: {}", LOG_TEXT(log_, i, IoasidRefused, operation),
                log_.field_text(i, "ioasid"), LOG_TEXT(log_, i, IoasidRefused, caller),
                log_.field_text(i, "result"));
        }
        return fmt::format("hazard {}: {} ({})", log_.field_text(i, "kind"),
                           log_.field_text(i, "actor"), log_.field_text(i, "chain"));
    }

    void ids() {
        std::size_t count = 0;
        std::string rows;
        for (const auto& [what, end] : endings_of(log_)) {
            if (what.find(".ioasid(") == std::string::npos) {
                continue;
            }
            if (++count <= kShown) {
                rows += fmt::format("  {:<24}  {}\n", what, end);
            }
        }
        if (count != 0) {
            out_ += fmt::format(
                "\nIOASIDs and how {} (--ioasid N --kernel K)\n{}{}",
                part_.whole() ? "they ended" : "they were when it ends", rows,
                count > kShown ? fmt::format("  ... and {} more\n", count - kShown) : "");
        }
    }

    void machines() {
        if (scene_.vms().empty()) {
            return;
        }
        const std::map<std::string, std::string> ends = endings_of(log_);
        out_ += "\nvirtual machines (--vm NAME)\n";
        std::size_t count = 0;
        for (const std::string& vm : scene_.vms()) {
            if (++count <= kShown) {
                const auto end = ends.find(vm);
                out_ += fmt::format("  {:<24}  {}\n", vm,
                                    end == ends.end() ? "lives at the end" : end->second);
            }
        }
        if (count > kShown) {
            out_ += fmt::format("  ... and {} more\n", count - kShown);
        }
    }

    void descriptors() {
        if (accepted_.empty()) {
            return;
        }
        out_ += "\ndescriptors (--descriptor N --device D)\n";
        for (const auto& [device, count] : accepted_) {
            const auto completed = completed_.find(device);
            out_ += fmt::format("  {:<24}  {}{}, {} completed\n", device,
                                part_.from_the_beginning() ? "1 to " : "accepted here: ", count,
                                completed == completed_.end() ? 0 : completed->second);
            for (const auto& [key, seen] : bad_) {
                if (key.first == device) {
                    out_ += fmt::format("  {:<24}  {} ended with {}, the first is {}\n", "",
                                        seen.count, key.second,
                                        LOG_FIELD(log_, seen.first, DsaComplete, descriptor));
                }
            }
        }
    }

    void faults() {
        const std::vector<std::size_t> all = faults_of(log_);
        if (all.empty()) {
            return;
        }
        std::map<std::string, std::pair<std::size_t, std::uint64_t>> kinds;  // first number, count
        for (std::size_t n = 0; n < all.size(); ++n) {
            const std::size_t i = all[n];
            const std::string kind = fmt::format(
                "{}, PASID {}",
                log_.is<trace::VtdFault>(i) ? "blocked, reason " + log_.field_text(i, "reason")
                                            : std::string("page requests"),
                log_.field_text(i, "pasid"));
            auto& [first, count] = kinds.emplace(kind, std::pair(n + 1, 0)).first->second;
            ++count;
        }
        out_ += "\nfaults (--fault N)\n";
        for (const auto& [kind, of] : kinds) {
            out_ += fmt::format("  {:<34}  {}, the first is {}\n", kind, of.second, of.first);
        }
    }

    const Scene& scene_;
    const EventLog& log_;
    Part part_;
    std::string out_;
    std::string reason_;
    std::string defects_;
    std::map<std::pair<std::string, std::string>, Seen> findings_;
    std::vector<std::size_t> failures_;
    std::map<std::string, std::uint64_t> accepted_;
    std::map<std::string, std::uint64_t> completed_;
    std::map<std::pair<std::string, std::string>, Seen> bad_;
};

}  // namespace

std::string overview_text(const Scene& scene) {
    return Overview(scene).text();
}

}  // namespace ioasim::traces
