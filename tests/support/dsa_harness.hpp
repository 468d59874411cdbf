// A DSA device core on a bench: a fabric that answers reads from a byte map after a fixed time and
// blocks chosen pages, and a driver that writes registers as software does.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/sim/module.hpp"
#include "core/sim/timeline.hpp"
#include "models/dsa/dsa_core.hpp"
#include "models/dsa/dsa_probes.hpp"
#include "models/pcie/ats_layout.hpp"
#include "models/pcie/page_groups_if.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "tests/support/event_log.hpp"

namespace ioasim::test {

constexpr TimePs kReadLatency = TimePs{200'000};
constexpr TimePs kTranslationLatency = TimePs{200'000};

// Descriptors by name of what matters to a test; everything asks for a completion record.
class DescriptorBuilder {
public:
    explicit DescriptorBuilder(dsa::Opcode op) {
        d_.opcode = static_cast<std::uint8_t>(op);
        d_.flags = dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord;
        d_.record = 0x9000;
        d_.pasid = 7;
    }
    DescriptorBuilder& pasid(std::uint32_t v) {
        d_.pasid = v;
        return *this;
    }
    DescriptorBuilder& from(std::uint64_t v) {
        d_.source = v;
        return *this;
    }
    DescriptorBuilder& to(std::uint64_t v) {
        d_.destination = v;
        return *this;
    }
    DescriptorBuilder& size(std::uint32_t v) {
        d_.size = v;
        return *this;
    }
    DescriptorBuilder& record(std::uint64_t v) {
        d_.record = v;
        return *this;
    }
    DescriptorBuilder& flags(std::uint32_t v) {
        d_.flags |= v;
        return *this;
    }
    DescriptorBuilder& no_record() {
        d_.flags &= ~(dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord);
        d_.record = 0;
        return *this;
    }
    DescriptorBuilder& expected(std::uint8_t v) {
        d_.specific[dsa::specific::kExpectedResult] = v;
        return *this;
    }
    // A field of bytes 40 to 63.
    DescriptorBuilder& with(std::size_t offset, std::size_t size, std::uint64_t value) {
        dsa::put_le(d_.specific, offset, size, value);
        return *this;
    }
    DescriptorBuilder& handle(std::uint16_t v) {
        d_.interrupt_handle = v;
        return *this;
    }
    DescriptorBuilder& privileged() {
        d_.privileged = true;
        return *this;
    }
    dsa::Descriptor get() const { return d_; }

private:
    dsa::Descriptor d_;
};

inline DescriptorBuilder memmove_of(std::uint64_t from, std::uint64_t to, std::uint32_t size) {
    return DescriptorBuilder(dsa::Opcode::Memmove).from(from).to(to).size(size);
}
inline DescriptorBuilder noop() {
    return DescriptorBuilder(dsa::Opcode::Noop);
}

inline std::vector<std::uint8_t> wire(const DescriptorBuilder& builder) {
    const dsa::DescriptorBytes bytes = dsa::encode(builder.get());
    return {bytes.begin(), bytes.end()};
}

class DsaHarness : public dsa::Fabric {
public:
    explicit DsaHarness(std::uint32_t wqs = 2, std::uint32_t engines = 1)
        : params(dsa::dsa_param_table().defaults()), recorder(&DsaHarness::clock), log(recorder) {
        now_ = TimePs{1'000};
        config.name = "dsa0";
        config.rid = Rid{0x0800};
        config.engines = engines;
        for (std::uint32_t i = 0; i < wqs; ++i) {
            config.workqueues.push_back({"wq" + std::to_string(i), 8});
        }
    }
    // Made on first use, so that a test can change params and config before.
    dsa::DsaCore& core() {
        if (!core_) {
            core_ = std::make_unique<dsa::DsaCore>(params, config, *this, probes, recorder,
                                                   recorder.source("dsa0"));
        }
        return *core_;
    }
    static TimePs now() { return now_; }

    // --- the driver ---
    void write(std::uint64_t offset, std::uint64_t value, unsigned size = 4) {
        core().write_register(now_, offset, value, size);
        core().advance(now_);
    }
    std::uint64_t read(std::uint64_t offset, unsigned size = 4) {
        return core().read_register(offset, size);
    }
    void configure(std::uint32_t wq, const dsa::WqConfig& wanted) {
        dsa::WqConfig possible = wanted;
        possible.operations[0] &= dsa::supported_operations();
        const dsa::WqcfgDwords dwords = dsa::encode(possible);
        for (std::uint64_t i = 0; i < dwords.size(); ++i) {
            write(dsa::wqcfg_address(dsa::reg::kWqcfgTable, wq, dsa::kWqcfgSizeCode, i),
                  dwords.at(i));
        }
    }
    static dsa::WqConfig shared_wq(std::uint32_t size, std::uint32_t threshold) {
        dsa::WqConfig c;
        c.size = size;
        c.threshold = threshold;
        c.priority = 10;
        c.pasid_enable = true;
        c.max_transfer_shift = 31;
        c.max_batch_shift = 5;
        return c;
    }
    void start_command(dsa::Command command, std::uint32_t operand = 0, bool interrupt = false) {
        write(dsa::reg::kCmd, dsa::encode_command(command, operand, interrupt));
    }
    bool command_active() {
        return dsa::decode_cmdsts(static_cast<std::uint32_t>(read(dsa::reg::kCmdsts))).active;
    }
    dsa::CommandError command(dsa::Command code, std::uint32_t operand = 0) {
        start_command(code, operand);
        while (command_active()) {
            REQUIRE_MESSAGE(step(), "the command never ends");
        }
        return dsa::decode_cmdsts(static_cast<std::uint32_t>(read(dsa::reg::kCmdsts))).error;
    }
    // All workqueues shared, of 8 entries, in one group with every engine.
    void bring_up() {
        for (std::uint32_t i = 0; i < config.workqueues.size(); ++i) {
            configure(i, shared_wq(8, 8));
        }
        enable();
    }
    void enable() {
        const std::uint64_t group = dsa::grpcfg_address(dsa::reg::kGrpcfgTable, 0);
        write(group, bit_mask(static_cast<unsigned>(config.workqueues.size()) - 1, 0), 8);
        write(group + dsa::kGrpcfgEngineBitmap, bit_mask(config.engines - 1, 0), 8);
        config_write(pcie::config::kPasidCtl, kPasids);
        REQUIRE(command(dsa::Command::EnableDevice) == dsa::CommandError::None);
        for (std::uint32_t i = 0; i < config.workqueues.size(); ++i) {
            REQUIRE(command(dsa::Command::EnableWq, i) == dsa::CommandError::None);
        }
    }

    // --- submissions ---
    pcie::CplStatus submit(const DescriptorBuilder& d, std::uint32_t wq = 0,
                           dsa::Portal portal = dsa::Portal::LimitedMsix) {
        const auto answer = core().submit(now_, dsa::portal_offset(wq, portal), wire(d), true);
        core().advance(now_);
        return answer.status;
    }
    void post(const DescriptorBuilder& d, std::uint32_t wq = 0) {
        core().submit(now_, dsa::portal_offset(wq, dsa::Portal::LimitedMsix), wire(d), false);
        core().advance(now_);
    }

    // --- time ---
    // Moves to the next thing that happens; false when nothing will.
    bool step() {
        const auto next = sim::earliest(core().next_wakeup(), answers_.next());
        if (!next) {
            return false;
        }
        now_ = std::max(now_, *next);
        while (answers_.due(now_)) {
            core().answer(now_, answers_.pop());
        }
        core().advance(now_);
        return true;
    }
    // While reads are held nobody waits for their completion time-out.
    void settle() {
        while (!(reads_held && core().next_wakeup() && *core().next_wakeup() > now_ + 1_ms) &&
               step()) {
        }
    }
    void run_until(TimePs time) {
        while (true) {
            const auto next = sim::earliest(core().next_wakeup(), answers_.next());
            if (!next || *next > time) {
                break;
            }
            step();
        }
        now_ = time;
    }

    // --- memory and what was sent ---
    void put(std::uint64_t address, std::uint64_t bytes, std::uint8_t first) {
        for (std::uint64_t i = 0; i < bytes; ++i) {
            memory[address + i] = static_cast<std::uint8_t>(first + i);
        }
    }
    std::vector<std::uint8_t> get(std::uint64_t address, std::uint64_t bytes) {
        std::vector<std::uint8_t> out;
        for (std::uint64_t i = 0; i < bytes; ++i) {
            out.push_back(memory[address + i]);
        }
        return out;
    }
    dsa::CompletionRecord record_at(std::uint64_t address) {
        dsa::RecordBytes bytes{};
        const auto data = get(address, bytes.size());
        std::copy(data.begin(), data.end(), bytes.begin());
        return dsa::decode_record(bytes);
    }
    // A descriptor list for a batch.
    void put_list(std::uint64_t address, const std::vector<DescriptorBuilder>& entries) {
        for (const DescriptorBuilder& entry : entries) {
            for (const std::uint8_t byte : wire(entry)) {
                memory[address++] = byte;
            }
        }
    }
    void block_page(std::uint64_t address) { blocked.insert(address / kPageSize); }
    void hold_reads() { reads_held = true; }
    void release_reads() {
        reads_held = false;
        for (pcie::Tlp& tlp : held_) {
            answers_.schedule(now_ + kReadLatency, 0, std::move(tlp));
        }
        held_.clear();
    }
    bool held_back() const override { return writes_held; }
    TimePs send(TimePs now, pcie::Tlp tlp) override {
        sent.push_back(tlp);
        const bool fails = blocked.count(tlp.address / kPageSize) != 0;
        if (tlp.kind == pcie::TlpKind::MemWrite && !fails) {
            for (std::size_t i = 0; i < tlp.data.size(); ++i) {
                memory[tlp.address + i] = tlp.data[i];
            }
        }
        if (tlp.kind == pcie::TlpKind::MemRead) {
            pcie::Tlp answer;
            answer.kind = pcie::TlpKind::Completion;
            answer.tag = tlp.tag;
            answer.status = fails ? blocked_status : pcie::CplStatus::Success;
            answer.poisoned = poisoned_pages.count(tlp.address / kPageSize) != 0;
            if (!fails) {
                answer.data = get(tlp.address, tlp.length);
            }
            if (reads_held) {
                held_.push_back(std::move(answer));
            } else {
                answers_.schedule(now + kReadLatency, 0, std::move(answer));
            }
        }
        if (tlp.kind == pcie::TlpKind::AtsRequest && !translations_held) {
            answers_.schedule(now + kTranslationLatency, 0, translation_of(tlp));
        }
        return now;
    }
    // What a remapping unit says: pages translate to themselves unless `pages` says otherwise.
    pcie::Tlp translation_of(const pcie::Tlp& request) const {
        pcie::Tlp answer;
        answer.kind = pcie::TlpKind::Completion;
        answer.tag = request.tag;
        answer.status = translation_status;
        const auto known = pages.find(pcie::translation_address(request));
        pcie::TranslationEntry entry;
        entry.address = pcie::translation_address(request);
        entry.read = entry.write = true;
        if (known != pages.end()) {
            entry = known->second;
        }
        if (answer.status == pcie::CplStatus::Success) {
            pcie::append_quadword(answer.data, pcie::encode(entry));
        }
        return answer;
    }
    void answer_now(const pcie::Tlp& completion) {
        core().answer(now_, completion);
        core().advance(now_);
    }
    // --- configuration space and messages ---
    void config_write(std::uint32_t offset, std::uint32_t value) {
        pcie::Tlp tlp;
        tlp.kind = pcie::TlpKind::ConfigWrite;
        tlp.address = offset;
        tlp.length = 2;
        for (unsigned i = 0; i < 4; ++i) {
            tlp.data.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
        }
        // PRI's counts are dwords, controls are words.
        tlp.length = offset == pcie::config::kPriAllocation ? 4 : 2;
        tlp.data.resize(tlp.length);
        core().configure(now_, tlp);
        const auto own = std::find_if(sent.rbegin(), sent.rend(), [](const pcie::Tlp& one) {
            return one.kind == pcie::TlpKind::Completion;
        });
        sent.erase(std::next(own).base());
        core().advance(now_);
    }
    static constexpr std::uint32_t kPasids =
        pcie::config::kPasidEnable | pcie::config::kPasidPrivileged;
    void enable_ats() {
        config_write(pcie::config::kPasidCtl, kPasids);
        config_write(pcie::config::kAtsCtl, pcie::config::kAtsEnable);
    }
    void enable_pages(std::uint32_t credits) {
        config_write(pcie::config::kPriAllocation, credits);
        config_write(pcie::config::kPriCtl, pcie::config::kPriEnable);
    }
    void message(const pcie::Tlp& tlp) {
        core().receive(now_, tlp);
        core().advance(now_);
    }
    void respond(std::uint16_t group, pcie::PageAnswer code, std::uint32_t pasid = 7) {
        message(pcie::page_group_response(Pasid{pasid},
                                          {config.rid, static_cast<std::uint8_t>(code), group}));
    }
    // A write to where interrupts are is one.
    static pcie::TlpKind kind_of(const pcie::Tlp& tlp) {
        return tlp.kind == pcie::TlpKind::MemWrite && pcie::is_interrupt_address(tlp.address)
                   ? pcie::TlpKind::Interrupt
                   : tlp.kind;
    }
    std::vector<pcie::Tlp> sent_of(pcie::TlpKind kind) const {
        std::vector<pcie::Tlp> found;
        for (const pcie::Tlp& tlp : sent) {
            if (kind_of(tlp) == kind) {
                found.push_back(tlp);
            }
        }
        return found;
    }

    dsa::DsaParams params;
    dsa::DsaConfig config;
    Probes probes;
    trace::Recorder recorder;
    EventLog log;
    std::map<std::uint64_t, std::uint8_t> memory;
    std::set<std::uint64_t> blocked;
    pcie::CplStatus blocked_status = pcie::CplStatus::UnsupportedRequest;
    std::map<std::uint64_t, pcie::TranslationEntry> pages;
    pcie::CplStatus translation_status = pcie::CplStatus::Success;
    bool translations_held = false;
    bool reads_held = false;
    bool writes_held = false;  // the link waits for credits
    std::set<std::uint64_t> poisoned_pages;
    std::vector<pcie::Tlp> sent;

private:
    static TimePs clock() { return now_; }
    static inline TimePs now_;
    std::unique_ptr<dsa::DsaCore> core_;
    sim::Timeline<pcie::Tlp> answers_;
    std::vector<pcie::Tlp> held_;
};

}  // namespace ioasim::test
