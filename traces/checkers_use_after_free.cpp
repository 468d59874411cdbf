// Use after free: when the last reference of an ID goes, nothing in hardware may name it any more,
// and nothing may use it until it is allocated again. Host IDs only: they are what hardware knows.
// The same of page tables of processes: when they have been given back, no PASID leads there again.
#include <fmt/format.h>

#include <set>

#include "core/trace/device_events.hpp"
#include "core/trace/dsa_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/sva_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/checkers.hpp"

namespace ioasim::traces {
namespace {

class UseAfterFreeChecker final : public Checker {
public:
    using Checker::Checker;
    const char* name() const override { return "use_after_free"; }
    void add_handlers(HandlerTable& table) override {
        using Self = UseAfterFreeChecker;
        on<Self, trace::IoasidReclaim, &Self::on_reclaim>(table);
        on<Self, trace::VtdPasidEntrySet, &Self::on_entry_set>(table);
        on<Self, trace::VtdFill, &Self::on_fill>(table);
        on<Self, trace::KvmTableWrite, &Self::on_table_write>(table);
        on<Self, trace::DsaWqState, &Self::on_wq_state>(table);
        on<Self, trace::DsaStoredMessage, &Self::on_stored_message>(table);
        on<Self, trace::MemoryAccess, &Self::on_access>(table);
        on<Self, trace::MmRelease, &Self::on_release>(table);
        on<Self, trace::ProcessStart, &Self::on_start>(table);
        on<Self, trace::ProcessExec, &Self::on_exec>(table);
        on<Self, trace::PasidSpace, &Self::on_space>(table);
    }

private:
    void on_reclaim(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidReclaim);
        if (!c_.facts.is_host(kernel)) {
            return;
        }
        const std::uint32_t number = IOASIM_U32(record, IoasidReclaim, ioasid);
        const IdFacts& id = c_.facts.ids.at(kernel, number);
        const auto complain = [&](const char* code, std::uint64_t count, const char* what) {
            if (count != 0) {
                c_.sink.report_id(code, record, kernel, number,
                                  fmt::format("went back to the pool while {} {} it", count, what));
            }
        };
        complain("use_after_free.pasid_entry", id.entries, "present PASID entries hold");
        complain("use_after_free.cached", id.lines, "cached entries or translations hold");
        complain("use_after_free.vmcs_table", id.translations,
                 "PASID translation entries of VMs lead to");
        complain("use_after_free.workqueue", id.queues, "enabled dedicated workqueues are set to");
        complain("use_after_free.interrupt", id.messages,
                 "entries of interrupt message storage hold");
    }

    // Allocated once, and in the pool now. (A PASID that the core never gave out is not its
    // concern.)
    bool is_free(std::uint32_t kernel, std::uint64_t pasid) {
        const IdFacts* id = c_.facts.hardware_id(kernel, pasid);
        return id != nullptr && id->ever && !id->live;
    }

    void on_entry_set(const trace::EventRecord& record) {
        const std::uint32_t pasid = IOASIM_U32(record, VtdPasidEntrySet, pasid);
        const std::uint32_t kernel = c_.facts.host_of(IOASIM_U32(record, VtdPasidEntrySet, iommu));
        if (is_free(kernel, pasid) && !c_.facts.from_guest(record) &&
            !c_.facts.has_own_numbers(IOASIM_U32(record, VtdPasidEntrySet, rid))) {
            c_.sink.report_id("use_after_free.pasid_entry", record, kernel, pasid,
                              "a PASID entry was made present for an ID that is free");
        }
    }

    void on_fill(const trace::EventRecord& record) {
        const std::uint32_t pasid = IOASIM_U32(record, VtdFill, pasid);
        const std::uint32_t kernel = c_.facts.host_of(IOASIM_U32(record, VtdFill, iommu));
        if (is_free(kernel, pasid) && !c_.facts.is_own_number(IOASIM_U32(record, VtdFill, rid),
                                                              IOASIM_U32(record, VtdFill, did))) {
            c_.sink.report_id("use_after_free.cached", record, kernel, pasid,
                              "something was cached for an ID that is free");
        }
    }

    void on_table_write(const trace::EventRecord& record) {
        const std::uint64_t value = IOASIM_FIELD(record, KvmTableWrite, value);
        constexpr std::uint64_t kValid = std::uint64_t{1} << 31U;
        const std::uint32_t pasid = as_u32(value & 0xFFFFFU);
        const std::uint32_t kernel = c_.facts.host_of(IOASIM_U32(record, KvmTableWrite, vm));
        if ((value & kValid) != 0 && is_free(kernel, pasid)) {
            c_.sink.report_id("use_after_free.vmcs_table", record, kernel, pasid,
                              "a PASID translation entry leads to an ID that is free");
        }
    }

    void on_wq_state(const trace::EventRecord& record) {
        const std::uint32_t pasid = IOASIM_U32(record, DsaWqState, pasid);
        const std::uint32_t kernel = c_.facts.host_of(IOASIM_U32(record, DsaWqState, device));
        if (IOASIM_FIELD(record, DsaWqState, enabled) != 0 &&
            IOASIM_FIELD(record, DsaWqState, shared) == 0 && is_free(kernel, pasid)) {
            c_.sink.report_id("use_after_free.workqueue", record, kernel, pasid,
                              "a dedicated workqueue was enabled with an ID that is free");
        }
    }

    void on_stored_message(const trace::EventRecord& record) {
        const std::uint32_t pasid = IOASIM_U32(record, DsaStoredMessage, pasid);
        const std::uint32_t kernel = c_.facts.host_of(IOASIM_U32(record, DsaStoredMessage, device));
        if (is_free(kernel, pasid)) {
            c_.sink.report_id(
                "use_after_free.interrupt", record, kernel, pasid,
                "an entry of interrupt message storage was set to an ID that is free");
        }
    }

    void on_access(const trace::EventRecord& record) {
        const std::uint32_t pasid = IOASIM_U32(record, MemoryAccess, pasid);
        const std::uint32_t rid = IOASIM_U32(record, MemoryAccess, rid);
        const std::uint32_t kernel = c_.facts.host_of_function(rid);
        if (is_free(kernel, pasid) && !c_.facts.has_own_numbers(rid)) {
            c_.sink.report_id("use_after_free.access", record, kernel, pasid,
                              "a device reached memory under an ID that is free");
        }
    }

    void on_release(const trace::EventRecord& record) {
        released_.insert(IOASIM_U32(record, MmRelease, process));
    }
    void on_start(const trace::EventRecord& record) {
        released_.erase(IOASIM_U32(record, ProcessStart, process));
    }
    void on_exec(const trace::EventRecord& record) {
        released_.erase(IOASIM_U32(record, ProcessExec, process));
    }
    void on_space(const trace::EventRecord& record) {
        if (released_.count(IOASIM_U32(record, PasidSpace, owner)) != 0) {
            c_.sink.report_id("use_after_free.address_space", record,
                              c_.facts.host_of_function(IOASIM_U32(record, PasidSpace, rid)),
                              IOASIM_U32(record, PasidSpace, pasid),
                              "a PASID leads to page tables that their process has given back");
        }
    }

    std::set<std::uint32_t> released_;  // processes without an address space
};

}  // namespace

std::unique_ptr<Checker> make_use_after_free_checker(const CheckerContext& context) {
    return std::make_unique<UseAfterFreeChecker>(context);
}

}  // namespace ioasim::traces
