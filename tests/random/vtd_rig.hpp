// A remapping unit over a small flat memory, for many requests: no listener, memory answers in an
// order that the test draws. What a request came to is told by its own number.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "core/base/random.hpp"
#include "core/trace/recorder.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/vtd/vtd_unit.hpp"
#include "tests/random/vtd_oracle.hpp"

namespace ioasim::test {

class VtdRig : private vtd::UnitPort {
public:
    using Word = std::uint64_t;
    static constexpr Word kMemoryBytes = Word{4} << 20U;  // data lies beyond

    VtdRig(const vtd::VtdParams& params, std::uint64_t seed)
        : words_(kMemoryBytes / sizeof(Word)),
          random_(seed, "test", "memory"),
          recorder_([] { return TimePs{}; }),
          unit_(params, probes, recorder_, recorder_.source("iommu0"), "iommu0", Rid{0x10},
                static_cast<UnitPort&>(*this), seed) {
        queue_ = page();
        status_ = page();
    }

    Probes probes;

    // --- memory -------------------------------------------------------------------------------
    Word page() {
        next_ += kPageSize;
        SIM_CHECK(next_ <= kMemoryBytes, "the test's memory is too small");
        return next_ - kPageSize;
    }
    bool room(unsigned pages) const { return next_ + pages * kPageSize <= kMemoryBytes; }
    Word load(Word at) const { return at < kMemoryBytes ? words_[at / sizeof(Word)] : 0; }
    void store(Word at, Word value) { words_.at(at / sizeof(Word)) = value; }

    // --- registers ----------------------------------------------------------------------------
    void write(std::uint32_t offset, Word value) {
        unit_.write_word(now_, offset, static_cast<std::uint32_t>(value));
        unit_.write_word(now_, offset + 4, static_cast<std::uint32_t>(value >> 32U));
    }
    void enable(Word root_register) {
        write(vtd::reg::kIqa, vtd::iq::make_iqa(Hpa{queue_}, true, 0));
        command(vtd::gcmd::kQie);
        write(vtd::reg::kRtaddr, root_register);
        command(vtd::gcmd::kSrtp);
        command(vtd::gcmd::kTe);
    }

    // --- requests -----------------------------------------------------------------------------
    // Sends one and returns its number.
    Word send(const OracleRequest& r) {
        pcie::Tlp tlp;
        tlp.kind = r.write ? pcie::TlpKind::MemWrite : pcie::TlpKind::MemRead;
        tlp.requester = Rid{r.rid};
        if (r.pasid) {
            tlp.pasid = Pasid{*r.pasid};
        }
        tlp.privileged = r.privileged;
        tlp.address = r.address;
        tlp.length = sizeof(Word);
        tlp.data.resize(r.write ? sizeof(Word) : 0);
        tlp.descriptor = ++number_;
        unit_.on_request(now_, std::move(tlp));
        return number_;
    }
    // Where the request went once nothing is under way; nothing: it was blocked.
    std::optional<Word> outcome(Word number) {
        settle();
        const auto found = reached_.find(number);
        if (found == reached_.end()) {
            return std::nullopt;
        }
        const Word address = found->second;
        reached_.erase(found);
        return address;
    }
    std::optional<Word> run(const OracleRequest& r) { return outcome(send(r)); }

    // The descriptors and a wait, executed to the end.
    void invalidate(const std::vector<vtd::Descriptor>& descriptors) {
        store(status_, 0);
        for (const vtd::Descriptor& d : descriptors) {
            put(d);
        }
        put(vtd::wait_with_status(Hpa{status_}, 2));
        write(vtd::reg::kIqt, tail_ * vtd::kDescriptorBytes);
        settle();
        SIM_CHECK(
            load(status_) == 2,
            "an invalidation wait did not complete: GSTS {:#x}, FSTS {:#x}, IQH {:#x} of {:#x}, "
            "descriptor {:#x}",
            unit_.read_word(vtd::reg::kGsts), unit_.read_word(vtd::reg::kFsts),
            unit_.read_word(vtd::reg::kIqh), tail_ * vtd::kDescriptorBytes,
            load(queue_ + unit_.read_word(vtd::reg::kIqh)));
    }

    void settle() {
        for (run_timers(); !to_memory_.empty(); run_timers()) {
            answer_one();
        }
    }
    // So many answers of memory, and no more.
    void answer(unsigned count) {
        run_timers();
        for (; count != 0 && !to_memory_.empty(); --count) {
            answer_one();
            run_timers();
        }
    }
    void forget_outcomes() { reached_.clear(); }
    const vtd::RemappingUnit& unit() const { return unit_; }

private:
    void command(std::uint32_t bits) {
        unit_.write_word(now_, vtd::reg::kGcmd, (unit_.status() & vtd::gcmd::kStickyMask) | bits);
        settle();
    }
    void put(const vtd::Descriptor& d) {
        for (std::size_t i = 0; i < d.size(); ++i) {
            store(queue_ + tail_ * vtd::kDescriptorBytes + i * sizeof(Word), d[i]);
        }
        tail_ = (tail_ + 1) % (kPageSize / vtd::kDescriptorBytes);
    }
    void run_timers() {
        while (const auto next = unit_.next_wakeup()) {
            now_ = std::max(now_, *next);
            unit_.advance(now_);
        }
    }
    void answer_one() {
        const auto index = static_cast<std::size_t>(random_.below(to_memory_.size()));
        std::swap(to_memory_[index], to_memory_.back());
        const memory::MemRequest request = std::move(to_memory_.back());
        to_memory_.pop_back();
        now_ += TimePs{1000};
        unit_.on_memory(now_, serve(request));
    }
    memory::MemResponse serve(const memory::MemRequest& request) {
        memory::MemResponse response;
        response.op = request.op;
        response.tag = request.tag;
        const Word at = request.address.value();
        // The devices' own data does not matter, and must not change the tables.
        if (request.origin || at + request.size > kMemoryBytes) {
            response.status = memory::MemStatus::NoTarget;
            return response;
        }
        auto* const bytes = reinterpret_cast<std::uint8_t*>(words_.data()) + at;
        if (request.op == memory::MemOp::Write) {
            std::memcpy(bytes, request.data.data(), request.size);
            return response;
        }
        response.data.assign(bytes, bytes + request.size);
        if (request.op == memory::MemOp::CompareSwap &&
            std::memcmp(bytes, request.data.data(), sizeof(Word)) == 0) {
            std::memcpy(bytes, request.data.data() + sizeof(Word), sizeof(Word));
        }
        return response;
    }

    void send_memory(TimePs, memory::MemRequest request) override {
        if (request.origin) {
            reached_[request.origin->descriptor] = request.address.value();
        }
        to_memory_.push_back(std::move(request));
    }
    void send_fabric(TimePs, pcie::Tlp) override {}
    void return_credit(TimePs) override {}

    std::vector<Word> words_;
    Word next_ = kPageSize;
    RandomStream random_;
    trace::Recorder recorder_;
    TimePs now_{1000};
    std::vector<memory::MemRequest> to_memory_;
    std::map<Word, Word> reached_;  // by number of the request
    vtd::RemappingUnit unit_;
    Word queue_ = 0;
    Word status_ = 0;
    Word tail_ = 0;
    Word number_ = 0;
};

}  // namespace ioasim::test
