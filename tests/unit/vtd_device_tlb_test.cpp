// Device-TLB invalidations: ITags, throttling, completions, time-outs, and the waits behind them.
#include <doctest/doctest.h>

#include "models/pcie/ats_layout.hpp"
#include "models/vtd/vtd_device_tlb.hpp"
#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using pcie::TlpKind;

namespace {

constexpr Rid kDevice = VtdBench::kDevice;
constexpr Rid kOtherDevice{0x0200};
constexpr TimePs kTimeout = 90'000_ms;

VtdParams device_tlb_params() {
    VtdParams params = vtd_param_table().defaults();
    params.device_tlb = true;
    params.device_tlb_throttle = true;
    return params;
}

struct AtsBench : FirstStageBench {
    explicit AtsBench(const VtdParams& params = device_tlb_params()) : FirstStageBench(params) {
        context.dte = true;
        tables.set_context(kDevice, context);
    }
    std::vector<pcie::Tlp> requests() const {
        std::vector<pcie::Tlp> found;
        for (const pcie::Tlp& tlp : to_fabric) {
            if (tlp.kind == TlpKind::InvalidateRequest) {
                found.push_back(tlp);
            }
        }
        return found;
    }
    void answer_device(std::uint32_t itags, unsigned count = 1, Rid from = kDevice) {
        send(pcie::invalidate_completion(from, {Rid{0x10}, itags, count}));
        settle();
    }
    static Descriptor whole(Rid rid = kDevice, unsigned max_pending = 0) {
        return device_tlb_invalidate(rid, kWholeAddressSpace, true, rid, max_pending);
    }
    bool stopped() const { return (read32(reg::kFsts) & (fsts::kIte | fsts::kIqe)) != 0; }
};

DeviceTlbRequest request_of(Rid rid, unsigned max_pending = 32) {
    DeviceTlbRequest r;
    r.function = r.throttled_by = rid;
    r.max_pending = max_pending;
    return r;
}

}  // namespace

TEST_CASE("vtd device tlb: ITags go round the pool, so that a late answer meets a free one") {
    const Probes probes;
    DeviceTlbInvalidations pool{4, kTimeout, probes};
    CHECK(pool.begin(1_us, request_of(kDevice)) == 0);
    CHECK(pool.complete(kDevice, {Rid{}, 1U, 1}).ended.size() == 1);
    CHECK(pool.begin(1_us, request_of(kDevice)) == 1);
    CHECK(pool.complete(kDevice, {Rid{}, 1U, 1}).unexpected);
}

TEST_CASE("vtd device tlb: as many completions end an invalidation as their count says") {
    const Probes probes;
    DeviceTlbInvalidations pool{4, kTimeout, probes};
    pool.begin(1_us, request_of(kDevice));
    CHECK(pool.complete(kDevice, {Rid{}, 1U, 3}).ended.empty());
    CHECK(pool.complete(kDevice, {Rid{}, 1U, 3}).ended.empty());
    CHECK_FALSE(pool.done_before(pool.mark()));
    CHECK(pool.complete(kDevice, {Rid{}, 1U, 3}).ended.size() == 1);
    CHECK(pool.done_before(pool.mark()));
}

TEST_CASE("vtd device tlb: the defect ends an invalidation with its first completion") {
    Probes probes;
    probes.enable(kFirstCompletionEnds);
    DeviceTlbInvalidations pool{4, kTimeout, probes};
    pool.begin(1_us, request_of(kDevice));
    CHECK(pool.complete(kDevice, {Rid{}, 1U, 3}).ended.size() == 1);
}

TEST_CASE("vtd device tlb: one completion answers several ITags, valid ones before wrong ones") {
    const Probes probes;
    DeviceTlbInvalidations pool{4, kTimeout, probes};
    pool.begin(1_us, request_of(kDevice));
    pool.begin(1_us, request_of(kDevice));
    pool.begin(1_us, request_of(kOtherDevice));
    const auto answer = pool.complete(kDevice, {Rid{}, 7U, 1});
    CHECK(answer.ended.size() == 2);
    CHECK(answer.unexpected);
    CHECK(pool.pending() == 1);
}

TEST_CASE("vtd device tlb: room ends with the pool and with what the device takes") {
    const Probes probes;
    DeviceTlbInvalidations pool{3, kTimeout, probes};
    pool.begin(1_us, request_of(kDevice, 1));
    CHECK_FALSE(pool.room_for(request_of(kDevice, 1)));
    CHECK(pool.room_for(request_of(kDevice, 2)));
    CHECK(pool.room_for(request_of(kOtherDevice, 1)));
    pool.begin(1_us, request_of(kOtherDevice));
    pool.begin(1_us, request_of(kOtherDevice));
    CHECK_FALSE(pool.room_for(request_of(Rid{0x300})));
}

TEST_CASE("vtd device tlb: descriptors of both types decode to what the message says") {
    const DeviceTlbRequest plain =
        decode_device_tlb(device_tlb_invalidate(kDevice, 0x3FF000, true, kOtherDevice, 5), true);
    CHECK(plain.function == kDevice);
    CHECK(plain.throttled_by == kOtherDevice);
    CHECK_FALSE(plain.pasid.has_value());
    CHECK(plain.max_pending == 5);
    CHECK(plain.body.range().first == 0);
    CHECK(plain.body.range().last == 0x7F'FFFF);
    const DeviceTlbRequest pasid = decode_device_tlb(
        pasid_device_tlb_invalidate(kDevice, Pasid{5}, 0x1000, false, true), false);
    CHECK(pasid.throttled_by == kDevice);
    CHECK(pasid.pasid == Pasid{5});
    CHECK(pasid.max_pending == 32);
    CHECK(pasid.body.global);
    CHECK(pasid.body.range().last == 0x1FFF);
}

TEST_CASE("vtd device tlb: an invalidation request reaches the device with ITag and range") {
    AtsBench bench;
    bench.to_fabric.clear();
    bench.invalidate({pasid_device_tlb_invalidate(kDevice, VtdBench::kPasid, 0x5000, false)});
    REQUIRE(bench.requests().size() == 1);
    const pcie::Tlp tlp = bench.requests().front();
    CHECK(pcie::message_destination(tlp) == kDevice);
    CHECK(tlp.pasid == VtdBench::kPasid);
    CHECK(tlp.tag == 0);
    CHECK(pcie::decode_invalidate(pcie::load_quadword(tlp.data)).range().first == 0x5000);
}

TEST_CASE("vtd device tlb: a wait completes when the device has answered") {
    AtsBench bench;
    bench.invalidate({AtsBench::whole()});
    CHECK_FALSE(bench.wait_is_done());
    CHECK(bench.unit().busy());
    bench.answer_device(1);
    CHECK(bench.wait_is_done());
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd device tlb: the defect lets the wait pass the device") {
    AtsBench bench;
    bench.probes.enable(kWaitPassesDeviceTlb);
    bench.invalidate({AtsBench::whole()});
    CHECK(bench.wait_is_done());
}

TEST_CASE("vtd device tlb: an unexpected completion is told and stops nothing") {
    AtsBench bench;
    bench.invalidate({AtsBench::whole()});
    bench.answer_device(1U << 9U);
    CHECK((bench.read32(reg::kFsts) & fsts::kIce) != 0);
    CHECK(iq::kIceSource.get(bench.read(reg::kIqercd)) == kDevice.value());
    CHECK_FALSE(bench.stopped());
    bench.answer_device(1, 1, kOtherDevice);
    CHECK_FALSE(bench.wait_is_done());
    bench.answer_device(1);
    CHECK(bench.wait_is_done());
    bench.write32(reg::kFsts, fsts::kIce);
    CHECK(bench.read32(reg::kFsts) == 0);
}

TEST_CASE("vtd device tlb: a time-out stops the queue and aborts the wait") {
    AtsBench bench;
    bench.invalidate({AtsBench::whole()});
    const std::uint64_t head = bench.read(reg::kIqh);
    bench.pass(kTimeout);
    CHECK((bench.read32(reg::kFsts) & fsts::kIte) != 0);
    CHECK(iq::kIteSource.get(bench.read(reg::kIqercd)) == kDevice.value());
    CHECK(bench.read(reg::kIqh) == head);
    bench.settle();
    CHECK_FALSE(bench.wait_is_done());
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd device tlb: nothing is fetched while ITE is set; clearing it starts at the head") {
    AtsBench bench;
    bench.invalidate({AtsBench::whole()});
    bench.pass(kTimeout);
    bench.invalidate({});
    CHECK_FALSE(bench.wait_is_done());
    bench.write32(reg::kFsts, fsts::kIte);
    bench.settle();
    CHECK(bench.wait_is_done());
    CHECK_FALSE(bench.stopped());
}

TEST_CASE("vtd device tlb: an answer after the time-out is unexpected") {
    AtsBench bench;
    bench.invalidate({AtsBench::whole()});
    bench.pass(kTimeout);
    bench.answer_device(1);
    CHECK((bench.read32(reg::kFsts) & fsts::kIce) != 0);
}

TEST_CASE("vtd device tlb: others are still answered while the queue stands") {
    AtsBench bench;
    bench.invalidate({AtsBench::whole(), AtsBench::whole(kOtherDevice)});
    bench.pass(kTimeout);
    CHECK(iq::kIteSource.get(bench.read(reg::kIqercd)) == kDevice.value());
    CHECK_FALSE(bench.unit().busy());
    CHECK(bench.count("vtd.dev_tlb_done") == 2);
}

TEST_CASE("vtd device tlb: the defect takes a time-out for an answer") {
    AtsBench bench;
    bench.probes.enable(kTimeoutIgnored);
    bench.invalidate({AtsBench::whole()});
    bench.pass(kTimeout);
    bench.settle();
    CHECK_FALSE(bench.stopped());
    CHECK(bench.wait_is_done());
}

TEST_CASE("vtd device tlb: a device that takes one at a time gets the next when it answered") {
    AtsBench bench;
    bench.to_fabric.clear();
    bench.invalidate({AtsBench::whole(kDevice, 1), AtsBench::whole(kDevice, 1)});
    CHECK(bench.requests().size() == 1);
    CHECK(bench.probes.hits(kDeviceTlbThrottled) > 0);
    bench.answer_device(1);
    CHECK(bench.requests().size() == 2);
    CHECK_FALSE(bench.wait_is_done());
    bench.answer_device(2);
    CHECK(bench.wait_is_done());
}

TEST_CASE("vtd device tlb: an invalidation waits for an ITag when all are in use") {
    VtdParams params = device_tlb_params();
    params.itags = 1;
    AtsBench bench{params};
    bench.to_fabric.clear();
    bench.invalidate({AtsBench::whole(), AtsBench::whole(kOtherDevice)});
    CHECK(bench.requests().size() == 1);
    bench.answer_device(1);
    CHECK(bench.requests().size() == 2);
}

TEST_CASE("vtd device tlb: it leaves when requests with older translations are done") {
    AtsBench bench;
    bench.send(bench.request(TlpKind::MemRead, FirstStageBench::kVa));
    const memory::MemRequest walk = bench.to_memory.front();
    bench.to_memory.pop_front();
    bench.to_fabric.clear();
    bench.invalidate({bench.page_invalidation().front(), AtsBench::whole()});
    CHECK(bench.requests().empty());
    bench.to_memory.push_front(walk);
    bench.settle();
    CHECK(bench.requests().size() == 1);
}

TEST_CASE("vtd device tlb: an answer counts when the device's earlier writes are done") {
    AtsBench bench;
    bench.invalidate({AtsBench::whole()});
    bench.send(bench.request(TlpKind::MemWrite, FirstStageBench::kVa));
    bench.send(pcie::invalidate_completion(kDevice, {Rid{0x10}, 1, 1}));
    CHECK(bench.count("vtd.dev_tlb_done") == 0);
    bench.settle();
    CHECK(bench.count("vtd.dev_tlb_done") == 1);
    CHECK(bench.wait_is_done());
}
