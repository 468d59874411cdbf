#include "traces/questions/injected.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/run_events.hpp"

namespace ioasim::traces {
namespace {

bool begins(const std::string& text, const std::string& with) {
    return text.compare(0, with.size(), with) == 0;
}

// Who takes part: threads and units that did something ("vm1/vcpu0/app", "host/vm1-vcpu0", "dsa0"),
// and holders of references ("kvm/vm1").
class Parties {
public:
    explicit Parties(const Story& story) {
        for (const Moment& m : story.moments) {
            names_.insert(m.who);
        }
        for (const Holding& h : story.holdings) {
            names_.insert(h.holder);
        }
        names_.insert(story.device);
        constexpr const char* kMachine = "virtual machine ";
        if (begins(story.title, kMachine)) {
            names_.insert(story.title.substr(std::string(kMachine).size()));
        }
    }
    // The target is one of them, or what one of them belongs to: a machine, a kernel.
    bool holds(const std::string& target) const {
        return std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
            return name == target || begins(name, target + "/") ||
                   begins(name.substr(name.find('/') + 1), target + "-");
        });
    }

private:
    std::set<std::string> names_;
};

Role role_of(const Scene& scene, const std::string& target) {
    const auto& devices = scene.devices();
    return std::find(devices.begin(), devices.end(), target) != devices.end() ? Role::Device
           : scene.is_vm(target)                                              ? Role::Vmm
           : target.find('/') == std::string::npos                            ? Role::Kernel
           : begins(target, "host/")                                          ? Role::App
                                     : Scene::role_of_party(target);
}

std::string words_of(const Injected& one) {
    return fmt::format("{}{}", one.fault, one.target.empty() ? "" : " of " + one.target);
}

}  // namespace

std::vector<Injected> injected_in(const EventLog& log) {
    std::vector<Injected> all;
    for (std::size_t i = 0; i < log.size(); ++i) {
        if (log.is<trace::RunInject>(i)) {
            all.push_back(
                {i, LOG_TEXT(log, i, RunInject, fault), LOG_TEXT(log, i, RunInject, target), {}});
        } else if (log.is<trace::RunInjectMissed>(i)) {
            const std::uint64_t index = LOG_FIELD(log, i, RunInjectMissed, index);
            const auto told = std::find_if(all.rbegin(), all.rend(), [&](const Injected& one) {
                return log.is<trace::RunInject>(one.event) &&
                       LOG_FIELD(log, one.event, RunInject, index) == index && one.missed.empty();
            });
            if (LOG_FIELD(log, i, RunInjectMissed, told) != 0 && told != all.rend()) {
                all.erase(std::next(told).base());
            }
            all.push_back({i, LOG_TEXT(log, i, RunInjectMissed, fault),
                           LOG_TEXT(log, i, RunInjectMissed, target),
                           fmt::format("{} ended with {}", LOG_TEXT(log, i, RunInjectMissed, step),
                                       log.field_text(i, "result"))});
        }
    }
    return all;
}

void tell_injected(const Scene& scene, Story& story) {
    if (story.moments.empty()) {
        return;
    }
    const EventLog& log = scene.log();
    const Parties parties(story);
    // A moment may stand where something began whose event came at its end.
    TimePs first = story.moments.front().time;
    TimePs last = first;
    for (const Moment& m : story.moments) {
        first = std::min(first, m.time);
        last = std::max(last, m.time);
    }
    std::map<std::string, std::uint64_t> counts;
    for (const Injected& one : injected_in(log)) {
        const TimePs time = log.time(one.event);
        if (time < first || time > last || !one.missed.empty() ||
            (!one.target.empty() && !parties.holds(one.target))) {
            continue;
        }
        Moment m = scene.moment(one.event, "FROM OUTSIDE: " + words_of(one));
        m.alarm = true;
        m.from = m.to = role_of(scene, one.target);
        m.label = one.fault;
        m.why.clear();
        const auto place =
            std::find_if(story.moments.begin(), story.moments.end(), [&](const Moment& o) {
                return o.time > m.time || (o.time == m.time && o.seq > m.seq);
            });
        story.moments.insert(place, std::move(m));
        std::uint64_t& count = counts[words_of(one)];
        if (++count == 1) {
            story.answers.push_back(fmt::format("from outside: {} at {}", words_of(one),
                                                story_time(log.time(one.event))));
        }
    }
    for (std::string& answer : story.answers) {
        for (const auto& [words, count] : counts) {
            if (count > 1 && begins(answer, "from outside: " + words + " at ")) {
                answer += fmt::format(", {} in all", plural(count, "time"));
            }
        }
    }
}

}  // namespace ioasim::traces
