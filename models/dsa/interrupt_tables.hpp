// Where a device keeps the messages of its interrupts: the MSI-X table with its pending bits and
// MSIX_PERM, interrupt message storage, and the handles that software requests for entries of
// either. Plain C++. PCI Express Base Specification 7.7.2 (MSI-X); DSA Architecture Specification:
// MSIX_PERM, Interrupt Message Storage, Request Interrupt Handle.
//
// An entry belongs to a PASID or to descriptors without one, and may be ignored. Which table a
// descriptor's handle is one of says the portal that it came through. Messages of both go out
// without a PASID: with one, a write to FEEx_xxxxh would be no interrupt but a memory access of the
// address space (VT-d 3.14).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/dsa/work.hpp"

namespace ioasim::dsa {

// What a descriptor, a workqueue or a command names.
struct InterruptHandle {
    std::uint32_t number = 0;
    bool stored = false;  // of interrupt message storage
};

constexpr InterruptHandle interrupt_of(const Work& work) {
    return {work.descriptor.interrupt_handle, work.stored_messages};
}

class InterruptTables {
public:
    explicit InterruptTables(const DeviceShared& shared);

    // Aligned 4-byte accesses in BAR0 from the MSI-X table on.
    std::uint32_t read(std::uint64_t offset) const;
    void write(TimePs now, std::uint64_t offset, std::uint32_t value);
    // The device is reset: the MSI-X table belongs to PCI and stays; its pending bits go, and what
    // says whose its vectors are.
    void reset();
    void function_reset();

    // A vector of the MSI-X table.
    void fire(TimePs now, std::uint32_t vector);
    // `valid`: the entry exists and is the PASID's.
    bool valid(const InterruptHandle& handle, const std::optional<Pasid>& pasid) const;
    // For the end of a descriptor (Ignore holds for these alone), or 0: the device's own.
    void fire(TimePs now, const InterruptHandle& handle, std::uint64_t descriptor);

    // --- handles; without them an entry's index is its handle -----------------------------------
    bool requestable() const { return !handles_.empty(); }
    bool exists(const InterruptHandle& entry) const;
    std::optional<std::uint32_t> free_handle() const;
    std::uint32_t request(const InterruptHandle& entry);
    bool requested(const InterruptHandle& handle) const;
    void release(const InterruptHandle& handle);

private:
    struct Message : MsixMessage {
        bool masked = true;
        bool pending = false;
        std::uint32_t permission = 0;  // as MSIX_PERM
    };
    using Table = std::vector<Message>;
    static Message stored_at_reset();

    std::optional<std::uint32_t> entry_of(const InterruptHandle& handle) const;
    const Table& table(bool stored) const { return stored ? storage_ : vectors_; }
    void send(TimePs now, bool stored, std::uint32_t index, std::uint64_t descriptor);
    void write_field(TimePs now, bool stored, std::uint64_t offset, std::uint32_t value);
    void write_control(TimePs now, bool stored, std::uint32_t index, std::uint32_t value);
    static std::uint32_t read_field(const Table& table, bool stored, std::uint64_t offset);

    const DeviceShared& shared_;
    Table vectors_;
    Table storage_;
    std::vector<std::optional<InterruptHandle>> handles_;  // entries of requested handles
};

}  // namespace ioasim::dsa
