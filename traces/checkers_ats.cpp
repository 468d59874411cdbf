// Address translation services: a device uses a translation only as it was told, not after it
// answered an invalidation of it or was reset, and asks for no more pages than software allows.
// PCI Express base specification 10.2 to 10.4.
//
// Of a completion with several entries the trace tells the first only: such a device is not judged.
// Neither are translated addresses that nobody ever told it: a translated request by hand.
#include <map>
#include <utility>

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
        success_ = context.recorder.name("success").value();
    }
    const char* name() const override { return "ats"; }
    void add_handlers(HandlerTable& table) override {
        using Self = AtsChecker;
        on<Self, trace::VtdTranslationCompletion, &Self::on_completion>(table);
        on<Self, trace::VtdDevTlbRequest, &Self::on_invalidation>(table);
        on<Self, trace::VtdDevTlbDone, &Self::on_answer>(table);
        on<Self, trace::VtdTranslatedRequest, &Self::on_use>(table);
        on<Self, trace::PcieFunctionReset, &Self::on_reset>(table);
        on<Self, trace::RequesterPageGroup, &Self::on_page_group>(table);
    }

private:
    struct Told {
        std::uint64_t bytes = 0;
        std::uint64_t hpa = 0;
        bool read = false;
        bool write = false;
        std::uint64_t since = 0;    // the event that told it
        std::uint64_t revoked = 0;  // the event after which it must not be used; 0: none
    };
    struct Invalidation {
        std::uint64_t seq = 0;
        std::uint32_t pasid = kNoId;
        bool global = false;
        std::uint64_t first = 0;
        std::uint64_t last = 0;
    };
    struct Device {
        bool several = false;  // completions with entries that the trace does not tell
        std::map<std::pair<std::uint32_t, std::uint64_t>, Told> told;  // by PASID and address
        std::map<std::pair<std::uint32_t, std::uint32_t>, Invalidation> open;  // by unit and ITag
    };

    void on_completion(const trace::EventRecord& record) {
        const std::uint64_t bytes = IOASIM_FIELD(record, VtdTranslationCompletion, bytes);
        Device& device = devices_[IOASIM_U32(record, VtdTranslationCompletion, rid)];
        if (IOASIM_U32(record, VtdTranslationCompletion, status) != success_ || bytes == 0) {
            return;
        }
        device.several =
            device.several || IOASIM_U32(record, VtdTranslationCompletion, entries) > 1;
        const std::uint64_t first =
            IOASIM_FIELD(record, VtdTranslationCompletion, address) & ~(bytes - 1);
        device.told[{IOASIM_U32(record, VtdTranslationCompletion, pasid), first}] =
            Told{bytes,
                 IOASIM_FIELD(record, VtdTranslationCompletion, hpa),
                 IOASIM_FIELD(record, VtdTranslationCompletion, read) != 0,
                 IOASIM_FIELD(record, VtdTranslationCompletion, write) != 0,
                 record.seq,
                 0};
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
        for (auto& [key, told] : device.told) {
            const bool same = i.global ? key.first != kNoId : key.first == i.pasid;
            const bool overlaps = key.second <= i.last && i.first <= key.second + (told.bytes - 1);
            if (same && overlaps && told.since < i.seq && told.revoked == 0) {
                told.revoked = record.seq;
            }
        }
    }

    void on_reset(const trace::EventRecord& record) {
        for (auto& [key, told] : devices_[IOASIM_U32(record, PcieFunctionReset, rid)].told) {
            told.revoked = told.revoked == 0 ? record.seq : told.revoked;
        }
    }

    void on_use(const trace::EventRecord& record) {
        const std::uint32_t rid = IOASIM_U32(record, VtdTranslatedRequest, rid);
        const Device& device = devices_[rid];
        const std::uint64_t address = IOASIM_FIELD(record, VtdTranslatedRequest, address);
        const bool write = IOASIM_FIELD(record, VtdTranslatedRequest, write) != 0;
        const Told* revoked = nullptr;
        bool told = false;
        for (const auto& [key, one] : device.told) {
            if (address < one.hpa || address - one.hpa >= one.bytes) {
                continue;
            }
            if (one.revoked != 0) {
                revoked = &one;
            } else if (write ? one.write : one.read) {
                return;
            } else {
                told = true;
            }
        }
        if (device.several || (!told && revoked == nullptr)) {
            return;
        }
        const std::string who =
            fmt::format("{:02x}:{:02x}.{}", rid >> 8U, (rid >> 3U) & 0x1FU, rid & 7U);
        if (told) {
            c_.sink.report("ats.not_granted", record, who,
                           fmt::format("a {} of {:#x}, whose translation allows none",
                                       write ? "write" : "read", address));
            return;
        }
        c_.sink.report("ats.stale_use", record, who,
                       fmt::format("{:#x} was told at event {} and given up at event {}", address,
                                   revoked->since, revoked->revoked));
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

    std::uint32_t success_;
    std::map<std::uint32_t, Device> devices_;  // by requester id
};

}  // namespace

std::unique_ptr<Checker> make_ats_checker(const CheckerContext& context) {
    return std::make_unique<AtsChecker>(context);
}

}  // namespace ioasim::traces
