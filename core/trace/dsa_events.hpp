// Events of a DSA device beside those that every descriptor has (device_events.hpp): batches, the
// event log, address translation, halts.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct DsaBatchEntry {
    static constexpr EventName kName{
        "dsa.batch_entry", Category::Dsa,
        "An engine begins an entry of a batch. Entries have no number of their own: descriptor is "
        "the batch's, index counts from 0."};
    Name device;
    Name engine;
    std::uint64_t descriptor = 0;
    std::uint32_t index = 0;
    Name op;
    IOASIM_FIELDS(device, engine, descriptor, index, op)
};
struct DsaBatchEntryDone {
    static constexpr EventName kName{"dsa.batch_entry_done", Category::Dsa,
                                     "An entry of a batch ended; status and how as in "
                                     "dsa.complete."};
    Name device;
    std::uint64_t descriptor = 0;
    std::uint32_t index = 0;
    std::uint32_t status = 0;
    Name how;
    std::uint32_t bytes = 0;
    IOASIM_FIELDS(device, descriptor, index, status, how, bytes)
};
struct DsaLog {
    static constexpr EventName kName{"dsa.log", Category::Dsa,
                                     "The device writes an entry of its event log (lost: there was "
                                     "no room)."};
    Name device;
    std::uint32_t index = 0;
    std::uint32_t error = 0;
    std::uint64_t descriptor = 0;
    Pasid pasid;
    bool lost = false;
    IOASIM_FIELDS(device, index, error, descriptor, pasid, lost)
};
struct DsaLookup {
    static constexpr EventName kName{"dsa.lookup", Category::Dsa,
                                     "An engine looks for a translation of a page in its device "
                                     "TLB; what is not there is asked of the remapping unit."};
    Name device;
    Name engine;
    std::uint64_t descriptor = 0;
    Pasid pasid;
    Iova address;
    Name operand;  // "source", "source2", "destination", "destination2", "completion", "list"
    bool hit = false;
    IOASIM_FIELDS(device, engine, descriptor, pasid, address, operand, hit)
};
struct DsaHalt {
    static constexpr EventName kName{"dsa.halt", Category::Dsa,
                                     "The device halts; reset: what brings it back (software, flr, "
                                     "warm, cold)."};
    Name device;
    Name cause;
    Name reset;
    IOASIM_FIELDS(device, cause, reset)
};
struct DsaInterrupt {
    static constexpr EventName kName{"dsa.interrupt", Category::Dsa,
                                     "The device sends the message of one of its vectors, or keeps "
                                     "it pending because the vector is masked; descriptor: whose "
                                     "end asked for it, 0 for causes of the device; stored: of an "
                                     "entry of interrupt message storage, not of MSI-X."};
    Name device;
    std::uint32_t vector = 0;
    std::uint64_t descriptor = 0;
    bool pending = false;
    bool stored = false;
    IOASIM_FIELDS(device, vector, descriptor, pending, stored)
};
struct DsaStoredMessage {
    static constexpr EventName kName{
        "dsa.stored_message", Category::Dsa,
        "The control word of an entry of interrupt message storage was written: whose descriptors "
        "may ask for its message (pasid: none, those without a PASID), and whether it is masked."};
    Name device;
    std::uint32_t entry = 0;
    Pasid pasid;
    bool masked = false;
    IOASIM_FIELDS(device, entry, pasid, masked)
};
}  // namespace ioasim::trace
