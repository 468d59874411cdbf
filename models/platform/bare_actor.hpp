// The actor of a bare program: performs its steps as loads, stores, MMIO and instructions of a
// processor. Memory, registers and builders are in bare_program.cpp, DMA of test requesters in
// bare_dma.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/trace/run_events.hpp"
#include "models/platform/bare_builder.hpp"
#include "models/platform/bare_driver.hpp"
#include "models/platform/bare_program.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::platform {

constexpr TimePs kBareTimeout{10'000'000'000};

// The first bytes as digits, and where two texts of bytes begin to differ: for messages.
std::string hex_bytes(const std::vector<std::uint8_t>& bytes);
std::string first_difference(const std::vector<std::uint8_t>& a,
                             const std::vector<std::uint8_t>& b);

class BareActor final : public ProgramActor {
public:
    BareActor(BareWorld& world, const ProgramConfig& program)
        : world_(world),
          name_(world.recorder.name(program.on + "/" + program.process)),
          settles_(program.settle) {}

    Errno start(ExecContext&) override { return Errno::Ok; }
    void finish(ExecContext&) override {}
    bool alive() const override { return true; }

    StepOutcome perform(ExecContext& ctx, const Step& step, std::size_t index) override {
        ctx_ = &ctx;
        index_ = index;
        const StepOutcome result = one(step.bare);
        if (settles_) {
            settle();
        }
        return result;
    }

private:
    StepOutcome one(const BareStep& step) {
        switch (step.kind) {
            case BareKind::Store:
                return store(step);
            case BareKind::Check:
                return check(step);
            case BareKind::MemoryPoll:
                return memory_poll(step);
            case BareKind::Flush:
                return flush(step);
            case BareKind::Wbinvd:
                world_.cpus->wbinvd(*ctx_);
                return {};
            case BareKind::RunOn:
                return run_on(step);
            case BareKind::MmioWrite:
            case BareKind::ConfigWrite:
                return mmio_write(step);
            case BareKind::MmioRead:
            case BareKind::ConfigRead:
                return mmio_read(step);
            case BareKind::MmioPoll:
            case BareKind::ConfigPoll:
                return mmio_poll(step);
            case BareKind::Dma:
                return dma(step);
            case BareKind::DmaWait:
                return dma_wait(step, step.name(""));
            case BareKind::Settle:
                settle();
                return {};
            case BareKind::Poison:
                return poison(step);
            case BareKind::Fail:
                world_.fail_next(step.name(""));
                return {};
            case BareKind::Interrupt:
                return interrupt(step);
            case BareKind::DsaEnable:
            case BareKind::DsaCommand:
            case BareKind::Descriptor:
            case BareKind::Enqueue:
                return accelerator(step);
            default:
                return built(step);
        }
        return {Errno::Einval, 0};
    }

    StepOutcome run_on(const BareStep& step) {
        if (step.number("") >= world_.processors) {
            return mismatch("a processor", "there are fewer", Errno::Einval);
        }
        world_.move(*ctx_, step.number(""));
        return {};
    }

    StepOutcome mismatch(const std::string& expected, const std::string& found,
                         Errno error = Errno::Eio) {
        world_.recorder.emit(
            ctx_->source(),
            trace::StepMismatch{name_, static_cast<std::uint32_t>(index_),
                                world_.recorder.name(expected), world_.recorder.name(found)});
        return {error, 0};
    }

    // Polling costs what looking costs: each turn ends when the hardware did something.
    void settle() {
        while (const auto next = world_.next_activity()) {
            ctx_->spend(*next > ctx_->now() ? *next - ctx_->now() : TimePs{1});
        }
    }

    StepOutcome built(const BareStep& step);
    StepOutcome entry(const BareStep& step);
    StepOutcome interrupt(const BareStep& step);
    StepOutcome accelerator(const BareStep& step);
    BareResult tables(const BareStep& step);
    BareResult drive(const BareStep& step);
    std::string unit_of(const BareStep& step) const;
    BareDriver& driver(const std::string& unit);
    StepOutcome store(const BareStep& step);
    StepOutcome check(const BareStep& step);
    StepOutcome memory_poll(const BareStep& step);
    StepOutcome flush(const BareStep& step);
    StepOutcome poison(const BareStep& step);
    // A processor cannot read this: it takes a machine check.
    StepOutcome machine_check(std::uint64_t address) {
        return mismatch("memory without an error", fmt::format("poison at {:#x}", address),
                        Errno::Efault);
    }

    struct Register {
        std::uint64_t address = 0;
        unsigned size = 4;
    };
    Register locate(const BareStep& step);
    bool busy(const std::string& device, const BareUnit& unit);
    void tell(const BareStep& step, const BareUnit& unit, std::uint32_t length);
    std::uint32_t capability_offset(const BareUnit& unit, NamedRegister::Base base);
    StepOutcome mmio_write(const BareStep& step);
    StepOutcome mmio_read(const BareStep& step);
    StepOutcome mmio_poll(const BareStep& step);

    StepOutcome dma(const BareStep& step);
    StepOutcome dma_wait(const BareStep& step, const std::string& device);
    StepOutcome judge_read(const BareStep& step, const BareUnit& unit, requester::Outcome outcome);
    StepOutcome judge_write(const std::string& expect, requester::Outcome outcome);
    std::uint64_t reg(const BareUnit& unit, std::uint32_t offset, unsigned size = 4) {
        return ctx_->mmio_read(unit.registers + offset, size);
    }
    void set_reg(const BareUnit& unit, std::uint32_t offset, std::uint64_t value,
                 unsigned size = 4) {
        ctx_->mmio_write(unit.registers + offset, value, size);
    }

    BareWorld& world_;
    trace::Name name_;
    bool settles_;
    ExecContext* ctx_ = nullptr;
    std::size_t index_ = 0;
    BareBuilder builder_{world_.is_memory, world_.is_poisoned};
    std::map<std::string, BareDriver> drivers_;  // by unit
    // What was asked of a requester last.
    struct Asked {
        bool write = false;
        Rid rid;
        std::uint32_t length = 0;
        std::uint64_t number = 0;
        // A write that is an interrupt message, and how many such came before.
        std::optional<std::pair<std::uint64_t, std::uint32_t>> message;
        std::uint64_t messages = 0;
    };
    std::map<std::string, Asked> asked_;
};

}  // namespace ioasim::platform
