// Costs and sizes of one kernel instance: table owner "kernel" (host and guests alike).
#pragma once

#include <cstdint>

#include "core/base/params.hpp"
#include "core/base/time.hpp"

namespace ioasim::os {

// Who says which I/O virtual addresses end before the IOMMU (device_groups.hpp).
enum class AddressLimits : std::uint8_t { Firmware, DmaMask, None };

// Whose PASIDs numbers of VMs are: the one space of the system (VT-d, for ENQCMD), or a space of
// each VM, where requester id and PASID together name an address space (Arm).
enum class PasidSpaces : std::uint8_t { System, Vm };
// What has a PASID table: a function, or a VM for all of its functions.
enum class PasidTables : std::uint8_t { Rid, Vm };
// What a system uses PASIDs for.
enum class PasidUsers : std::uint8_t { All, Sva, Private };

struct KernelParams {
    // entries into the kernel
    TimePs syscall;
    TimePs exception;
    TimePs wrmsr;
    TimePs interrupt;
    TimePs minor_fault;
    TimePs major_fault;
    // IOMMU driver
    std::uint64_t qi_size_code;
    std::uint64_t prq_size_code;
    TimePs iommu_poll;
    TimePs iommu_timeout;
    bool early_virtual_commands = false;
    TimePs sva_bind;
    TimePs sva_unbind;
    std::uint64_t set_quota;
    // shared virtual addressing, I/O page faults
    bool sva_system_set = false;
    std::uint64_t sva_system_quota;
    std::uint64_t aux_quota;
    std::uint64_t aux_last_pasid;
    bool sva_posted_form = false;
    TimePs sva_publish;
    PasidSpaces pasid_spaces = PasidSpaces::System;
    PasidTables pasid_tables = PasidTables::Rid;
    PasidUsers pasid_users = PasidUsers::All;
    std::uint64_t shared_contexts;
    TimePs prq_timeout;
    std::uint64_t pri_allocation;
    TimePs iopf_report;
    std::uint64_t iopf_workers;
    std::uint64_t iopf_failure_code;
    std::uint64_t storm_groups;
    TimePs storm_window;
    // PCI core
    TimePs pci_flr_wait;
    TimePs pci_reset_poll;
    TimePs pci_reset_timeout;
    // idxd driver
    TimePs idxd_poll;
    std::uint64_t idxd_busy_looks = 0;
    TimePs idxd_timeout;
    TimePs idxd_look_again;
    std::uint64_t idxd_looks = 0;
    // VDCM
    bool drain_on_free = false;
    // VFIO
    AddressLimits address_limits = AddressLimits::Firmware;
    std::uint64_t iova_range_version;
    std::uint64_t dma_entry_limit;
    std::uint64_t memlock_pages;
    bool unsafe_interrupts = true;
    std::uint64_t fault_ring;
    TimePs vfio_fault;
    bool ioasid_closed_first = false;
    TimePs request_interval;
    // KVM
    bool register_first = true;
    TimePs kick_send;
    TimePs kick_poll;
    TimePs kick_timeout;
    TimePs late_clear_poll;
    bool wbinvd_exit = true;
    TimePs kvm_zap;
    TimePs kvm_interrupt;
    bool coherency_one_for_all = false;
    bool coherency_promise = false;
    bool devices_one_by_one = false;
    // waiting for other tasks' work
    TimePs flush_poll;
    TimePs flush_timeout;
    // user-level submission
    TimePs descriptor_build;
    std::uint64_t enqcmd_retries;
    TimePs backoff_first;
    TimePs backoff_limit;
    TimePs completion_poll;
    TimePs completion_timeout;
    std::uint64_t submit_window;
};

const ParamTable<KernelParams>& kernel_param_table();

}  // namespace ioasim::os
