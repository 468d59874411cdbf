// Events by hand through a real Recorder: a clock that the test sets, and short ways to tell the
// life of an ID the way the IOASID core, KVM and the IOMMU driver tell it.
#pragma once

#include <string>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/recorder.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::test {

class EventScript {
public:
    EventScript() : recorder(&EventScript::clock) { now() = TimePs{}; }

    trace::Recorder recorder;

    // The time of the next events; every call of `emit` moves on by 1 ns unless told otherwise.
    void at(TimePs time) { now() = time; }
    static TimePs time() { return now(); }
    trace::Name name(const std::string& text) { return recorder.name(text); }

    template <class Event>
    void emit(const Event& event, const std::string& source = "host/task") {
        recorder.emit(recorder.source(source), event);
        now() += step;
    }
    TimePs step = 1_ns;

    void finish(const std::string& reason = "idle") {
        emit(trace::RunEnd{name(reason)}, "run");
        recorder.finish(now());
    }

    // --- the IOASID core of `kernel` ----------------------------------------------------------
    trace::Name kernel() { return name("host"); }
    void pool(std::uint64_t total = 1000) { emit(trace::IoasidCapacity{kernel(), total, total}); }
    void vm(const std::string& vm, std::uint64_t quota, std::uint64_t available,
            std::uint32_t number = 1) {
        emit(trace::IoasidSetAlloc{kernel(), name(vm), number, quota, available});
        emit(trace::VmCreate{name(vm), 4096});
    }
    void state(const std::string& set, std::uint32_t id, trace::IoasidState from,
               trace::IoasidState to) {
        emit(trace::IoasidStateChange{kernel(), name(set), Ioasid{id}, from, to});
    }
    void alloc(const std::string& set, std::uint32_t id, std::uint64_t live = 1) {
        emit(trace::IoasidAlloc{kernel(), name(set), Ioasid{id}, live});
        state(set, id, trace::IoasidState::Free, trace::IoasidState::Idle);
    }
    void get(const std::string& set, std::uint32_t id, std::uint32_t refs,
             const std::string& holder) {
        emit(trace::IoasidGet{kernel(), name(set), Ioasid{id}, refs, name(holder)});
        if (refs == 2) {
            state(set, id, trace::IoasidState::Idle, trace::IoasidState::Active);
        }
    }
    void put(const std::string& set, std::uint32_t id, std::uint32_t refs,
             const std::string& holder) {
        emit(trace::IoasidPut{kernel(), name(set), Ioasid{id}, refs, name(holder)});
    }
    // ioasid_free of an ID that `refs` others still use.
    void free(const std::string& set, std::uint32_t id, std::uint32_t refs) {
        emit(trace::IoasidFreeCall{kernel(), name(set), Ioasid{id}, Errno::Ok});
        put(set, id, refs, "owner");
        if (refs == 0) {
            reclaim(set, id, trace::IoasidState::Idle);
            return;
        }
        state(set, id, trace::IoasidState::Active, trace::IoasidState::FreePending);
        emit(trace::IoasidFree{kernel(), name(set), Ioasid{id}, Spid{0xFFFFFFFF}});
    }
    void reclaim(const std::string& set, std::uint32_t id,
                 trace::IoasidState from = trace::IoasidState::FreePending,
                 std::uint64_t live = 0) {
        state(set, id, from, trace::IoasidState::Free);
        emit(trace::IoasidReclaim{kernel(), name(set), Ioasid{id}, live});
    }
    void handler(std::uint32_t id, trace::IoasidNotification what, const std::string& block,
                 std::uint32_t priority, const std::string& chain) {
        emit(trace::IoasidHandler{kernel(), name("vm1"), Ioasid{id}, what, name(block), priority,
                                  name(chain)});
    }

    // --- KVM ------------------------------------------------------------------------------------
    void translate(const std::string& vm, std::uint32_t guest_pasid, std::uint32_t id) {
        emit(trace::KvmTableWrite{name(vm), Hpa{0x1000}, guest_pasid,
                                  trace::Hex{0x8000'0000U | id}});
    }
    void untranslate(const std::string& vm, std::uint32_t guest_pasid) {
        emit(trace::KvmTableWrite{name(vm), Hpa{0x1000}, guest_pasid, trace::Hex{0}});
    }
    void bind(const std::string& vm, std::uint32_t id, std::uint32_t spid) {
        emit(trace::IoasidBind{kernel(), name(vm), Ioasid{id}, Spid{spid}});
        translate(vm, spid, id);
        emit(trace::KvmBind{name(vm), Spid{spid}, Ioasid{id}});
    }
    void unbind(const std::string& vm, std::uint32_t id, std::uint32_t spid) {
        emit(trace::IoasidUnbind{kernel(), name(vm), Ioasid{id}, Spid{spid}});
        untranslate(vm, spid);
        emit(trace::KvmUnbind{name(vm), Spid{spid}, Ioasid{id}});
    }

    // --- the IOMMU and its driver ---------------------------------------------------------------
    static constexpr std::uint16_t kRid = 0x0010;
    trace::Name iommu() { return name("iommu0"); }
    void entry_set(std::uint32_t pasid, std::uint16_t did = 2, std::uint16_t rid = kRid) {
        emit(trace::VtdPasidEntrySet{iommu(), Rid{rid}, Pasid{pasid}, DomainId{did}, 3});
    }
    void entry_clear(std::uint32_t pasid, std::uint16_t rid = kRid) {
        emit(trace::VtdPasidEntryClear{iommu(), Rid{rid}, Pasid{pasid}, true});
    }
    void fill(const std::string& cache, std::uint32_t pasid, std::uint64_t address = 0x1000,
              std::uint16_t did = 2, std::uint32_t pgtt = 3) {
        emit(trace::VtdFill{iommu(), name(cache), Rid{kRid}, Pasid{pasid}, DomainId{did},
                            Iova{address}, Hpa{0x8000}, 4096, pgtt},
             "iommu0");
    }
    void drop(const std::string& cache, std::uint32_t pasid, std::uint64_t address = 0x1000,
              std::uint16_t did = 2) {
        emit(trace::VtdDrop{iommu(), name(cache), Pasid{pasid}, DomainId{did}, Iova{address},
                            name("invalidate")},
             "iommu0");
    }
    void invalidate(const std::string& kind, const std::string& granularity, std::uint32_t pasid,
                    std::uint64_t address = 0, std::uint64_t bytes = 0, std::uint16_t did = 2) {
        emit(trace::VtdInvalidation{iommu(), name(kind), name(granularity), DomainId{did},
                                    Pasid{pasid}, 0, Iova{address}, bytes},
             "iommu0");
    }
    void wait_done() { emit(trace::VtdInvWaitDone{iommu(), Hpa{0x2000}, 1}, "iommu0"); }

    // --- the device -----------------------------------------------------------------------------
    void enqueue(std::uint64_t descriptor, std::uint32_t pasid, std::uint32_t occupancy = 1,
                 bool accepted = true) {
        emit(trace::DsaEnqueue{name("dsa0"), name("wq0"), Pasid{pasid}, accepted, occupancy,
                               descriptor},
             "dsa0");
    }
    void dispatch(std::uint64_t descriptor, std::uint32_t pasid, std::uint32_t occupancy = 0) {
        emit(trace::DsaDispatch{name("dsa0"), name("wq0"), name("engine0"), descriptor,
                                Pasid{pasid}, name("memmove"), occupancy},
             "dsa0");
    }
    void complete(std::uint64_t descriptor, std::uint32_t pasid, const std::string& how = "record",
                  std::uint32_t status = 1, TimePs latency = 500_ns) {
        emit(trace::DsaComplete{name("dsa0"), name("wq0"), descriptor, Pasid{pasid}, status,
                                name(how), 64, latency},
             "dsa0");
    }
    void device_access(std::uint64_t descriptor, std::uint32_t pasid, std::uint64_t iova) {
        emit(trace::DsaAccess{name("dsa0"), descriptor, Rid{kRid}, Pasid{pasid}, Iova{iova}, 64,
                              false, name("source")},
             "dsa0");
    }
    void memory_access(std::uint64_t address, std::uint32_t pasid, std::uint64_t descriptor = 0,
                       bool write = false, std::uint32_t length = 64) {
        emit(trace::MemoryAccess{Rid{kRid}, Pasid{pasid}, Hpa{address}, length, write, descriptor,
                                 name("memory"), 0},
             "memory");
    }
    void owner(const std::string& who, std::uint64_t address, std::uint64_t bytes) {
        emit(trace::MemoryOwner{name(who), Hpa{address}, bytes});
    }
    void space(const std::string& who, std::uint32_t pasid) {
        emit(trace::PasidSpace{Rid{kRid}, Pasid{pasid}, name(who)});
    }

private:
    static TimePs& now() {
        static TimePs time;
        return time;
    }
    static TimePs clock() { return now(); }
};

}  // namespace ioasim::test
