// Structure checks, descriptor checks, fault log, event registers, drain and order bookkeeping.
#include <doctest/doctest.h>

#include "models/vtd/vtd_faults.hpp"
#include "models/vtd/vtd_invalidation.hpp"
#include "models/vtd/vtd_order.hpp"
#include "models/vtd/vtd_structures.hpp"
#include "tests/support/vtd_tables.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::VtdTables;

namespace {

const Capabilities& caps() {
    static const Capabilities value = make_capabilities(vtd_param_table().defaults());
    return value;
}

QueueError check_wide(const Descriptor& d) {
    return check_descriptor(caps(), TableMode::Scalable, true, d);
}

FaultRecord fault_of(std::uint16_t source) {
    FaultRecord fault;
    fault.source = Rid{source};
    fault.reason = 0x71;
    return fault;
}

}  // namespace

TEST_CASE("vtd structures: root entries, present half and reserved bits") {
    const RootQwords lower = encode(RootEntry{true, false, Hpa{0x1000}, Hpa{}});
    CHECK(check_root(caps(), lower, Rid{0x0100}) == FaultReason::None);
    CHECK(check_root(caps(), lower, Rid{0x0180}) == FaultReason::RootNotPresent);
    RootQwords bad = lower;
    bad[0] |= 0x10;
    CHECK(check_root(caps(), bad, Rid{0x0100}) == FaultReason::RootReserved);
    bad[0] = (std::uint64_t{1} << 46U) | 1U;
    CHECK(check_root(caps(), bad, Rid{0x0100}) == FaultReason::RootReserved);
    bad[0] &= ~std::uint64_t{1};
    CHECK(check_root(caps(), bad, Rid{0x0100}) == FaultReason::RootNotPresent);
}

TEST_CASE("vtd structures: context entries, present, reserved, contradictory") {
    ContextEntry context;
    CHECK(check_context(caps(), encode(context)) == FaultReason::ContextNotPresent);
    context.present = context.paside = true;
    context.directory = Hpa{0x1000};
    CHECK(check_context(caps(), encode(context)) == FaultReason::None);
    // The unit has no device TLB and no page requests.
    context.dte = true;
    CHECK(check_context(caps(), encode(context)) == FaultReason::ContextReserved);
    context.dte = false;
    context.pre = true;
    CHECK(check_context(caps(), encode(context)) == FaultReason::ContextReserved);
    context.pre = false;
    context.rid_pasid = max_pasid(0) + 1;
    CHECK(check_context(caps(), encode(context)) == FaultReason::ContextInvalid);
}

TEST_CASE("vtd structures: what a context entry allows") {
    ContextEntry context;
    context.present = true;
    const auto use = [&](Access access, bool has_pasid, std::uint32_t pasid) {
        return check_context_use(context, access, has_pasid, Pasid{pasid});
    };
    CHECK(use(Access::Untranslated, true, 5) == FaultReason::PasidDisabled);
    CHECK(use(Access::Untranslated, false, 0) == FaultReason::None);
    context.paside = true;
    CHECK(use(Access::Untranslated, true, 5) == FaultReason::None);
    CHECK(use(Access::Untranslated, true, 0) == FaultReason::PasidIsRidPasid);
    CHECK(use(Access::Untranslated, true, max_pasid(0) + 1) == FaultReason::PasidOutOfDirectory);
    CHECK(use(Access::Translated, true, 5) == FaultReason::DeviceTlbDisabled);
    CHECK(use(Access::TranslationRequest, true, 5) == FaultReason::DeviceTlbDisabled);
    CHECK(use(Access::PageRequest, true, 5) == FaultReason::PageRequestDisabled);
}

TEST_CASE("vtd structures: directory entries, present and reserved bits") {
    CHECK(check_directory(caps(), 0x1001) == FaultReason::None);
    CHECK(check_directory(caps(), 0x1000) == FaultReason::DirectoryNotPresent);
    CHECK(check_directory(caps(), 0x1005) == FaultReason::DirectoryReserved);
}

TEST_CASE("vtd structures: PASID entries, every type that is supported is legal") {
    VtdTables tables;
    CHECK(check_pasid_entry(caps(), encode(tables.first_stage(1))) == FaultReason::None);
    CHECK(check_pasid_entry(caps(), encode(tables.second_stage(1))) == FaultReason::None);
    CHECK(check_pasid_entry(caps(), encode(tables.nested(1))) == FaultReason::None);
    CHECK(check_pasid_entry(caps(), encode(VtdTables::entry(TranslationType::PassThrough, 1))) ==
          FaultReason::None);
    CHECK(check_pasid_entry(caps(), encode(VtdTables::entry(TranslationType::None, 1))) ==
          FaultReason::PasidEntryInvalid);
    CHECK(check_pasid_entry(caps(), PasidQwords{}) == FaultReason::PasidEntryNotPresent);
}

TEST_CASE("vtd structures: PASID entries, reserved bits follow the capabilities") {
    VtdTables tables;
    PasidQwords q = encode(tables.first_stage(1));
    q[3] = 1;
    CHECK(check_pasid_entry(caps(), q) == FaultReason::PasidEntryReserved);
    q[3] = 0;
    VtdParams params = vtd_param_table().defaults();
    params.extended_accessed = false;
    q[2] |= pasid_entry::kEafe.mask();
    CHECK(check_pasid_entry(caps(), q) == FaultReason::None);
    CHECK(check_pasid_entry(make_capabilities(params), q) == FaultReason::PasidEntryReserved);
    q[2] &= ~pasid_entry::kEafe.mask();
    q[2] |= bit_mask(6, 5);  // ignored, not reserved
    CHECK(check_pasid_entry(caps(), q) == FaultReason::None);

    params = vtd_param_table().defaults();
    params.snooped_walks = false;
    CHECK(check_pasid_entry(make_capabilities(params), q) == FaultReason::PasidEntryReserved);
    params = vtd_param_table().defaults();
    params.domain_bits = 8;
    q[1] |= 0x100;
    CHECK(check_pasid_entry(make_capabilities(params), q) == FaultReason::PasidEntryReserved);
    params.domain_bits = 16;
    params.caching_mode = true;
    q[1] &= ~pasid_entry::kDid.mask();
    CHECK(check_pasid_entry(make_capabilities(params), q) == FaultReason::PasidEntryReserved);
}

TEST_CASE("vtd structures: PASID entries, illegal widths and modes") {
    VtdTables tables;
    PasidEntry ss = tables.second_stage(1);
    ss.aw = kAddressWidth39;
    CHECK(check_pasid_entry(caps(), encode(ss)) == FaultReason::PasidEntryInvalid);
    PasidEntry first = tables.first_stage(1);
    first.fspm = 2;
    CHECK(check_pasid_entry(caps(), encode(first)) == FaultReason::PasidEntryInvalid);
    PasidEntry nested = tables.nested(1);
    nested.first_stage = std::uint64_t{1} << 48U;
    CHECK(check_pasid_entry(caps(), encode(nested)) == FaultReason::PasidEntryInvalid);
    // AW means nothing to a first-stage entry.
    first = tables.first_stage(1);
    first.aw = kAddressWidth39;
    CHECK(check_pasid_entry(caps(), encode(first)) == FaultReason::None);
}

TEST_CASE("vtd descriptors: legal ones of every supported type pass") {
    CHECK(check_wide(context_cache_invalidate(ContextGranularity::Domain)) == QueueError::None);
    CHECK(check_wide(pasid_cache_invalidate(PasidCacheGranularity::Domain)) == QueueError::None);
    CHECK(check_wide(iotlb_invalidate(IotlbGranularity::Page, DomainId{1}, 0x1000, 18, true)) ==
          QueueError::None);
    CHECK(check_wide(pasid_iotlb_invalidate(PasidIotlbGranularity::Page, DomainId{1}, Pasid{5},
                                            0x1000, 63)) == QueueError::None);
    CHECK(check_wide(wait_with_status(Hpa{0x1000}, 2, false, true, true)) == QueueError::None);
    CHECK(check_wide(wait_barrier()) == QueueError::None);
}

TEST_CASE("vtd descriptors: types without their capability are invalid") {
    CHECK(check_wide(device_tlb_invalidate(Rid{1}, 0, false)) == QueueError::BadType);
    CHECK(check_wide(pasid_device_tlb_invalidate(Rid{1}, Pasid{5}, 0, false)) ==
          QueueError::BadType);
    CHECK(check_wide(page_group_response(Rid{1}, 1, PageResponse::Success)) == QueueError::BadType);
    CHECK(check_wide(Descriptor{0x0F, 0, 0, 0}) == QueueError::BadType);
    CHECK(check_wide(Descriptor{}) == QueueError::BadType);
    CHECK(check_wide(wait_with_status(Hpa{0x1000}, 2, true)) == QueueError::Reserved);
}

TEST_CASE("vtd descriptors: reserved bits and granularities are checked") {
    Descriptor d = iotlb_invalidate(IotlbGranularity::Global);
    d[2] = 1;
    CHECK(check_wide(d) == QueueError::Reserved);
    CHECK(check_wide(iotlb_invalidate(static_cast<IotlbGranularity>(0))) == QueueError::Reserved);
    CHECK(check_wide(iotlb_invalidate(IotlbGranularity::Page, DomainId{1}, 0, 19)) ==
          QueueError::Reserved);
    CHECK(check_wide(pasid_cache_invalidate(static_cast<PasidCacheGranularity>(2))) ==
          QueueError::Reserved);
    CHECK(check_wide(pasid_iotlb_invalidate(static_cast<PasidIotlbGranularity>(1), DomainId{1},
                                            Pasid{5})) == QueueError::Reserved);
    CHECK(check_wide(context_cache_invalidate(static_cast<ContextGranularity>(0))) ==
          QueueError::Reserved);
}

TEST_CASE("vtd descriptors: table mode and queue width decide what is legal") {
    const Descriptor pasid = pasid_cache_invalidate(PasidCacheGranularity::Global);
    const Descriptor iotlb = iotlb_invalidate(IotlbGranularity::Global);
    CHECK(check_descriptor(caps(), TableMode::Legacy, true, pasid) == QueueError::BadType);
    CHECK(check_descriptor(caps(), TableMode::Legacy, false, iotlb) == QueueError::None);
    CHECK(check_descriptor(caps(), TableMode::Scalable, false, iotlb) == QueueError::BadWidth);
    CHECK(check_descriptor(caps(), TableMode::Reserved, true, iotlb) == QueueError::BadTableMode);
}

TEST_CASE("vtd faults: records go round, the first one keeps its index while pending") {
    FaultLog log{2};
    CHECK(log.record(fault_of(1)).new_status);
    CHECK_FALSE(log.record(fault_of(2)).new_status);
    CHECK(log.first() == 0);
    CHECK(decode_fault(log.read(1)).source == Rid{2});
    log.clear(0);
    log.clear(1);
    CHECK_FALSE(log.pending());
    CHECK(log.record(fault_of(3)).recorded);
    CHECK(log.record(fault_of(4)).recorded);
    CHECK(log.first() == 0);
}

TEST_CASE(
    "vtd faults: a full ring sets the overflow, and nothing is recorded until it is cleared") {
    FaultLog log{1};
    CHECK(log.record(fault_of(1)).recorded);
    const FaultLog::Outcome second = log.record(fault_of(2));
    CHECK_FALSE(second.recorded);
    CHECK(second.new_status);
    log.clear(0);
    CHECK_FALSE(log.record(fault_of(3)).recorded);
    log.clear_overflow();
    CHECK(log.record(fault_of(4)).recorded);
    CHECK(decode_fault(log.read(0)).source == Rid{4});
}

TEST_CASE("vtd faults: with compression a source has one record until software cleared it") {
    FaultLog log{4, true};
    CHECK(log.record(fault_of(1)).recorded);
    CHECK_FALSE(log.record(fault_of(1)).recorded);
    CHECK_FALSE(log.overflow());
    CHECK(log.record(fault_of(2)).recorded);
    log.clear(0);
    CHECK(log.record(fault_of(1)).recorded);
    CHECK(decode_fault(log.read(2)).source == Rid{1});
}

TEST_CASE("vtd events: a masked event stays pending and goes out when unmasked") {
    EventRegister event;
    event.set_message({0xFEE0'1000, 0x41});
    CHECK(event.control() == event_control::kMasked);
    CHECK_FALSE(event.raise().has_value());
    CHECK(event.control() == (event_control::kMasked | event_control::kPending));
    const auto message = event.write_control(0);
    REQUIRE(message.has_value());
    CHECK(message->address == 0xFEE0'1000);
    CHECK(message->data == 0x41);
    CHECK_FALSE(event.pending());
    CHECK(event.raise().has_value());
}

TEST_CASE("vtd events: clearing every cause withdraws a pending event") {
    EventRegister event;
    CHECK_FALSE(event.raise().has_value());
    event.withdraw();
    CHECK_FALSE(event.write_control(0).has_value());
}

TEST_CASE("vtd drain: a barrier is drained when everything before it has ended") {
    DrainTracker tracker;
    const auto a = tracker.begin();
    const auto b = tracker.begin();
    CHECK(tracker.drained());
    tracker.barrier();
    const auto c = tracker.begin();
    CHECK_FALSE(tracker.drained());
    tracker.end(b);
    CHECK_FALSE(tracker.drained());
    tracker.end(a);
    CHECK(tracker.drained());
    tracker.end(c);
    CHECK(tracker.drained());
}

TEST_CASE("vtd drain: requests between two barriers count for the second") {
    DrainTracker tracker;
    const auto a = tracker.begin();
    tracker.barrier();
    const auto b = tracker.begin();
    tracker.barrier();
    tracker.end(a);
    CHECK_FALSE(tracker.drained());
    tracker.end(b);
    CHECK(tracker.drained());
}

TEST_CASE("vtd order: posted requests in order, reads behind them, ends seen in order") {
    RequesterOrder order;
    const std::uint64_t first = order.take_ticket();
    const std::uint64_t second = order.take_ticket();
    const std::uint64_t read = order.arrived();
    CHECK(order.may_issue_posted(first));
    CHECK_FALSE(order.may_issue_posted(second));
    CHECK_FALSE(order.may_issue_read(read));
    order.issue(first);
    order.issue(second);
    CHECK(order.may_issue_read(read));
    CHECK_FALSE(order.all_done(read));
    order.finish(second);
    CHECK_FALSE(order.all_done(second));
    order.finish(first);
    CHECK(order.all_done(read));
}

TEST_CASE("request line: the first that has not left may go, whoever else is ready") {
    RequestLine line;
    const auto a = line.take();
    const auto b = line.take();
    const auto c = line.take();
    CHECK(line.first(a));
    CHECK_FALSE(line.first(b));
    line.leave(b);  // ended without going: refused
    CHECK(line.first(a));
    line.leave(a);
    CHECK(line.first(c));
    CHECK_THROWS(line.leave(a));
}
