// Invalidation: when a wait completes, nothing that an invalidation before it covered is cached any
// more, in the unit or in a device that answered, and a PASID entry that was cleared and flushed
// translates nothing. VT-d specification 6.5, PCI Express base specification 10.3.
#include <algorithm>

#include <fmt/format.h>

#include "core/trace/vtd_events.hpp"
#include "traces/checkers.hpp"

namespace ioasim::traces {
namespace {

class InvalidationChecker final : public Checker {
public:
    explicit InvalidationChecker(const CheckerContext& context) : Checker(context) {
        const auto name = [&context](const char* text) {
            return context.recorder.name(text).value();
        };
        kind_iotlb_ = name("iotlb");
        kind_piotlb_ = name("piotlb");
        kind_pasid_cache_ = name("pasid_cache");
        cache_iotlb_ = name("iotlb");
        cache_pasid_ = name("pasid");
        cache_first_ = name("first_stage");
        cache_second_ = name("second_stage");
        cache_device_ = name("dev_tlb");
        global_ = name("global");
        domain_ = name("domain");
        pasid_ = name("pasid");
        page_ = name("page");
    }
    const char* name() const override { return "invalidation"; }
    void add_handlers(HandlerTable& table) override {
        using Self = InvalidationChecker;
        on<Self, trace::VtdPasidEntryClear, &Self::on_clear>(table);
        on<Self, trace::VtdInvalidation, &Self::on_invalidation>(table);
        on<Self, trace::VtdDevTlbRequest, &Self::on_device_request>(table);
        on<Self, trace::VtdDevTlbDone, &Self::on_device_done>(table);
        on<Self, trace::VtdInvWaitDone, &Self::on_wait_done>(table);
        on<Self, trace::VtdFill, &Self::on_fill>(table);
        on<Self, trace::VtdTranslated, &Self::on_translated>(table);
    }

private:
    static constexpr std::uint32_t kFirstStage = 1;  // PGTT
    static constexpr std::uint32_t kNested = 3;

    struct Request {  // an invalidation descriptor
        std::uint32_t iommu;
        std::uint32_t kind;
        std::uint32_t granularity;
        std::uint32_t did;
        std::uint32_t pasid;
        std::uint64_t address;
        std::uint64_t bytes;
    };
    struct Covered {
        std::uint32_t line;
        std::uint32_t serial;
        std::uint32_t iommu;
        std::uint64_t seq;
    };
    struct DeviceCovered {
        Covered line;
        std::uint32_t rid;
        std::uint32_t itag;
        bool answered;
    };
    struct Cleared {  // an entry on its way out
        std::uint64_t key;
        std::uint32_t iommu;
        std::uint32_t pasid;
        std::uint32_t did;
        bool structure = false;    // a flush of the PASID cache took effect, the wait is open
        bool translation = false;  // the same for the IOTLB
    };

    void on_clear(const trace::EventRecord& record) {
        if (c_.facts.from_guest(record)) {
            return;
        }
        Cleared cleared;
        cleared.iommu = IOASIM_U32(record, VtdPasidEntryClear, iommu);
        cleared.pasid = IOASIM_U32(record, VtdPasidEntryClear, pasid);
        cleared.key =
            entry_key(cleared.iommu, IOASIM_U32(record, VtdPasidEntryClear, rid), cleared.pasid);
        EntryFacts& entry = c_.facts.entries[cleared.key];
        entry.structure_flush_waited = false;
        entry.translation_flush_waited = false;
        cleared.did = entry.did;
        cleared_.push_back(cleared);
    }

    bool covers(const Request& request, const Line& line) const {
        if (line.count == 0 || line.iommu != request.iommu) {
            return false;
        }
        const bool in_range =
            line.address < request.address + request.bytes &&
            request.address < line.address + std::max<std::uint64_t>(line.bytes, 1);
        if (request.kind == kind_pasid_cache_) {
            return line.cache == cache_pasid_ &&
                   (request.granularity == global_ ||
                    (line.did == request.did &&
                     (request.granularity == domain_ || line.pasid == request.pasid)));
        }
        if (line.cache == cache_first_ || line.cache == cache_second_) {
            return covers_table(request, line);
        }
        if (line.cache != cache_iotlb_) {
            return false;
        }
        return covers_translation(request, line, in_range);
    }

    // VT-d 6.5.2: by page in a domain first-stage and nested translations go for the whole domain,
    // by page in a PASID the others stay.
    bool covers_translation(const Request& request, const Line& line, bool in_range) const {
        const bool first = line.pgtt == kFirstStage || line.pgtt == kNested;
        if (request.kind == kind_iotlb_) {
            return request.granularity == global_ ||
                   (line.did == request.did &&
                    (request.granularity == domain_ ||
                     (request.granularity == page_ && (first || in_range))));
        }
        return request.kind == kind_piotlb_ && line.did == request.did &&
               line.pasid == request.pasid &&
               (request.granularity == pasid_ ||
                (request.granularity == page_ && first && in_range));
    }

    // Paging-structure entries. By pages only what the invalidation's hint cannot keep is sure to
    // go.
    bool covers_table(const Request& request, const Line& line) const {
        const bool first = line.cache == cache_first_;
        if (request.kind == kind_iotlb_) {
            return request.granularity == global_ ||
                   (line.did == request.did &&
                    (request.granularity == domain_ || (request.granularity == page_ && first)));
        }
        return request.kind == kind_piotlb_ && request.granularity == pasid_ && first &&
               line.did == request.did && line.pasid == request.pasid;
    }

    void on_invalidation(const trace::EventRecord& record) {
        const Request request{IOASIM_U32(record, VtdInvalidation, iommu),
                              IOASIM_U32(record, VtdInvalidation, kind),
                              IOASIM_U32(record, VtdInvalidation, granularity),
                              IOASIM_U32(record, VtdInvalidation, did),
                              IOASIM_U32(record, VtdInvalidation, pasid),
                              IOASIM_FIELD(record, VtdInvalidation, address),
                              IOASIM_FIELD(record, VtdInvalidation, bytes)};
        if (request.kind != kind_iotlb_ && request.kind != kind_piotlb_ &&
            request.kind != kind_pasid_cache_) {
            return;
        }
        const auto& lines = c_.facts.lines;
        marks_.resize(lines.size(), 0);
        for (std::uint32_t i = 0; i < lines.size(); ++i) {
            if (covers(request, lines[i]) && marks_[i] != lines[i].serial) {
                marks_[i] = lines[i].serial;
                covered_.push_back({i, lines[i].serial, request.iommu, record.seq});
            }
        }
        for (Cleared& cleared : cleared_) {
            if (cleared.iommu != request.iommu) {
                continue;
            }
            const bool whole = request.granularity == global_ ||
                               (request.granularity == domain_ && request.did == cleared.did) ||
                               (request.granularity == pasid_ && request.did == cleared.did &&
                                request.pasid == cleared.pasid);
            if (whole) {
                (request.kind == kind_pasid_cache_ ? cleared.structure : cleared.translation) =
                    true;
            }
        }
    }

    // What the device holds when it is asked; what it is told later is another matter.
    void on_device_request(const trace::EventRecord& record) {
        const std::uint32_t rid = IOASIM_U32(record, VtdDevTlbRequest, rid);
        const std::uint32_t pasid = IOASIM_U32(record, VtdDevTlbRequest, pasid);
        const bool global = IOASIM_FIELD(record, VtdDevTlbRequest, global) != 0;
        const std::uint64_t first = IOASIM_FIELD(record, VtdDevTlbRequest, address);
        const std::uint64_t last = IOASIM_FIELD(record, VtdDevTlbRequest, last);
        const auto& lines = c_.facts.lines;
        for (std::uint32_t i = 0; i < lines.size(); ++i) {
            const Line& line = lines[i];
            const bool its = line.count != 0 && line.cache == cache_device_ && line.rid == rid &&
                             (global ? line.pasid != kNoId : line.pasid == pasid);
            if (its && line.address <= last &&
                first <= line.address + std::max<std::uint64_t>(line.bytes, 1) - 1) {
                of_devices_.push_back(
                    {{i, line.serial, IOASIM_U32(record, VtdDevTlbRequest, iommu), record.seq},
                     rid,
                     IOASIM_U32(record, VtdDevTlbRequest, itag),
                     false});
            }
        }
    }

    // Out of time is no answer: software must reset the device, and nothing is promised.
    void on_device_done(const trace::EventRecord& record) {
        const std::uint32_t iommu = IOASIM_U32(record, VtdDevTlbDone, iommu);
        const std::uint32_t rid = IOASIM_U32(record, VtdDevTlbDone, rid);
        const std::uint32_t itag = IOASIM_U32(record, VtdDevTlbDone, itag);
        const bool answered = IOASIM_FIELD(record, VtdDevTlbDone, timeout) == 0;
        const auto ended = [&](DeviceCovered& covered) {
            const bool its = covered.line.iommu == iommu && covered.rid == rid &&
                             covered.itag == itag && !covered.answered;
            covered.answered = covered.answered || its;
            return its && !answered;
        };
        of_devices_.erase(std::remove_if(of_devices_.begin(), of_devices_.end(), ended),
                          of_devices_.end());
    }

    void finish_devices(const trace::EventRecord& record, std::uint32_t iommu) {
        std::size_t kept = 0;
        for (const DeviceCovered& covered : of_devices_) {
            if (covered.line.iommu != iommu || !covered.answered) {
                of_devices_[kept++] = covered;
                continue;
            }
            const Line& line = c_.facts.lines[covered.line.line];
            if (line.count != 0 && line.serial == covered.line.serial) {
                complain(record, line, covered.line.seq);
            }
        }
        of_devices_.resize(kept);
    }

    void on_wait_done(const trace::EventRecord& record) {
        const std::uint32_t iommu = IOASIM_U32(record, VtdInvWaitDone, iommu);
        finish_devices(record, iommu);
        std::size_t kept = 0;
        for (const Covered& covered : covered_) {
            if (covered.iommu != iommu) {
                covered_[kept++] = covered;
                continue;
            }
            const Line& line = c_.facts.lines[covered.line];
            marks_[covered.line] = 0;
            if (line.count != 0 && line.serial == covered.serial) {
                complain(record, line, covered.seq);
            }
        }
        covered_.resize(kept);
        finish_cleared(iommu);
    }

    void complain(const trace::EventRecord& record, const Line& line, std::uint64_t seq) {
        const std::string text = fmt::format(
            "the {} entry for PASID {}, domain {}, address 0x{:x} survived the "
            "invalidation of event {} and the wait behind it",
            c_.sink.name(line.cache), line.pasid == kNoId ? "none" : std::to_string(line.pasid),
            line.did, line.address, seq);
        if (line.pasid == kNoId) {
            c_.sink.report("invalidation.survived_wait", record, c_.sink.name(line.iommu), text);
        } else {
            c_.sink.report_id("invalidation.survived_wait", record, c_.facts.host_of(line.iommu),
                              line.pasid, text);
        }
    }

    void finish_cleared(std::uint32_t iommu) {
        std::size_t kept = 0;
        for (const Cleared& cleared : cleared_) {
            EntryFacts& entry = c_.facts.entries[cleared.key];
            if (cleared.iommu == iommu && !entry.present) {
                entry.structure_flush_waited = entry.structure_flush_waited || cleared.structure;
                entry.translation_flush_waited =
                    entry.translation_flush_waited || cleared.translation;
            }
            if (!entry.present && !entry.gone()) {
                cleared_[kept++] = cleared;
            }
        }
        cleared_.resize(kept);
    }

    void on_fill(const trace::EventRecord& record) {
        const std::uint32_t pasid = IOASIM_U32(record, VtdFill, pasid);
        const std::uint32_t cache = IOASIM_U32(record, VtdFill, cache);
        if (pasid == kNoId || (cache != cache_pasid_ && cache != cache_iotlb_)) {
            return;
        }
        const EntryFacts* entry = c_.facts.entries.find(
            entry_key(IOASIM_U32(record, VtdFill, iommu), IOASIM_U32(record, VtdFill, rid), pasid));
        if (entry != nullptr && entry->gone()) {
            c_.sink.report_id(
                "invalidation.stale_fill", record,
                c_.facts.host_of(IOASIM_U32(record, VtdFill, iommu)), pasid,
                fmt::format("a walk of before put something into the {} cache after its "
                            "PASID entry was cleared, flushed and waited for",
                            c_.sink.name(cache)));
        }
    }

    void on_translated(const trace::EventRecord& record) {
        const std::uint32_t pasid = IOASIM_U32(record, VtdTranslated, pasid);
        if (pasid == kNoId) {
            return;
        }
        const EntryFacts* entry =
            c_.facts.entries.find(entry_key(IOASIM_U32(record, VtdTranslated, iommu),
                                            IOASIM_U32(record, VtdTranslated, rid), pasid));
        if (entry != nullptr && entry->gone()) {
            c_.sink.report_id("invalidation.stale_use", record,
                              c_.facts.host_of(IOASIM_U32(record, VtdTranslated, iommu)), pasid,
                              fmt::format("address 0x{:x} was translated after its PASID entry was "
                                          "cleared, flushed and waited for",
                                          IOASIM_FIELD(record, VtdTranslated, address)));
        }
    }

    std::uint32_t kind_iotlb_;
    std::uint32_t kind_piotlb_;
    std::uint32_t kind_pasid_cache_;
    std::uint32_t cache_iotlb_;
    std::uint32_t cache_pasid_;
    std::uint32_t cache_first_;
    std::uint32_t cache_second_;
    std::uint32_t cache_device_;
    std::uint32_t global_;
    std::uint32_t domain_;
    std::uint32_t pasid_;
    std::uint32_t page_;
    std::vector<Covered> covered_;      // wait for their wait
    std::vector<std::uint32_t> marks_;  // by line: serial that is in covered_ (they start at 1)
    std::vector<DeviceCovered> of_devices_;  // the same in device TLBs
    std::vector<Cleared> cleared_;
};

}  // namespace

std::unique_ptr<Checker> make_invalidation_checker(const CheckerContext& context) {
    return std::make_unique<InvalidationChecker>(context);
}

}  // namespace ioasim::traces
