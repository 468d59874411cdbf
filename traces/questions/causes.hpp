// Why something happened, read from the order of events: a handler runs for a notification, ordered
// work for whom queued it, a vCPU's thread for the exit of its guest, all of them in the end for a
// step of a program, the end of a process or of a machine. Each event is given the innermost of
// these frames; the chain of frames is the cause.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "traces/questions/event_log.hpp"

namespace ioasim::traces {

class Causes {
public:
    static constexpr std::size_t kNone = ~std::size_t{0};

    enum class Kind : std::uint8_t {
        Step,          // of a program, from its beginning to its result
        ProcessEnd,    // from the last step to the exit
        MachineEnd,    // what remains to be closed of a VM
        Notification,  // a block is called
        Work,          // an item of the ordered workqueue runs
        Exit,          // a vCPU is outside its guest
    };
    struct Frame {
        Kind kind = Kind::Step;
        std::size_t event = 0;        // that made it: the handler, the start, the exit, the result
        std::size_t trigger = kNone;  // the event that it goes back to: queued, notification
        std::size_t parent = kNone;   // frame around it in the same thread
        std::size_t last = kNone;     // event that ended it; kNone: it has not ended
    };

    explicit Causes(const EventLog& log);

    // The innermost frame that an event happened in; kNone: nobody's.
    std::size_t frame_of(std::size_t event) const { return inner_[event]; }
    const Frame& frame(std::size_t number) const { return frames_[number]; }

    // "UNBIND at 260.890 us, from iommu.free (queued at 257.306 us), because of FREE at 257.106 us
    // by vm2/vmm/vmm step 1 (free)"; empty: nothing is known.
    std::string because(std::size_t event) const;
    // The same without the calls of blocks around the event, where these are told by themselves.
    std::string because_of_caller(std::size_t event) const;
    // The end of that chain: "vm2/vmm/vmm step 1 (free)", "host/app exit (killed)".
    std::string root(std::size_t event) const;
    // The program step that an event goes back to: its program.step; kNone: none.
    std::size_t step_of(std::size_t event) const;

    // Where a queued item of work started; kNone: never.
    std::size_t start_of_work(std::size_t queued) const;

private:
    using Steps = std::vector<std::size_t>;  // frames of a source, in the order of their results
    void find_steps();
    void find_ends();
    void follow(std::size_t event);
    void open(std::size_t event, Kind kind, std::size_t trigger);
    void close(std::size_t event, Kind kind);
    std::size_t outer_frame(std::size_t event) const;
    std::size_t next_of(std::size_t frame) const;
    std::string words(std::size_t frame) const;
    std::string chain(std::size_t frame) const;

    const EventLog& log_;
    std::vector<Frame> frames_;
    std::vector<std::size_t> inner_;
    std::map<SourceId, Steps> steps_;
    std::map<SourceId, Steps> ends_;
    std::map<std::string, std::size_t> last_entry_;  // into the guest, of a vCPU's thread
    std::map<SourceId, std::vector<std::size_t>> stacks_;
    std::map<std::string, std::size_t> exits_;       // of a vCPU ("vm1-vcpu0"): its open exit
    std::map<SourceId, std::size_t> notifications_;  // the last one that a thread sent
    std::map<std::string, std::deque<std::size_t>> queued_;  // by item
    std::map<std::size_t, std::size_t> starts_;              // queued -> start
    std::map<std::size_t, std::string> commands_;            // frame -> the command in it
};

// "257.106 us": rounded to nanoseconds, always in microseconds, so that times compare at sight.
std::string story_time(TimePs time);
// How long something took: exact below a microsecond, rounded to nanoseconds above.
std::string story_span(TimePs span);

}  // namespace ioasim::traces
