// Encodings as literal quadwords: what a driver writes and the unit reads, checked against numbers
// that were worked out from the specification by hand.
#include <doctest/doctest.h>

#include "models/vtd/vtd_capabilities.hpp"
#include "models/vtd/vtd_layout.hpp"

using namespace ioasim;
using namespace ioasim::vtd;

namespace {

constexpr Rid kRid{0x0100};
constexpr Pasid kPasid5{5};
constexpr DomainId kDid1{1};
constexpr DomainId kDid2{2};

void check_words(const Descriptor& d, std::uint64_t q0, std::uint64_t q1) {
    CHECK(d[0] == q0);
    CHECK(d[1] == q1);
    CHECK(d[2] == 0);
    CHECK(d[3] == 0);
}

}  // namespace

TEST_CASE("vtd layout: RTADDR, IQA and PQA as literal values") {
    CHECK(rtaddr::make(Hpa{0x1000}, TableMode::Scalable) == 0x1400);
    CHECK(iq::make_iqa(Hpa{0x20000}, true, 1) == 0x20801);
    CHECK(iq::bytes(0x20801) == 256 * kDescriptorBytes);
    CHECK(pq::make_pqa(Hpa{0x40000}, 4) == 0x40004);
    CHECK(pq::bytes(0x40004) == 2048 * kDescriptorBytes);
}

TEST_CASE("vtd layout: context and PASID cache invalidations as literal values") {
    check_words(context_cache_invalidate(ContextGranularity::Global), 0x11, 0);
    check_words(context_cache_invalidate(ContextGranularity::Device, DomainId{0}, kRid),
                0x0000010000000031, 0);
    check_words(pasid_cache_invalidate(PasidCacheGranularity::Global), 0x37, 0);
    check_words(pasid_cache_invalidate(PasidCacheGranularity::Pasid, kDid1, kPasid5),
                0x0000000500010017, 0);
}

TEST_CASE("vtd layout: IOTLB invalidations as literal values") {
    check_words(iotlb_invalidate(IotlbGranularity::Global), 0xD2, 0);
    check_words(iotlb_invalidate(IotlbGranularity::Domain, kDid2), 0x200E2, 0);
    check_words(iotlb_invalidate(IotlbGranularity::Page, kDid2, 0x7000, 3, true), 0x200F2, 0x7043);
    check_words(pasid_iotlb_invalidate(PasidIotlbGranularity::Pasid, kDid1, kPasid5),
                0x0000000500010026, 0);
    check_words(
        pasid_iotlb_invalidate(PasidIotlbGranularity::Page, kDid1, kPasid5, 0x7000, 3, true),
        0x0000000500010036, 0x7043);
}

TEST_CASE("vtd layout: device TLB invalidations of the whole space as literal values") {
    check_words(device_tlb_invalidate(kRid, kWholeAddressSpace, true), 0x0000010000000003,
                0x7FFFFFFFFFFFF001);
    check_words(pasid_device_tlb_invalidate(kRid, kPasid5, kWholeAddressSpace, true),
                0x0000000501000008, 0x7FFFFFFFFFFFF800);
}

TEST_CASE("vtd layout: waits as literal values") {
    check_words(wait_with_status(Hpa{0x9000}, 2), 0x0000000200000025, 0x9000);
    check_words(wait_with_status(Hpa{0x9000}, 2, true), 0x00000002000000A5, 0x9000);
    check_words(wait_barrier(2), 0x0000000200000045, 0);
    check_words(wait_with_interrupt(), 0x15, 0);
}

TEST_CASE("vtd layout: page group responses and page requests as literal values") {
    check_words(page_group_response(kRid, 7, PageResponse::Success, true, kPasid5),
                0x0000000501000019, 0x38);
    check_words(page_group_response(kRid, 7, PageResponse::Invalid, true, kPasid5),
                0x0000000501001019, 0x38);
    PageRequest request;
    request.has_pasid = true;
    request.rid = kRid;
    request.pasid = kPasid5;
    request.write = true;
    request.last = true;
    request.group = 7;
    request.address = 0x7F0012345000;
    check_words(encode(request), 0x0000000501000101, 0x00007F001234503E);
    // A stop marker: nothing wanted, last of its group.
    PageRequest marker = request;
    marker.write = false;
    marker.group = 0;
    marker.address = 0;
    check_words(encode(marker), 0x0000000501000101, 0x4);
    CHECK(decode_page_request(encode(request)).address == request.address);
    CHECK(decode_page_request(encode(request)).group == 7);
}

TEST_CASE("vtd layout: fault records as literal values") {
    FaultRecord fault;
    fault.address = 0x7F0012345678;
    fault.source = kRid;
    fault.has_pasid = true;
    fault.pasid = kPasid5;
    fault.reason = 0x71;
    fault.valid = true;
    CHECK(encode(fault).low == 0x7F0012345000);
    CHECK(encode(fault).high == 0x8000057180000100);

    FaultRecord translation_request;
    translation_request.source = kRid;
    translation_request.reason = 0x44;
    translation_request.at = 1;
    translation_request.type = FaultType::Read;
    translation_request.valid = true;
    CHECK(encode(translation_request).high == 0xD000004400000100);

    fault.reason = 0x47;
    fault.type = FaultType::PageRequest;
    CHECK(encode(fault).high == 0x8000054790000100);
    CHECK(decode_fault(encode(fault)).type == FaultType::PageRequest);
    CHECK(decode_fault(encode(fault)).pasid == kPasid5);
}

TEST_CASE("vtd layout: scalable context entry as literal values") {
    ContextEntry context;
    context.present = context.dte = context.paside = context.pre = true;
    context.directory = Hpa{0x3000};
    CHECK(encode(context)[0] == 0x301D);
    context.pdts = 2;
    CHECK(encode(context)[0] == 0x341D);
    CHECK(encode(context)[1] == 0);
    CHECK(max_pasid(7) == 0xFFFFF);
    CHECK(directory_entries(7) == 16384);
}

TEST_CASE("vtd layout: legacy context entries as literal values") {
    LegacyContextEntry e;
    e.present = true;
    e.second_stage = Hpa{0x2000000};
    e.aw = kAddressWidth48;
    e.did = kDid2;
    CHECK(encode(e) == LegacyContextQwords{0x02000001, 0x202});
    e.fpd = true;
    e.type = LegacyType::PassThrough;
    e.aw = kAddressWidth57;
    CHECK(encode(e) == LegacyContextQwords{0x0200000B, 0x203});
    CHECK(encode(decode_legacy_context(encode(e))) == encode(e));
    CHECK(legacy_context_entry_address(Hpa{0x3000}, Rid{0x0281}) == Hpa{0x3000 + 0x81 * 16});
}

TEST_CASE("vtd layout: PASID entries of every type as literal values") {
    PasidEntry e;
    e.present = e.pwsnp = true;
    e.did = kDid1;
    e.pgtt = TranslationType::FirstStage;
    e.aw = kAddressWidth48;
    e.first_stage = 0x12345000;
    CHECK(encode(e)[0] == 0x49);
    CHECK(encode(e)[1] == 0x800001);
    CHECK(encode(e)[2] == 0x12345000);
    e.fspm = 1;
    CHECK(encode(e)[2] == 0x12345004);

    PasidEntry ss;
    ss.present = ss.pwsnp = true;
    ss.did = kDid2;
    ss.pgtt = TranslationType::SecondStage;
    ss.aw = kAddressWidth48;
    ss.second_stage = Hpa{0x2000000};
    CHECK(encode(ss)[0] == 0x02000089);
    CHECK(encode(ss)[1] == 0x800002);
    CHECK(encode(ss)[2] == 0);
    ss.pgtt = TranslationType::Nested;
    CHECK(encode(ss)[0] == 0x020000C9);

    PasidEntry pt;
    pt.present = true;
    pt.did = kDid1;
    pt.pgtt = TranslationType::PassThrough;
    pt.aw = kAddressWidth48;
    CHECK(encode(pt)[0] == 0x109);
}

TEST_CASE("vtd layout: decoding returns every field that was encoded") {
    PasidEntry e;
    e.present = e.fpd = e.ssade = e.pwsnp = e.pgsnp = e.cd = e.emte = e.sre = e.wpe = e.eafe = true;
    e.aw = 3;
    e.pgtt = TranslationType::Nested;
    e.second_stage = Hpa{0x123456789000};
    e.did = DomainId{0xBEEF};
    e.pat = 0x07060504;
    e.fspm = 1;
    e.first_stage = 0xFEDCBA9876000;
    CHECK(encode(decode_pasid_entry(encode(e))) == encode(e));
    CHECK(decode_pasid_entry(encode(e)).did == DomainId{0xBEEF});
    CHECK(decode_pasid_entry(encode(e)).pat == 0x07060504);

    ContextEntry c;
    c.present = c.fpd = c.rid_priv = true;
    c.rid_pasid = 0xABCDE;
    c.directory = Hpa{0x1000};
    CHECK(decode_context(encode(c)).rid_pasid == 0xABCDE);
    CHECK(encode(decode_context(encode(c))) == encode(c));
}

TEST_CASE("vtd layout: entry addresses follow bus, device function and PASID") {
    CHECK(root_entry_address(Hpa{0x1000}, Rid{0x0208}) == Hpa{0x1020});
    CHECK_FALSE(uses_upper_table(Rid{0x0278}));
    CHECK(uses_upper_table(Rid{0x0280}));
    CHECK(context_entry_address(Hpa{0x2000}, Rid{0x0281}) == Hpa{0x2020});
    CHECK(directory_entry_address(Hpa{0x3000}, Pasid{0x12345}) == Hpa{0x3000 + 0x48D * 8});
    CHECK(pasid_entry_address(Hpa{0x4000}, Pasid{0x12345}) == Hpa{0x4140});
    CHECK(page_table_offset(0x7F0012345678, 1) == 0x145 * 8);
    CHECK(page_table_offset(0x7F0012345678, 4) == 0xFE * 8);
}

TEST_CASE("vtd capabilities: the registers show the parameters") {
    VtdParams params = vtd_param_table().defaults();
    const Capabilities caps = make_capabilities(params);
    CHECK(cap::kNd.get(caps.cap()) == 6);
    CHECK(cap::kSagaw.get(caps.cap()) == 0xC);
    CHECK(cap::kMgaw.get(caps.cap()) == 56);
    CHECK(cap::kFro.get(caps.cap()) * 16 == reg::kFrcd);
    CHECK(cap::kNfr.get(caps.cap()) == 7);
    CHECK(ecap::kPss.get(caps.ecap()) == 19);
    CHECK(ecap::kSmts.get(caps.ecap()) == 1);
    CHECK(ecap::kDt.get(caps.ecap()) == 0);
    CHECK(ecap::kPrs.get(caps.ecap()) == 0);
    params.nested = false;
    params.pasid_bits = 8;
    CHECK(ecap::kNest.get(make_capabilities(params).ecap()) == 0);
    CHECK(ecap::kPss.get(make_capabilities(params).ecap()) == 7);
}
