// Message-signalled interrupts of a host kernel: a vector for each source, and the thread that
// sleeps for it (threaded interrupt handlers). What the hard handler does is the mark and the wake.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/base/exec_context.hpp"
#include "models/cpu/cpu_if.hpp"

namespace ioasim::os {

class TaskScheduler;

class Interrupts final : public cpu::InterruptSink {
public:
    // Where messages go: the local APICs' window, fixed delivery to processor 0.
    static constexpr std::uint32_t kMessageAddress = 0xFEE0'0000;

    // Above the vectors of exceptions and of the kernel itself.
    static constexpr std::uint8_t kFirstVector = 0x31;

    // `first`: the lowest vector that this kernel gives out.
    explicit Interrupts(TaskScheduler& scheduler, std::uint8_t first = kFirstVector)
        : scheduler_(scheduler), first_(first) {}

    class Line {
    public:
        Line(std::uint8_t number, const std::string& name) : vector_(number), queue_(name) {}
        std::uint8_t vector() const { return vector_; }
        // Sleeps until a message came that nobody waited for yet.
        void wait(ExecContext& ctx) {
            while (!pending_) {
                ctx.wait(queue_);
            }
            pending_ = false;
        }

    private:
        friend class Interrupts;
        std::uint8_t vector_;
        WaitQueue queue_;
        bool pending_ = false;
    };

    // A vector of its own for this source.
    Line& request(const std::string& name);

    void on_interrupt_message(std::uint8_t vector, std::uint64_t address,
                              std::uint32_t data) override;

private:
    TaskScheduler& scheduler_;
    std::uint8_t first_;
    std::map<std::uint8_t, std::unique_ptr<Line>> lines_;
};

}  // namespace ioasim::os
