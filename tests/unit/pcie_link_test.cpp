// Physical links: rates, weights, credits and what may pass what.
#include <doctest/doctest.h>

#include <vector>

#include "models/pcie/link_if.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/pcie/pcie_probes.hpp"
#include "tests/support/event_log.hpp"

using namespace ioasim;
using namespace ioasim::pcie;
using ioasim::test::EventLog;

namespace {

constexpr TimePs kLatency{10'000};
constexpr Rid kFunction{0x0108};

TimePs g_now;

class Sleeper final : public sim::Wakeable {
public:
    void wake_at(TimePs time) override { wakes.push_back(time); }
    std::vector<TimePs> wakes;
};

Tlp tlp_of(TlpKind kind, std::uint32_t tag, std::size_t data = 0) {
    Tlp tlp;
    tlp.kind = kind;
    tlp.requester = kFunction;
    tlp.tag = tag;
    tlp.data.resize(data);
    tlp.length = static_cast<std::uint32_t>(data);
    return tlp;
}

// The completion of a request has the request's attributes.
Tlp answer_to(const Tlp& request, std::uint32_t tag) {
    Tlp completion = make_completion(request, CplStatus::Success);
    completion.tag = tag;
    completion.data.resize(4);
    return completion;
}

LinkShape shape_of(std::uint64_t generation = kNoPhysicalLink, std::uint64_t width = 1) {
    LinkShape shape;
    shape.latency = kLatency;
    shape.generation = generation;
    shape.width = width;
    shape.rate = generation == kNoPhysicalLink ? 0 : link_rate(generation, width);
    shape.max_payload = 256;
    return shape;
}

CreditLimits limits_of(std::uint64_t posted, std::uint64_t nonposted,
                       std::uint64_t posted_data = 0) {
    CreditLimits limits;
    limits.headers = {posted, nonposted, 0};
    limits.data = {posted_data, 0, 0};
    return limits;
}

struct Bench {
    explicit Bench(const CreditLimits& limits, const LinkShape& shape = shape_of())
        : recorder([] { return g_now; }),
          log(recorder),
          link(shape, probes, recorder, recorder.source("rc"), "dev0.up") {
        link.bind(inbox, 0);
        link.bind_sender(sender);
        link.advertise(limits);
        g_now = TimePs{1'000};
    }
    void send(const Tlp& tlp) { link.send(now, Tlp{tlp}); }
    // Takes what has arrived by now: tags in order.
    std::vector<std::uint32_t> arrived() {
        std::vector<std::uint32_t> tags;
        while (inbox.due(now)) {
            tags.push_back(inbox.pop().message.tag);
        }
        return tags;
    }
    // The receiver consumes one like `tlp`; its credits are back when this returns.
    void consume(const Tlp& tlp) {
        link.return_credits(now, link.cost(tlp));
        now += kLatency;
        link.advance(now);
    }
    void pass() { now += kLatency; }

    TimePs& now = g_now;
    Probes probes;
    trace::Recorder recorder;
    EventLog log;
    Sleeper sender;
    Sleeper receiver;
    sim::Inbox<Tlp> inbox{receiver, 64};
    TlpLink link;
};

using Tags = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("pcie link: rates follow generation, encoding and width") {
    CHECK(link_rate(1, 1) == 250);    // 2.5 GT/s, 8b/10b
    CHECK(link_rate(2, 4) == 2'000);  // 5 GT/s, 8b/10b
    CHECK(link_rate(3, 8) == 7'876);  // 8 GT/s, 128b/130b: 7.877 GB/s
    CHECK(link_rate(4, 16) == 31'507);
    CHECK(link_rate(5, 16) == 63'015);
    CHECK(link_rate(6, 16) == 118'000);  // 128 GB/s, 236 of 256 bytes
}

TEST_CASE("pcie link: headers are short below 4 GiB and in completions, long in messages") {
    CHECK(header_bytes(TlpKind::MemRead, 0xFFFF'FFFF) == 12);
    CHECK(header_bytes(TlpKind::MemWrite, 0x1'0000'0000) == 16);
    CHECK(header_bytes(TlpKind::Completion, 0x1'0000'0000) == 12);
    CHECK(header_bytes(TlpKind::PageRequest, 0) == 16);
}

TEST_CASE("pcie link: a write weighs header, prefix, whole dwords and framing") {
    Tlp tlp = tlp_of(TlpKind::MemWrite, 0, 5);
    tlp.address = 0x1003;
    CHECK(link_bytes(tlp, 4, 256) == 12 + 8 + 8);
    tlp.pasid = Pasid{1};
    CHECK(link_bytes(tlp, 4, 256) == 12 + 4 + 8 + 8);
    CHECK(link_bytes(tlp, 6, 256) == 12 + 4 + 8);  // FLITs frame no single TLP
}

TEST_CASE("pcie link: a completion longer than a payload weighs as many as it needs") {
    Tlp tlp = tlp_of(TlpKind::Completion, 0, 512);
    CHECK(parts_of(tlp, 256) == 2);
    CHECK(link_bytes(tlp, 3, 256) == 2 * (12 + 8) + 512);
    tlp.address = 0x40;  // not aligned: three
    CHECK(parts_of(tlp, 256) == 3);
    CHECK(credit_cost(tlp, 256).headers == 3);
}

TEST_CASE("pcie link: data credits are units of 16 bytes") {
    CHECK(credit_cost(tlp_of(TlpKind::MemWrite, 0, 64), 256).data == 4);
    CHECK(credit_cost(tlp_of(TlpKind::MemWrite, 0, 65), 256).data == 5);
    CHECK(credit_cost(tlp_of(TlpKind::MemRead, 0), 256).data == 0);
    CHECK(credit_cost(tlp_of(TlpKind::DeferrableWrite, 0, 64), 256).of == CreditClass::NonPosted);
    CHECK(credit_cost(tlp_of(TlpKind::InvalidateCompletion, 0), 256).of == CreditClass::Posted);
    CHECK(credit_cost(tlp_of(TlpKind::AtsRequest, 0), 256).of == CreditClass::NonPosted);
}

TEST_CASE("pcie link: a transaction takes its weight over the rate") {
    Bench bench{{}, shape_of(1, 1)};  // 4 ns a byte
    bench.send(tlp_of(TlpKind::MemWrite, 1, 64));
    CHECK(*bench.link.free_at() == TimePs{1'000} + 4_ns * 84);
    CHECK(*bench.inbox.next() == TimePs{1'000} + 4_ns * 84 + kLatency);
}

TEST_CASE("pcie link: the defect gives a wide link the rate of one lane") {
    Bench bench{{}, shape_of(1, 4)};
    bench.probes.enable(kRateOfOneLane);
    bench.send(tlp_of(TlpKind::MemWrite, 1, 64));
    CHECK(*bench.link.free_at() == TimePs{1'000} + 4_ns * 84);
}

TEST_CASE("pcie link: without credits a class waits, and goes on when they are back") {
    Bench bench{limits_of(0, 2)};
    for (std::uint32_t tag = 1; tag <= 4; ++tag) {
        bench.send(tlp_of(TlpKind::MemRead, tag));
    }
    CHECK(bench.link.waiting() == 2);
    CHECK_FALSE(bench.link.free_at().has_value());
    bench.pass();
    CHECK(bench.arrived() == Tags{1, 2});
    bench.consume(tlp_of(TlpKind::MemRead, 1));
    CHECK(bench.sender.wakes == std::vector<TimePs>{bench.now});
    bench.pass();
    CHECK(bench.arrived() == Tags{3});
    CHECK(bench.link.waiting() == 1);
}

TEST_CASE("pcie link: data credits hold a write although a header is free") {
    Bench bench{limits_of(8, 0, 16)};
    bench.send(tlp_of(TlpKind::MemWrite, 1, 256));
    bench.send(tlp_of(TlpKind::MemWrite, 2, 16));
    bench.pass();
    CHECK(bench.arrived() == Tags{1});
    CHECK(bench.log.text(bench.log.of("pcie.stall").at(0), "wants") == "data");
}

TEST_CASE("pcie link: writes pass reads that wait") {
    Bench bench{limits_of(4, 1)};
    bench.send(tlp_of(TlpKind::MemRead, 1));
    bench.send(tlp_of(TlpKind::MemRead, 2));
    bench.send(tlp_of(TlpKind::MemWrite, 3, 8));
    bench.send(tlp_of(TlpKind::PageRequest, 4));
    bench.pass();
    CHECK(bench.arrived() == Tags{1, 3, 4});
}

TEST_CASE("pcie link: reads and completions do not pass writes that wait") {
    Bench bench{limits_of(1, 4)};
    bench.send(tlp_of(TlpKind::MemWrite, 1, 8));
    bench.send(tlp_of(TlpKind::MemWrite, 2, 8));
    bench.send(tlp_of(TlpKind::MemRead, 3));
    bench.send(tlp_of(TlpKind::Completion, 4, 4));
    bench.pass();
    CHECK(bench.arrived() == Tags{1});
    CHECK(bench.log.text(bench.log.of("pcie.stall").at(1), "wants") == "order");
    bench.consume(tlp_of(TlpKind::MemWrite, 1, 8));
    bench.pass();
    CHECK(bench.arrived() == Tags{2, 3, 4});
    CHECK(bench.log.count("pcie.resume") == 3);
}

TEST_CASE("pcie link: relaxed ordering lets a completion and a write pass, no read") {
    const Tlp write = tlp_of(TlpKind::MemWrite, 1, 256);
    Tlp small = tlp_of(TlpKind::MemWrite, 3, 8);
    Tlp read = tlp_of(TlpKind::MemRead, 4);
    CHECK_FALSE(may_pass(answer_to(read, 2), write));
    small.relaxed_ordering = read.relaxed_ordering = true;
    const Tlp completion = answer_to(read, 2);
    CHECK(may_pass(completion, write));
    CHECK(may_pass(small, write));
    CHECK_FALSE(may_pass(read, write));
    Bench bench{limits_of(8, 8, 17)};
    bench.send(tlp_of(TlpKind::MemWrite, 5, 256));
    bench.send(write);
    bench.send(small);
    bench.send(completion);
    bench.send(read);
    bench.pass();
    CHECK(bench.arrived() == Tags{5, 3, 2});
}

TEST_CASE("pcie link: identity-based ordering frees other functions and other PASIDs") {
    Tlp write = tlp_of(TlpKind::MemWrite, 1, 8);
    write.pasid = Pasid{1};
    Tlp read = tlp_of(TlpKind::MemRead, 2);
    read.id_ordering = true;
    CHECK_FALSE(may_pass(read, write));  // the same function, and only one has a PASID
    read.pasid = Pasid{1};
    CHECK_FALSE(may_pass(read, write));
    read.pasid = Pasid{2};
    CHECK(may_pass(read, write));
    read.pasid = Pasid{1};
    read.requester = Rid{0x0110};
    CHECK(may_pass(read, write));
    Tlp completion = answer_to(read, 3);
    completion.completer = kFunction;
    CHECK_FALSE(may_pass(completion, write));
    completion.completer = Rid{0x0110};
    CHECK(may_pass(completion, write));
}

TEST_CASE("pcie link: one queue for all holds writes behind reads") {
    Bench bench{limits_of(4, 1)};
    bench.probes.enable(kOneQueueForAll);
    bench.send(tlp_of(TlpKind::MemRead, 1));
    bench.send(tlp_of(TlpKind::MemRead, 2));
    bench.send(tlp_of(TlpKind::MemWrite, 3, 8));
    bench.pass();
    CHECK(bench.arrived() == Tags{1});
}

TEST_CASE("pcie link: all credits are back when all is consumed") {
    Bench bench{limits_of(2, 2, 64)};
    const std::vector<Tlp> all{tlp_of(TlpKind::MemWrite, 1, 100), tlp_of(TlpKind::MemRead, 2),
                               tlp_of(TlpKind::Completion, 3, 8), tlp_of(TlpKind::Interrupt, 4, 4),
                               tlp_of(TlpKind::MemWrite, 5, 256), tlp_of(TlpKind::MemRead, 6)};
    for (const Tlp& tlp : all) {
        bench.send(tlp);
    }
    CHECK_FALSE(bench.link.settled());
    for (const Tlp& tlp : all) {
        bench.consume(tlp);
    }
    CHECK(bench.link.settled());
    bench.pass();
    bench.send(tlp_of(TlpKind::Completion, 7, 8));  // looks at what came back
    bench.consume(tlp_of(TlpKind::Completion, 7, 8));
    bench.pass();
    CHECK(bench.arrived().size() == 7);
    CHECK(bench.link.waiting() == 0);
    CHECK(bench.link.headers_in_use(CreditClass::Posted) == 0);
    CHECK(bench.link.data_in_use(CreditClass::Posted) == 0);
    CHECK(bench.link.headers_in_use(CreditClass::NonPosted) == 0);
}

TEST_CASE("pcie link: a reset drops requests that wait, and completions behind them leave") {
    Bench bench{limits_of(1, 1, 64)};
    bench.send(tlp_of(TlpKind::MemWrite, 1, 100));
    bench.send(tlp_of(TlpKind::MemRead, 2));
    bench.send(tlp_of(TlpKind::MemWrite, 3, 100));
    bench.send(tlp_of(TlpKind::Completion, 4, 8));
    bench.send(tlp_of(TlpKind::MemRead, 5));
    REQUIRE(bench.link.waiting() == 3);
    CHECK(bench.link.drop_requests(bench.now).size() == 2);
    CHECK(bench.link.waiting() == 0);
    bench.pass();
    CHECK(bench.arrived().size() == 3);
    bench.consume(tlp_of(TlpKind::MemWrite, 1, 100));
    bench.consume(tlp_of(TlpKind::MemRead, 2));
    bench.consume(tlp_of(TlpKind::Completion, 4, 8));
    CHECK(bench.link.settled());
}

TEST_CASE("pcie link: a credit that nobody used is a bug") {
    Bench bench{limits_of(2, 2)};
    bench.link.return_credits(bench.now, bench.link.cost(tlp_of(TlpKind::MemRead, 1)));
    bench.pass();
    CHECK_THROWS_AS(bench.send(tlp_of(TlpKind::MemRead, 2)), ModelBug);
}

TEST_CASE("pcie link: credits for less than one payload are refused") {
    CHECK(credit_problem(limits_of(1, 1, 16), 256).empty());
    CHECK_FALSE(credit_problem(limits_of(1, 1, 15), 256).empty());
    CreditLimits limits;
    limits.data[1] = 3;  // a deferrable write needs four
    CHECK_FALSE(credit_problem(limits, 256).empty());
}
