#include "traces/state_forms.hpp"

#include <map>

#include "core/base/result.hpp"
#include "core/trace/ioasid_events.hpp"

namespace ioasim::traces {
namespace {

StateAnswer answer(StateValue::Kind kind, std::uint64_t number) {
    return {StateValue{kind, number, {}}, {}, {}};
}
StateAnswer count(std::uint64_t number) {
    return answer(StateValue::Kind::Count, number);
}
StateAnswer flag(bool value) {
    return answer(StateValue::Kind::Bool, value ? 1 : 0);
}
StateAnswer id_value(std::uint64_t value) {
    return answer(StateValue::Kind::Id, value);
}
StateAnswer text(std::string words) {
    return {StateValue{StateValue::Kind::Text, 0, std::move(words)}, {}, {}};
}

// The getters of a form family share the look-up of their component.
template <class Pick>
StateAnswer with_kernel(const Source& s, const Asked& a, Pick pick) {
    const auto* kernel = s.fold.kernels.find(s.key(a.names[0]));
    return kernel == nullptr ? s.missing("kernel", a.names[0], s.fold.kernels) : pick(*kernel);
}
template <class Pick>
StateAnswer with_id(const Source& s, const Asked& a, bool in_set, Pick pick) {
    return with_kernel(s, a, [&](const StateFold::Kernel&) {
        static const IdFacts kFree{};
        static const StateFold::Id kNothing{};
        const std::uint32_t kernel = s.key(a.names[0]);
        const std::uint32_t space =
            in_set ? s.fold.facts.space_of(kernel, s.key(a.names[1])) : kernel;
        const auto number = static_cast<std::uint32_t>(a.numbers[0]);
        const IdFacts* facts = s.fold.facts.ids.find(space, number);
        const StateFold::Id* id = s.fold.ids.find(space, number);
        const bool live = facts != nullptr && facts->live && id != nullptr;
        return live ? pick(*facts, *id) : pick(kFree, kNothing);
    });
}
template <class Pick>
StateAnswer with_set(const Source& s, const Asked& a, Pick pick) {
    return with_kernel(s, a, [&](const StateFold::Kernel&) {
        const SetFacts* set =
            s.fold.facts.sets.find(pair_key(s.key(a.names[0]), s.key(a.names[1])));
        if (set == nullptr) {
            std::vector<std::string> names;
            for (const std::uint64_t key : s.fold.facts.sets.sorted_keys()) {
                if (key_high(key) == s.key(a.names[0])) {
                    names.push_back(s.name(key_low(key)));
                }
            }
            return StateAnswer{{},
                               fmt::format("{} has no set \"{}\"", a.names[0], a.names[1]),
                               near_names(a.names[1], names)};
        }
        return pick(*set);
    });
}
template <class Pick>
StateAnswer with_cpu(const Source& s, const Asked& a, Pick pick) {
    const auto* cpu = s.fold.cpus.find(s.key(a.names[0]));
    return cpu == nullptr ? s.missing("processor with a PASID", a.names[0], s.fold.cpus)
                          : pick(*cpu);
}
template <class Pick>
StateAnswer with_iommu(const Source& s, const Asked& a, Pick pick) {
    const auto* iommu = s.fold.iommus.find(s.key(a.names[0]));
    return iommu == nullptr ? s.missing("IOMMU", a.names[0], s.fold.iommus) : pick(*iommu);
}
template <class Pick>
StateAnswer with_device(const Source& s, const Asked& a, Pick pick) {
    const auto* device = s.fold.devices.find(s.key(a.names[0]));
    return device == nullptr ? s.missing("device", a.names[0], s.fold.devices) : pick(*device);
}
template <class Pick>
StateAnswer with_queue(const Source& s, const Asked& a, Pick pick) {
    return with_device(s, a, [&](const StateFold::Device&) {
        const std::uint32_t device = s.key(a.names[0]);
        const auto* queue = s.fold.queues.find(pair_key(device, s.key(a.names[1])));
        if (queue == nullptr) {
            std::vector<std::string> names;
            for (const std::uint64_t key : s.fold.queues.sorted_keys()) {
                if (key_high(key) == device) {
                    names.push_back(s.name(key_low(key)));
                }
            }
            return StateAnswer{{},
                               fmt::format("{} has no workqueue \"{}\"", a.names[0], a.names[1]),
                               near_names(a.names[1], names)};
        }
        return pick(*queue);
    });
}
template <class Pick>
StateAnswer with_descriptor(const Source& s, const Asked& a, Pick pick) {
    return with_device(s, a, [&](const StateFold::Device& device) {
        const auto* descriptor = s.fold.descriptors.find(
            pair_key(s.key(a.names[0]), static_cast<std::uint32_t>(a.numbers[0])));
        if (descriptor == nullptr) {
            const bool past = a.numbers[0] != 0 && a.numbers[0] <= device.accepted;
            return StateAnswer{{},
                               fmt::format(past ? "descriptor {} of {} ended too long ago"
                                                : "descriptor {} was never accepted by {}",
                                           a.numbers[0], a.names[0]),
                               {}};
        }
        return pick(*descriptor);
    });
}
template <class Pick>
StateAnswer with_process(const Source& s, const Asked& a, Pick pick) {
    const auto* process = s.fold.processes.find(s.key(a.names[0]));
    return process == nullptr ? s.missing("process", a.names[0], s.fold.processes) : pick(*process);
}
template <class Pick>
StateAnswer with_program(const Source& s, const Asked& a, Pick pick) {
    const auto* program = s.fold.programs.find(s.key(a.names[0]));
    return program == nullptr ? s.missing("program", a.names[0], s.fold.programs) : pick(*program);
}

template <class Pick>
StateAnswer with_lock(const Source& s, const Asked& a, Pick pick) {
    const auto* lock = s.fold.locks.find(s.key(a.names[0]));
    return lock == nullptr ? s.missing("lock that was taken", a.names[0], s.fold.locks)
                           : pick(*lock);
}

std::string holders_text(const Source& s, const IdFacts& facts, const StateFold::Id& id) {
    std::map<std::string, std::uint32_t> by_name;
    std::uint32_t named = 0;
    for (const HolderCount& entry : id.holders) {
        by_name[s.name(entry.holder)] += entry.count;
        named += entry.count;
    }
    if (facts.live && id.refs > named) {
        by_name["owner"] += id.refs - named;
    }
    std::string line;
    for (const auto& [holder, held] : by_name) {
        line += fmt::format("{}{}={}", line.empty() ? "" : " ", holder, held);
    }
    return line;
}

StateAnswer id_state(const Source&, const IdFacts& facts) {
    return text(trace::kIoasidStateLabels[static_cast<std::size_t>(facts.state)]);
}

using S = const Source&;
using A = const Asked&;
using Dev = StateFold::Device;
using Wq = StateFold::Queue;

}  // namespace

const std::vector<FormEntry>& form_entries() {
    static const std::vector<FormEntry> kForms{
        {"KERNEL.available", "IDs of the pool that no set took",
         [](S s, A a) {
             return with_kernel(s, a, [](const auto& k) { return count(k.available); });
         }},
        {"KERNEL.total", "IDs of the pool",
         [](S s, A a) { return with_kernel(s, a, [](const auto& k) { return count(k.total); }); }},
        {"KERNEL.live", "IDs that are allocated",
         [](S s, A a) { return with_kernel(s, a, [](const auto& k) { return count(k.live); }); }},
        {"KERNEL.ioasid(N).state", "FREE, IDLE, ACTIVE or FREE_PENDING",
         [](S s, A a) {
             return with_id(s, a, false,
                            [&](const auto& f, const auto&) { return id_state(s, f); });
         }},
        {"KERNEL.ioasid(N).refs", "references",
         [](S s, A a) {
             return with_id(s, a, false,
                            [](const auto&, const auto& id) { return count(id.refs); });
         }},
        {"KERNEL.ioasid(N).set", "name of its set",
         [](S s, A a) {
             return with_id(s, a, false,
                            [&](const auto& f, const auto&) { return text(s.name(f.set)); });
         }},
        {"KERNEL.ioasid(N).spid", "its SPID, or none",
         [](S s, A a) {
             return with_id(s, a, false,
                            [](const auto& f, const auto&) { return id_value(f.spid); });
         }},
        {"KERNEL.ioasid(N).holders", "who holds how many references: \"iommu=1 kvm/vm1=1 owner=1\"",
         [](S s, A a) {
             return with_id(s, a, false, [&](const auto& f, const auto& id) {
                 return text(holders_text(s, f, id));
             });
         }},
        {"KERNEL.ioasid(N).holder(NAME)", "references of one holder",
         [](S s, A a) {
             return with_id(s, a, false, [&](const auto&, const auto& id) {
                 std::uint64_t held = 0;
                 for (const HolderCount& entry : id.holders) {
                     held += s.name(entry.holder) == a.names[1] ? entry.count : 0;
                 }
                 return count(held);
             });
         }},
        {"KERNEL.set(NAME).live", "live IDs of a set",
         [](S s, A a) {
             return with_set(s, a, [](const SetFacts& set) { return count(set.live); });
         }},
        {"KERNEL.set(NAME).quota", "quota of a set",
         [](S s, A a) {
             return with_set(s, a, [](const SetFacts& set) { return count(set.quota); });
         }},
        {"KERNEL.set(NAME).exists", "whether a set of this name is alive",
         [](S s, A a) {
             return with_kernel(s, a, [&](const auto&) {
                 const SetFacts* set =
                     s.fold.facts.sets.find(pair_key(s.key(a.names[0]), s.key(a.names[1])));
                 return flag(set != nullptr && set->alive > 0);
             });
         }},
        {"KERNEL.set(NAME).ioasid(N).state", "state of an ID of a private set",
         [](S s, A a) {
             return with_id(s, a, true, [&](const auto& f, const auto&) { return id_state(s, f); });
         }},
        {"KERNEL.set(NAME).ioasid(N).refs", "references of an ID of a private set",
         [](S s, A a) {
             return with_id(s, a, true, [](const auto&, const auto& id) { return count(id.refs); });
         }},
        {"VM.alive", "whether a virtual machine is alive",
         [](S s, A a) {
             const auto* vm = s.fold.facts.vm_names.find(s.key(a.names[0]));
             return vm == nullptr ? s.missing("VM", a.names[0], s.fold.facts.vm_names)
                                  : flag(*vm == 1);
         }},
        {"VM.vmcs_pasid(N)",
         "entry of the PASID translation table: bit 31 valid, [19:0] host PASID",
         [](S s, A a) {
             const std::uint32_t vm = s.key(a.names[0]);
             if (!s.fold.facts.is_vm(vm)) {
                 return s.missing("VM", a.names[0], s.fold.facts.vm_names);
             }
             const auto* entry =
                 s.fold.vmcs.find(pair_key(vm, static_cast<std::uint32_t>(a.numbers[0])));
             return answer(StateValue::Kind::Hex, entry == nullptr ? 0 : *entry);
         }},
        {"CPU.pasid", "PASID in IA32_PASID, or none",
         [](S s, A a) {
             return with_cpu(s, a,
                             [](const auto& c) { return id_value(c.valid ? c.pasid : kNoId); });
         }},
        {"CPU.pasid_valid", "valid bit of IA32_PASID",
         [](S s, A a) { return with_cpu(s, a, [](const auto& c) { return flag(c.valid); }); }},
        {"IOMMU.pasid_entries", "present PASID entries",
         [](S s, A a) {
             return with_iommu(s, a, [&](const auto&) {
                 std::uint64_t present = 0;
                 const std::uint32_t unit = s.key(a.names[0]);
                 s.fold.facts.entries.for_each([&](std::uint64_t key, const EntryFacts& entry) {
                     present += entry.present && (key >> 40U) == unit ? 1 : 0;
                 });
                 return count(present);
             });
         }},
        {"IOMMU.pasid_entry(RID,N)", "whether the PASID entry of a function is present",
         [](S s, A a) {
             return with_iommu(s, a, [&](const auto&) {
                 const auto* entry = s.fold.facts.entries.find(
                     entry_key(s.key(a.names[0]), static_cast<std::uint32_t>(a.numbers[0]),
                               static_cast<std::uint32_t>(a.numbers[1])));
                 return flag(entry != nullptr && entry->present);
             });
         }},
        {"IOMMU.cached(N)", "cached entries and translations of a PASID",
         [](S s, A a) {
             return with_iommu(s, a, [&](const auto&) {
                 std::uint64_t lines = 0;
                 for (const Line& line : s.fold.facts.lines) {
                     const bool its = line.iommu == s.key(a.names[0]) && line.pasid == a.numbers[0];
                     lines += its ? line.count : 0;
                 }
                 return count(lines);
             });
         }},
        {"IOMMU.faults", "blocked requests",
         [](S s, A a) { return with_iommu(s, a, [](const auto& i) { return count(i.faults); }); }},
        {"IOMMU.faults.recorded", "of these, in a fault record",
         [](S s, A a) {
             return with_iommu(s, a, [](const auto& i) { return count(i.recorded); });
         }},
        {"IOMMU.faults.suppressed", "of these, kept out by FPD",
         [](S s, A a) {
             return with_iommu(s, a, [](const auto& i) { return count(i.suppressed); });
         }},
        {"IOMMU.prq.head", "head of the page-request queue",
         [](S s, A a) { return with_iommu(s, a, [](const auto& i) { return count(i.head); }); }},
        {"IOMMU.prq.tail", "tail of the page-request queue",
         [](S s, A a) { return with_iommu(s, a, [](const auto& i) { return count(i.tail); }); }},
        {"DEVICE.WQ.occupancy", "entries in use",
         [](S s, A a) { return with_queue(s, a, [](const Wq& q) { return count(q.occupancy); }); }},
        {"DEVICE.WQ.size", "entries",
         [](S s, A a) { return with_queue(s, a, [](const Wq& q) { return count(q.size); }); }},
        {"DEVICE.WQ.enabled", "whether it takes work",
         [](S s, A a) { return with_queue(s, a, [](const Wq& q) { return flag(q.enabled); }); }},
        {"DEVICE.WQ.shared", "shared or dedicated",
         [](S s, A a) { return with_queue(s, a, [](const Wq& q) { return flag(q.shared); }); }},
        {"DEVICE.WQ.pasid", "PASID of a dedicated queue, or none",
         [](S s, A a) { return with_queue(s, a, [](const Wq& q) { return id_value(q.pasid); }); }},
        {"DEVICE.descriptors.accepted", "descriptors that a workqueue took",
         [](S s, A a) {
             return with_device(s, a, [](const Dev& d) { return count(d.accepted); });
         }},
        {"DEVICE.descriptors.retries", "submissions that were answered with retry",
         [](S s, A a) { return with_device(s, a, [](const Dev& d) { return count(d.retries); }); }},
        {"DEVICE.descriptors.ended", "descriptors that ended, however",
         [](S s, A a) { return with_device(s, a, [](const Dev& d) { return count(d.ended); }); }},
        {"DEVICE.descriptors.completed", "of these, finished by the device",
         [](S s, A a) {
             return with_device(s, a, [](const Dev& d) { return count(d.completed); });
         }},
        {"DEVICE.descriptors.failed", "of these, with a status other than success",
         [](S s, A a) { return with_device(s, a, [](const Dev& d) { return count(d.failed); }); }},
        {"DEVICE.descriptors.aborted", "ended by abort or reset",
         [](S s, A a) { return with_device(s, a, [](const Dev& d) { return count(d.aborted); }); }},
        {"DEVICE.descriptors.lost", "whose completion record could not be written",
         [](S s, A a) { return with_device(s, a, [](const Dev& d) { return count(d.lost); }); }},
        {"DEVICE.descriptors.in_flight", "accepted and not ended",
         [](S s, A a) {
             return with_device(s, a, [](const Dev& d) { return count(d.accepted - d.ended); });
         }},
        {"DEVICE.descriptor(N).ended", "whether a descriptor ended",
         [](S s, A a) {
             return with_descriptor(s, a, [](const auto& d) { return flag(d.ended); });
         }},
        {"DEVICE.descriptor(N).status", "its completion status",
         [](S s, A a) {
             return with_descriptor(s, a, [](const auto& d) { return count(d.status); });
         }},
        {"DEVICE.descriptor(N).how", "how it ended: record, none, lost, abort",
         [](S s, A a) {
             return with_descriptor(s, a, [&](const auto& d) { return text(s.name(d.how)); });
         }},
        {"DEVICE.faults", "accesses of descriptors that failed",
         [](S s, A a) { return with_device(s, a, [](const Dev& d) { return count(d.faults); }); }},
        {"pasid_space(RID,N).owner", "the address space that a function's PASID stands for",
         [](S s, A a) {
             const auto* owner =
                 s.fold.spaces.find(pair_key(static_cast<std::uint32_t>(a.numbers[0]),
                                             static_cast<std::uint32_t>(a.numbers[1])));
             return text(owner == nullptr ? "" : s.name(*owner));
         }},
        {"memory(ADDRESS).owner", "whose a host address is",
         [](S s, A a) { return text(s.name(s.fold.owners.find(a.numbers[0]).first)); }},
        {"process(NAME).alive", "whether a process lives",
         [](S s, A a) { return with_process(s, a, [](const auto& p) { return flag(p.alive); }); }},
        {"process(NAME).cause", "why it ended",
         [](S s, A a) {
             return with_process(s, a, [&](const auto& p) { return text(s.name(p.cause)); });
         }},
        {"program(NAME).steps", "steps that ended",
         [](S s, A a) { return with_program(s, a, [](const auto& p) { return count(p.steps); }); }},
        {"program(NAME).last", "result of the last of them",
         [](S s, A a) {
             return with_program(s, a, [](const auto& p) {
                 return text(std::string(errno_name(static_cast<Errno>(p.last))));
             });
         }},
        {"lock(NAME).acquired", "how often a lock was taken",
         [](S s, A a) { return with_lock(s, a, [](const auto& l) { return count(l.acquired); }); }},
        {"lock(NAME).contended", "how often somebody had to wait for it",
         [](S s, A a) {
             return with_lock(s, a, [](const auto& l) { return count(l.contended); });
         }},
        {"lock(NAME).waited", "time that all spent waiting for it",
         [](S s, A a) {
             return with_lock(
                 s, a, [](const auto& l) { return answer(StateValue::Kind::Time, l.waited); });
         }},
        {"lock(NAME).longest", "the longest wait for it",
         [](S s, A a) {
             return with_lock(
                 s, a, [](const auto& l) { return answer(StateValue::Kind::Time, l.longest); });
         }},
        {"lock(NAME).held", "time that it was held",
         [](S s, A a) {
             return with_lock(s, a,
                              [](const auto& l) { return answer(StateValue::Kind::Time, l.held); });
         }},
        {"findings", "findings of all checkers",
         [](S s, A) {
             std::uint64_t all = 0;
             for (const std::uint64_t code : s.fold.findings.sorted_keys()) {
                 all += *s.fold.findings.find(code);
             }
             return count(all);
         }},
        {"findings(CODE)", "findings of one code",
         [](S s, A a) {
             const auto* found = s.fold.findings.find(s.key(a.names[0]));
             return count(found == nullptr ? 0 : *found);
         }},
        {"hazards", "calls that real code would not survive",
         [](S s, A) { return count(s.fold.hazards); }},
        {"run.reason", "why the run ended", [](S s, A) { return text(s.name(s.fold.run_reason)); }},
        {"run.time", "time of its end",
         [](S s, A) { return answer(StateValue::Kind::Time, s.fold.time.ps()); }},
    };
    return kForms;
}

}  // namespace ioasim::traces
