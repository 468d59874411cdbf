// Automatic operations of a test requester: translations, invalidations, page requests, reset.
#include <deque>

#include <doctest/doctest.h>

#include "models/pcie/pcie_layout.hpp"
#include "models/requester/requester_core.hpp"
#include "models/requester/requester_probes.hpp"

using namespace ioasim;
using namespace ioasim::requester;
namespace config = ioasim::pcie::config;

namespace {

TimePs g_now;
constexpr Rid kSelf{0x0108};
constexpr std::uint64_t kTarget = 0x4000000;

struct Bench final : Fabric {
    Bench() : Bench(requester_param_table().defaults()) {}
    explicit Bench(const RequesterParams& params)
        : recorder([] { return g_now; }),
          core(params, kSelf, recorder.name("dev0"), *this, probes, recorder,
               recorder.source("dev0")) {
        g_now = TimePs{1};
        write_config(config::kPasidCtl, config::kPasidEnable);
        write_config(config::kAtsCtl, config::kAtsEnable);
    }

    TimePs send(TimePs now, pcie::Tlp tlp) override {
        sent.push_back(std::move(tlp));
        return now;
    }
    std::vector<pcie::Tlp> drop_requests(TimePs) override { return {}; }
    std::optional<TimePs> all_sent() const override { return g_now; }
    void write_config(std::uint32_t offset, std::uint32_t value, unsigned size = 2) {
        pcie::Tlp tlp;
        tlp.kind = pcie::TlpKind::ConfigWrite;
        tlp.address = offset;
        tlp.length = size;
        for (unsigned i = 0; i < size; ++i) {
            tlp.data.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
        }
        core.configure(g_now, tlp);
        CHECK(take().kind == pcie::TlpKind::Completion);
    }
    pcie::Tlp read_config(std::uint32_t offset) {
        pcie::Tlp tlp;
        tlp.kind = pcie::TlpKind::ConfigRead;
        tlp.address = offset;
        tlp.length = 2;
        core.configure(g_now, tlp);
        return take();
    }
    unsigned config_word(std::uint32_t offset) {
        const pcie::Tlp answer = read_config(offset);
        REQUIRE(answer.data.size() == 2);
        return answer.data[0] | static_cast<unsigned>(answer.data[1]) << 8U;
    }
    void enable_page_requests(std::uint32_t allocation) {
        write_config(config::kPriAllocation, allocation, 4);
        write_config(config::kPriCtl, config::kPriEnable);
    }
    void start(Operation operation, std::uint64_t address, std::uint32_t length,
               std::optional<Pasid> pasid = {}) {
        core.write_register(g_now, reg::kAddress, address, 8);
        core.write_register(g_now, reg::kLength, length, 4);
        core.write_register(g_now, reg::kPasid, pasid ? kValid | pasid->value() : 0, 4);
        core.write_register(g_now, reg::kRequest,
                            static_cast<std::uint32_t>(operation) | request::kAutomatic, 4);
        core.write_register(g_now, reg::kGo, 1, 4);
    }
    void pass(TimePs time) {
        g_now += time;
        core.advance(g_now);
    }
    pcie::Tlp take() {
        REQUIRE_FALSE(sent.empty());
        pcie::Tlp tlp = sent.front();
        sent.pop_front();
        return tlp;
    }
    // What a unit answers to a translation request.
    void translate(const pcie::Tlp& asked, bool read, bool write, std::uint64_t to = kTarget,
                   unsigned bits = 12) {
        pcie::Tlp completion = pcie::make_completion(asked, pcie::CplStatus::Success);
        pcie::TranslationEntry entry;
        entry.read = read;
        entry.write = write;
        entry.address = read || write ? to : 0;
        entry.page_bits = bits;
        pcie::append_quadword(completion.data, pcie::encode(entry));
        core.answer(g_now, completion);
    }
    void complete(const pcie::Tlp& asked) {
        pcie::Tlp completion = pcie::make_completion(asked, pcie::CplStatus::Success);
        completion.data.assign(asked.length, 7);
        core.answer(g_now, completion);
    }
    void invalidate(std::uint32_t itag, std::uint64_t address, std::optional<Pasid> pasid = {}) {
        core.receive(g_now, pcie::invalidate_request(kSelf, pasid, itag, {address, false, false}));
        pass(requester_param_table().defaults().atc_invalidation);
    }
    void respond(std::uint16_t group, pcie::PageAnswer code, std::optional<Pasid> pasid = {}) {
        core.receive(g_now, pcie::page_group_response(
                                pasid, {kSelf, static_cast<std::uint8_t>(code), group}));
    }
    State state() const { return state_of(core.read_register(reg::kStatus, 4)); }
    Outcome outcome() const { return outcome_of(core.read_register(reg::kStatus, 4)); }

    Probes probes;
    trace::Recorder recorder;
    std::deque<pcie::Tlp> sent;
    RequesterCore core;
};

// A bench whose device TLB holds page 1000h.
void warm(Bench& bench) {
    bench.start(Operation::Read, 0x1000, 4);
    bench.translate(bench.take(), true, true);
    bench.complete(bench.take());
    REQUIRE(bench.outcome() == Outcome::Ok);
}

}  // namespace

TEST_CASE("automatic: a miss asks for a translation, then the request goes there without PASID") {
    Bench bench;
    bench.start(Operation::Write, 0x1008, 4, Pasid{5});
    const pcie::Tlp asked = bench.take();
    CHECK(asked.kind == pcie::TlpKind::AtsRequest);
    CHECK(asked.pasid == Pasid{5});
    CHECK(pcie::translation_address(asked) == 0x1000);
    CHECK_FALSE(pcie::no_write_flag(asked));
    CHECK(bench.sent.empty());
    bench.translate(asked, true, true);
    const pcie::Tlp write = bench.take();
    CHECK(write.at == pcie::AddressType::Translated);
    CHECK(write.address == kTarget + 8);
    CHECK_FALSE(write.pasid.has_value());
    CHECK(bench.state() == State::Done);
}

TEST_CASE("automatic: what is cached is not asked for again") {
    Bench bench;
    warm(bench);
    bench.start(Operation::Read, 0x1FFC, 4);
    CHECK(bench.take().address == kTarget + 0xFFC);
}

TEST_CASE("automatic: a large page serves all of its addresses") {
    Bench bench;
    bench.start(Operation::Write, 0x201000, 4);
    bench.translate(bench.take(), true, true, 0x8000000, 21);
    CHECK(bench.take().address == 0x8001000);
    bench.start(Operation::Write, 0x3FF000, 4);
    CHECK(bench.take().address == 0x81FF000);
}

TEST_CASE("automatic: with ATS off requests go untranslated, with their PASID") {
    Bench bench;
    warm(bench);
    bench.write_config(config::kAtsCtl, 0);
    bench.start(Operation::Write, 0x1000, 4, Pasid{5});
    const pcie::Tlp write = bench.take();
    CHECK(write.at == pcie::AddressType::Untranslated);
    CHECK(write.pasid == Pasid{5});
    CHECK(bench.core.read_register(reg::kTranslations, 4) == 0);
}

TEST_CASE("automatic: a translation that comes after ATS was switched off is not kept") {
    Bench bench;
    bench.start(Operation::Write, 0x1000, 4);
    const pcie::Tlp asked = bench.take();
    bench.write_config(config::kAtsCtl, 0);
    bench.translate(asked, true, true);
    CHECK(bench.take().at == pcie::AddressType::Untranslated);
    CHECK(bench.core.read_register(reg::kTranslations, 4) == 0);
}

TEST_CASE("automatic: a PASID that is not enabled is refused") {
    Bench bench;
    bench.write_config(config::kAtsCtl, 0);
    bench.write_config(config::kPasidCtl, 0);
    bench.start(Operation::Write, 0x1000, 4, Pasid{5});
    CHECK(bench.outcome() == Outcome::Refused);
    CHECK(bench.sent.empty());
}

TEST_CASE("automatic: without bus mastering no request is made") {
    Bench bench;
    bench.write_config(config::kCommand, config::kMemorySpace);
    bench.start(Operation::Write, 0x1000, 4);
    CHECK(bench.outcome() == Outcome::Refused);
    CHECK(bench.sent.empty());
}

TEST_CASE("automatic: a translation for reads only is asked for again by a write") {
    Bench bench;
    bench.start(Operation::Read, 0x1000, 4);
    const pcie::Tlp asked = bench.take();
    CHECK(pcie::no_write_flag(asked));
    bench.translate(asked, true, false);
    bench.complete(bench.take());
    bench.start(Operation::Write, 0x1000, 4);
    const pcie::Tlp again = bench.take();
    CHECK(again.kind == pcie::TlpKind::AtsRequest);
    CHECK_FALSE(pcie::no_write_flag(again));
    bench.translate(again, true, false);
    CHECK(bench.outcome() == Outcome::NoTranslation);
}

TEST_CASE("automatic: an unsupported translation request ends ATS until it is enabled anew") {
    Bench bench;
    bench.start(Operation::Write, 0x1000, 4);
    bench.core.answer(g_now,
                      pcie::make_completion(bench.take(), pcie::CplStatus::UnsupportedRequest));
    CHECK(bench.outcome() == Outcome::UnsupportedRequest);
    bench.start(Operation::Write, 0x1000, 4);
    CHECK(bench.take().at == pcie::AddressType::Untranslated);
    bench.write_config(config::kAtsCtl, 0);
    bench.write_config(config::kAtsCtl, config::kAtsEnable);
    bench.start(Operation::Write, 0x1000, 4);
    CHECK(bench.take().kind == pcie::TlpKind::AtsRequest);
}

TEST_CASE("invalidation: the entry is gone before the answer, which names the ITag") {
    Bench bench;
    warm(bench);
    bench.invalidate(9, 0x1000);
    const pcie::Tlp done = bench.take();
    CHECK(done.kind == pcie::TlpKind::InvalidateCompletion);
    CHECK(pcie::decode_invalidate_done(done.address).itags == 1U << 9U);
    CHECK(pcie::decode_invalidate_done(done.address).count == 1);
    bench.start(Operation::Write, 0x1000, 4);
    CHECK(bench.take().kind == pcie::TlpKind::AtsRequest);
}

TEST_CASE("invalidation: the answer waits for reads that left with the old translation") {
    Bench bench;
    warm(bench);
    bench.start(Operation::Read, 0x1000, 4);
    const pcie::Tlp read = bench.take();
    bench.invalidate(3, 0x1000);
    CHECK(bench.sent.empty());
    bench.complete(read);
    CHECK(bench.take().kind == pcie::TlpKind::InvalidateCompletion);
}

TEST_CASE("invalidation: reads elsewhere do not hold the answer up") {
    Bench bench;
    warm(bench);
    bench.start(Operation::Read, 0x1000, 4);
    bench.take();
    bench.invalidate(3, 0x2000);
    CHECK(bench.take().kind == pcie::TlpKind::InvalidateCompletion);
}

TEST_CASE("invalidation: a translation that it overtook is asked for again") {
    Bench bench;
    bench.start(Operation::Write, 0x1000, 4);
    const pcie::Tlp asked = bench.take();
    bench.invalidate(3, 0x1000);
    CHECK(bench.take().kind == pcie::TlpKind::InvalidateCompletion);
    bench.translate(asked, true, true);
    const pcie::Tlp again = bench.take();
    CHECK(again.kind == pcie::TlpKind::AtsRequest);
    bench.translate(again, true, true, 0x5000000);
    CHECK(bench.take().address == 0x5000000);
}

TEST_CASE("invalidation: those that can be answered together are answered in one message") {
    Bench bench;
    warm(bench);
    bench.start(Operation::Read, 0x1000, 4);
    const pcie::Tlp read = bench.take();
    bench.invalidate(3, 0x1000);
    bench.invalidate(4, 0x1000);
    bench.complete(read);
    CHECK(pcie::decode_invalidate_done(bench.take().address).itags == 0x18);
    CHECK(bench.sent.empty());
}

TEST_CASE("invalidation: with ATS off it is software's to answer") {
    Bench bench;
    bench.write_config(config::kAtsCtl, 0);
    bench.invalidate(3, 0x1000);
    CHECK(bench.sent.empty());
    CHECK(bench.core.read_register(reg::kMessageCount, 4) == 1);
}

TEST_CASE("page requests: a group asks for the pages that are missing, the last one says so") {
    Bench bench;
    bench.enable_page_requests(8);
    bench.start(Operation::Write, 0x1000, 0x3000, Pasid{5});
    bench.translate(bench.take(), false, false);
    REQUIRE(bench.sent.size() == 3);
    for (unsigned i = 0; i < 3; ++i) {
        const pcie::Tlp tlp = bench.take();
        const auto message = pcie::decode_page_request(tlp.address);
        CHECK(tlp.pasid == Pasid{5});
        CHECK(message.address == 0x1000 * (i + 1));
        CHECK(message.write);
        CHECK_FALSE(message.read);
        CHECK(message.last == (i == 2));
        CHECK(message.group == 0);
    }
    CHECK(bench.core.read_register(reg::kPagesOutstanding, 4) == 3);
}

TEST_CASE("page requests: no more leave than software allocated") {
    Bench bench;
    bench.enable_page_requests(2);
    bench.start(Operation::Write, 0x1000, 0x3000);
    bench.translate(bench.take(), false, false);
    REQUIRE(bench.sent.size() == 2);
    CHECK_FALSE(pcie::decode_page_request(bench.take().address).last);
    CHECK(pcie::decode_page_request(bench.take().address).last);
}

TEST_CASE("page requests: Success makes the function ask for the translation again") {
    Bench bench;
    bench.enable_page_requests(8);
    bench.start(Operation::Read, 0x1000, 4);
    bench.translate(bench.take(), false, false);
    CHECK(pcie::decode_page_request(bench.take().address).read);
    bench.respond(0, pcie::PageAnswer::Success);
    CHECK(bench.core.read_register(reg::kPagesOutstanding, 4) == 0);
    bench.translate(bench.take(), true, false);
    bench.complete(bench.take());
    CHECK(bench.outcome() == Outcome::Ok);
}

TEST_CASE("page requests: Invalid ends the operation, and the interface goes on") {
    Bench bench;
    bench.enable_page_requests(8);
    bench.start(Operation::Read, 0x1000, 4);
    bench.translate(bench.take(), false, false);
    bench.take();
    bench.respond(0, pcie::PageAnswer::Invalid);
    CHECK(bench.outcome() == Outcome::PageInvalid);
    bench.start(Operation::Read, 0x1000, 4);
    bench.translate(bench.take(), false, false);
    CHECK(pcie::decode_page_request(bench.take().address).group == 1);
}

TEST_CASE("page requests: after Response Failure none is made until software cleared it") {
    Bench bench;
    bench.enable_page_requests(8);
    bench.start(Operation::Read, 0x1000, 4);
    bench.translate(bench.take(), false, false);
    bench.take();
    bench.respond(0, pcie::PageAnswer::Failure);
    CHECK(bench.outcome() == Outcome::PageFailure);
    CHECK((bench.config_word(config::kPriStatus) & config::kResponseFailure) != 0);
    bench.start(Operation::Read, 0x1000, 4);
    bench.translate(bench.take(), false, false);
    CHECK(bench.outcome() == Outcome::NoTranslation);
    bench.write_config(config::kPriStatus, config::kResponseFailure);
    bench.start(Operation::Read, 0x1000, 4);
    bench.translate(bench.take(), false, false);
    CHECK(bench.take().kind == pcie::TlpKind::PageRequest);
}

TEST_CASE("page requests: a response that nobody waits for is told in the status") {
    Bench bench;
    bench.enable_page_requests(8);
    bench.respond(44, pcie::PageAnswer::Success);
    CHECK((bench.config_word(config::kPriStatus) & config::kUnexpectedGroup) != 0);
}

TEST_CASE("page requests: a page that is promised and never comes is given up") {
    RequesterParams params = requester_param_table().defaults();
    params.page_retries = 2;
    Bench bench(params);
    bench.enable_page_requests(8);
    bench.start(Operation::Read, 0x1000, 4);
    for (std::uint16_t i = 0; i < 2; ++i) {
        bench.translate(bench.take(), false, false);
        CHECK(bench.take().kind == pcie::TlpKind::PageRequest);
        bench.respond(i, pcie::PageAnswer::Success);
    }
    bench.translate(bench.take(), false, false);
    CHECK(bench.outcome() == Outcome::NoTranslation);
}

TEST_CASE("page requests: disabled they have stopped when the last response came") {
    Bench bench;
    bench.enable_page_requests(8);
    CHECK((bench.config_word(config::kPriStatus) & config::kPriStopped) == 0);
    bench.start(Operation::Read, 0x1000, 4);
    bench.translate(bench.take(), false, false);
    bench.take();
    bench.write_config(config::kPriCtl, 0);
    CHECK((bench.config_word(config::kPriStatus) & config::kPriStopped) == 0);
    bench.respond(0, pcie::PageAnswer::Invalid);
    CHECK((bench.config_word(config::kPriStatus) & config::kPriStopped) != 0);
}

TEST_CASE("stop: it waits for the response to what the PASID asked for") {
    Bench bench;
    bench.enable_page_requests(8);
    bench.start(Operation::Read, 0x1000, 4, Pasid{5});
    bench.translate(bench.take(), false, false);
    bench.take();
    bench.core.write_register(g_now, reg::kStop, 1, 4);
    CHECK((bench.core.read_register(reg::kStatus, 4) & kStopping) != 0);
    bench.respond(0, pcie::PageAnswer::Success, Pasid{5});
    CHECK((bench.core.read_register(reg::kStatus, 4) & kStopping) == 0);
    CHECK(bench.outcome() == Outcome::Stopped);
    CHECK(bench.sent.empty());
}

TEST_CASE("stop: an operation of which a part was written waits for the response, not for a time") {
    Bench bench;
    bench.enable_page_requests(4);
    bench.start(Operation::Write, 0x1000, 0x2000, Pasid{5});
    bench.translate(bench.take(), true, true);
    while (bench.sent.front().kind == pcie::TlpKind::MemWrite) {
        bench.take();
    }
    bench.translate(bench.take(), false, false);
    REQUIRE(bench.take().kind == pcie::TlpKind::PageRequest);
    bench.core.write_register(g_now, reg::kStop, static_cast<std::uint32_t>(Stop::WaitForResponses),
                              4);
    bench.pass(TimePs{1});
    CHECK(bench.state() == State::Busy);
    CHECK_FALSE(bench.core.next_wakeup().has_value());
    bench.respond(0, pcie::PageAnswer::Success, Pasid{5});
    CHECK(bench.state() == State::Done);
    CHECK(bench.outcome() == Outcome::Stopped);
}

TEST_CASE("ATS switched off: an operation ends when the translation under way is back") {
    Bench bench;
    bench.start(Operation::Write, 0x1000, 4);
    const pcie::Tlp asked = bench.take();
    bench.write_config(config::kAtsCtl, 0);
    CHECK(bench.take().at == pcie::AddressType::Untranslated);
    bench.pass(TimePs{1});
    CHECK(bench.state() == State::Busy);
    CHECK(bench.core.next_wakeup() > g_now);  // the time-out of the request
    bench.translate(asked, true, true);
    CHECK(bench.state() == State::Done);
}

TEST_CASE("stop: neither way of stopping is no stop") {
    Bench bench;
    bench.start(Operation::Read, 0x1000, 4);
    bench.take();
    bench.core.write_register(g_now, reg::kStop, 0, 4);
    bench.core.write_register(g_now, reg::kStop, 3, 4);
    CHECK(bench.state() == State::Busy);
    CHECK((bench.core.read_register(reg::kStatus, 4) & kStopping) == 0);
}

TEST_CASE("stop: a marker behind its page requests tells that nobody waits") {
    Bench bench;
    bench.enable_page_requests(8);
    bench.start(Operation::Read, 0x1000, 4, Pasid{5});
    bench.translate(bench.take(), false, false);
    bench.take();
    bench.core.write_register(g_now, reg::kStop, 2, 4);
    const pcie::Tlp marker = bench.take();
    CHECK(pcie::is_stop_marker(pcie::decode_page_request(marker.address), true));
    CHECK(marker.pasid == Pasid{5});
    CHECK(bench.outcome() == Outcome::Stopped);
    bench.respond(0, pcie::PageAnswer::Success, Pasid{5});
    CHECK(bench.sent.empty());
    CHECK(bench.core.read_register(reg::kPagesOutstanding, 4) == 0);
}

TEST_CASE("reset: reads under way are forgotten, their completions discarded, their tags kept") {
    RequesterParams params = requester_param_table().defaults();
    params.tags = 1;
    params.tag_quarantine = params.reset_time * 2;
    Bench bench(params);
    bench.write_config(config::kAtsCtl, 0);
    bench.start(Operation::Read, 0x1000, 4);
    const pcie::Tlp read = bench.take();
    bench.write_config(config::kDevCtl, config::kInitiateReset);
    CHECK(bench.state() == State::Idle);
    CHECK(bench.read_config(config::kVendor).status == pcie::CplStatus::Retry);
    bench.pass(params.reset_time);
    CHECK(bench.read_config(config::kVendor).status == pcie::CplStatus::Success);
    bench.write_config(config::kCommand, config::kBusMaster);
    bench.start(Operation::Read, 0x1000, 4);
    CHECK(bench.sent.empty());  // the only tag still waits for its completion
    bench.complete(read);
    CHECK(bench.core.read_register(reg::kData, 4) == 0);
    bench.start(Operation::Read, 0x1000, 4);
    CHECK(bench.take().tag == read.tag);
}

TEST_CASE("reset: translations, page requests and invalidations are forgotten") {
    Bench bench;
    bench.enable_page_requests(8);
    warm(bench);
    bench.start(Operation::Read, 0x9000, 4);
    bench.translate(bench.take(), false, false);
    bench.take();
    bench.core.receive(g_now, pcie::invalidate_request(kSelf, {}, 1, {0x1000, false, false}));
    bench.write_config(config::kDevCtl, config::kInitiateReset);
    CHECK(bench.core.read_register(reg::kTranslations, 4) == 0);
    CHECK(bench.core.read_register(reg::kPagesOutstanding, 4) == 0);
    bench.pass(1_ms);
    bench.respond(0, pcie::PageAnswer::Success);
    CHECK(bench.sent.empty());
    CHECK_FALSE(bench.core.busy());
}

TEST_CASE("misbehaviour: invalidations answered but not obeyed, obeyed but not answered") {
    Bench bench;
    warm(bench);
    bench.core.write_register(g_now, reg::kMisbehave, misbehave::kKeepsEntries, 4);
    bench.invalidate(1, 0x1000);
    CHECK(bench.take().kind == pcie::TlpKind::InvalidateCompletion);
    CHECK(bench.core.read_register(reg::kTranslations, 4) == 1);
    bench.core.write_register(g_now, reg::kMisbehave, misbehave::kSilent, 4);
    bench.invalidate(2, 0x1000);
    CHECK(bench.sent.empty());
    CHECK(bench.core.read_register(reg::kTranslations, 4) == 0);
}

TEST_CASE("misbehaviour: another ITag, and answers that are late") {
    Bench bench;
    bench.core.write_register(g_now, reg::kMisbehave, misbehave::kWrongItag, 4);
    bench.core.write_register(g_now, reg::kAnswerDelay, 500, 4);
    bench.invalidate(31, 0x1000);
    CHECK(bench.core.next_wakeup() == g_now + 500_ns);
    bench.pass(499_ns);
    CHECK(bench.sent.empty());
    bench.pass(1_ns);
    CHECK(pcie::decode_invalidate_done(bench.take().address).itags == 1);
}

TEST_CASE("misbehaviour: a request over a border of pages") {
    Bench bench;
    bench.write_config(config::kAtsCtl, 0);
    bench.core.write_register(g_now, reg::kMisbehave, misbehave::kCrossesPages, 4);
    bench.start(Operation::Write, 0x1FFC, 8);
    CHECK(bench.take().length == 8);
}
