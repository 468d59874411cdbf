// The virtual device composition module (VDCM) for one mediated device: a virtual DSA function with
// one workqueue, which is a real one of the parent device - a dedicated one of its own ("1dwq"), or
// a shared one that it shares with others ("1swq"). Registers and commands are emulated here,
// in the kernel; the portal is mapped into the guest when the guest touches it.
//
// A dedicated queue works under the host PASID that the guest PASID of its WQCFG stands for in the
// set of the calling task. The reference on it is taken before the queue is set and dropped when it
// is cleared: by the guest's Disable or Reset, in ordered work behind UNBIND, or by the release of
// the device. When the host takes the queue away it disables it (which drains it), unmaps the
// portal, makes the vCPUs forget the mapping and reads a register, behind which no write of theirs
// is under way any more. A queue that neither drains nor can be reset keeps the reference and stays
// out of use: its number would lead what is left into the memory of the next owner.
//
// Linux drivers of the IOASID series (idxd vdcm); software.md "VDCM virtual device commands".
// What a guest writes while the device is paused is kept until it goes on, here or, once its state
// has been saved, elsewhere; at the longest as long as its queue is enabled and, on a shared one,
// its guest PASID bound. A queue that the guest
// enables without a PASID works under the default PASID of the VM's memory, where that is an
// auxiliary domain of the parent. Its interrupts: virtual_vectors.hpp.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/ioasid/ioasid.hpp"
#include "models/linux/virtual_device_if.hpp"
#include "models/linux/virtual_vectors.hpp"

namespace ioasim::os {

struct SecondStage;
class Device;
class Kernel;
class Kvm;

class VirtualDevice final : public VirtualDeviceIf, public NotifierBlock {
public:
    struct Setup {
        std::string vm;
        std::string name;  // as the guest and the VMM call it
        Device* parent = nullptr;
        std::uint32_t queue = 0;  // of the parent
        // The VM's memory, an auxiliary domain of the parent while the device is open; null: a
        // queue without PASID is refused.
        const SecondStage* memory = nullptr;
    };
    VirtualDevice(Kernel& kernel, Kvm& kvm, const Setup& setup);
    ~VirtualDevice() override;

    // The VMM opens and closes the mediated device. Open: -EBUSY somebody has the dedicated queue,
    // or the parent is being reset.
    Errno open(ExecContext& ctx);
    // Whoever calls: the VMM's address space may be gone. `how`: "closed", "removed".
    void close(ExecContext& ctx, CallingTask task, const char* how);
    bool is_open() const { return open_; }
    // Nobody answers page requests of the guest any more: its VMM is gone.
    void abandon() { abandoned_ = true; }
    Device& parent() const { return *setup_.parent; }
    // The VM's memory is mapped: from here on it is a domain of the parent, or not any more.
    Errno attach_memory(ExecContext& ctx);
    void detach_memory(ExecContext& ctx);
    bool shared() const { return state_.queues.front().shared; }

    const std::string& name() const override { return setup_.name; }
    void set_window(PortalWindow& window) override { window_ = &window; }
    void set_interrupt(VirtualVectors::Raise raise) override {
        vectors_.on_raise(std::move(raise));
    }
    bool has_vectors() const override { return vectors_.entry().has_value(); }
    std::uint64_t read_register(std::uint64_t offset, unsigned size) const override;
    void write_register(ExecContext& ctx, CallingTask task, std::uint64_t offset,
                        std::uint64_t value, unsigned size) override;
    std::uint64_t read_config(std::uint32_t offset, unsigned size) const override;
    void write_config(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
                      unsigned size) override;
    bool portal_fault(ExecContext& ctx, std::uint32_t queue, dsa::Portal page) override;
    Errno trapped_submission(ExecContext& ctx, const TrappedDescriptor& descriptor) override;
    Errno pause(ExecContext& ctx) override;
    Errno drain(ExecContext& ctx) override;
    const VirtualDeviceState& state() const override { return state_; }
    VirtualDeviceState save(ExecContext& ctx) override;
    Errno restore(ExecContext& ctx, const VirtualDeviceState& state) override;
    Errno resume(ExecContext& ctx, CallingTask task) override;
    Errno remove(ExecContext& ctx) override;
    bool close_requested() const override { return requested_; }
    Errno reset(ExecContext& ctx) override;

    // Of the VM's set.
    NotifyResult handle(ExecContext& ctx, const NotifierPayload& payload) override;

private:
    class Clear;
    // What the real queue works under.
    struct Programmed : HostPasid {
        bool stuck = false;  // it did not stop: the ID, its reference and the queue stay
    };

    // registers
    std::uint32_t read4(std::uint64_t offset) const;
    void write4(ExecContext& ctx, CallingTask task, std::uint64_t offset, std::uint32_t value);
    std::uint32_t wqcfg_dword(std::uint64_t offset) const;
    void write_wqcfg(std::uint64_t offset, std::uint32_t value);
    void initial_state();

    // commands
    void command(ExecContext& ctx, CallingTask task, std::uint32_t value);
    dsa::CommandError execute(ExecContext& ctx, CallingTask task, dsa::Command code,
                              std::uint32_t operand);
    dsa::CommandError enable_device();
    dsa::CommandError enable_queue(ExecContext& ctx, CallingTask task, std::uint32_t index);
    dsa::CommandError enable_dedicated(ExecContext& ctx, CallingTask task);
    dsa::CommandError check_queue(std::uint32_t operand) const;
    dsa::CommandError on_queue(ExecContext& ctx, dsa::Command code);
    dsa::CommandError stop_queue(ExecContext& ctx, dsa::Command code);
    dsa::CommandError on_pasid(ExecContext& ctx, CallingTask task, dsa::Command code,
                               std::uint32_t gpasid);
    dsa::CommandError drain_bound(ExecContext& ctx);
    dsa::CommandError run(ExecContext& ctx, dsa::Command code);
    // The ID that the guest PASID stands for in the set of the calling task, or kInvalidIoasid.
    // `get`: with a reference.
    Ioasid translate(ExecContext& ctx, CallingTask task, std::uint32_t gpasid, bool get);
    HostPasid default_pasid(ExecContext& ctx, bool get);
    HostPasid host_pasid(ExecContext& ctx, CallingTask task, std::uint32_t gpasid, bool get);

    // vectors
    void write_vector(ExecContext& ctx, CallingTask task, std::uint64_t offset,
                      std::uint32_t value);
    dsa::CommandError request_handle(std::uint32_t vector);

    // the real queue
    Errno program(ExecContext& ctx, const Programmed& what, dsa::CommandError& status);
    void clear_queue(ExecContext& ctx);
    void put(ExecContext& ctx);
    bool take_away(ExecContext& ctx);
    bool stop_real_queue(ExecContext& ctx);
    void switch_off(ExecContext& ctx);
    void drop_kept(ExecContext& ctx, std::optional<std::uint32_t> gpasid);
    void unmap_portal(ExecContext& ctx);
    Errno submit(ExecContext& ctx, const TrappedDescriptor& descriptor);
    bool submit_once(ExecContext& ctx, Hpa portal, Ioasid id, const TrappedDescriptor& descriptor);
    Errno hand_on(ExecContext& ctx);
    bool parent_resets() const;
    dsa::Portal real_portal(dsa::Portal page) const;

    void tell_state(ExecContext& ctx, const char* what);
    void tell_queue(ExecContext& ctx, bool on, const Programmed& what);
    void tell_trapped(ExecContext& ctx, const char* outcome);
    trace::Name vm() const { return vm_; }

    Kernel& kernel_;
    Kvm& kvm_;
    Setup setup_;
    trace::Name vm_;
    trace::Name trace_name_;
    trace::Name parent_name_;
    trace::Name queue_name_;
    trace::Name holder_;
    SimLock lock_;
    PortalWindow* window_ = nullptr;
    bool open_ = false;
    bool abandoned_ = false;
    bool memory_attached_ = false;
    bool requested_ = false;
    bool unregistered_ = false;
    WaitQueue closed_;
    VirtualVectors vectors_;
    bool mapped_ = false;
    std::uint64_t gencap_ = 0;
    VirtualDeviceState state_;
    std::optional<Programmed> programmed_;
    std::map<std::uint32_t, Ioasid> bound_;  // guest PASIDs of the set, from BIND to UNBIND
    std::optional<std::uint32_t> in_hand_;   // guest PASID of what is submitted, until UNBIND
    Ioasid submitting_ = kNoIoasid;          // under which a processor submits for the guest
    WaitQueue submitted_;
};

}  // namespace ioasim::os
