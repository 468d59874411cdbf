// Address translation services: a device caches and uses translations only as it was told, not
// after it answered an invalidation of them or was reset, and asks for no more pages than software
// allows. PCI Express base specification 10.2 to 10.4.
//
// Uses are seen where they arrive. The answer of an invalidation comes behind the writes that were
// sent before it and the reads before it have ended; a reset pushes nothing ahead of it, so that
// what operations before it sent may arrive later. Translated addresses that nobody ever told the
// device are not judged: translated requests by hand.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/trace/ats_events.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/checkers.hpp"

namespace ioasim::traces {
namespace {

class AtsChecker final : public Checker {
public:
    explicit AtsChecker(const CheckerContext& context) : Checker(context) {
        dev_tlb_ = context.recorder.name("dev_tlb").value();
    }
    const char* name() const override { return "ats"; }
    void add_handlers(HandlerTable& table) override {
        using Self = AtsChecker;
        on<Self, trace::VtdTranslationEntry, &Self::on_entry>(table);
        on<Self, trace::VtdFill, &Self::on_fill>(table);
        on<Self, trace::VtdDevTlbRequest, &Self::on_invalidation>(table);
        on<Self, trace::VtdDevTlbDone, &Self::on_answer>(table);
        on<Self, trace::VtdTranslatedRequest, &Self::on_use>(table);
        on<Self, trace::RequesterStart, &Self::on_start>(table);
        on<Self, trace::DsaAccess, &Self::on_device_access>(table);
        on<Self, trace::PcieFunctionReset, &Self::on_reset>(table);
        on<Self, trace::RequesterPageGroup, &Self::on_page_group>(table);
    }

private:
    // One translation, to a page of host memory that others may lead to as well.
    struct Told {
        std::uint32_t pasid = kNoId;
        bool privileged = false;
        std::uint64_t first = 0;
        bool read = false;
        bool write = false;
        bool untranslated_only = false;
        std::uint64_t since = 0;    // the event that told it
        std::uint64_t revoked = 0;  // the event after which it must not be used; 0: none
        std::uint64_t before = 0;   // operations below this number may still use it: it was a reset

        bool is_again(const Told& now) const {
            return pasid == now.pasid && privileged == now.privileged && first == now.first &&
                   read == now.read && write == now.write &&
                   untranslated_only == now.untranslated_only;
        }
    };
    using Page = std::pair<std::uint64_t, std::uint64_t>;  // bytes and host address
    struct Invalidation {
        std::uint64_t seq = 0;
        std::uint32_t pasid = kNoId;
        bool global = false;
        std::uint64_t first = 0;
        std::uint64_t last = 0;
    };
    struct Device {
        std::map<Page, std::vector<Told>> told;
        std::set<std::uint64_t> sizes;                                         // of these pages
        std::map<std::pair<std::uint32_t, std::uint32_t>, Invalidation> open;  // by unit and ITag
        std::uint64_t next_operation = 0;
    };

    static std::string text_of(std::uint32_t rid) {
        return fmt::format("{:02x}:{:02x}.{}", rid >> 8U, (rid >> 3U) & 0x1FU, rid & 7U);
    }

    // Who is told a page anew knows it again, whatever was revoked of it.
    void on_entry(const trace::EventRecord& record) {
        const Page page{IOASIM_FIELD(record, VtdTranslationEntry, bytes),
                        IOASIM_FIELD(record, VtdTranslationEntry, hpa)};
        Told told;
        told.pasid = IOASIM_U32(record, VtdTranslationEntry, pasid);
        told.privileged = IOASIM_FIELD(record, VtdTranslationEntry, privileged) != 0;
        told.first = IOASIM_FIELD(record, VtdTranslationEntry, address);
        told.read = IOASIM_FIELD(record, VtdTranslationEntry, read) != 0;
        told.write = IOASIM_FIELD(record, VtdTranslationEntry, write) != 0;
        told.untranslated_only = IOASIM_FIELD(record, VtdTranslationEntry, untranslated_only) != 0;
        told.since = record.seq;
        Device& device = devices_[IOASIM_U32(record, VtdTranslationEntry, rid)];
        device.sizes.insert(page.first);
        auto& all = device.told[page];
        const auto goes = [&](const Told& t) { return t.revoked != 0 || t.is_again(told); };
        all.erase(std::remove_if(all.begin(), all.end(), goes), all.end());
        all.push_back(told);
    }

    void on_fill(const trace::EventRecord& record) {
        if (IOASIM_U32(record, VtdFill, cache) != dev_tlb_) {
            return;
        }
        const std::uint32_t rid = IOASIM_U32(record, VtdFill, rid);
        const std::uint32_t pasid = IOASIM_U32(record, VtdFill, pasid);
        const std::uint64_t first = IOASIM_FIELD(record, VtdFill, address);
        const Page page{IOASIM_FIELD(record, VtdFill, bytes), IOASIM_FIELD(record, VtdFill, hpa)};
        const Device& device = devices_[rid];
        const auto found = device.told.find(page);
        if (found != device.told.end() &&
            std::any_of(found->second.begin(), found->second.end(),
                        [&](const Told& t) { return t.pasid == pasid && t.first == first; })) {
            return;
        }
        c_.sink.report("ats.not_told", record, text_of(rid),
                       fmt::format("{} bytes at {:#x} for {:#x}: no completion said so", page.first,
                                   page.second, first));
    }

    void on_invalidation(const trace::EventRecord& record) {
        Device& device = devices_[IOASIM_U32(record, VtdDevTlbRequest, rid)];
        device.open[{IOASIM_U32(record, VtdDevTlbRequest, iommu),
                     IOASIM_U32(record, VtdDevTlbRequest, itag)}] =
            Invalidation{record.seq, IOASIM_U32(record, VtdDevTlbRequest, pasid),
                         IOASIM_FIELD(record, VtdDevTlbRequest, global) != 0,
                         IOASIM_FIELD(record, VtdDevTlbRequest, address),
                         IOASIM_FIELD(record, VtdDevTlbRequest, last)};
    }

    // Answered: what was told before the request is used no more. Out of time: nothing is known.
    void on_answer(const trace::EventRecord& record) {
        Device& device = devices_[IOASIM_U32(record, VtdDevTlbDone, rid)];
        const auto found = device.open.find(
            {IOASIM_U32(record, VtdDevTlbDone, iommu), IOASIM_U32(record, VtdDevTlbDone, itag)});
        if (found == device.open.end()) {
            return;
        }
        const Invalidation i = found->second;
        device.open.erase(found);
        if (IOASIM_FIELD(record, VtdDevTlbDone, timeout) != 0) {
            return;
        }
        for (auto& [page, all] : device.told) {
            for (Told& told : all) {
                const bool same = i.global ? told.pasid != kNoId : told.pasid == i.pasid;
                const bool overlaps =
                    told.first <= i.last && i.first <= told.first + (page.first - 1);
                if (same && overlaps && told.since < i.seq && told.revoked == 0) {
                    told.revoked = record.seq;
                }
            }
        }
    }

    void on_start(const trace::EventRecord& record) {
        devices_[IOASIM_U32(record, RequesterStart, rid)].next_operation =
            IOASIM_FIELD(record, RequesterStart, descriptor) + 1;
    }

    // Descriptors are numbered: those of before a reset have made their accesses.
    void on_device_access(const trace::EventRecord& record) {
        std::uint64_t& next = devices_[IOASIM_U32(record, DsaAccess, rid)].next_operation;
        next = std::max(next, IOASIM_FIELD(record, DsaAccess, descriptor) + 1);
    }

    void on_reset(const trace::EventRecord& record) {
        Device& device = devices_[IOASIM_U32(record, PcieFunctionReset, rid)];
        for (auto& [page, all] : device.told) {
            for (Told& told : all) {
                if (told.revoked == 0) {
                    told.revoked = record.seq;
                    told.before = device.next_operation;
                }
            }
        }
    }

    void on_use(const trace::EventRecord& record) {
        const std::uint32_t rid = IOASIM_U32(record, VtdTranslatedRequest, rid);
        const Device& device = devices_[rid];
        const std::uint64_t address = IOASIM_FIELD(record, VtdTranslatedRequest, address);
        const std::uint64_t operation = IOASIM_FIELD(record, VtdTranslatedRequest, descriptor);
        const bool write = IOASIM_FIELD(record, VtdTranslatedRequest, write) != 0;
        const Told* revoked = nullptr;
        bool told = false;
        for (const std::uint64_t bytes : device.sizes) {
            const auto found = device.told.find({bytes, address & ~(bytes - 1)});
            if (found == device.told.end()) {
                continue;
            }
            for (const Told& one : found->second) {
                if (one.untranslated_only) {
                    continue;
                }
                if (one.revoked != 0 && operation >= one.before) {
                    revoked = &one;
                } else if (write ? one.write : one.read) {
                    return;
                } else {
                    told = true;
                }
            }
        }
        if (told) {
            c_.sink.report("ats.not_granted", record, text_of(rid),
                           fmt::format("a {} of {:#x}, whose translation allows none",
                                       write ? "write" : "read", address));
        } else if (revoked != nullptr) {
            c_.sink.report("ats.stale_use", record, text_of(rid),
                           fmt::format("{:#x} was told at event {} and given up at event {}",
                                       address, revoked->since, revoked->revoked));
        }
    }

    void on_page_group(const trace::EventRecord& record) {
        const std::uint64_t outstanding = IOASIM_FIELD(record, RequesterPageGroup, outstanding);
        const std::uint64_t allocation = IOASIM_FIELD(record, RequesterPageGroup, allocation);
        if (outstanding > allocation) {
            c_.sink.report(
                "ats.overdrawn", record,
                c_.sink.name(IOASIM_U32(record, RequesterPageGroup, device)),
                fmt::format("{} page requests outstanding, {} allocated", outstanding, allocation));
        }
    }

    std::uint32_t dev_tlb_;
    std::map<std::uint32_t, Device> devices_;  // by requester id
};

}  // namespace

std::unique_ptr<Checker> make_ats_checker(const CheckerContext& context) {
    return std::make_unique<AtsChecker>(context);
}

}  // namespace ioasim::traces
