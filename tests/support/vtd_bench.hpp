// A remapping unit without time: memory answers when the test says so, one request after the other,
// so that every interleaving of walks, invalidations and waits can be set up by hand.
#pragma once

#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/trace/recorder.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/vtd/vtd_probes.hpp"
#include "models/vtd/vtd_unit.hpp"
#include "tests/support/event_log.hpp"
#include "tests/support/vtd_tables.hpp"

namespace ioasim::test {

// The defaults without paging-structure caches: what a test counts are reads of tables.
inline vtd::VtdParams plain_unit() {
    vtd::VtdParams params = vtd::vtd_param_table().defaults();
    params.first_stage_entries = params.second_stage_entries = 0;
    return params;
}

class VtdBench : private vtd::UnitPort {
public:
    static constexpr Rid kDevice{0x0108};
    static constexpr Pasid kPasid{5};

    explicit VtdBench(const vtd::VtdParams& params = plain_unit())
        : recorder_([] { return clock(); }) {
        clock() = TimePs{1000};
        unit_ = std::make_unique<vtd::RemappingUnit>(params, probes, recorder_,
                                                     recorder_.source("iommu0"), "iommu0",
                                                     Rid{0x10}, static_cast<UnitPort&>(*this));
    }

    Probes probes;
    VtdTables tables;
    std::deque<memory::MemRequest> to_memory;  // not answered yet
    std::deque<pcie::Tlp> to_fabric;

    vtd::RemappingUnit& unit() { return *unit_; }
    trace::Recorder& recorder() { return recorder_; }
    std::size_t count(std::string_view event) { return events_.count(event); }
    // A field of the last event of this name.
    std::uint64_t last(std::string_view event, std::string_view field) {
        return EventLog::number(events_.of(event).back(), field);
    }
    // A word as it stands in fields.
    std::uint64_t name(std::string_view word) { return recorder_.name(word).value(); }
    static TimePs& clock() {
        static TimePs time;
        return time;
    }
    TimePs now() const { return clock(); }

    // --- registers ------------------------------------------------------------------------------
    std::uint64_t read(std::uint32_t offset) const {
        return unit_->read_word(offset) | (std::uint64_t{unit_->read_word(offset + 4)} << 32U);
    }
    std::uint32_t read32(std::uint32_t offset) const { return unit_->read_word(offset); }
    void write(std::uint32_t offset, std::uint64_t value) {
        unit_->write_word(now(), offset, static_cast<std::uint32_t>(value));
        unit_->write_word(now(), offset + 4, static_cast<std::uint32_t>(value >> 32U));
    }
    void write32(std::uint32_t offset, std::uint32_t value) {
        unit_->write_word(now(), offset, value);
    }

    // --- time -----------------------------------------------------------------------------------
    // The unit's own timers, until none is set. Time-outs of devices are further away.
    void run_timers() {
        const TimePs end = now() + 1000_ms;
        for (auto next = unit_->next_wakeup(); next && *next < end; next = unit_->next_wakeup()) {
            clock() = std::max(clock(), *next);
            unit_->advance(clock());
        }
    }
    void pass(TimePs time) {
        clock() += time;
        unit_->advance(now());
    }
    // Memory answers its oldest request.
    void answer() {
        memory::MemRequest request = std::move(to_memory.front());
        to_memory.pop_front();
        clock() += TimePs{1000};
        unit_->on_memory(now(), serve(request));
    }
    // Until nothing is under way.
    void settle() {
        for (run_timers(); !to_memory.empty(); run_timers()) {
            answer();
        }
    }

    // --- bring-up -------------------------------------------------------------------------------
    void command(std::uint32_t bits) {
        const std::uint32_t status = read32(vtd::reg::kGsts) & vtd::gcmd::kStickyMask;
        write32(vtd::reg::kGcmd, status | bits);
        settle();
    }
    void enable() {
        write(vtd::reg::kIqt, 0);
        queue_ = tables.page();
        write(vtd::reg::kIqa, vtd::iq::make_iqa(queue_, true, 0));
        command(vtd::gcmd::kQie);
        write(vtd::reg::kRtaddr, vtd::rtaddr::make(tables.root(), vtd::TableMode::Scalable));
        command(vtd::gcmd::kSrtp);
        command(vtd::gcmd::kTe);
    }
    // The bench's device with its context; the PASID entry is the caller's.
    void add_device(const vtd::PasidEntry& entry) {
        context = tables.make_context();
        tables.set_context(kDevice, context);
        tables.set_pasid(context, kPasid, entry);
    }
    vtd::ContextEntry context;

    // --- invalidation queue ---------------------------------------------------------------------
    void put(const vtd::Descriptor& descriptor) {
        const std::uint64_t slot = tail_ * vtd::kDescriptorBytes;
        tables.bytes().write(queue_ + slot, descriptor.data(), vtd::kDescriptorBytes);
        tail_ = (tail_ + 1) % (kPageSize / vtd::kDescriptorBytes);
    }
    // A descriptor that is in the queue already.
    void rewrite(std::uint64_t slot, const vtd::Descriptor& descriptor) {
        tables.bytes().write(queue_ + slot * vtd::kDescriptorBytes, descriptor.data(),
                             vtd::kDescriptorBytes);
    }
    void ring() { write(vtd::reg::kIqt, tail_ * vtd::kDescriptorBytes); }
    Hpa wait_status() {
        if (status_ == Hpa{0}) {
            status_ = tables.page();
        }
        return status_;
    }
    bool wait_is_done() { return tables.load(wait_status()) == 2; }
    // The descriptors with a wait behind them, executed to the end.
    void invalidate(const std::vector<vtd::Descriptor>& descriptors) {
        tables.store(wait_status(), 0);
        for (const vtd::Descriptor& d : descriptors) {
            put(d);
        }
        put(vtd::wait_with_status(wait_status(), 2));
        ring();
        settle();
    }

    // --- DMA ------------------------------------------------------------------------------------
    pcie::Tlp request(pcie::TlpKind kind, std::uint64_t address, std::uint32_t length = 8) const {
        pcie::Tlp tlp;
        tlp.kind = kind;
        tlp.requester = kDevice;
        tlp.pasid = kPasid;
        tlp.tag = 7;
        tlp.address = address;
        tlp.length = length;
        tlp.descriptor = 99;
        if (kind == pcie::TlpKind::MemWrite) {
            tlp.data.assign(length, 0xAB);
        }
        return tlp;
    }
    void send(pcie::Tlp tlp) { unit_->on_request(now(), std::move(tlp)); }
    // A read to its end: the status of its completion.
    pcie::CplStatus dma_read(std::uint64_t address) {
        to_fabric.clear();
        send(request(pcie::TlpKind::MemRead, address));
        settle();
        return to_fabric.empty() ? pcie::CplStatus::Abort : to_fabric.back().status;
    }
    void dma_write(std::uint64_t address) {
        send(request(pcie::TlpKind::MemWrite, address));
        settle();
    }
    std::uint64_t read_data() const {
        std::uint64_t value = 0;
        std::memcpy(&value, to_fabric.back().data.data(), sizeof value);
        return value;
    }

private:
    void send_memory(TimePs, memory::MemRequest request) override {
        to_memory.push_back(std::move(request));
    }
    void send_fabric(TimePs, pcie::Tlp tlp) override { to_fabric.push_back(std::move(tlp)); }
    void return_credit(TimePs) override {}

    memory::MemResponse serve(const memory::MemRequest& request) {
        memory::MemResponse response;
        response.op = request.op;
        response.tag = request.tag;
        memory::SparseMemory& bytes = tables.bytes();
        if (!bytes.contains(request.address, request.size)) {
            response.status = memory::MemStatus::NoTarget;
        } else if (request.op == memory::MemOp::Write) {
            bytes.write(request.address, request.data.data(), request.size);
        } else {
            response.data.resize(request.size);
            bytes.read(request.address, response.data.data(), request.size);
            const bool equal = request.op == memory::MemOp::CompareSwap &&
                               std::memcmp(response.data.data(), request.data.data(), 8) == 0;
            if (equal) {
                bytes.write(request.address, request.data.data() + 8, 8);
            }
        }
        return response;
    }

    trace::Recorder recorder_;
    EventLog events_{recorder_};
    std::unique_ptr<vtd::RemappingUnit> unit_;
    Hpa queue_;
    std::uint64_t tail_ = 0;
    Hpa status_;
};

// A device with a first-stage PASID whose page kVa is mapped.
struct FirstStageBench : VtdBench {
    static constexpr std::uint64_t kVa = 0x7F00'0000'0000;
    static constexpr std::uint64_t kOther = kVa + 0x10'0000;
    static constexpr DomainId kDid{3};

    explicit FirstStageBench(const vtd::VtdParams& params = plain_unit()) : VtdBench(params) {
        entry = tables.first_stage(kDid.value());
        target = tables.page();
        other_target = tables.page();
        tables.map_first(entry.first_stage, kVa, target.value());
        tables.map_first(entry.first_stage, kOther, other_target.value());
        add_device(entry);
        enable();
    }
    Hpa leaf() { return tables.first_slot(entry.first_stage, kVa, 4, 1); }
    std::vector<vtd::Descriptor> page_invalidation() const {
        return {vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Pasid, kDid, kPasid)};
    }
    vtd::PasidEntry entry;
    Hpa target;
    Hpa other_target;
};

}  // namespace ioasim::test
