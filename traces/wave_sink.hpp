// Waveforms: the signals that a run shows, over the event stream, whatever the format.
//
// What is in the file is declared up front from a WaveTopology: slots for IOASIDs (state,
// references), workqueue occupancies, page-request queue heads and tails, the PASID of each
// processor, lock owners, in scopes by component. A slot belongs to an ID from the ID's first
// allocation on and takes its name. IDs beyond the slots are counted, not shown.
//
// A VCD file obeys the strictest readers (traces/vcd_reader.hpp) and is complete whenever it is
// looked at: flushes fall right behind a time stamp, so a killed process leaves a valid file.
// Beside it: a GTKWave save file (groups, words for values, markers at findings) and *.filter.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "traces/byte_sink.hpp"
#include "traces/flat_map.hpp"
#include "traces/typed_listener.hpp"

namespace ioasim::traces {

struct WaveTopology {
    struct Kernel {
        std::string name;         // "host", "vm1"
        std::uint32_t slots = 0;  // how many IDs can be shown
    };
    struct Queue {
        std::string device;
        std::string name;
        std::uint32_t size = 0;  // entries
    };
    struct Iommu {
        std::string name;
        std::uint32_t prq_entries = 0;
    };
    std::vector<Kernel> kernels;
    std::vector<Queue> queues;
    std::vector<Iommu> iommus;
    std::vector<std::string> cpus;   // as in cpu.pasid: "cpu0", "vm1/vcpu0"
    std::vector<std::string> locks;  // as in lock.acquire
};

struct WaveOptions {
    std::string comment;    // one line: seed, configuration hash
    bool save_file = true;  // write the .gtkw and filter files
    std::size_t block_bytes = 8 * 1024;
    bool hidden = false;                      // until show_from()
    std::uint64_t limit = ~std::uint64_t{0};  // bytes
};

class WaveWriter;

class WaveSink final : public TypedListener<WaveSink> {
public:
    // Creates the file, FST or VCD by its ending, with complete header and initial values. Names
    // are interned in the recorder.
    WaveSink(trace::Recorder& recorder, std::string path, const WaveTopology& topology,
             const WaveOptions& options = {});
    ~WaveSink() override;

    void on_event(const trace::EventRecord& record) override;
    void on_end(TimePs end) override;
    // Of a hidden one: values are followed, and shown from here on.
    void show_from(TimePs now);
    // Empty: everything reached the disk.
    const std::string& error() const;
    std::uint64_t changes() const;
    std::uint64_t ids_not_shown() const { return ids_not_shown_; }
    std::uint64_t bytes() const;
    std::size_t signals() const;
    std::optional<TimePs> full_at() const;

private:
    struct Slot;
    struct KernelSlots;
    struct Layout;
    friend struct Layout;

    void on_alloc(const trace::EventRecord& record);
    void on_get(const trace::EventRecord& record);
    void on_put(const trace::EventRecord& record);
    void on_state(const trace::EventRecord& record);
    void on_reclaim(const trace::EventRecord& record);
    void on_enqueue(const trace::EventRecord& record);
    void on_dispatch(const trace::EventRecord& record);
    void on_prq(const trace::EventRecord& record);
    void on_pasid(const trace::EventRecord& record);
    void on_acquire(const trace::EventRecord& record);
    void on_release(const trace::EventRecord& record);
    void on_finding(const trace::EventRecord& record);
    Slot* slot_of(std::uint64_t kernel, std::uint64_t ioasid, bool make);
    std::uint64_t owner_number(trace::Name owner);
    void write_save_file(TimePs end = {});
    std::string view_of(TimePs end) const;
    void write_filters(const std::string& stem);
    std::string save_file_groups(const std::string& name) const;
    void keep_error(const std::string& error);

    trace::Recorder& recorder_;
    std::string path_;
    bool save_file_;
    std::unique_ptr<WaveWriter> writer_;
    std::vector<KernelSlots> kernels_;
    FlatMap<std::uint32_t> kernel_index_;   // kernel name -> kernels_
    FlatMap<Slot*> slots_;                  // (kernel, ioasid) -> slot
    FlatMap<std::uint32_t> queue_signals_;  // (device, wq)
    FlatMap<std::uint32_t> prq_signals_;    // iommu: head, tail follows
    FlatMap<std::uint32_t> cpu_signals_;    // cpu: pasid, valid follows
    FlatMap<std::uint32_t> lock_signals_;
    FlatMap<std::uint32_t> owner_numbers_;
    std::vector<std::string> owners_;  // text of number i + 1
    std::uint64_t ids_not_shown_ = 0;
    std::uint64_t slots_used_ = 0;
    struct Marker {
        TimePs time;
        std::string text;
    };
    std::vector<Marker> markers_;  // one an instant
    std::string save_error_;
};

}  // namespace ioasim::traces
