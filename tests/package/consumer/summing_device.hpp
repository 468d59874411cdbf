// A device model of one's own: a PCIe function that adds up the bytes of memory. Software writes
// ADDRESS and LENGTH and rings GO; the function reads memory by DMA, 64 bytes at a time, through
// whatever remapping unit is above it; STATUS is 0 idle, 1 busy, 2 done, 3 a read failed.
#pragma once

#include "core/sim/simulation.hpp"
#include "models/pcie/link_if.hpp"
#include "models/pcie/pcie_layout.hpp"

class SummingDevice final : public ioasim::sim::Module {
public:
    enum Register : std::uint64_t { kAddress = 0, kLength = 8, kGo = 16, kStatus = 24, kSum = 32 };
    static constexpr std::uint32_t kLine = 64;

    SummingDevice(ioasim::sim::Simulation& sim, ioasim::Rid rid, ioasim::pcie::BarRange bar)
        : Module(sim, "summing0"), rid_(rid), bar_(bar) {
        upstream.bind_sender(*this);
    }
    // From the root complex, and the link to it.
    ioasim::sim::Inbox<ioasim::pcie::Tlp> inbox{*this, 1024};
    ioasim::pcie::TlpLink upstream{{}, sim().probes(), sim().recorder(), source(), "summing0.up"};

    void advance(ioasim::TimePs now) override {
        using ioasim::pcie::TlpKind;
        upstream.advance(now);
        while (inbox.due(now)) {
            ioasim::pcie::Tlp tlp = inbox.pop().message;
            std::uint64_t& value = registers_.at((tlp.address - bar_.base) / 8 % registers_.size());
            if (tlp.kind == TlpKind::MemWrite) {
                value = 0;
                std::copy(tlp.data.begin(), tlp.data.end(),
                          reinterpret_cast<std::uint8_t*>(&value));
                if (tlp.address - bar_.base == kGo) {
                    at(kSum) = done_ = 0;
                    at(kStatus) = 1;
                    read_next(now);
                }
            } else if (tlp.kind == TlpKind::MemRead) {
                auto answer = make_completion(tlp, ioasim::pcie::CplStatus::Success);
                const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
                answer.data.assign(bytes, bytes + tlp.length);
                upstream.send(now, std::move(answer));
            } else if (tlp.status != ioasim::pcie::CplStatus::Success) {
                at(kStatus) = 3;
            } else {
                for (const std::uint8_t byte : tlp.data)
                    at(kSum) += byte;
                done_ += tlp.data.size();
                done_ < at(kLength) ? read_next(now) : void(at(kStatus) = 2);
            }
        }
    }
    std::optional<ioasim::TimePs> next_wakeup() const override {
        return ioasim::sim::earliest(inbox.next(), upstream.next_wakeup());
    }

private:
    std::uint64_t& at(Register which) { return registers_[which / 8]; }
    void read_next(ioasim::TimePs now) {
        ioasim::pcie::Tlp read;  // a memory read without a PASID
        read.requester = rid_;
        read.address = at(kAddress) + done_;
        read.length = kLine;
        upstream.send(now, std::move(read));
    }
    ioasim::Rid rid_;
    ioasim::pcie::BarRange bar_;
    std::array<std::uint64_t, 8> registers_{};
    std::uint64_t done_ = 0;
};
