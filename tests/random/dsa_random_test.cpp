// A DSA device whose software does anything at any time: descriptors of all kinds, pages that come
// and go, answers that are late, bad or none, commands, halts and resets, an event log that is read
// late. Every accepted descriptor ends once and writes nothing afterwards, a command that ends has
// nothing left of what it names, and when all is answered at last nothing is under way.
#include <doctest/doctest.h>

#include "core/base/random.hpp"
#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;
using namespace ioasim::pcie::config;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kRuns = 120;
constexpr std::uint64_t kActions = 250;
constexpr std::uint32_t kQueues = 2;
constexpr std::uint32_t kTenants[] = {7, 8};
constexpr std::uint64_t kData = 0x10000;
constexpr std::uint64_t kRecords = 0x100000;
constexpr std::uint64_t kLists = 0x200000;
constexpr std::uint64_t kLog = 0x800000;

class Disorder : public DsaHarness {
public:
    explicit Disorder(std::uint64_t seed)
        : DsaHarness(kQueues, 1 + static_cast<std::uint32_t>(seed % 2)),
          draw_(seed, "dsa", "disorder") {
        params.event_log = chance(2);
        params.engine_depth = draw_.between(1, 4);
        params.ats_requests = draw_.between(1, 4);
        params.ats_ahead = draw_.below(4);
        params.page_retries = draw_.between(1, 3);
        params.read_buffers = draw_.between(16, 96);
        params.read_tags = draw_.between(2, 20);
        params.completion_timeout = 50_us;
        params.tag_quarantine = 100_us;
        params.reset_time = 1_us;
    }
    void run() {
        bring_all_up();
        for (std::uint64_t i = 0; i < kActions; ++i) {
            act();
            look();
        }
        become_kind();
        for (const auto& [number, what] : submitted_) {
            CAPTURE(number);
            CHECK(what.ended);
        }
    }
    TimePs send(TimePs now, pcie::Tlp tlp) override {
        const auto whose = submitted_.find(tlp.descriptor);
        CHECK_FALSE(
            (tlp.kind == TlpKind::MemWrite && whose != submitted_.end() && whose->second.ended));
        return DsaHarness::send(now, std::move(tlp));
    }

private:
    struct Submitted {
        std::uint32_t wq = 0;
        std::uint32_t pasid = 0;
        bool ended = false;
    };
    struct Asked {
        std::uint16_t group = 0;
        std::uint32_t pasid = 0;
    };

    bool chance(std::uint64_t in) { return draw_.below(in) == 0; }
    std::uint32_t any_pasid() { return kTenants[draw_.below(2)]; }
    std::uint64_t any_address() { return kData + draw_.below(0x18000); }

    // --- the driver ---
    void bring_all_up() {
        config_write(kCommand, kMemorySpace | kBusMaster);
        enable_ats();
        const bool ask = !chance(3);
        if (ask) {
            enable_pages(static_cast<std::uint32_t>(draw_.between(1, 4)));
        }
        if (params.event_log) {
            const auto where = encode(EventLogConfig{false, false, kLog, kMinLogEntries, 0});
            write(reg::kEvlcfg, where[0], 8);
            write(reg::kEvlcfg + 8, where[1], 8);
            write(reg::kGencfg, 1U << kGencfgEventLog | 1U << kGencfgUserInterrupts);
        }
        for (std::uint32_t i = 0; i < kQueues; ++i) {
            WqConfig c = shared_wq(8, 8);
            c.block_on_fault = ask;
            configure(i, c);
        }
        write(grpcfg_address(reg::kGrpcfgTable, 0), 3, 8);
        write(grpcfg_address(reg::kGrpcfgTable, 0) + kGrpcfgEngineBitmap,
              bit_mask(config.engines - 1, 0), 8);
        await(Command::EnableDevice, 0);
        enable_queues();
    }
    void enable_queues() {
        for (std::uint32_t i = 0; i < kQueues; ++i) {
            await(Command::EnableWq, i);
        }
    }
    void await(Command command, std::uint32_t operand) {
        start_command(command, operand);
        for (unsigned i = 0; i < 1000 && command_active() && step(); ++i) {
        }
    }
    void any_command() {
        static constexpr Command kCommands[] = {
            Command::DrainAll,      Command::AbortAll,   Command::DrainWq,    Command::AbortWq,
            Command::DrainPasid,    Command::AbortWq,    Command::AbortPasid, Command::DisableWq,
            Command::DisableDevice, Command::ResetDevice};
        if (command_active()) {
            return;
        }
        command_ = kCommands[draw_.below(std::size(kCommands))];
        const bool one = command_ == Command::DrainPasid || command_ == Command::AbortPasid;
        operand_ = one ? any_pasid() : static_cast<std::uint32_t>(draw_.between(1, 3));
        const bool queues = command_ == Command::DrainWq || command_ == Command::AbortWq ||
                            command_ == Command::DisableWq;
        named_.clear();
        for (const auto& [number, what] : submitted_) {
            if (one ? what.pasid == operand_ : !queues || get_bit(operand_, what.wq)) {
                named_.push_back(number);
            }
        }
        start_command(command_, operand_);
        watched_ = true;
    }
    void reset_function() {
        watched_ = false;
        config_write(kDevCtl, kInitiateReset);
        run_until(now() + 2_us);
    }
    void bring_back() {
        const auto state = state_of_gensts(static_cast<std::uint32_t>(read(reg::kGensts)));
        if (command_active()) {
            return;
        }
        if (state == DeviceState::Halt) {
            reset_function();
        } else if (state == DeviceState::Disabled) {
            bring_all_up();
        } else {
            enable_queues();
        }
    }
    void read_log() { write(reg::kEvlstatus, read(reg::kEvlstatus + 4) & 0xFFFFU); }

    // --- submitters ---
    DescriptorBuilder any_descriptor(bool entry) {
        static constexpr Opcode kOps[] = {Opcode::Noop,       Opcode::Memmove, Opcode::Memmove,
                                          Opcode::Fill,       Opcode::Compare, Opcode::CreateDelta,
                                          Opcode::Dualcast,   Opcode::CopyCrc, Opcode::DifInsert,
                                          Opcode::CacheFlush, Opcode::Drain,   Opcode::Batch};
        const Opcode op = kOps[draw_.below(std::size(kOps) - (entry ? 2 : 0))];
        DescriptorBuilder d(op);
        d.pasid(any_pasid()).record(kRecords + 0x1000 * draw_.below(4) + 32 * draw_.below(128));
        if (op == Opcode::Batch) {
            std::vector<DescriptorBuilder> list;
            for (std::uint64_t i = draw_.between(2, 6); i != 0; --i) {
                list.push_back(any_descriptor(true).flags(chance(4) ? flag::kFence : 0));
            }
            const std::uint64_t at = kLists + 64 * draw_.below(256);
            put_list(at, list);
            return d.from(at).size(static_cast<std::uint32_t>(list.size()));
        }
        if (op == Opcode::Noop || op == Opcode::Drain) {
            return d;
        }
        const std::uint64_t to = any_address() + 0x40000;
        const std::uint64_t second = to % kPageSize + 0xA0000;
        const bool delta = op == Opcode::CreateDelta;
        d.size(static_cast<std::uint32_t>(512 * draw_.between(1, 24)));
        d.to(op == Opcode::Compare || delta ? any_address() & ~7ULL : to);
        if (op == Opcode::Fill) {
            d.from(draw_.next());
        } else if (op != Opcode::CacheFlush) {
            d.from(any_address() & ~7ULL);
        }
        if (delta) {
            d.with(specific::kDeltaAddress, 8, to).with(specific::kMaxDeltaSize, 4, 800);
        } else if (op == Opcode::Dualcast) {
            d.with(specific::kDestination2, 8, second);
        } else if (op == Opcode::Memmove) {
            d.flags(chance(3) ? flag::kDestinationReadback : 0);
        }
        return d.flags(chance(2) ? flag::kBlockOnFault : 0);
    }
    void submit_any() {
        DescriptorBuilder d = any_descriptor(false);
        if (chance(8) && d.get().opcode != static_cast<std::uint8_t>(Opcode::Drain)) {
            d.no_record();
        }
        const auto wq = static_cast<std::uint32_t>(draw_.below(kQueues));
        const auto answer =
            core().submit(now(), portal_offset(wq, Portal::UnlimitedMsix), wire(d), true);
        if (answer.number != 0) {
            submitted_[answer.number] = {wq, d.get().pasid, false};
        }
        core().advance(now());
    }

    // --- whoever has the pages ---
    void change_a_page() {
        static constexpr std::uint64_t kWhere[] = {kData, kData + 0x40000, kRecords, kLists};
        const std::uint64_t page =
            kWhere[draw_.below(std::size(kWhere))] + kPageSize * draw_.below(8);
        if (pages.erase(page) == 0) {
            pages[page] = {};
            message(pcie::invalidate_request(config.rid, Pasid{any_pasid()},
                                             static_cast<std::uint32_t>(draw_.below(8)),
                                             {page, false, false}));
        }
    }
    void answer_a_page(bool kindly) {
        if (asked_.empty()) {
            return;
        }
        const auto which = asked_.begin() + static_cast<std::ptrdiff_t>(draw_.below(asked_.size()));
        const Asked asked = *which;
        asked_.erase(which);
        const bool invalid = !kindly && chance(5);
        respond(asked.group, invalid ? pcie::PageAnswer::Invalid : pcie::PageAnswer::Success,
                asked.pasid);
    }

    void act() {
        switch (draw_.below(20)) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4:
            case 5:
                return submit_any();
            case 6:
            case 7:
            case 8:
                for (std::uint64_t i = draw_.below(30); i != 0 && step(); --i) {
                }
                return;
            case 9:
                return run_until(now() + TimePs{draw_.below(3'000'000)});
            case 10:
            case 11:
                return change_a_page();
            case 12:
            case 13:
                return answer_a_page(false);
            case 14:
                return any_command();
            case 15:
                return reads_held ? release_reads() : chance(3) ? hold_reads() : void();
            case 16:
                return chance(10) ? probes.fail_next(kHardwareError) : void();
            case 17:
                return chance(15) ? reset_function() : void();
            case 18:
                return read_log();
            default:
                return bring_back();
        }
    }
    // What has happened.
    void look() {
        const auto ends = log.of("dsa.complete");
        for (; ends_seen_ < ends.size(); ++ends_seen_) {
            const auto whose = submitted_.find(EventLog::number(ends[ends_seen_], "descriptor"));
            REQUIRE(whose != submitted_.end());
            CHECK_FALSE(whose->second.ended);
            whose->second.ended = true;
        }
        for (; sent_seen_ < sent.size(); ++sent_seen_) {
            const pcie::Tlp& tlp = sent[sent_seen_];
            const pcie::PageRequestMessage m = pcie::decode_page_request(tlp.address);
            if (tlp.kind == TlpKind::PageRequest && !pcie::is_stop_marker(m, true)) {
                asked_.push_back({m.group, tlp.pasid->value()});
            }
        }
        const auto status = decode_cmdsts(static_cast<std::uint32_t>(read(reg::kCmdsts)));
        if (watched_ && !status.active) {
            watched_ = false;
            for (const std::uint64_t number : named_) {
                CHECK((submitted_[number].ended || status.error != CommandError::None));
            }
        }
    }
    void become_kind() {
        pages.clear();
        if (reads_held) {
            release_reads();
        }
        for (unsigned i = 0; i < 100 && (core().busy() || !asked_.empty()); ++i) {
            settle();
            look();
            while (!asked_.empty()) {
                answer_a_page(true);
            }
            read_log();
        }
        settle();
        look();
        CHECK_FALSE(core().busy());
    }

    RandomStream draw_;
    std::map<std::uint64_t, Submitted> submitted_;
    std::vector<Asked> asked_;
    std::size_t ends_seen_ = 0;
    std::size_t sent_seen_ = 0;
    Command command_ = Command::DrainAll;
    std::uint32_t operand_ = 0;
    std::vector<std::uint64_t> named_;
    bool watched_ = false;
};

}  // namespace

TEST_CASE("dsa disorder: every descriptor ends once, every command ends, nothing hangs") {
    for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
        CAPTURE(seed);
        Disorder(seed).run();
    }
}
