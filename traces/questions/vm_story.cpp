// A virtual machine from its creation to its end: what its guest, its VMM and the host's kernel
// did, and who ended it.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "core/base/words.hpp"
#include "core/trace/guest_fault_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/sva_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/questions/stories.hpp"
#include "traces/questions/traffic.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kNever = ~std::size_t{0};

class VmTale {
public:
    VmTale(const Scene& scene, std::string vm)
        : scene_(scene), log_(scene.log()), vm_(std::move(vm)), traffic_(scene) {}

    void tell(Story& out) {
        for (std::size_t i = 0; i < log_.size(); ++i) {
            look(i);
        }
        if (traffic_.tells()) {
            moments_.push_back(traffic_.take());
        }
        finish(out);
    }

private:
    Moment& add(std::size_t i, std::string text, Role from, Role to, std::string label) {
        if (traffic_.tells()) {
            moments_.push_back(traffic_.take());
        }
        Moment m = scene_.moment(i, std::move(text));
        m.from = from;
        m.to = to;
        m.label = std::move(label);
        moments_.push_back(std::move(m));
        return moments_.back();
    }
    bool of_vm(std::size_t i) const { return log_.field_text(i, "vm") == vm_; }
    bool is_mine(const std::string& name) const {
        return name == vm_ || name.compare(0, vm_.size() + 1, vm_ + "/") == 0;
    }

    void look(std::size_t i) {
        const trace::Category category = log_.info(i).category;
        if (category == trace::Category::Ioasid) {
            id_event(i);
        } else if (category == trace::Category::Software || category == trace::Category::Vm) {
            if (!exit_or_entry(i)) {
                software(i);
            }
        } else if (log_.is<trace::RunFinding>(i)) {
            finding(i);
        } else {
            hardware(i);
        }
    }

    bool exit_or_entry(std::size_t i) {
        if (log_.is<trace::VmExit>(i)) {
            if (is_mine(LOG_TEXT(log_, i, VmExit, vcpu))) {
                ++exits_[LOG_TEXT(log_, i, VmExit, reason)];
                open_[LOG_TEXT(log_, i, VmExit, vcpu)] = log_.time(i);
            }
            return true;
        }
        if (log_.is<trace::VmEntry>(i)) {
            const auto out = open_.find(LOG_TEXT(log_, i, VmEntry, vcpu));
            if (out != open_.end()) {
                outside_ += log_.time(i) - out->second;
                open_.erase(out);
            }
            return true;
        }
        return false;
    }

    // IDs of its set in the host's core: the ends of each life, and what was refused.
    void id_event(std::size_t i) {
        const std::size_t set = log_.info(i).field("set");
        if (set == log_.info(i).fields.size() || scene_.is_vm(log_.field_text(i, "kernel")) ||
            log_.field_text(i, "set") != vm_) {
            return;
        }
        const std::string id = log_.field_text(i, "ioasid");
        if (log_.is<trace::IoasidSetAlloc>(i)) {
            add(i, fmt::format("its set: a quota of {}", log_.field_text(i, "quota")), Role::Kernel,
                Role::Core, "set " + vm_);
        } else if (log_.is<trace::IoasidSetFree>(i)) {
            add(i, "its set is destroyed", Role::Vmm, Role::Core, "set free");
        } else if (log_.is<trace::IoasidAlloc>(i)) {
            ids_.insert(LOG_FIELD(log_, i, IoasidAlloc, ioasid));
            ++allocated_;
            add(i, fmt::format("IOASID {} is allocated", id), Role::Vmm, Role::Core, "alloc " + id);
        } else if (log_.is<trace::IoasidBind>(i)) {
            add(i,
                fmt::format("IOASID {} is bound: BIND, guest PASID {}", id,
                            log_.field_text(i, "spid")),
                Role::Core, Role::Kvm, fmt::format("BIND {}->{}", log_.field_text(i, "spid"), id));
        } else if (log_.is<trace::IoasidUnbind>(i)) {
            add(i, fmt::format("IOASID {} is unbound: UNBIND", id), Role::Core, Role::Kvm,
                "UNBIND " + id);
        } else if (log_.is<trace::IoasidFree>(i)) {
            add(i, fmt::format("IOASID {} is freed while it is used: FREE", id), Role::Core,
                Role::Kvm, "FREE " + id);
        } else if (log_.is<trace::IoasidReclaim>(i)) {
            ++reclaimed_;
            add(i, fmt::format("IOASID {} is back in the pool", id), Role::Core, Role::Core,
                id + " reclaimed");
        } else if (log_.is<trace::IoasidRefused>(i)) {
            add(i,
                fmt::format("{} of IOASID {} is refused: {}", log_.field_text(i, "operation"), id,
                            log_.field_text(i, "result")),
                Role::Vmm, Role::Core, log_.field_text(i, "result"));
        }
    }

    void software(std::size_t i) {
        if (log_.is<trace::VmCreate>(i) && of_vm(i)) {
            created_ = i;
            add(i,
                fmt::format("created with {} of memory",
                            size_text(LOG_FIELD(log_, i, VmCreate, memory_bytes))),
                Role::Vmm, Role::Guest, "create");
        } else if (log_.is<trace::VmEnding>(i) && of_vm(i)) {
            add(i, "is told to end: " + LOG_TEXT(log_, i, VmEnding, cause), Role::Vmm, Role::Guest,
                LOG_TEXT(log_, i, VmEnding, cause));
        } else if (log_.is<trace::VmDestroy>(i) && of_vm(i)) {
            destroyed_ = i;
            add(i, "gone: " + LOG_TEXT(log_, i, VmDestroy, cause), Role::Vmm, Role::Guest, "gone");
        } else if (log_.is<trace::StepResult>(i)) {
            step(i);
        } else if (log_.is<trace::ProcessStart>(i) && is_mine(log_.field_text(i, "process"))) {
            add(i, log_.field_text(i, "process") + " starts", Role::App, Role::App, "start");
        } else if (log_.is<trace::ProcessExit>(i) && is_mine(log_.field_text(i, "process"))) {
            add(i,
                fmt::format("{} ends: {}", log_.field_text(i, "process"),
                            LOG_TEXT(log_, i, ProcessExit, cause)),
                Role::App, Role::App, LOG_TEXT(log_, i, ProcessExit, cause));
        } else {
            of_devices(i);
        }
    }

    void step(std::size_t i) {
        const std::string& program = LOG_TEXT(log_, i, StepResult, program);
        const std::string name = LOG_TEXT(log_, i, StepResult, step);
        const std::string result = log_.field_text(i, "result");
        if (!is_mine(program)) {
            return;
        }
        const bool vmm = program.compare(vm_.size() + 1, 3, "vmm") == 0;
        Moment& m =
            add(i,
                fmt::format("step {} ({}) of {} ends{}", LOG_FIELD(log_, i, StepResult, index),
                            name, program, result == "0" ? "" : ": " + result),
                vmm ? Role::Vmm : Role::App, vmm ? Role::Vmm : Role::App,
                result == "0" ? name : fmt::format("{}: {}", name, result));
        m.took = TimePs{LOG_FIELD(log_, i, StepResult, took)};
        m.alarm = result != "0";
        m.why.clear();
    }

    void of_devices(std::size_t i) {
        if (!of_vm(i) && log_.field_text(i, "owner") != vm_) {
            return;
        }
        if (log_.is<trace::IommuAttach>(i) || log_.is<trace::IommuDetach>(i)) {
            const bool attach = log_.is<trace::IommuAttach>(i);
            add(i,
                fmt::format("PASID {} is {} {} ({})", log_.field_text(i, "pasid"),
                            attach ? "attached to" : "detached from", log_.field_text(i, "device"),
                            log_.field_text(i, "domain")),
                Role::Iommu, Role::Iommu,
                (attach ? "attach " : "detach ") + log_.field_text(i, "pasid"));
        } else if (log_.is<trace::VdevState>(i)) {
            add(i,
                fmt::format("virtual device {}: {}", log_.field_text(i, "device"),
                            log_.field_text(i, "state")),
                Role::Vdcm, Role::Vdcm, log_.field_text(i, "state"));
        } else if (log_.is<trace::VdevQueue>(i)) {
            const bool on = LOG_FIELD(log_, i, VdevQueue, on) != 0;
            add(i,
                fmt::format("dedicated workqueue {}/{} {} IOASID {}", log_.field_text(i, "device"),
                            log_.field_text(i, "wq"), on ? "works under" : "is cleared of",
                            log_.field_text(i, "ioasid")),
                Role::Vdcm, Role::Device, on ? "WQCFG on" : "WQCFG off");
        } else if (log_.is<trace::VdevQuiet>(i)) {
            add(i,
                fmt::format("{}/{} is quiet: disabled, portal unmapped, writes flushed",
                            log_.field_text(i, "device"), log_.field_text(i, "wq")),
                Role::Vdcm, Role::Device, "quiet");
        } else if (log_.is<trace::VmReset>(i)) {
            add(i, "reset by its VMM", Role::Vmm, Role::Guest, "reset");
        } else if (log_.is<trace::VmMigration>(i)) {
            add(i,
                fmt::format("on its way to {}: {} ({})", log_.field_text(i, "to"),
                            log_.field_text(i, "phase"), log_.field_text(i, "count")),
                Role::Vmm, Role::Vmm, log_.field_text(i, "phase"));
        } else if (log_.is<trace::VmHosted>(i)) {
            add(i, "served by host " + log_.field_text(i, "host"), Role::Vmm, Role::Vmm,
                log_.field_text(i, "host"));
        } else if (log_.is<trace::VmDeviceRemoved>(i)) {
            add(i, log_.field_text(i, "device") + " is taken away", Role::Vmm, Role::Guest,
                "unplug");
        } else if (log_.is<trace::KvmKick>(i)) {
            add(i, log_.field_text(i, "vcpu") + " is kicked out of its guest", Role::Kvm,
                Role::Guest, "kick");
        } else if (log_.is<trace::VirtualCommand>(i) &&
                   LOG_FIELD(log_, i, VirtualCommand, status) != 0) {
            add(i,
                fmt::format("virtual command {} of PASID {} fails: status {}",
                            log_.field_text(i, "command"), log_.field_text(i, "pasid"),
                            log_.field_text(i, "status")),
                Role::Vmm, Role::Guest, "status " + log_.field_text(i, "status"))
                .alarm = true;
        } else if (log_.is<trace::IopfForward>(i)) {
            ++faults_;
        }
    }

    void finding(std::size_t i) {
        const std::string& who = LOG_TEXT(log_, i, RunFinding, who);
        const bool by_id = std::any_of(ids_.begin(), ids_.end(), [&](std::uint64_t id) {
            return who == fmt::format("host.ioasid({})", id);
        });
        const std::string code = LOG_TEXT(log_, i, RunFinding, code);
        if ((by_id || who.find(vm_) != std::string::npos) && ++findings_[code] == 1) {
            Moment& m = add(
                i, fmt::format("FINDING {}: {} {}", code, who, LOG_TEXT(log_, i, RunFinding, text)),
                Role::Core, Role::Core, "!! " + code);
            m.alarm = true;
            m.why.clear();
        }
    }

    void hardware(std::size_t i) {
        const std::size_t pasid = log_.info(i).field("pasid");
        if (pasid < log_.info(i).fields.size() && ids_.count(log_.value(i, pasid)) != 0) {
            traffic_.add(i);
        }
    }

    void finish(Story& out) {
        out.title = "virtual machine " + vm_;
        if (destroyed_ == kNever) {
            out.answers.push_back("it lives at the end of the trace");
        } else {
            out.answers.push_back(fmt::format(
                "gone at {} ({}), {}", story_time(log_.time(destroyed_)),
                LOG_TEXT(log_, destroyed_, VmDestroy, cause), scene_.causes().because(destroyed_)));
        }
        out.answers.push_back(fmt::format("{} allocated, {} back in the pool",
                                          plural(allocated_, "IOASID"), reclaimed_));
        std::string exits;
        for (const auto& [reason, count] : exits_) {
            exits += fmt::format("{}{} {}", exits.empty() ? "" : ", ", count, reason);
        }
        if (!exits.empty()) {
            out.answers.push_back(fmt::format("exits of its vCPUs: {}; outside of the guest for {}",
                                              exits, story_span(outside_)));
        }
        if (traffic_.accepted() + traffic_.blocked() != 0) {
            out.answers.push_back(fmt::format("{} accepted, {} of them failed, {} blocked",
                                              plural(traffic_.accepted(), "descriptor"),
                                              traffic_.failed(),
                                              plural(traffic_.blocked(), "request")));
        }
        if (faults_ != 0) {
            out.answers.push_back(plural(faults_, "page request") + " of its devices forwarded");
        }
        for (const auto& [code, count] : findings_) {
            out.answers.push_back(fmt::format("FINDING {}, {}", code, plural(count, "time")));
        }
        for (const Moment& m : moments_) {
            if (m.text.find(" of " + vm_ + "/") != std::string::npos && m.took) {
                out.durations.push_back({m.text.substr(0, m.text.find(" ends")), *m.took});
            }
        }
        if (created_ != kNever && destroyed_ != kNever) {
            out.durations.push_back(
                {"from creation to the end", log_.time(destroyed_) - log_.time(created_)});
        }
        out.device = scene_.devices().empty() ? "device" : scene_.devices().front();
        // A line of traffic stands where it began.
        std::stable_sort(moments_.begin(), moments_.end(), [](const Moment& a, const Moment& b) {
            return a.time != b.time ? a.time < b.time : a.seq < b.seq;
        });
        out.moments = std::move(moments_);
    }

    const Scene& scene_;
    const EventLog& log_;
    std::string vm_;
    Traffic traffic_;
    std::set<std::uint64_t> ids_;
    std::map<std::string, std::uint64_t> exits_;
    std::map<std::string, TimePs> open_;  // vCPUs outside of their guest, since
    std::map<std::string, std::uint64_t> findings_;
    TimePs outside_;
    std::uint64_t allocated_ = 0;
    std::uint64_t reclaimed_ = 0;
    std::uint64_t faults_ = 0;
    std::size_t created_ = kNever;
    std::size_t destroyed_ = kNever;
    std::vector<Moment> moments_;
};

}  // namespace

QuestionError vm_story(const Scene& scene, const Wanted& wanted, Story& out) {
    if (!scene.is_vm(wanted.name)) {
        const std::vector<std::string> names(scene.vms().begin(), scene.vms().end());
        return {fmt::format("there is no virtual machine {}", quoted(wanted.name)),
                names.empty() ? std::string("the trace has none") : suggest(wanted.name, names)};
    }
    VmTale(scene, wanted.name).tell(out);
    return {};
}

}  // namespace ioasim::traces
