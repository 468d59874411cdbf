// Events of devices and memory.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct DsaEnqueue {
    static constexpr EventName kName{
        "dsa.enqueue", Category::Dsa,
        "A submission reached a workqueue: accepted or retry; occupancy "
        "after it. descriptor numbers the accepted ones from 1."};
    Name device;
    Name wq;
    Pasid pasid;
    bool accepted = false;
    std::uint32_t occupancy = 0;
    std::uint64_t descriptor = 0;
    IOASIM_FIELDS(device, wq, pasid, accepted, occupancy, descriptor)
};
struct DsaDispatch {
    static constexpr EventName kName{"dsa.dispatch", Category::Dsa,
                                     "A descriptor left its workqueue for an engine (engine empty: "
                                     "dropped by an abort or reset)."};
    Name device;
    Name wq;
    Name engine;
    std::uint64_t descriptor = 0;
    Pasid pasid;
    Name op;
    std::uint32_t occupancy = 0;
    IOASIM_FIELDS(device, wq, engine, descriptor, pasid, op, occupancy)
};
struct DsaAccess {
    static constexpr EventName kName{"dsa.access", Category::Dsa,
                                     "The device accesses memory for a descriptor."};
    Name device;
    std::uint64_t descriptor = 0;
    Rid rid;
    Pasid pasid;
    Iova address;
    std::uint32_t length = 0;
    bool write = false;
    Name purpose;  // "source", "destination", "completion"
    IOASIM_FIELDS(device, descriptor, rid, pasid, address, length, write, purpose)
};
struct DsaFault {
    static constexpr EventName kName{
        "dsa.fault", Category::Dsa,
        "An access of a descriptor failed (its completion had an error)."};
    Name device;
    std::uint64_t descriptor = 0;
    Pasid pasid;
    Iova address;
    bool write = false;
    IOASIM_FIELDS(device, descriptor, pasid, address, write)
};
struct DsaComplete {
    static constexpr EventName kName{"dsa.complete", Category::Dsa,
                                     "A descriptor ended. how: record (completion record written), "
                                     "none (no record asked), lost (record could not be written), "
                                     "abort. status as in the record."};
    Name device;
    Name wq;
    std::uint64_t descriptor = 0;
    Pasid pasid;
    std::uint32_t status = 0;
    Name how;
    std::uint32_t bytes = 0;
    TimePs latency;  // from acceptance
    IOASIM_FIELDS(device, wq, descriptor, pasid, status, how, bytes, latency)
};
struct DsaWqState {
    static constexpr EventName kName{"dsa.wq_state", Category::Dsa,
                                     "A workqueue changed state, or its PASID changed."};
    Name device;
    Name wq;
    bool enabled = false;
    bool shared = false;
    Pasid pasid;
    std::uint32_t size = 0;
    IOASIM_FIELDS(device, wq, enabled, shared, pasid, size)
};
struct RequesterStart {
    static constexpr EventName kName{"requester.start", Category::Pcie,
                                     "A test requester begins an operation (numbered from 1)."};
    Name device;
    std::uint64_t descriptor = 0;
    Rid rid;
    Pasid pasid;
    Iova address;
    std::uint32_t length = 0;
    bool write = false;
    IOASIM_FIELDS(device, descriptor, rid, pasid, address, length, write)
};
struct RequesterDone {
    static constexpr EventName kName{
        "requester.done", Category::Pcie,
        "An operation of a test requester ended: bytes that moved (of writes: were sent), and ok, "
        "ur, ca, timeout, refused, no_translation, page_invalid, page_failure, stopped or "
        "poisoned."};
    Name device;
    std::uint64_t descriptor = 0;
    std::uint32_t bytes = 0;
    Name outcome;
    IOASIM_FIELDS(device, descriptor, bytes, outcome)
};
struct RequesterTraffic {
    static constexpr EventName kName{"requester.traffic", Category::Pcie,
                                     "A test requester begins traffic: so many blocks, so many of "
                                     "them under way at a time."};
    Name device;
    std::uint64_t descriptor = 0;
    Iova address;
    std::uint32_t length = 0;
    std::uint64_t blocks = 0;
    std::uint32_t outstanding = 0;
    bool write = false;
    IOASIM_FIELDS(device, descriptor, address, length, blocks, outstanding, write)
};
struct RequesterTrafficDone {
    static constexpr EventName kName{
        "requester.traffic_done", Category::Pcie,
        "Traffic of a test requester ended: blocks that counted, requests that failed, the time "
        "for all, the mean, shortest and longest time of a block; outcome as requester.done has "
        "it."};
    Name device;
    std::uint64_t descriptor = 0;
    std::uint64_t blocks = 0;
    std::uint64_t failed = 0;
    TimePs elapsed;
    TimePs mean;
    TimePs shortest;
    TimePs longest;
    Name outcome;
    IOASIM_FIELDS(device, descriptor, blocks, failed, elapsed, mean, shortest, longest, outcome)
};
struct RequesterInvalidation {
    static constexpr EventName kName{"requester.invalidation", Category::Pcie,
                                     "A function did with an invalidation of its device TLB "
                                     "what it does: how many entries "
                                     "went, and whether it answered."};
    Name device;
    Pasid pasid;
    std::uint32_t itag = 0;
    Iova address;
    std::uint64_t last = 0;  // of the range's addresses
    std::uint32_t dropped = 0;
    bool answered = false;
    IOASIM_FIELDS(device, pasid, itag, address, last, dropped, answered)
};
struct RequesterPageGroup {
    static constexpr EventName kName{
        "requester.page_group", Category::Pcie,
        "A test requester asks for pages: one group of requests, and how many requests wait for a "
        "response now."};
    Name device;
    Pasid pasid;
    std::uint32_t group = 0;
    Iova address;  // of the first
    std::uint32_t requests = 0;
    std::uint64_t outstanding = 0;
    std::uint64_t allocation = 0;
    IOASIM_FIELDS(device, pasid, group, address, requests, outstanding, allocation)
};
struct RequesterPageAnswer {
    static constexpr EventName kName{
        "requester.page_answer", Category::Pcie,
        "A response to a page request group reached a test requester. meaning: retry, invalid, "
        "failure, abandoned (nobody waits), unexpected (no such group), ignored (after a "
        "failure)."};
    Name device;
    std::uint32_t group = 0;
    std::uint32_t code = 0;
    Name meaning;
    IOASIM_FIELDS(device, group, code, meaning)
};
struct PcieConfigWrite {
    static constexpr EventName kName{"pcie.config_write", Category::Pcie,
                                     "Software wrote a configuration register of a function."};
    Rid rid;
    Hex offset;
    Hex value;
    std::uint32_t bytes = 0;
    IOASIM_FIELDS(rid, offset, value, bytes)
};
struct PcieFunctionReset {
    static constexpr EventName kName{"pcie.function_reset", Category::Pcie,
                                     "A function begins a function-level reset: the requests that "
                                     "it gives up, and when it will be there again."};
    Rid rid;
    std::uint32_t requests = 0;       // reads and translation requests
    std::uint32_t page_requests = 0;  // without a response
    TimePs until;
    IOASIM_FIELDS(rid, requests, page_requests, until)
};
struct PcieMalformed {
    static constexpr EventName kName{"pcie.malformed", Category::Pcie,
                                     "A device's request crosses a 4-KiB border: the root complex "
                                     "drops it without an answer."};
    Rid requester;
    Iova address;
    std::uint32_t length = 0;
    bool write = false;
    IOASIM_FIELDS(requester, address, length, write)
};
struct PcieUnsupported {
    static constexpr EventName kName{"pcie.unsupported", Category::Pcie,
                                     "A request of the CPUs hit no device: answered with "
                                     "Unsupported Request, or dropped when posted."};
    Rid requester;
    Hpa address;
    std::uint32_t length = 0;
    bool write = false;
    IOASIM_FIELDS(requester, address, length, write)
};
struct PcieStall {
    static constexpr EventName kName{
        "pcie.stall", Category::Pcie,
        "A class of transactions waits on one direction of a link: for header or data credits, or "
        "because of one that must not be passed (order). requester and descriptor are the "
        "first's."};
    Name link;     // "dev0.up", "dev0.down"
    Name credits;  // "posted", "non_posted", "completion"
    Name wants;
    Rid requester;
    std::uint64_t descriptor = 0;
    IOASIM_FIELDS(link, credits, wants, requester, descriptor)
};
struct PcieResume {
    static constexpr EventName kName{"pcie.resume", Category::Pcie,
                                     "Nothing of the class waits any more on the link."};
    Name link;
    Name credits;
    TimePs waited;
    IOASIM_FIELDS(link, credits, waited)
};
struct PcieLost {
    static constexpr EventName kName{"pcie.lost", Category::Pcie,
                                     "A completion did not reach the device that it was for."};
    Rid requester;
    std::uint32_t tag = 0;
    std::uint32_t length = 0;
    std::uint64_t descriptor = 0;
    IOASIM_FIELDS(requester, tag, length, descriptor)
};
struct MemoryOwner {
    static constexpr EventName kName{"memory.owner", Category::Memory,
                                     "Host pages belong to an address space from here on (owner "
                                     "empty: to nobody)."};
    Name owner;  // "host", "vm1", "host/app"
    Hpa address;
    std::uint64_t bytes = 0;
    IOASIM_FIELDS(owner, address, bytes)
};
struct MemoryAccess {
    static constexpr EventName kName{"memory.access", Category::Memory,
                                     "A device's request reached memory."};
    Rid rid;
    Pasid pasid;
    Hpa address;
    std::uint32_t length = 0;
    bool write = false;
    std::uint64_t descriptor = 0;
    Name served;  // "llc", "memory" or "both"
    std::uint32_t node = 0;
    IOASIM_FIELDS(rid, pasid, address, length, write, descriptor, served, node)
};
struct MemoryPoison {
    static constexpr EventName kName{"memory.poison", Category::Memory,
                                     "An error that cannot be corrected was put into memory."};
    Hpa address;
    std::uint64_t bytes = 0;
    IOASIM_FIELDS(address, bytes)
};
struct MemoryError {
    static constexpr EventName kName{
        "memory.error", Category::Memory,
        "A read met a poisoned line: of a device, or (00:00.0) of a remapping unit for itself."};
    Rid rid;
    Hpa address;
    std::uint32_t length = 0;
    IOASIM_FIELDS(rid, address, length)
};
struct PasidSpace {
    static constexpr EventName kName{
        "memory.pasid_space", Category::Memory,
        "Requests with this RID and PASID stand for this address space "
        "from here on (owner empty: none)."};
    Rid rid;
    Pasid pasid;
    Name owner;
    IOASIM_FIELDS(rid, pasid, owner)
};

}  // namespace ioasim::trace
