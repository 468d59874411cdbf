// The table of fault reasons: order, look-up, what FPD hides, what a device may recover from.
#include <doctest/doctest.h>

#include <initializer_list>

#include "models/vtd/vtd_fault_layout.hpp"

using namespace ioasim::vtd;
using R = FaultReason;

TEST_CASE("vtd faults: the list is sorted, complete and found by code") {
    unsigned before = 0;
    for (const FaultReasonInfo& info : kFaultReasons) {
        const auto code = static_cast<unsigned>(info.reason);
        CHECK(code > before);
        before = code;
        CHECK(find_fault(static_cast<std::uint8_t>(code)) == &info);
    }
    CHECK(find_fault(std::uint8_t{0x88}) == nullptr);
    CHECK(find_fault(std::uint8_t{0}) == nullptr);
    CHECK(find_fault(std::uint8_t{0xFF}) == nullptr);
}

TEST_CASE("vtd faults: FPD hides qualified reasons and no other") {
    for (const FaultReason shown :
         {R::LegacyRootNotPresent, R::LegacyRootAccess, R::LegacyContextAccess,
          R::LegacyRootReserved, R::BadInterruptRequest, R::TableModeInvalid, R::PasidInLegacyMode,
          R::AbortDmaMode, R::RootAccess, R::RootNotPresent, R::RootReserved, R::ContextAccess,
          R::DirectoryAccess, R::PasidEntryAccess}) {
        CHECK_FALSE(is_qualified(shown));
    }
    for (const FaultReason hidden :
         {R::LegacyContextNotPresent, R::LegacyNoRead, R::ContextNotPresent, R::DirectoryNotPresent,
          R::PasidEntryNotPresent, R::FirstStageNotPresent, R::NoWrite, R::PasidTooWide}) {
        CHECK(is_qualified(hidden));
    }
}

TEST_CASE("vtd faults: which conditions of a translation request the device may recover from") {
    using O = FaultOutcome;
    const auto outcome = [](FaultReason reason) { return find_fault(reason)->translation_request; };
    CHECK(outcome(R::FirstStageNotPresent) == O::NoTranslation);
    CHECK(outcome(R::PasidEntryNotPresent) == O::NoTranslation);
    CHECK(outcome(R::LegacyAddressTooWide) == O::NoTranslation);
    CHECK(outcome(R::NoWrite) == O::Reduced);
    CHECK(outcome(R::FirstStageUpdateFailed) == O::NoTranslationLogged);
    CHECK(outcome(R::SecondStageReserved) == O::Abort);
    CHECK(outcome(R::ContextNotPresent) == O::Unsupported);
    CHECK(outcome(R::PageRequestDisabled) == O::None);
}
