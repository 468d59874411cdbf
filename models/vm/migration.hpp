// Moves a virtual machine to another host while its vCPUs run (seed paragraph on SPIDs: the mapping
// of guest to host PASIDs is torn down here and established there). Order on the source: portals
// unmapped, so that submissions trap and are kept; devices drained; vCPUs stopped; state saved and
// memory copied; guest PASIDs unbound, which detaches their SPIDs. On the destination: fresh host
// PASIDs; the guest's own PASID tables are read and bound under the same SPIDs; portals; what was
// kept is submitted; vCPUs go on. A device that does not drain keeps the machine where it is. When
// the destination cannot take the machine, the source takes it back the same way, under the host
// PASIDs that it still has; a machine that cannot go on there either is ended.
//
// The two VMMs talk over a link with a latency and a rate; memory goes over it once, while the
// vCPUs stand: nothing tells which pages a device wrote, and a pinned page counts as written.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/recorder.hpp"
#include "models/linux/scheduler_if.hpp"
#include "models/linux/virtual_device_if.hpp"
#include "models/vm/gpasid_pool.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vm/kept_submissions.hpp"
#include "models/vm/migration_state.hpp"
#include "models/vm/pasid_shadow.hpp"
#include "models/vm/run_control.hpp"
#include "models/vm/vcpu.hpp"
#include "models/vm/viommu.hpp"
#include "models/vm/vm_site.hpp"

namespace ioasim::vm {

// The parts of a virtual machine that move, by reference.
struct MovableMachine {
    const std::string& name;
    std::uint64_t memory_bytes;
    const std::vector<std::string>& devices;   // as the guest names them
    const std::vector<std::uint32_t>& queues;  // of each
    const VmParams& params;
    trace::Recorder& recorder;
    Probes& probes;
    os::TaskScheduler& scheduler;
    MachinePort& host_port;
    GuestMemory& memory;
    GpasidPool& pool;
    PasidShadow& shadow;
    Viommu& viommu;
    KeptSubmissions& kept;
    RunControl& control;
    std::vector<std::unique_ptr<Vcpu>>& vcpus;
    // By number of the device; null: a whole function.
    const std::vector<os::VirtualDeviceIf*>& virtual_devices;
    // Virtual devices are those of the host that serves the machine, with the guest's windows.
    std::function<void()> serve_devices;
    VmSite& site;       // where it is
    os::VmHost*& host;  // the same
    const bool& alive;
};

// Guest physical addresses of a device's portals, and of a queue's portal page.
Gpa portal_base(std::size_t device);
Gpa portal_page(std::size_t device, std::uint32_t queue);
// Portals of all devices lead to the hardware of the host that serves the machine.
void map_portals(const MovableMachine& machine);

// Hands a kept submission to the device. False: the machine was killed before.
bool submit_kept(ExecContext& ctx, const MovableMachine& machine, const KeptSubmission& kept);
// The guest is about to end (`bound` false) or has made a binding of a device's PASID: what was
// kept of it belongs before its end, as what a portal has accepted.
void on_guest_binding(ExecContext& ctx, const MovableMachine& machine, std::size_t device,
                      std::uint32_t gpasid, bool bound);

class Migration {
public:
    Migration(const MovableMachine& machine, const VmSite& to) : m_(machine), to_(to) {}
    // -ECANCELED: the machine was killed meanwhile. Any other error is the destination's; the
    // machine then runs on where it was.
    Errno run(ExecContext& ctx);
    // Neither side could take it: it stands where it came from, and cannot go on.
    bool lost() const { return lost_ && m_.alive; }

private:
    using Body = std::function<Errno(ExecContext&)>;

    Errno prepare(ExecContext& ctx);
    void unmap_portals(ExecContext& ctx);
    Errno drain(ExecContext& ctx);
    void stop(ExecContext& ctx);
    MigrationState save(ExecContext& ctx);
    Errno copy(ExecContext& ctx);
    void detach(ExecContext& ctx);
    Errno move(ExecContext& ctx);
    // The machine's state becomes what the bytes say, on this host. Runs on that host.
    Errno take_over(ExecContext& ctx, const VmSite& site, const std::vector<Hpa>& pages,
                    const std::vector<std::uint8_t>& state);
    Errno load(ExecContext& ctx, const VmSite& site, const MigrationState& state);
    // Devices go on: their own queues under the new host PASIDs, then what was kept.
    void enable(ExecContext& ctx);
    Errno go_on(ExecContext& ctx, os::VirtualDeviceIf& device);
    static Errno restore(ExecContext& ctx, os::VirtualDeviceIf& device,
                         const os::VirtualDeviceState& state);
    void resubmit(ExecContext& ctx);
    std::vector<os::VirtualDeviceIf*> virtual_devices() const;
    void resume(ExecContext& ctx);
    void stay(ExecContext& ctx);
    void end_on(ExecContext& ctx, const VmSite& site);

    // Runs on the destination: so many bytes go there, and an answer comes back.
    Errno on_destination(ExecContext& ctx, std::uint64_t bytes, const Body& body);
    void tell(const ExecContext& ctx, trace::MigrationPhase phase, std::uint64_t count = 0);

    MovableMachine m_;
    VmSite to_;
    std::vector<Hpa> source_pages_;
    std::vector<Hpa> pages_;  // at the destination
    std::map<std::uint32_t, Ioasid> source_ids_;
    std::uint64_t messages_ = 0;
    bool lost_ = false;
};

}  // namespace ioasim::vm
