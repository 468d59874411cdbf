// Commands that software gives through registers: GCMD, and register-based invalidation by CCMD and
// IOTLB with IVA (VT-d specification 11.4.4, 11.4.6, 11.4.8.1, 6.5.1).
//
// One command at a time: the unit owns the command registers until its answer shows in a register,
// and a write to one of them in between has no effect (the specification leaves it undefined).
// Enabling and disabling translation drains the requests under way first. Register-based
// invalidation needs the queue off and legacy tables, and a version below 6: otherwise its actual
// granularity reads 0, an error. Write buffers do not exist, so their flush has nothing to do; the
// commands of interrupt remapping only keep their status bits.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/defects.hpp"
#include "core/base/time.hpp"
#include "models/vtd/vtd_register_file.hpp"

namespace ioasim::vtd {

// What commands do to the rest of the unit.
class CommandOwner {
public:
    virtual ~CommandOwner() = default;
    virtual void set_root_pointer(TimePs now) = 0;
    virtual void switch_translation(TimePs now, bool on) = 0;
    virtual void switch_queue(TimePs now, bool on) = 0;
    virtual void faults_unused() = 0;  // neither remapping is on any more
    // A descriptor's effect, without the queue.
    virtual void invalidate_now(TimePs now, const Descriptor& descriptor) = 0;
    virtual TableMode latched_mode() const = 0;
    // Requests from here on are not waited for.
    virtual void begin_drain() = 0;
    virtual bool drained() const = 0;
    virtual bool queue_idle() const = 0;
};

class Commands {
public:
    Commands(const Capabilities& caps, TimePs latency, RegisterFile& registers, Probes& probes,
             CommandOwner& owner)
        : caps_(caps), latency_(latency), registers_(registers), probes_(probes), owner_(owner) {}

    // Software wrote the dword. True: it is a command register and has been dealt with.
    bool write(TimePs now, std::uint32_t offset, std::uint32_t value);

    bool busy() const { return current_ != Kind::None; }
    std::optional<TimePs> due() const { return due_; }
    // Its time has come.
    void execute(TimePs now);
    // Something may have drained.
    void settle(TimePs now);

    std::uint32_t status() const { return registers_.get(reg::kGsts); }

private:
    enum class Kind : std::uint8_t { None, Global, ContextCache, Iotlb };

    void start(TimePs now, Kind kind, std::uint32_t value);
    bool must_wait() const;
    void finish(TimePs now);
    void finish_global(TimePs now);
    void finish_context(TimePs now);
    void finish_iotlb(TimePs now);
    bool register_invalidation_legal() const;
    bool drains_requests() const;
    void set_status(std::uint32_t bit, bool on);
    std::uint32_t offered() const;

    const Capabilities& caps_;
    TimePs latency_;
    RegisterFile& registers_;
    Probes& probes_;
    CommandOwner& owner_;
    Kind current_ = Kind::None;
    std::uint32_t value_ = 0;    // of GCMD
    std::optional<TimePs> due_;  // the command is in service until then
    bool waits_ = false;         // its time is over, but something must drain
};

}  // namespace ioasim::vtd
