// The invalidation queue (VT-d specification 6.5.2): fetch, validation, order, errors, waits.
//
// Descriptors are fetched ahead within [head, tail), validated and executed one after the other in
// queue order; the head moves once a descriptor is valid. An error (IQE) leaves the head on the
// descriptor and drops what was fetched behind it; a time-out of a device TLB (ITE) drops that too
// and aborts every wait. Either way fetching starts again at the head when software cleared it.
//
// A wait completes, in queue order, when requests that may use older translations are done, every
// device-TLB invalidation before it was answered, and, if it asks for it, every page request
// received until then is visible: those that a device sent before its answer are among them. Until
// then it holds the queue if it is a fence or too many wait. A device-TLB invalidation leaves
// behind the translation completions that older entries made. Left out: host permission descriptors
// (invalid, ECAP.HPTS = 0).
#pragma once

#include <deque>
#include <optional>

#include "core/base/defects.hpp"
#include "core/base/time.hpp"
#include "models/vtd/vtd_descriptor_check.hpp"
#include "models/vtd/vtd_params.hpp"

namespace ioasim::vtd {

// Points in time that a wait compares with: what came before them must be done.
struct QueueMarks {
    std::uint64_t requests = 0;
    std::uint64_t device_tlbs = 0;
    std::uint64_t page_requests = 0;
};

// What the queue asks of the unit.
class QueueOwner {
public:
    virtual ~QueueOwner() = default;
    virtual TableMode table_mode() const = 0;
    virtual bool fetching_allowed() const = 0;  // QIES = 1, IQE = ITE = 0
    virtual void fetch(TimePs now, Hpa address, std::uint32_t bytes, std::uint32_t number) = 0;
    // A cache invalidation takes effect, a page group response leaves.
    virtual void apply(TimePs now, const Descriptor& descriptor) = 0;
    // False: no ITag is free, or the device has enough to do.
    virtual bool invalidate_device(TimePs now, const Descriptor& descriptor) = 0;

    virtual QueueMarks marks() const = 0;
    virtual bool requests_drained(std::uint64_t mark) const = 0;
    virtual bool device_tlbs_done(std::uint64_t mark) const = 0;
    virtual bool page_requests_visible(std::uint64_t mark) const = 0;

    // A descriptor is next; with an error it is not executed.
    virtual void descriptor_read(const Descriptor& descriptor, QueueError error) = 0;
    virtual void wait_taken(TimePs now, const Descriptor& descriptor) = 0;
    virtual void write_status(TimePs now, Hpa address, std::uint32_t data) = 0;
    virtual void wait_done(TimePs now, const Descriptor& descriptor) = 0;
    virtual void queue_error(TimePs now, QueueError error) = 0;
};

class InvalidationQueue {
public:
    InvalidationQueue(const Capabilities& caps, const VtdParams& params, Probes& probes,
                      QueueOwner& owner)
        : caps_(caps), params_(params), probes_(probes), owner_(owner) {}

    std::uint64_t head() const { return head_; }  // as IQH shows it
    std::uint64_t tail() const { return tail_; }
    void set_tail(std::uint64_t value) { tail_ = value & iq::kOffsetMask; }
    void set_base(std::uint64_t iqa) { iqa_ = iqa; }
    // QIE went to 0.
    void reset_head() { head_ = fetch_ = 0; }

    // Nothing fetched, nothing in execution, no wait pending.
    bool idle() const { return !current_ && ahead_.empty() && waits_.empty(); }
    std::size_t pending_waits() const { return waits_.size(); }

    // The tail moved, an error was cleared, the queue was enabled.
    void kick(TimePs now);
    void on_fetched(TimePs now, std::uint32_t number, const std::uint8_t* data, std::size_t size,
                    bool ok);
    std::optional<TimePs> due() const { return due_; }
    void execute(TimePs now);
    // Requests drained, a device TLB answered, page requests became visible.
    void on_progress(TimePs now);
    void on_status_written(TimePs now);
    // A device TLB timed out; ITE is set by now.
    void abort(TimePs now);

private:
    struct Fetched {
        Descriptor descriptor{};
        std::uint64_t size = 0;
        bool here = false;
        bool ok = false;
    };
    struct Wait {
        Descriptor descriptor{};
        QueueMarks marks;
        bool pages_marked = false;
        bool writing = false;
    };

    bool wide() const { return (iqa_ & iq::kWide) != 0; }
    std::uint64_t descriptor_bytes() const { return wide() ? kDescriptorBytes : 16; }
    std::optional<QueueError> tail_error() const;
    void fetch_ahead(TimePs now);
    void forget_ahead();
    void begin(TimePs now);
    void fail(TimePs now, QueueError error);
    void take_wait(TimePs now);
    bool released() const;
    bool older_done(const Wait& wait) const;
    bool fulfilled(Wait& wait);
    void serve_waits(TimePs now);
    void leave_wait(TimePs now);
    void next(TimePs now);

    const Capabilities& caps_;
    const VtdParams& params_;
    Probes& probes_;
    QueueOwner& owner_;
    std::uint64_t head_ = 0;
    std::uint64_t tail_ = 0;
    std::uint64_t iqa_ = 0;
    std::uint64_t fetch_ = 0;  // offset of the next descriptor to fetch
    std::deque<Fetched> ahead_;
    std::uint32_t first_number_ = 0;  // of ahead_'s first
    std::optional<Descriptor> current_;
    std::optional<TimePs> due_;  // current_ is executed then; without: it waits for something
    std::deque<Wait> waits_;
};

}  // namespace ioasim::vtd
