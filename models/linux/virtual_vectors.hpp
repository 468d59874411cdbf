// The interrupt vectors of a virtual device. The guest sees an MSI-X table of two: vector 0 is
// emulated (causes of the device; none is raised here), vector 1 stands for an entry of the
// parent's interrupt message storage, which the VDCM sets when the guest unmasks the vector:
// address and data are the host's, the control word holds the host PASID that the guest PASID of
// MSIX_PERM stands for. The device lets only descriptors of that PASID ask for the message, so that
// a guest cannot raise another one's interrupt by its handle. The host's handler raises the guest's
// message.
//
// The reference on the PASID is taken before the entry is set and dropped behind its clearing, and
// the entry goes back to the parent's others when nothing that names it is left in the device:
// whoever takes a queue away clears its vectors behind it. A masked vector keeps its entry, masked,
// so that what comes meanwhile is pending in the device.
//
// Linux drivers of the IOASID series (idxd vdcm: vidxd_setup_ims_entries, ims_ctrl_pasid_aux); dsa
// specification: Interrupt Message Storage. Leaves out: interrupts of vector 0, revoked handles.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/base/types.hpp"
#include "core/trace/recorder.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/linux/interrupts.hpp"

namespace ioasim::os {

class Device;
class Kernel;

// What stands behind a guest PASID, and whether with a reference.
struct HostPasid {
    Ioasid id;
    Spid spid;
    bool held = false;
};

class VirtualVectors {
public:
    static constexpr std::size_t kVectors = 2;   // of the virtual function, as in the VDCM's image
    static constexpr std::uint32_t kStored = 1;  // the one with an entry of the parent's storage

    // A message for the guest, by the host's handler of the entry.
    using Raise = std::function<void(ExecContext&, std::uint64_t address, std::uint32_t data)>;

    VirtualVectors(Kernel& kernel, Device& parent, const std::string& vm, const std::string& device,
                   trace::Name holder);

    void on_raise(Raise raise) { raise_ = std::move(raise); }
    // The parent has storage: without it the device has no vectors.
    bool offered() const;

    // --- the guest's registers ------------------------------------------------------------------
    static bool has_register(std::uint64_t offset);
    std::uint32_t read(std::uint64_t offset) const;
    // False: the entry is to be set anew (set()) for `gpasid()`.
    bool write(ExecContext& ctx, std::uint64_t offset, std::uint32_t value);
    // The guest PASID whose descriptors may use the vector; 0: those without one.
    std::uint32_t gpasid() const;

    // --- the entry ------------------------------------------------------------------------------
    // Nothing if none is left; the reference goes back then.
    void set(ExecContext& ctx, const HostPasid& whose);
    // Behind the queue's work: cleared, then the reference, then the entry is anybody's.
    void clear(ExecContext& ctx);
    // That, and the guest's registers as after reset.
    void reset(ExecContext& ctx);
    bool holds(Ioasid id) const { return entry_ && whose_.id == id; }
    std::optional<std::uint32_t> entry() const { return entry_; }

private:
    struct Message : dsa::MsixMessage {
        bool masked = true;
        std::uint32_t permission = 0;  // MSIX_PERM
    };
    void write_entry(ExecContext& ctx, std::uint64_t field, std::uint32_t value);
    void write_control(ExecContext& ctx, bool masked);
    void start_handler();
    void handle(ExecContext& task);
    void synchronize(ExecContext& ctx);
    void tell(ExecContext& ctx, bool on);

    Kernel& kernel_;
    Device& parent_;
    std::string vm_;
    std::string device_;
    trace::Name holder_;
    Raise raise_;
    std::array<Message, kVectors> messages_{};
    std::optional<std::uint32_t> entry_;  // of the parent
    HostPasid whose_{};
    Interrupts::Line* line_ = nullptr;
    bool handling_ = false;
    WaitQueue handled_;
};

}  // namespace ioasim::os
