#include <doctest/doctest.h>

#include "core/base/bits.hpp"
#include "models/requester/requester_probes.hpp"
#include "tests/support/requester_bench.hpp"

using namespace ioasim;
using namespace ioasim::requester;
using namespace ioasim::requester::test;

namespace {

struct Bench final : RequesterBench {
    using RequesterBench::RequesterBench;
    void start(Operation operation, std::uint64_t address, std::uint32_t length) {
        set(reg::kAddress, address, 8);
        set(reg::kLength, length);
        set(reg::kRequest, static_cast<std::uint32_t>(operation));
        set(reg::kGo, 1);
    }
    void refuse(const pcie::Tlp& request, pcie::CplStatus status) {
        core.answer(g_now, pcie::make_completion(request, status));
    }
    State state() const { return state_of(get(reg::kStatus)); }
    Outcome outcome() const { return outcome_of(get(reg::kStatus)); }
};

}  // namespace

TEST_CASE("requester: a write is split at the payload size and at the page") {
    Bench bench;
    bench.set(reg::kData, 0x44332211);
    bench.start(Operation::Write, 0x1F80, 0x280);
    REQUIRE(bench.sent.size() == 3);
    CHECK(bench.sent[0].address == 0x1F80);
    CHECK(bench.sent[0].length == 0x80);
    CHECK(bench.sent[1].address == 0x2000);
    CHECK(bench.sent[1].length == 0x100);
    CHECK(bench.sent[2].length == 0x100);
    CHECK(bench.sent[0].data[3] == 0x44);
    CHECK(bench.state() == State::Busy);
    bench.pass(TimePs{100});
    CHECK(bench.state() == State::Done);
    CHECK(bench.get(reg::kMoved) == 0x280);
}

TEST_CASE("requester: what a read brings stands in the data page") {
    Bench bench;
    bench.start(Operation::Read, 0x1FFF, 2);
    const pcie::Tlp first = bench.take();
    const pcie::Tlp second = bench.take();
    CHECK(first.length == 1);
    CHECK(second.address == 0x2000);
    bench.answer(second, 0xBB);
    CHECK(bench.state() == State::Busy);
    bench.answer(first, 0xAA);
    CHECK(bench.state() == State::Done);
    CHECK(bench.outcome() == Outcome::Ok);
    CHECK((bench.get(reg::kData) & 0xFFFFU) == 0xBBAA);
}

TEST_CASE("requester: the first part that fails names the outcome") {
    Bench bench;
    bench.start(Operation::Read, 0x1FFF, 2);
    const pcie::Tlp first = bench.take();
    const pcie::Tlp second = bench.take();
    bench.refuse(second, pcie::CplStatus::Abort);
    bench.refuse(first, pcie::CplStatus::UnsupportedRequest);
    CHECK(bench.outcome() == Outcome::CompleterAbort);
    CHECK(bench.get(reg::kFailed, 8) == 0x2000);
    CHECK(bench.get(reg::kMoved) == 0);
}

TEST_CASE("requester: a read waits for a free tag") {
    RequesterParams params = requester_param_table().defaults();
    params.tags = 1;
    params.max_read_request = 128;
    Bench bench(params);
    bench.start(Operation::Read, 0x1000, 256);
    REQUIRE(bench.sent.size() == 1);
    bench.answer(bench.take(), 1);
    REQUIRE(bench.sent.size() == 1);
    CHECK(bench.sent[0].address == 0x1080);
}

TEST_CASE("requester: a read without answer ends at the time-out and not before") {
    Bench bench;
    const TimePs timeout = requester_param_table().defaults().completion_timeout;
    bench.start(Operation::Read, 0x1000, 64);
    CHECK(bench.core.next_wakeup() == g_now + timeout);
    bench.pass(timeout - TimePs{1});
    CHECK(bench.state() == State::Busy);
    bench.pass(TimePs{1});
    CHECK(bench.outcome() == Outcome::Timeout);
    CHECK_FALSE(bench.core.next_wakeup().has_value());
}

TEST_CASE("requester: a late completion moves nothing and frees its tag") {
    RequesterParams params = requester_param_table().defaults();
    params.tags = 1;
    Bench bench(params);
    bench.start(Operation::Read, 0x1000, 64);
    const pcie::Tlp late = bench.take();
    bench.pass(params.completion_timeout);
    bench.start(Operation::Read, 0x2000, 64);
    CHECK(bench.sent.empty());  // the tag is taken
    CHECK(bench.outcome() == Outcome::Timeout);
    bench.answer(late, 0xEE);
    CHECK(bench.get(reg::kData) == 0);
    bench.start(Operation::Read, 0x2000, 64);
    CHECK(bench.sent.size() == 1);
}

TEST_CASE("requester: without a PASID a request has no privilege") {
    Bench bench;
    bench.set(reg::kAddress, 0x1000, 8);
    bench.set(reg::kLength, 4);
    bench.set(reg::kRequest, request::kPrivileged | request::kExecute | request::kNoSnoop);
    bench.set(reg::kGo, 1);
    const pcie::Tlp without = bench.take();
    CHECK_FALSE(without.pasid.has_value());
    CHECK_FALSE(without.privileged);
    CHECK(without.no_snoop);
    bench.answer(without, 0);
    bench.set(reg::kPasid, kValid | 5);
    bench.set(reg::kGo, 1);
    const pcie::Tlp with = bench.take();
    CHECK(with.pasid == Pasid{5});
    CHECK(with.privileged);
    CHECK(with.execute);
}

TEST_CASE("requester: a request may bear another function's id") {
    Bench bench;
    bench.set(reg::kRequester, kValid | 0x0200);
    bench.start(Operation::Write, 0x1000, 4);
    CHECK(bench.take().requester == Rid{0x0200});
}

TEST_CASE("requester: registers that ask for the impossible are refused") {
    Bench bench;
    bench.start(Operation::Write, 0x1000, 0);
    CHECK(bench.outcome() == Outcome::Refused);
    bench.start(Operation::Write, 0x1000, kMaxLength + 1);
    CHECK(bench.outcome() == Outcome::Refused);
    bench.start(Operation::Read, ~std::uint64_t{0}, 2);
    CHECK(bench.outcome() == Outcome::Refused);
    CHECK(bench.sent.empty());
    CHECK(bench.get(reg::kNumber) == 3);
}

TEST_CASE("requester: an interrupt is a write of a dword without PASID behind the last one") {
    Bench bench;
    bench.set(reg::kInterruptAddress, 0xFEE00000, 8);
    bench.set(reg::kInterruptData, 0x41);
    bench.set(reg::kInterruptControl, 1);
    bench.set(reg::kPasid, kValid | 5);
    bench.start(Operation::Write, 0x1000, 4);
    CHECK(bench.sent.size() == 1);
    bench.pass(TimePs{100});
    REQUIRE(bench.sent.size() == 2);
    CHECK(bench.sent[1].kind == pcie::TlpKind::MemWrite);
    CHECK(bench.sent[1].at == pcie::AddressType::Untranslated);
    CHECK(bench.sent[1].length == 4);
    CHECK_FALSE(bench.sent[1].pasid.has_value());
    CHECK(bench.sent[1].address == 0xFEE00000);
    CHECK(bench.sent[1].data == std::vector<std::uint8_t>{0x41, 0, 0, 0});
}

TEST_CASE("requester: poisoned data is dropped and told") {
    Bench bench;
    bench.start(Operation::Read, 0x1000, 8);
    pcie::Tlp completion = pcie::make_completion(bench.take(), pcie::CplStatus::Success);
    completion.data.assign(8, 0x55);
    completion.poisoned = true;
    bench.core.answer(g_now, completion);
    CHECK(bench.outcome() == Outcome::Poisoned);
    CHECK(bench.get(reg::kFailed, 8) == 0x1000);
    CHECK(bench.get(reg::kData) == 0);
}

TEST_CASE("requester: a write has ended when the last part left, credits or not") {
    Bench bench;
    bench.held = true;
    bench.start(Operation::Write, 0x1000, 512);
    bench.pass(TimePs{1000});
    CHECK(bench.state() == State::Busy);
    bench.held = false;
    bench.pass(TimePs{1});
    CHECK(bench.state() == State::Done);
}

TEST_CASE("requester: ordering attributes and poison are sent as told") {
    Bench bench;
    bench.set(reg::kAddress, 0x1000, 8);
    bench.set(reg::kLength, 4);
    bench.set(reg::kRequest, static_cast<std::uint32_t>(Operation::Write) | request::kPoisoned |
                                 request::kRelaxedOrdering | request::kIdOrdering);
    bench.set(reg::kGo, 1);
    const pcie::Tlp tlp = bench.take();
    CHECK(tlp.poisoned);
    CHECK(tlp.relaxed_ordering);
    CHECK(tlp.id_ordering);
}
