// The VMM's picture of the guest's PASID tables. The virtual unit has caching mode, so a guest
// invalidates its PASID cache whenever an entry comes or goes; the VMM then reads the entry from
// guest memory and binds or unbinds the guest page table at the host (VT-d 6.1, caching mode).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/number_map.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/vm/gpasid_pool.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vm/iova_shadow.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::vm {

struct VirtualFunction {
    std::string name;  // "dsa0"
    Rid rid;           // in the guest
};

class PasidShadow {
public:
    PasidShadow(os::VmHost& host, const GuestMemory& memory, const GpasidPool& pool,
                IovaShadow& iovas, std::vector<VirtualFunction> functions)
        : host_(&host),
          memory_(memory),
          pool_(pool),
          iovas_(iovas),
          functions_(std::move(functions)) {}

    // The guest's root table, latched by its SRTP command.
    void set_root(Gpa root) { root_ = root; }
    Gpa root() const { return root_; }
    // One PASID changed on some function, or any may have.
    void sync(ExecContext& ctx, std::uint32_t gpasid);
    // The first refusal of the host, which the guest gets no answer of.
    Errno sync_all(ExecContext& ctx);
    // First-stage translations of a PASID (or of all) changed.
    void flush(ExecContext& ctx, std::uint32_t gpasid);
    void flush_all(ExecContext& ctx);
    // Nothing is bound any more, and there is no root table.
    void reset() {
        bound_.clear();
        root_ = Gpa{};
    }
    std::size_t bound() const { return bound_.size(); }

    // --- moving to another host -----------------------------------------------------------------
    // Every accepted descriptor of what is bound is done.
    Errno drain(ExecContext& ctx);
    // Unbinds everything; the guest's tables stay.
    void unbind_all(ExecContext& ctx);
    // Binds what the guest's tables say. What unbind_all unbound must be bound again: the guest has
    // it, and knows nothing of this. Otherwise the host's refusal, or -ENODEV.
    Errno bind_again(ExecContext& ctx);
    // The guest is about to end (false), or has made, a binding of a function's PASID.
    using Change = std::function<void(ExecContext&, std::size_t, std::uint32_t, bool)>;
    void on_change(Change change) { change_ = std::move(change); }
    // `devices`: the names that this host has for the functions.
    void move_to(os::VmHost& host, const std::vector<std::string>& devices);

private:
    struct Bound {
        Ioasid id;
        std::uint64_t page_table = 0;
    };
    using Key = std::uint64_t;  // index of the function above the guest PASID
    static Key key_of(std::size_t function, std::uint32_t gpasid) {
        return std::uint64_t{function} << 32U | gpasid;
    }
    static std::size_t function_of(Key key) { return key >> 32U; }
    static std::uint32_t gpasid_of(Key key) { return static_cast<std::uint32_t>(key); }
    const std::string& name_of(Key key) const { return functions_[function_of(key)].name; }

    // The function's PASID directory; Gpa{0} without a context entry.
    Gpa directory(ExecContext& ctx, const VirtualFunction& function, std::uint32_t& entries) const;
    vtd::PasidEntry read_entry(ExecContext& ctx, Gpa table, std::uint32_t gpasid) const;
    Errno sync_function(ExecContext& ctx, std::size_t function, std::uint32_t gpasid);
    Errno apply(ExecContext& ctx, std::size_t function, std::uint32_t gpasid,
                const vtd::PasidEntry& entry);
    void unbind(ExecContext& ctx, Key key);

    os::VmHost* host_;
    const GuestMemory& memory_;
    const GpasidPool& pool_;
    IovaShadow& iovas_;  // entries with a second stage
    std::vector<VirtualFunction> functions_;
    Gpa root_;
    NumberMap<Key, Bound> bound_;
    std::vector<Key> moved_;  // what unbind_all unbound
    Change change_;
};

}  // namespace ioasim::vm
