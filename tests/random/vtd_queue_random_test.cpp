// Random programs for the unit's queues: invalidations, waits of all kinds, device TLBs that answer
// late, twice or never, page requests, bad descriptors, with memory that answers in any order. The
// checker of the queues judges every step; at the end all that was not aborted is done.
#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/base/random.hpp"
#include "models/pcie/ats_layout.hpp"
#include "tests/support/vtd_bench.hpp"
#include "traces/checkers.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kSlots = kPageSize / kDescriptorBytes;
constexpr Rid kDevices[] = {VtdBench::kDevice, Rid{0x0110}};

VtdParams random_params(RandomStream& random) {
    VtdParams params = vtd_param_table().defaults();
    params.device_tlb = params.page_requests = params.page_request_drain = true;
    params.device_tlb_timeout = 40_us;
    params.queue_prefetch = random.below(5);
    params.pending_waits = random.below(4);
    params.itags = random.between(1, 4);
    params.page_request_writes = random.between(1, 4);
    return params;
}

class QueueEpisode : public FirstStageBench {
public:
    QueueEpisode(std::uint64_t seed, RandomStream random, const Defect* defect)
        : FirstStageBench(random_params(random)),
          checkers_(recorder(), without_conservation()),
          random_(seed, "test", "queues") {
        recorder().add_listener(checkers_, checkers_.categories());
        if (defect != nullptr) {
            probes.enable(*defect);
        }
        context.dte = context.pre = true;
        tables.set_context(kDevice, context);
        tables.set_context(kDevices[1], context);
        statuses_ = tables.page();
        pages_ = tables.page();
        write(reg::kPqa, pq::make_pqa(pages_, 0));
    }

    void run(unsigned steps) {
        for (unsigned i = 0; i < steps && findings().empty(); ++i) {
            step();
        }
        for (unsigned i = 0; i < 20000 && findings().empty() && (unit().busy() || stopped()); ++i) {
            move();
            answer_device(1);
            recover();
        }
    }
    std::string findings() {
        recorder().flush();
        std::string text;
        for (const traces::Finding& finding : checkers_.findings()) {
            text += finding.code + ": " + finding.text + "\n";
        }
        return text;
    }
    // Waits that nothing aborted and whose status is not in memory.
    std::size_t missing() const {
        std::size_t found = 0;
        for (std::size_t i = excused_; i < waits_; ++i) {
            found += word(i) == i + 1 ? 0 : 1;
        }
        return found;
    }
    std::size_t waits() const { return waits_; }
    std::size_t timeouts() { return count("vtd.queue_stop"); }

private:
    // Responses are drawn, so they answer what nobody asked.
    static traces::CheckerOptions without_conservation() {
        traces::CheckerOptions options;
        options.without = {"conservation"};
        return options;
    }
    std::uint32_t word(std::size_t index) const {
        return static_cast<std::uint32_t>(tables.load(statuses_ + index % 512 * 8));
    }
    bool stopped() const { return (read32(reg::kFsts) & (fsts::kIqe | fsts::kIte)) != 0; }

    void step() {
        switch (random_.below(8)) {
            case 0:
                feed();
                break;
            case 1:
                answer_device(random_.between(1, 2));
                break;
            case 2:
                ask_for_page();
                break;
            case 3:
                send(request(TlpKind::MemRead, random_.chance(1, 2) ? kVa : kOther));
                break;
            case 4:
                if (random_.chance(1, 4)) {
                    recover();
                }
                break;
            default:
                move();
        }
        collect();
    }
    // Time goes on, or memory answers whom it likes.
    void move() {
        pass(TimePs{random_.below(200'000)});
        if (!to_memory.empty()) {
            std::swap(to_memory[0], to_memory[random_.below(to_memory.size())]);
            answer();
        }
        collect();
    }
    void collect() {
        for (const pcie::Tlp& tlp : to_fabric) {
            // One device in ten does not hear it.
            if (tlp.kind == TlpKind::InvalidateRequest && !random_.chance(1, 10)) {
                asked_.push_back(tlp);
            }
        }
        to_fabric.clear();
    }
    void feed() {
        const std::uint64_t head = read(reg::kIqh) / kDescriptorBytes;
        for (std::uint64_t n = random_.between(1, 4); n > 0; --n) {
            if ((tail_ + 2) % kSlots == head) {
                break;
            }
            put(draw());
            tail_ = (tail_ + 1) % kSlots;
        }
        ring();
    }
    Descriptor draw() {
        const Rid device = kDevices[random_.below(2)];
        const auto pending = static_cast<unsigned>(random_.below(3));
        switch (random_.below(8)) {
            case 0:
                return context_cache_invalidate(ContextGranularity::Global);
            case 1:
                return iotlb_invalidate(IotlbGranularity::Domain, kDid);
            case 2:
                return device_tlb_invalidate(device, kWholeAddressSpace, true, Rid{}, pending);
            case 3:
                return pasid_device_tlb_invalidate(device, kPasid, kVa, false, false, Rid{},
                                                   pending);
            case 4:
                return page_group_response(device, 1, PageResponse::Success, true, kPasid);
            case 5:
                return random_.chance(1, 8) ? Descriptor{0xF, 0, 0, 0} : wait_barrier();
            default: {
                const std::uint64_t index = waits_++;
                return wait_with_status(statuses_ + index % 512 * 8,
                                        static_cast<std::uint32_t>(index + 1), random_.chance(1, 3),
                                        random_.chance(1, 3), random_.chance(1, 3));
            }
        }
    }
    // The oldest question of a random device, in so many completions.
    void answer_device(std::uint64_t count) {
        if (asked_.empty()) {
            return;
        }
        const std::size_t index = random_.below(asked_.size());
        const pcie::Tlp tlp = asked_[index];
        asked_.erase(asked_.begin() + static_cast<std::ptrdiff_t>(index));
        for (std::uint64_t i = 0; i < count; ++i) {
            send(pcie::invalidate_completion(tlp.requester, {Rid{0x10}, std::uint32_t{1} << tlp.tag,
                                                             static_cast<unsigned>(count)}));
        }
    }
    void ask_for_page() {
        send(pcie::page_request(kDevice, kPasid, {kVa, 1, random_.chance(1, 2), true, false}));
        if (random_.chance(1, 16)) {
            write(reg::kPqh, read(reg::kPqt));
            write32(reg::kPrs, pq::kPpr | pq::kPro);
        }
    }
    void recover() {
        const std::uint32_t status = read32(reg::kFsts);
        if ((status & fsts::kIte) != 0) {
            excused_ = waits_;
        }
        if ((status & fsts::kIqe) != 0) {
            rewrite(read(reg::kIqh) / kDescriptorBytes, wait_barrier());
        }
        write32(reg::kFsts, status & (fsts::kIqe | fsts::kIte | fsts::kIce));
    }

    traces::CheckerSet checkers_;
    RandomStream random_;
    Hpa statuses_;
    Hpa pages_;
    std::uint64_t tail_ = 0;
    std::size_t waits_ = 0;
    std::size_t excused_ = 0;  // those before: a time-out may have aborted them
    std::vector<pcie::Tlp> asked_;
};

std::string found_with(const Defect* defect, std::uint64_t seeds) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        QueueEpisode episode{seed, RandomStream{seed, "test", "params"}, defect};
        episode.run(1500);
        if (!episode.findings().empty()) {
            return episode.findings();
        }
    }
    return {};
}

}  // namespace

TEST_CASE("random vtd queues: nothing passes what it must come behind, all that is left ends") {
    std::size_t waits = 0;
    std::size_t stops = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        QueueEpisode episode{seed, RandomStream{seed, "test", "params"}, nullptr};
        episode.run(1500);
        REQUIRE(episode.findings() == "");
        CHECK(episode.missing() == 0);
        CHECK_FALSE(episode.unit().busy());
        waits += episode.waits();
        stops += episode.timeouts();
    }
    // The programs must reach what they are about.
    CHECK(waits > 2000);
    CHECK(stops > 100);
}

TEST_CASE("random vtd queues: the checker sees defects of the queues") {
    CHECK(found_with(&kWaitPassesDeviceTlb, 40).find("queue.wait_passed_device") == 0);
    CHECK(found_with(&kFenceIgnored, 40).find("queue.passed_fence") == 0);
    CHECK(found_with(&kPageDrainIgnored, 40).find("queue.wait_passed_pages") == 0);
    CHECK(found_with(&kPageRequestKeepsTranslation, 40).find("queue.page_still_cached") == 0);
    CHECK(found_with(&kTimeoutIgnored, 40).find("queue.wait_passed_device") == 0);
}
