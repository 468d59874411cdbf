// A DSA function as its kernel knows it, and the idxd driver of a host: configuration of groups,
// workqueues and engines by MMIO, commands through CMD and CMDSTS, portals. In a guest the function
// is assigned: its workqueue is configured by the host, and only the portal is known.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/linux/reserved_regions.hpp"

namespace ioasim::os {

class IommuDriver;
class IommuGroup;
class Kernel;

struct QueueSetup {
    std::string name;  // "wq0"
    bool shared = true;
    std::uint32_t size = 16;
    std::uint32_t threshold = 0;  // 0: size
    std::uint32_t priority = 10;
};

// What firmware tells the kernel about a function (ACPI: RMRR structures, _DMA or IORT).
struct FirmwareTable {
    std::vector<ReservedRegion> regions{};
    unsigned address_bits = 64;  // of DMA addresses that get as far as the remapping unit
};

struct DeviceSetup {
    std::string name;  // "dsa0"
    IommuDriver* iommu = nullptr;
    Rid rid;
    bool ats = false;
    std::uint32_t engines = 1;
    std::uint64_t registers = 0;  // BAR0, machine physical; 0: configured by somebody else
    std::uint64_t portals = 0;    // BAR2, machine physical
    std::vector<QueueSetup> queues;
    std::uint64_t configuration = 0;  // its page of configuration space, machine physical
    std::uint64_t root_port = 0;      // that of the port above it; 0: it is in no slot
    bool grouped = true;              // false: no IOMMU group (its unit is not probed for it)
    // No driver of this kernel knows the function: it is there for user space, which maps `bar0`.
    bool for_users = false;
    std::uint64_t bar0 = 0;
    std::uint64_t bar0_bytes = 0;
    std::string group{};  // of functions that the fabric does not keep apart; empty: one of its own
    FirmwareTable firmware{};
};

class Device {
public:
    Device(Kernel& kernel, DeviceSetup setup);
    ~Device();

    const std::string& name() const { return setup_.name; }
    Rid rid() const { return setup_.rid; }
    bool ats() const { return setup_.ats; }
    IommuDriver& iommu() const { return *setup_.iommu; }
    IommuGroup* group() const { return group_.get(); }
    // PASIDs 0 to below this are usable with it: what its capability and its unit's have in common.
    std::uint32_t max_pasids() const;
    bool page_requests() const { return page_requests_; }
    void set_page_requests(bool on) { page_requests_ = on; }
    // It was pulled out (pci_dev_is_disconnected): nothing is asked of it any more.
    bool disconnected() const { return disconnected_; }
    void disconnect() { disconnected_ = true; }
    // How often it lost all that it held: by a reset, or because it was pulled out.
    std::uint64_t emptied() const { return emptied_; }
    void count_emptied() { ++emptied_; }
    // Its requester id is nobody's any more.
    bool forgotten() const { return forgotten_; }
    void forget() { forgotten_ = true; }
    // It answers in configuration space (pci_device_is_present): it is not being reset, and has not
    // gone unnoticed.
    bool present(ExecContext& ctx) const;
    // Its TLB is there to be invalidated.
    bool has_tlb() const { return setup_.ats && !disconnected_; }
    // The VM that has the whole function, or empty.
    const std::string& assigned_to() const { return assigned_to_; }
    void assign(const std::string& vm) { assigned_to_ = vm; }
    void set_pasid_bits(unsigned bits) { pasid_bits_ = bits; }
    const DeviceSetup& setup() const { return setup_; }
    // Index of a queue by name, or -ENODEV.
    Result<std::uint32_t> queue(const std::string& name) const;
    // Machine physical address of a portal page of a queue.
    std::uint64_t portal(std::uint32_t queue, dsa::Portal page = dsa::Portal::LimitedMsix) const;

    // False for an assigned function in a guest without registers of its own: its queues are the
    // host's to configure and drain. A virtual device (mediated) has registers.
    bool configured_here() const { return setup_.registers != 0; }
    // Reset, configuration, enable of device and queues.
    Errno bring_up(ExecContext& ctx);
    // Waits until every accepted descriptor of the PASID is done.
    Errno drain_pasid(ExecContext& ctx, Pasid pasid);
    // A dedicated queue is disabled, which drains it, set to this PASID or to none, and enabled.
    // -EIO the device refuses, -ETIMEDOUT, -ENODEV it is gone.
    Errno set_queue_pasid(ExecContext& ctx, std::uint32_t index, std::optional<Pasid> pasid);
    // Whoever opens, closes or reconfigures a queue holds it.
    SimLock& queue_lock(std::uint32_t index) { return *queue_locks_.at(index); }
    // Runs one administrative command; -EIO when the device reports an error, and which.
    Errno command(ExecContext& ctx, dsa::Command code, std::uint32_t operand) {
        dsa::CommandError status = dsa::CommandError::None;
        return run(ctx, code, operand, status);
    }
    Errno run(ExecContext& ctx, dsa::Command code, std::uint32_t operand,
              dsa::CommandError& status) {
        std::uint32_t result = 0;
        return run(ctx, code, operand, status, result);
    }
    Errno run(ExecContext& ctx, dsa::Command code, std::uint32_t operand, dsa::CommandError& status,
              std::uint32_t& result);
    // The device executes a command that its driver has given up.
    bool executes(ExecContext& ctx);

    // --- for the module that gives a queue to a VM ----------------------------------------------
    // A register of BAR0. A read is answered behind everything that was written before it.
    std::uint64_t bar0(ExecContext& ctx, std::uint64_t offset, unsigned size) {
        return read(ctx, offset, size);
    }
    // WQCFG of a disabled dedicated queue: its PASID, or none.
    void set_queue_config_pasid(ExecContext& ctx, std::uint32_t index, std::optional<Pasid> pasid);
    // False: another virtual device has the dedicated queue.
    bool claim_queue(std::uint32_t index) { return claimed_.insert(index).second; }
    void unclaim_queue(std::uint32_t index) { claimed_.erase(index); }
    // Entries of interrupt message storage: how many there are, the lowest that is free (none:
    // -ENOSPC), one that is given back.
    std::uint32_t stored_messages() const { return stored_messages_; }
    std::optional<std::uint32_t> take_message_entry();
    void give_message_entry(std::uint32_t entry) { messages_taken_.erase(entry); }
    void write_message_entry(ExecContext& ctx, std::uint32_t entry, std::uint64_t field,
                             std::uint32_t value);
    // --- for a driver of the function -----------------------------------------------------------
    // A vector's message, and whose descriptors may ask for it.
    void write_vector(ExecContext& ctx, std::uint32_t vector, std::uint32_t address,
                      std::uint32_t data, std::optional<Pasid> pasid);
    void mask_vector(ExecContext& ctx, std::uint32_t vector);
    bool any_claimed() const { return !claimed_.empty() || !messages_taken_.empty(); }
    bool claimed(std::uint32_t index) const { return claimed_.count(index) != 0; }

private:
    // Until the device executes no command. -ETIMEDOUT, -ENODEV.
    Errno wait_for_command(ExecContext& ctx, bool impatient, dsa::CommandStatus& answer);
    dsa::WqConfig queue_config(ExecContext& ctx, std::uint32_t index);
    void configure_queue(ExecContext& ctx, std::uint32_t index);
    void write_queue_pasid(ExecContext& ctx, std::uint32_t index, const dsa::WqConfig& config);
    bool queue_enabled(ExecContext& ctx, std::uint32_t index);
    void configure_group(ExecContext& ctx);
    void enable_function(ExecContext& ctx);
    Errno enable_queues(ExecContext& ctx);
    std::uint64_t read(ExecContext& ctx, std::uint64_t offset, unsigned size);
    void write(ExecContext& ctx, std::uint64_t offset, std::uint64_t value, unsigned size);

    Kernel& kernel_;
    DeviceSetup setup_;
    WaitQueue command_pause_;
    SimLock command_lock_;
    std::vector<std::unique_ptr<SimLock>> queue_locks_;
    std::uint64_t queue_config_ = 0;  // offset of WQCFG in BAR0, from the OFFSETS register
    std::uint64_t group_config_ = 0;
    unsigned size_code_ = 0;  // of a WQCFG
    std::unique_ptr<IommuGroup> group_;
    bool given_up_ = false;     // a command has not ended in time
    bool configurable_ = true;  // GENCAP: sizes, groups and modes of queues can be changed
    std::set<std::uint32_t> claimed_;
    std::uint64_t message_storage_ = 0;  // offset in BAR0
    std::uint64_t vector_permissions_ = 0;
    std::uint32_t stored_messages_ = 0;
    std::set<std::uint32_t> messages_taken_;
    bool page_requests_ = false;
    bool disconnected_ = false;
    bool forgotten_ = false;
    std::uint64_t emptied_ = 0;
    std::string assigned_to_;
    unsigned pasid_bits_ = 20;  // width of its PASID capability
};

}  // namespace ioasim::os
