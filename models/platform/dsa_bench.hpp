// The machine of experiments with an integrated accelerator, brought up as drivers do: page tables,
// context and PASID entries, the remapping unit, workqueues, groups, and in a guest the PASID
// directories of the VMCS. Then it is handed to the actors (dsa_actor.hpp).
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/sim/dispatcher.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/cpu/cpu_params.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/platform/bare_driver.hpp"
#include "models/platform/bare_program.hpp"
#include "models/platform/bench_params.hpp"
#include "models/platform/experiment_patterns.hpp"
#include "models/platform/harness_space.hpp"
#include "models/platform/prepared_memory.hpp"

namespace ioasim::platform {

// A workqueue as software sees it. Dedicated ones have no answer when they are full: software
// counts what it has not seen complete.
struct BenchQueue {
    std::uint64_t portal = 0;
    QueueShape shape;
    struct Pending {
        std::uint64_t record = 0;  // physical
        std::uint64_t ticket = 0;
    };
    std::deque<Pending> pending;
    std::uint64_t tickets = 0;
};

class DsaBench {
public:
    explicit DsaBench(Harness& harness);

    static PlatformConfig platform(const Experiment& experiment);

    void bring_up();
    const BenchParams& params() const { return params_; }
    // What sleeping and interrupts cost a kernel.
    const sim::DispatcherParams& scheduler() const { return scheduler_; }
    const cpu::CpuParams& processor() const { return processor_; }
    BareDriver& unit() { return units_.front(); }
    // Memory as it is made ready, in no time.
    PreparedMemory& prepared() { return prepared_; }
    Rid rid() const { return harness_.world.units.at("dsa0").rid; }
    const Experiment& experiment() const { return experiment_; }
    Harness& harness() { return harness_; }
    cpu::TimedInstructions& cpus() { return *harness_.world.cpus; }
    HarnessSpace& space(std::size_t client) { return *spaces_.at(client); }
    // The mode that the program of this address space executes in, and its IA32_PASID.
    const cpu::CpuState& cpu_state(std::size_t client) const { return states_.at(client); }
    std::uint64_t pasid_msr(std::size_t client) const { return pasid_msrs_.at(client); }
    BenchQueue& queue(std::uint32_t device, std::uint32_t group, std::uint32_t queue);
    // By device, then group: one workqueue each.
    std::vector<BenchQueue*> queues();
    // Where destinations lie: the other node's memory when the experiment says so.
    HarnessMemory& destination_memory();
    // Where the remapping unit queues page requests.
    std::uint64_t page_request_queue() const { return page_requests_; }
    // The device's own counter of hits in its device TLBs.
    void count_device_tlb_hits(std::uint32_t device);
    std::uint64_t device_tlb_hits(std::uint32_t device);

private:
    struct Device {
        std::string name;
        std::vector<std::vector<BenchQueue>> groups;
    };
    bool physical() const { return experiment_.translation == TranslationBy::Physical; }
    void make_spaces();
    void make_contexts();
    void make_entries(HarnessSpace& space, std::size_t index, std::size_t device);
    void enable_units();
    dsa::WqConfig queue_config(const QueueShape& queue, std::size_t owner);
    void configure(std::size_t device);
    void make_guest();

    Harness& harness_;
    const Experiment& experiment_;
    ExecContext& ctx_;
    const BenchParams params_;
    const sim::DispatcherParams scheduler_;
    const cpu::CpuParams processor_;
    PreparedMemory prepared_;
    BareBuilder builder_;
    HarnessMemory memory_;
    HarnessMemory far_;
    std::vector<BareDriver> units_;
    std::uint64_t page_requests_ = 0;  // the first unit's queue
    std::vector<Device> devices_;
    std::vector<std::unique_ptr<HarnessSpace>> spaces_;
    std::vector<cpu::CpuState> states_;
    std::vector<std::uint64_t> pasid_msrs_;
    cpu::Vmcs vmcs_;
};

}  // namespace ioasim::platform
