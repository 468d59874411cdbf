// Ownership: no call by or for one VM changes another VM's IDs, and no VM reaches another VM's
// IDs. Who acts is told by the source ("host/vm1-vcpu0", "vm1/…"), the holder ("kvm/vm1") or the
// event.
#include <fmt/format.h>

#include "core/trace/ioasid_events.hpp"
#include "core/trace/software_events.hpp"
#include "traces/checkers.hpp"

namespace ioasim::traces {
namespace {

class OwnershipChecker final : public Checker {
public:
    using Checker::Checker;
    const char* name() const override { return "ownership"; }
    void add_handlers(HandlerTable& table) override {
        using Self = OwnershipChecker;
        on<Self, trace::IoasidFreeCall, &Self::on_free_call>(table);
        on<Self, trace::IoasidGet, &Self::on_get>(table);
        on<Self, trace::IoasidPut, &Self::on_put>(table);
        on<Self, trace::IoasidBind, &Self::on_bind>(table);
        on<Self, trace::IoasidUnbind, &Self::on_unbind>(table);
        on<Self, trace::KvmBind, &Self::on_kvm_bind>(table);
        on<Self, trace::KvmTableWrite, &Self::on_table_write>(table);
        on<Self, trace::CpuEnqcmd, &Self::on_enqcmd>(table);
    }

private:
    // The VM whose ID it is; 0 when it is nobody's, or another kernel's.
    std::uint32_t vm_of(std::uint32_t space, std::uint32_t number) {
        if (!c_.facts.is_host(space)) {
            return 0;
        }
        const IdFacts* id = c_.facts.ids.find(space, number);
        return id != nullptr && id->live && c_.facts.is_vm(id->set) ? id->set : 0;
    }

    void by_actor(const trace::EventRecord& record, std::uint32_t space, std::uint32_t number,
                  const char* what) {
        const std::uint32_t vm = vm_of(space, number);
        const std::uint32_t actor = c_.facts.actor_of(record.source);
        if (vm != 0 && actor != 0 && actor != vm) {
            c_.sink.report_id("ownership.foreign_call", record, space, number,
                              fmt::format("belongs to {}, but {} {}", c_.sink.name(vm),
                                          c_.recorder.source_name(record.source), what));
        }
    }

    void on_free_call(const trace::EventRecord& record) {
        if (IOASIM_FIELD(record, IoasidFreeCall, result) != 0) {
            return;  // refused, as it should
        }
        // The event's set is the one that the caller named; the number is looked up in its kernel.
        const std::uint32_t space = IOASIM_ID_SPACE(c_.facts, record, IoasidFreeCall);
        const std::uint32_t number = IOASIM_U32(record, IoasidFreeCall, ioasid);
        const std::uint32_t named = IOASIM_U32(record, IoasidFreeCall, set);
        const IdFacts* id = c_.facts.ids.find(space, number);
        if (id != nullptr && id->live && named != 0 && named != id->set) {
            c_.sink.report_id("ownership.foreign_call", record, space, number,
                              fmt::format("belongs to set {}, but was freed through set {}",
                                          c_.sink.name(id->set), c_.sink.name(named)));
            return;
        }
        by_actor(record, space, number, "freed it");
    }

    void by_holder(const trace::EventRecord& record, std::uint32_t space, std::uint32_t number,
                   std::uint32_t holder, const char* what) {
        const std::uint32_t vm = vm_of(space, number);
        if (vm == 0) {
            return;
        }
        const std::uint32_t for_vm = holder_vm(holder);
        if (for_vm != 0 && for_vm != vm) {
            c_.sink.report_id("ownership.foreign_reference", record, space, number,
                              fmt::format("belongs to {}, but {} {} a reference", c_.sink.name(vm),
                                          c_.sink.name(holder), what));
        }
    }

    // "kvm/vm1", "vm1/vmm": the part that names a VM.
    std::uint32_t holder_vm(std::uint32_t holder) {
        if (holder_memo_vms_ != c_.facts.vm_names.size()) {
            holder_memo_vms_ = c_.facts.vm_names.size();
            holder_memo_ = {};
        }
        std::uint32_t& memo = holder_memo_[holder];
        if (memo == 0) {
            memo = 1;
            const std::string text = c_.sink.name(holder);
            for (std::size_t at = 0; at <= text.size();) {
                const std::size_t end = std::min(text.find('/', at), text.size());
                const std::uint32_t part =
                    c_.recorder.name(std::string_view(text).substr(at, end - at)).value();
                if (c_.facts.is_vm(part)) {
                    memo = part + 1;
                    break;
                }
                at = end + 1;
            }
        }
        return memo - 1;
    }

    void on_get(const trace::EventRecord& record) {
        by_holder(record, IOASIM_ID_SPACE(c_.facts, record, IoasidGet),
                  IOASIM_U32(record, IoasidGet, ioasid), IOASIM_U32(record, IoasidGet, holder),
                  "took");
    }
    void on_put(const trace::EventRecord& record) {
        by_holder(record, IOASIM_ID_SPACE(c_.facts, record, IoasidPut),
                  IOASIM_U32(record, IoasidPut, ioasid), IOASIM_U32(record, IoasidPut, holder),
                  "dropped");
    }
    void on_bind(const trace::EventRecord& record) {
        by_actor(record, IOASIM_ID_SPACE(c_.facts, record, IoasidBind),
                 IOASIM_U32(record, IoasidBind, ioasid), "attached an SPID to it");
    }
    void on_unbind(const trace::EventRecord& record) {
        by_actor(record, IOASIM_ID_SPACE(c_.facts, record, IoasidUnbind),
                 IOASIM_U32(record, IoasidUnbind, ioasid), "detached its SPID");
    }

    // --- translations of a VM lead to its own IDs only
    // --------------------------------------------
    void translation(const trace::EventRecord& record, std::uint32_t vm, std::uint32_t number) {
        const std::uint32_t kernel = c_.facts.host_of(vm);
        const IdFacts* id = c_.facts.ids.find(kernel, number);
        if (id != nullptr && id->live && id->set != vm) {
            c_.sink.report_id(
                "ownership.foreign_translation", record, kernel, number,
                fmt::format("belongs to set {}, but {} translates a guest PASID to it",
                            c_.sink.name(id->set), c_.sink.name(vm)));
        }
    }
    void on_kvm_bind(const trace::EventRecord& record) {
        translation(record, IOASIM_U32(record, KvmBind, vm), IOASIM_U32(record, KvmBind, ioasid));
    }
    void on_table_write(const trace::EventRecord& record) {
        const std::uint64_t value = IOASIM_FIELD(record, KvmTableWrite, value);
        if ((value >> 31U & 1U) != 0) {
            translation(record, IOASIM_U32(record, KvmTableWrite, vm), as_u32(value & 0xFFFFFU));
        }
    }
    void on_enqcmd(const trace::EventRecord& record) {
        const auto outcome =
            static_cast<trace::EnqcmdOutcome>(IOASIM_FIELD(record, CpuEnqcmd, outcome));
        if (outcome != trace::EnqcmdOutcome::Accepted && outcome != trace::EnqcmdOutcome::Retry) {
            return;
        }
        const std::uint32_t cpu = c_.facts.guest_of_name(IOASIM_U32(record, CpuEnqcmd, cpu));
        const std::uint32_t guest = cpu != 0 ? cpu : c_.facts.guest_of(record.source);
        if (guest == 0) {
            return;
        }
        const std::uint32_t pasid = IOASIM_U32(record, CpuEnqcmd, pasid);
        const std::uint32_t kernel = c_.facts.host_of(guest);
        const IdFacts* id = c_.facts.hardware_id(kernel, pasid);
        if (id != nullptr && id->live && id->set != guest) {
            c_.sink.report_id("ownership.foreign_submit", record, kernel, pasid,
                              fmt::format("belongs to set {}, but a vCPU of {} sent it to a device",
                                          c_.sink.name(id->set), c_.sink.name(guest)));
        }
    }

    FlatMap<std::uint32_t> holder_memo_;  // holder -> VM + 1
    std::size_t holder_memo_vms_ = 0;
};

}  // namespace

std::unique_ptr<Checker> make_ownership_checker(const CheckerContext& context) {
    return std::make_unique<OwnershipChecker>(context);
}

}  // namespace ioasim::traces
