// The tale of one life of an IOASID: takes what belongs to the ID out of the stream of events and
// says it in words. ioasid_tale_core.cpp has the IOASID core's part, ioasid_tale_parties.cpp that
// of KVM, VDCM, VFIO and IOMMU.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "traces/questions/scene.hpp"
#include "traces/questions/story.hpp"
#include "traces/questions/traffic.hpp"

namespace ioasim::traces {

class IoasidTale {
public:
    IoasidTale(const Scene& scene, const std::string& kernel, std::uint32_t id, std::size_t begin,
               std::size_t end)
        : scene_(scene),
          log_(scene.log()),
          kernel_(kernel),
          id_(id),
          guest_(scene.is_vm(kernel)),
          begin_(begin),
          end_(end),
          traffic_(scene) {}

    void tell(Story& out);

private:
    static constexpr std::size_t kNever = ~std::size_t{0};

    // --- what belongs to it -------------------------------------------------------------------

    bool has(std::size_t i, std::string_view field, std::uint64_t value) const;
    bool of_kernel(std::size_t i) const;
    bool is_hardware(std::size_t i) const;
    // A PASID of hardware is the host's; of software, the kernel's that says it.
    bool pasid_is_it(std::size_t i) const;
    // In the middle of something that is done for this ID.
    bool within(std::size_t i) const;

    // --- telling --------------------------------------------------------------------------------

    Moment& add(std::size_t i, std::string text);
    Moment& arrow(std::size_t i, std::string text, Role from, Role to, std::string label);
    void flush_traffic();
    Role caller(std::size_t i) const;
    std::string left() const;
    void look(std::size_t i);
    void finding(std::size_t i);

    // --- the IOASID core ------------------------------------------------------------------------

    bool is_of_other_set(std::size_t i) const;
    void core(std::size_t i);

    // Of the same instant, by the same thread: part of the moment before.
    bool join(std::size_t i, const std::string& text);
    void state(std::size_t i);
    void get(std::size_t i);

    // A reference that the same call drops again tells nothing: KVM and VFIO look IDs up that way.
    bool is_short(std::size_t i, const std::string& holder);
    void put(std::size_t i);
    void free_call(std::size_t i);
    void notification(std::size_t i);
    void work(std::size_t i);
    // The frame that this start opened: that of the next event of its thread.
    std::size_t started_frame(std::size_t start) const;

    // --- KVM, VDCM, VFIO, IOMMU -----------------------------------------------------------------

    void of_host(std::size_t i);
    void join_or_add(std::size_t i, const std::string& text, Role at, const std::string& label);
    void table_write(std::size_t i);

    // A flush of the domain behind its PASID entry.
    void domain_invalidation(std::size_t i);
    void invalidation(std::size_t i);
    void missing_flushes(std::size_t detach);
    bool all_flushed() const;
    void entry_cleared(std::size_t i);
    void virtual_command(std::size_t i);
    std::size_t last_call_frame() const;
    void with_pasid(std::size_t i);
    void of_guest(std::size_t i);

    // --- what follows from it -------------------------------------------------------------------

    void add_duration(const std::string& what, std::size_t from, std::size_t to);
    void finish(Story& out);
    void collect_holdings(Story& out);
    std::string held_at_the_end() const;
    struct Closed {
        std::size_t taken;
        std::size_t dropped;
        std::string holder;
    };
    std::string duty_of(const std::string& holder) const;
    std::string late_drop(const Closed& c) const;
    std::string last_holder() const;
    std::string device_column() const;
    void answer(Story& out);

    const Scene& scene_;
    const EventLog& log_;
    std::string kernel_;
    std::uint32_t id_;
    bool guest_;
    std::size_t begin_;
    std::size_t end_;
    Traffic traffic_;
    std::vector<Moment> moments_;
    std::vector<std::size_t> frames_;  // of each moment
    std::vector<Duration> durations_;
    std::vector<StateChange> states_;
    std::string set_;
    std::set<std::string> sets_;                            // that have, or had, this number
    std::map<std::string, std::vector<std::size_t>> open_;  // references by holder
    std::vector<Closed> closed_;
    std::map<std::size_t, std::size_t> short_;  // get -> put of one call
    std::map<std::string, std::uint64_t> brief_;
    std::map<std::string, std::uint64_t> findings_;
    std::map<std::string, std::size_t> handlers_;  // block -> moment
    std::map<std::string, std::size_t> works_;
    std::map<Role, std::size_t> done_;  // who finished its part of an unbind, and when
    std::map<std::string, std::uint64_t> translated_;  // vm -> guest PASID
    std::map<std::uint64_t, std::size_t> domains_;
    std::set<std::uint64_t> entries_;  // functions with a PASID entry of this life
    std::set<std::string> devices_;    // that it was attached to
    std::string queue_vm_;
    bool queue_on_ = false;
    bool detached_ = false;
    SourceId wait_wanted_;
    std::size_t cleared_ = kNever;
    std::set<std::string> flushed_;  // since then
    std::string missing_;
    std::size_t alloc_ = kNever;
    std::size_t bind_ = kNever;
    std::size_t unbind_ = kNever;
    std::size_t free_ = kNever;
    std::size_t reclaim_ = kNever;
    std::size_t last_put_ = kNever;  // before that
};

}  // namespace ioasim::traces
