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
    // Where messages go: the local APICs' window, fixed delivery to one processor (SDM vol. 3,
    // 11.11.1: its identifier is bits 19:12).
    static constexpr std::uint32_t kMessageAddress = 0xFEE0'0000;
    static constexpr unsigned kDestinationShift = 12;

    explicit Interrupts(TaskScheduler& scheduler, std::uint32_t processor = 0)
        : scheduler_(scheduler), address_(kMessageAddress | processor << kDestinationShift) {}
    std::uint32_t message_address() const { return address_; }

    class Line {
    public:
        Line(std::uint8_t number, const std::string& name) : vector_(number), queue_(name) {}
        std::uint8_t vector() const { return vector_; }
        // Sleeps until a message came that nobody waited for yet. False: the machine stops.
        bool wait(ExecContext& ctx) {
            while (!pending_ && !stopped_) {
                ctx.wait(queue_);
            }
            pending_ = false;
            return !stopped_;
        }

    private:
        friend class Interrupts;
        std::uint8_t vector_;
        WaitQueue queue_;
        bool pending_ = false;
        bool stopped_ = false;
    };

    // A vector of its own for this source.
    Line& request(const std::string& name);
    // No handler's thread gets further than its next wait.
    void stop();

    void on_interrupt_message(std::uint8_t vector, std::uint64_t address,
                              std::uint32_t data) override;

private:
    static constexpr std::uint8_t kFirstVector = 0x31;  // above those of exceptions and the kernel

    TaskScheduler& scheduler_;
    std::uint32_t address_;
    std::map<std::uint8_t, std::unique_ptr<Line>> lines_;
};

}  // namespace ioasim::os
