#include "models/platform/dsa_actor.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/dsa/dsa_layout.hpp"

namespace ioasim::platform {
namespace {

constexpr std::uint64_t kLineBytes = 64;
constexpr std::uint64_t kHeapHeader = 16;
constexpr std::uint64_t kPortalLines = 4096 / 64;
constexpr std::uint64_t kCopyStep = 4096;
// Dualcast wants destinations that agree in bits 11:0.
constexpr std::uint64_t kDualcastAlignment = 4096;

dsa::Opcode opcode_of(BenchOp op) {
    switch (op) {
        case BenchOp::Noop:
            return dsa::Opcode::Noop;
        case BenchOp::Memmove:
            return dsa::Opcode::Memmove;
        case BenchOp::CrcGen:
            return dsa::Opcode::CrcGenerate;
        case BenchOp::Compare:
            return dsa::Opcode::Compare;
        case BenchOp::Dualcast:
            return dsa::Opcode::Dualcast;
        case BenchOp::Batch:
            return dsa::Opcode::Batch;
    }
    return dsa::Opcode::Noop;
}

bool has_second(BenchOp op) {
    return op == BenchOp::Memmove || op == BenchOp::Compare || op == BenchOp::Dualcast;
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

// --- before the clock ---

std::vector<BenchSlot> DsaActor::make_slots(std::size_t count, bool spread) {
    const std::uint64_t distance = spread ? kPageSize : dsa::kRecordBytes;
    const std::uint64_t places = space_.region(bench_.prepared().ctx(), count * kLineBytes);
    const std::uint64_t records = space_.region(bench_.prepared().ctx(), count * distance);
    std::vector<BenchSlot> slots(count);
    for (std::size_t i = 0; i < count; ++i) {
        slots[i].place = space_.physical(places + i * kLineBytes);
        slots[i].record = records + i * distance;
    }
    return slots;
}

std::vector<BenchBuffers> DsaActor::make_buffers(BenchOp op, std::uint64_t bytes,
                                                 std::uint64_t pairs, BufferLayout layout) {
    std::vector<BenchBuffers> all(pairs);
    if (op == BenchOp::Noop || bytes == 0) {
        return all;
    }
    const bool pages =
        layout == BufferLayout::Page || layout == BufferLayout::Fresh || op == BenchOp::Dualcast;
    const std::uint64_t size = round_up(bytes, kHeapHeader);
    const std::uint64_t block = pages ? round_up(size, kDualcastAlignment) : size + kHeapHeader;
    const std::uint64_t operands = op == BenchOp::Dualcast ? 3 : has_second(op) ? 2 : 1;
    const bool remote = e_.numa == NumaUse::DstRemote && has_second(op);
    const std::uint64_t local = remote ? 1 : operands;
    const std::uint64_t near =
        space_.region(bench_.prepared().ctx(), pairs * local * block + kHeapHeader);
    const std::uint64_t far = remote ? space_.region(bench_.prepared().ctx(),
                                                     pairs * (operands - 1) * block + kHeapHeader,
                                                     bench_.destination_memory())
                                     : 0;
    const std::uint64_t skip = pages ? 0 : kHeapHeader;
    for (std::uint64_t i = 0; i < pairs; ++i) {
        BenchBuffers& b = all[i];
        b.bytes = bytes;
        b.source = near + i * local * block + skip;
        const std::uint64_t to =
            remote ? far + i * (operands - 1) * block + skip : b.source + block;
        b.destination = operands > 1 ? to : 0;
        b.destination2 = operands > 2 ? to + block : 0;
        if (e_.buffers == BufferState::Warm || e_.buffers == BufferState::Natural) {
            place(b);
        }
    }
    return all;
}

void DsaActor::aim(BenchSlot& slot, BenchOp op, const BenchBuffers& buffers) {
    dsa::Descriptor& d = slot.descriptor;
    d = dsa::Descriptor{};
    slot.op = op;
    d.opcode = static_cast<std::uint8_t>(opcode_of(op));
    d.privileged = state_.supervisor && submit_by_ == SubmitBy::Enqcmds;
    d.pasid = submit_by_ == SubmitBy::Enqcmds ? space_.pasid().value() : 0;
    d.flags = dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord;
    d.record = slot.record;
    d.flags |= e_.block_on_fault && op != BenchOp::Noop ? dsa::flag::kBlockOnFault : 0;
    slot.buffers = buffers;
    slot.members = 1;
    if (op == BenchOp::Noop) {
        return;
    }
    d.flags |=
        e_.destination == DestinationTo::Llc && op != BenchOp::Compare && op != BenchOp::CrcGen
            ? dsa::flag::kCacheControl
            : 0;
    d.source = buffers.source;
    d.destination = buffers.destination;
    d.size = static_cast<std::uint32_t>(buffers.bytes);
    if (op == BenchOp::Dualcast) {
        dsa::put_le(d.specific, dsa::specific::kDestination2, 8, buffers.destination2);
    }
}

void DsaActor::aim_batch(BenchSlot& slot, BenchOp op, const BenchBuffers& buffers,
                         std::uint64_t members) {
    aim(slot, op, buffers);
    if (members <= 1) {
        return;
    }
    if (slot.list.size() != members) {
        slot.list_at = space_.region(bench_.prepared().ctx(), members * kLineBytes);
        slot.member_records = space_.region(bench_.prepared().ctx(), members * dsa::kRecordBytes);
    }
    slot.list.assign(members, slot.descriptor);
    for (std::uint64_t i = 0; i < members; ++i) {
        slot.list[i].record = slot.member_records + i * dsa::kRecordBytes;
        slot.list[i].privileged = false;
        slot.list[i].pasid = 0;
    }
    aim_list(slot, slot.list_at);
}

void DsaActor::aim_list(BenchSlot& slot, std::uint64_t at) {
    slot.list_at = at;
    slot.members = slot.list.size();
    slot.descriptor.record = slot.record;
    slot.descriptor.privileged = state_.supervisor && submit_by_ == SubmitBy::Enqcmds;
    slot.descriptor.pasid = submit_by_ == SubmitBy::Enqcmds ? space_.pasid().value() : 0;
    slot.descriptor.opcode = static_cast<std::uint8_t>(dsa::Opcode::Batch);
    slot.descriptor.flags = dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord;
    slot.descriptor.source = slot.list_at;
    slot.descriptor.destination = 0;
    slot.descriptor.size = static_cast<std::uint32_t>(slot.members);
    slot.descriptor.specific = {};
}

namespace {

// Pairs of operands that so many slots need.
std::uint64_t pairs_for(const Experiment& e, std::uint64_t slots) {
    return e.layout == BufferLayout::Same   ? 1
           : e.layout == BufferLayout::Page ? std::max(e.buffer_count, slots)
                                            : slots;
}

}  // namespace

// Forced misses of device TLBs: operations that follow each other share no page. Sets of operands
// take turns, in a cycle that no number of engines divides.
std::vector<BenchSlot> DsaActor::slots_for(const std::vector<BenchQueue*>& queues,
                                           std::uint64_t count, std::uint64_t members) {
    constexpr std::uint64_t kMissSets = 5;
    const bool miss = e_.devtlb == DevTlbUse::Miss;
    const std::uint64_t sets = miss ? kMissSets : 1;
    const std::uint64_t pairs = pairs_for(e_, count);
    std::vector<std::vector<BenchBuffers>> of_set;
    for (std::uint64_t i = 0; i < sets; ++i) {
        of_set.push_back(make_buffers(e_.op, e_.size_bytes, pairs, e_.layout));
        if (e_.buffers == BufferState::DeviceWarm && !queues.empty()) {
            warm_by_device(of_set.back(), *queues.front());
        }
    }
    std::vector<BenchSlot> slots = make_slots(count, miss);
    std::shared_ptr<OperandPool> pool;
    if (miss || pairs > count) {
        pool = std::make_shared<OperandPool>();
        pool->next = count;
        for (std::uint64_t i = 0; i < pairs * sets; ++i) {
            pool->buffers.push_back(of_set[i % sets][i / sets]);
        }
    }
    if (miss) {
        for (std::uint64_t i = 0; i < std::max(pairs, count) * sets; ++i) {
            pool->records.push_back(space_.region(bench_.prepared().ctx(), kPageSize));
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        slots[i].queue = queues.empty() ? nullptr : queues[i % queues.size()];
        slots[i].pool = pool;
        slots[i].record = miss ? pool->records[i % pool->records.size()] : slots[i].record;
        const auto& buffers = pool ? pool->buffers : of_set.front();
        aim_batch(slots[i], e_.op, buffers[i % buffers.size()], members);
        rebuild(slots[i], true);
    }
    return slots;
}

void DsaActor::renew(BenchSlot& slot) {
    const std::uint64_t members = std::max<std::uint64_t>(slot.members, 1);
    if (e_.layout == BufferLayout::Fresh && slot.buffers.bytes != 0) {
        const auto buffers = make_buffers(e_.op, e_.size_bytes, members, e_.layout);
        aim_batch(slot, e_.op, buffers.front(), members);
        for (std::size_t i = 0; i < slot.list.size() && members > 1; ++i) {
            aim_member(slot, i, buffers[i]);
        }
    } else if (slot.pool) {
        OperandPool& pool = *slot.pool;
        const std::uint64_t i = pool.next++;
        slot.record = pool.records.empty() ? slot.record : pool.records[i % pool.records.size()];
        aim_batch(slot, e_.op, pool.buffers[i % pool.buffers.size()], members);
    }
}

void DsaActor::aim_member(BenchSlot& slot, std::size_t index, const BenchBuffers& buffers) {
    dsa::Descriptor& d = slot.list[index];
    d.source = buffers.source;
    d.destination = buffers.destination;
    if (slot.op == BenchOp::Dualcast) {
        dsa::put_le(d.specific, dsa::specific::kDestination2, 8, buffers.destination2);
    }
}

void DsaActor::warm_by_device(const std::vector<BenchBuffers>& all, BenchQueue& queue) {
    BenchSlot slot = make_slots(1).front();
    slot.queue = &queue;
    for (const BenchBuffers& b : all) {
        for (const std::uint64_t at : {b.source, b.destination, b.destination2}) {
            if (at == 0) {
                continue;
            }
            aim(slot, BenchOp::Memmove, {at, at, 0, b.bytes});
            slot.descriptor.opcode = static_cast<std::uint8_t>(dsa::Opcode::Fill);
            slot.descriptor.flags |= dsa::flag::kCacheControl;
            slot.descriptor.source = 0;  // the pattern
            rebuild(slot);
            submit(slot);
            wait(slot);
        }
    }
}

SubmissionFault::SubmissionFault(cpu::EnqOutcome outcome)
    : std::runtime_error(outcome == cpu::EnqOutcome::GeneralProtection
                             ? "the submission ends in #GP"
                             : "the submission ends in an exit of the guest: no such PASID") {}

// --- under the clock ---

void DsaActor::store_templates(ExecContext& ctx, std::uint64_t at,
                               const dsa::Descriptor& descriptor) {
    const dsa::DescriptorBytes bytes = dsa::encode(descriptor);
    ctx.write_bytes(at, bytes.data(), bytes.size());
}

void DsaActor::rebuild(BenchSlot& slot, bool free) {
    if (e_.executor == Executor::Cpu) {
        return;  // no descriptors
    }
    ExecContext& ctx = free ? bench_.prepared().ctx() : ctx_;
    constexpr std::array<std::uint8_t, dsa::kRecordBytes> kZeros{};
    for (std::size_t i = 0; i < slot.list.size() && slot.members > 1; ++i) {
        store_templates(ctx, space_.physical(slot.list_at) + i * kLineBytes, slot.list[i]);
        ctx.write_bytes(space_.physical(slot.list[i].record), kZeros.data(), kZeros.size());
    }
    store_templates(ctx, slot.place, slot.descriptor);
    ctx.write_bytes(space_.physical(slot.record), kZeros.data(), kZeros.size());
}

// Operands that are to come from memory leave the caches, those that are to be near come into them.
void DsaActor::place(const BenchBuffers& buffers) {
    for (const std::uint64_t at : {buffers.source, buffers.destination, buffers.destination2}) {
        for (std::uint64_t done = 0; at != 0 && done < buffers.bytes; done += kCopyStep) {
            const std::uint64_t part = std::min(kCopyStep, buffers.bytes - done);
            std::vector<std::uint8_t> zeros(part);
            bench_.prepared().ctx().write_bytes(space_.physical(at + done), zeros.data(), part);
        }
    }
}

void DsaActor::flush(const BenchSlot& slot) {
    if (e_.buffers != BufferState::Flushed && e_.buffers != BufferState::Dram) {
        return;
    }
    if (e_.layout == BufferLayout::Fresh) {
        return;  // nobody has touched these
    }
    const BenchBuffers& b = slot.buffers;
    for (const std::uint64_t at : {b.source, b.destination, b.destination2}) {
        if (e_.buffers == BufferState::Dram && at != 0) {
            bench_.prepared().forget(space_.physical(at), b.bytes);
            continue;
        }
        const std::uint64_t first = at / kLineBytes * kLineBytes;
        for (std::uint64_t line = first; at != 0 && line < at + b.bytes; line += kLineBytes) {
            cpus_.clflushopt(ctx_, Hpa{space_.physical(line)});
        }
    }
}

// Software knows that an entry is free when it has seen a descriptor complete.
void DsaActor::make_room(BenchQueue& queue) {
    while (!queue.shape.shared && queue.pending.size() >= queue.shape.size) {
        const BenchQueue::Pending oldest = queue.pending.front();
        await_record(oldest.record);
        if (!queue.pending.empty() && queue.pending.front().ticket == oldest.ticket) {
            queue.pending.pop_front();
        }
    }
}

void DsaActor::do_it_here(const BenchSlot& slot) {
    for (std::uint64_t i = 0; i < slot.members; ++i) {
        BenchBuffers one = slot.buffers;
        if (slot.members > 1) {
            one.source = slot.list[i].source;
            one.destination = slot.list[i].destination;
        }
        work(slot.op, one);
    }
}

void DsaActor::submit(BenchSlot& slot) {
    if (e_.executor == Executor::Cpu) {
        do_it_here(slot);
        return;
    }
    BenchQueue& queue = *slot.queue;
    if (e_.driver == DriverKind::KernelDmaApi) {
        ctx_.spend(bench_.params().dma_map);
    }
    make_room(queue);
    if (e_.fence == FenceUse::Sfence) {
        cpus_.store_fence(ctx_);
    }
    const Hpa portal{queue.portal + line_ * kLineBytes};
    if (e_.portal == PortalUse::Rotate) {
        line_ = (line_ + 1) % kPortalLines;
    }
    const dsa::DescriptorBytes bytes = dsa::encode(slot.descriptor);
    slot.ticket = ++queue.tickets;
    if (submit_by_ == SubmitBy::Movdir64b) {
        queue.pending.push_back({space_.physical(slot.record), slot.ticket});
    }
    cpu::EnqOutcome outcome = cpu::EnqOutcome::Retry;
    while (outcome == cpu::EnqOutcome::Retry) {
        outcome = cpu::submit_once(cpus_, ctx_, submit_by_, state_, portal, bytes);
    }
    if (outcome != cpu::EnqOutcome::Accepted) {
        throw SubmissionFault(outcome);
    }
}

// The kernel thread gives its processor up, the timer's interrupt wakes it.
void DsaActor::sleep() {
    WaitQueue timer{"timer"};
    ctx_.spend(bench_.scheduler().context_switch);
    ctx_.wait_until(timer, ctx_.now() + bench_.params().sleep);
    ctx_.spend(bench_.processor().interrupt + bench_.scheduler().wake_latency);
}

std::uint8_t DsaActor::await_status(std::uint64_t record) {
    if (e_.poll == PollBy::SleepPoll || e_.driver == DriverKind::KernelSleepPoll) {
        sleep();
    }
    return cpus_.spin_while_zero(
        ctx_, Hpa{record}, e_.poll == PollBy::Umwait ? cpu::SpinBy::Umwait : cpu::SpinBy::Loop);
}

void DsaActor::await_record(std::uint64_t record) {
    const std::uint8_t status = await_status(record);
    if (status != static_cast<std::uint8_t>(dsa::Status::Success) && problem_.empty()) {
        problem_ = fmt::format("a descriptor ends with status {:#x}", status);
    }
}

void DsaActor::forget(const BenchSlot& slot) {
    auto& pending = slot.queue->pending;
    const auto mine =
        std::find_if(pending.begin(), pending.end(),
                     [&](const BenchQueue::Pending& p) { return p.ticket == slot.ticket; });
    if (mine != pending.end()) {
        pending.erase(mine);
    }
}

void DsaActor::wait_last(BenchSlot& slot) {
    wait(slot);
    auto& pending = slot.queue->pending;
    while (!pending.empty() && pending.front().ticket < slot.ticket) {
        pending.pop_front();
    }
}

void DsaActor::finish(BenchSlot& slot) {
    const auto& pending = slot.queue->pending;
    if (std::any_of(pending.begin(), pending.end(), [&](const BenchQueue::Pending& p) {
            return p.ticket == slot.ticket && p.record == space_.physical(slot.record);
        })) {
        wait(slot);
    }
}

TimePs DsaActor::wait_fault(BenchSlot& slot) {
    const std::uint8_t status = await_status(space_.physical(slot.record));
    if ((status & dsa::kStatusMask) != static_cast<std::uint8_t>(dsa::Status::PageFault)) {
        problem_ = fmt::format("a descriptor ends with status {:#x} instead of a fault", status);
    }
    forget(slot);
    return ctx_.now();
}

void DsaActor::wait(BenchSlot& slot) {
    if (e_.executor == Executor::Cpu) {
        return;
    }
    await_record(space_.physical(slot.record));
    forget(slot);
    if (e_.driver == DriverKind::KernelDmaApi) {
        ctx_.spend(bench_.params().dma_unmap);
    }
}

void DsaActor::work(BenchOp op, const BenchBuffers& buffers) {
    const BenchParams& params = bench_.params();
    std::vector<std::uint8_t> a(kCopyStep);
    std::vector<std::uint8_t> b(kCopyStep);
    for (std::uint64_t done = 0; done < buffers.bytes; done += kCopyStep) {
        const std::uint64_t part = std::min(kCopyStep, buffers.bytes - done);
        const std::uint64_t lines = (part + kLineBytes - 1) / kLineBytes;
        ctx_.read_bytes(space_.physical(buffers.source + done), a.data(), part);
        if (op == BenchOp::CrcGen) {
            ctx_.spend(params.crc_line * lines);
        } else if (op == BenchOp::Compare) {
            ctx_.read_bytes(space_.physical(buffers.destination + done), b.data(), part);
            ctx_.spend(params.compare_line * lines);
        } else if (op != BenchOp::Noop) {
            ctx_.write_bytes(space_.physical(buffers.destination + done), a.data(), part);
        }
        if (op == BenchOp::Dualcast) {
            ctx_.write_bytes(space_.physical(buffers.destination2 + done), a.data(), part);
        }
    }
}

}  // namespace ioasim::platform
