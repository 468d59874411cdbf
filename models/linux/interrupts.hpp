// Message-signalled interrupts of a host kernel: a vector for each source, and the thread that
// sleeps for it (threaded interrupt handlers). What the hard handler does is the mark and the wake.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

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

    // Above the vectors of exceptions and of the kernel itself.
    static constexpr std::uint8_t kFirstVector = 0x31;

    // `first`: the lowest vector that this kernel gives out.
    explicit Interrupts(TaskScheduler& scheduler, std::uint32_t processor = 0,
                        std::uint8_t first = kFirstVector)
        : scheduler_(scheduler),
          address_(kMessageAddress | processor << kDestinationShift),
          first_(first) {}
    std::uint32_t message_address() const { return address_; }

    class Line {
    public:
        Line(std::uint8_t number, std::uint32_t address, const std::string& name)
            : name_(name), vector_(number), address_(address), queue_(name) {}
        std::uint8_t vector() const { return vector_; }
        std::uint32_t address() const { return address_; }
        bool pending() const { return pending_; }
        // Sleeps until a message came that nobody waited for yet. False: the machine stops.
        bool wait(ExecContext& ctx) {
            while (!pending_ && !stopped_) {
                ctx.wait(queue_);
            }
            pending_ = false;
            return !stopped_;
        }
        // Until then; false: none came.
        bool wait_until(ExecContext& ctx, TimePs deadline) {
            while (!pending_ && !stopped_ && ctx.now() < deadline) {
                ctx.wait_until(queue_, deadline);
            }
            return std::exchange(pending_, false);
        }

    private:
        friend class Interrupts;
        std::string name_;
        std::uint8_t vector_;
        std::uint32_t address_;
        WaitQueue queue_;
        bool pending_ = false;
        bool stopped_ = false;
    };

    // A vector of its own for this source, the same each time; its messages go to the kernel's
    // processor, or to this one.
    Line& request(const std::string& name) { return request(name, address_); }
    Line& request_on(std::uint32_t processor, const std::string& name) {
        return request(name, kMessageAddress | processor << kDestinationShift);
    }
    // No handler's thread gets further than its next wait.
    void stop();

    void on_interrupt_message(std::uint8_t vector, std::uint64_t address,
                              std::uint32_t data) override;

private:
    Line& request(const std::string& name, std::uint32_t address);

    TaskScheduler& scheduler_;
    std::uint32_t address_;
    std::uint8_t first_;
    std::map<std::uint8_t, std::unique_ptr<Line>> lines_;
};

}  // namespace ioasim::os
