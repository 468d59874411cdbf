// The remapping unit without time: registers and what they set off, the invalidation queue, faults
// and event messages, around the request pipeline (VT-d specification chapters 6, 7 and 11).
//
// Left out: interrupt remapping (its registers and commands exist), protected memory regions.
#pragma once

#include <array>
#include <deque>

#include "models/vtd/vtd_commands.hpp"
#include "models/vtd/vtd_descriptor_effects.hpp"
#include "models/vtd/vtd_device_tlb.hpp"
#include "models/vtd/vtd_event_registers.hpp"
#include "models/vtd/vtd_invalidation.hpp"
#include "models/vtd/vtd_page_requests.hpp"
#include "models/vtd/vtd_register_file.hpp"
#include "models/vtd/vtd_requests.hpp"

namespace ioasim::vtd {

class RemappingUnit final : private PipelineOwner,
                            private QueueOwner,
                            private PageRequestOwner,
                            private EventSender,
                            private CommandOwner,
                            private CacheObserver {
public:
    // `own_id` is the requester of the unit's interrupts.
    RemappingUnit(const VtdParams& params, Probes& probes, trace::Recorder& recorder,
                  SourceId source, const std::string& name, Rid own_id, UnitPort& port,
                  std::uint64_t seed = 0);

    // A transaction to the register page (offset = address within it).
    void on_register_access(TimePs now, const pcie::Tlp& tlp);
    // What a device sends.
    void on_request(TimePs now, pcie::Tlp&& tlp) {
        if (tlp.kind == pcie::TlpKind::PageRequest) {
            page_requests_.expect(tlp.requester);
        }
        pipeline_.accept(now, std::move(tlp));
    }
    void on_memory(TimePs now, memory::MemResponse response);
    // Serves commands and descriptors whose time has come.
    void advance(TimePs now);
    std::optional<TimePs> next_wakeup() const;

    bool busy() const;
    const RequestPipeline& pipeline() const { return pipeline_; }
    const InvalidationQueue& queue() const { return queue_; }
    TranslationCaches& caches() { return caches_; }
    std::uint32_t status() const { return registers_.get(reg::kGsts); }

    // Register values as software would read and write them, without a transaction.
    std::uint32_t read_word(std::uint32_t offset) const;
    void write_word(TimePs now, std::uint32_t offset, std::uint32_t value);

private:
    static constexpr std::uint64_t kFetchTag = 3;
    static constexpr std::uint64_t kStatusTag = 4;

    // PipelineOwner
    bool remapping() const override { return (status() & gcmd::kTe) != 0; }
    std::uint64_t root_pointer() const override { return root_pointer_; }
    bool log_fault(TimePs now, const FaultRecord& fault) override {
        return events_.log_fault(now, fault);
    }
    void invalidation_completion(TimePs now, const pcie::Tlp& tlp) override;
    void page_request(TimePs now, const pcie::Tlp& tlp) override {
        page_requests_.accept(now, tlp, remapping());
    }
    void drained(TimePs now) override;
    // QueueOwner
    TableMode table_mode() const override { return rtaddr::mode_of(root_pointer_); }
    bool fetching_allowed() const override;
    void fetch(TimePs now, Hpa address, std::uint32_t bytes, std::uint32_t number) override;
    void apply(TimePs now, const Descriptor& descriptor) override;
    bool invalidate_device(TimePs now, const Descriptor& descriptor) override;
    QueueMarks marks() const override;
    bool requests_drained(std::uint64_t mark) const override { return pipeline_.drained(mark); }
    bool device_tlbs_done(std::uint64_t mark) const override {
        return device_tlbs_.done_before(mark);
    }
    bool page_requests_visible(std::uint64_t mark) const override {
        return page_requests_.visible(mark);
    }
    void descriptor_read(const Descriptor& descriptor, QueueError error) override;
    void wait_taken(TimePs now, const Descriptor& descriptor) override;
    void write_status(TimePs now, Hpa address, std::uint32_t data) override;
    void wait_done(TimePs now, const Descriptor& descriptor) override;
    void queue_error(TimePs now, QueueError error) override;
    // PageRequestOwner
    std::uint64_t root_table() const override { return root_pointer_; }
    void drop_translation(const PasidEntry& entry, Pasid pasid, std::uint64_t address) override {
        effects_.drop_page(entry, pasid, address);
    }
    void page_request_ended(TimePs now) override { queue_.on_progress(now); }
    // EventSender
    void send_event(TimePs now, const EventMessage& message) override;
    // CommandOwner
    void set_root_pointer(TimePs now) override;
    void switch_translation(TimePs now, bool on) override;
    void switch_queue(TimePs now, bool on) override;
    void faults_unused() override { events_.restart_faults(); }
    void invalidate_now(TimePs now, const Descriptor& descriptor) override {
        apply(now, descriptor);
    }
    TableMode latched_mode() const override { return table_mode(); }
    void begin_drain() override { pipeline_.barrier(); }
    bool drained() const override { return pipeline_.drained(); }
    bool queue_idle() const override { return queue_.idle(); }
    // CacheObserver
    void on_fill(const Line& line) override;
    void on_drop(const Line& line, bool evicted) override;

    void after_write(TimePs now, std::uint32_t offset);
    void tell_page_queue();

    std::uint64_t read_access(TimePs now, std::uint32_t offset, unsigned size);
    void write_access(TimePs now, std::uint32_t offset, const std::vector<std::uint8_t>& data);

    void expire_device_tlbs(TimePs now);
    void invalidate_everything();

    const VtdParams params_;
    const Capabilities caps_;
    Probes& probes_;
    trace::Recorder& recorder_;
    SourceId source_;
    trace::Name name_;
    Rid own_id_;
    UnitPort& port_;
    std::array<trace::Name, 5> cache_names_;  // by CacheId
    trace::Name evicted_;
    trace::Name invalidated_;

    RegisterFile registers_;
    std::uint64_t root_pointer_ = 0;  // RTADDR as last latched
    EventRegisters events_;
    TranslationCaches caches_;
    DescriptorEffects effects_;
    RequestPipeline pipeline_;
    InvalidationQueue queue_;
    DeviceTlbInvalidations device_tlbs_;
    PageRequestQueue page_requests_;

    Commands commands_;
    struct PendingRead {
        TimePs due;
        pcie::Tlp completion;
    };
    std::deque<PendingRead> reads_;  // register reads on their way out
};

}  // namespace ioasim::vtd
