#include "models/cpu/cpu_complex.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/bits.hpp"
#include "core/sim/simulation.hpp"
#include "core/trace/coherency_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/software_events.hpp"
#include "models/cpu/cpu_probes.hpp"
#include "models/pcie/pcie_layout.hpp"

namespace ioasim::cpu {

namespace {

// A completion for each processor, and interrupt messages: devices have far fewer vectors.
constexpr std::size_t kInboxCapacity = 65536;
constexpr std::uint64_t kLineBytes = 64;

trace::EnqcmdOutcome traced(EnqOutcome outcome) {
    switch (outcome) {
        case EnqOutcome::Accepted:
            return trace::EnqcmdOutcome::Accepted;
        case EnqOutcome::Retry:
            return trace::EnqcmdOutcome::Retry;
        case EnqOutcome::GeneralProtection:
            return trace::EnqcmdOutcome::Gp;
        case EnqOutcome::ExitEnqcmd:
            return trace::EnqcmdOutcome::Exit72;
        case EnqOutcome::ExitEnqcmds:
            return trace::EnqcmdOutcome::Exit73;
    }
    return trace::EnqcmdOutcome::Retry;
}

std::vector<std::uint8_t> little_endian(std::uint64_t value, unsigned size) {
    std::vector<std::uint8_t> bytes(size);
    for (unsigned i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
    return bytes;
}

std::uint64_t from_little_endian(const std::uint8_t* bytes, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        value |= std::uint64_t{bytes[i]} << (8 * i);
    }
    return value;
}

}  // namespace

CpuComplex::Processor::Processor(std::size_t index)
    : answer(fmt::format("completion for cpu{}", index)),
      watched(fmt::format("store to the line that cpu{} looks at", index)) {}

CpuComplex::CpuComplex(sim::Simulation& simulation, const std::string& name,
                       const CpuParams& params, memory::PhysicalMemory& memory,
                       sim::Dispatcher& dispatcher, std::uint64_t cpus)
    : Module(simulation, name),
      params_(params),
      memory_(memory),
      own_caches_(memory.has_processor_caches()),
      dispatcher_(dispatcher),
      probes_(simulation.probes()),
      inbox_(*this, kInboxCapacity),
      upstream_(sim::LinkParams{params.link_latency, params.link_bandwidth, 0}) {
    for (std::uint64_t i = 0; i < cpus; ++i) {
        processors_.push_back(std::make_unique<Processor>(i));
        processors_.back()->name = recorder().name(fmt::format("cpu{}", i));
    }
}

CpuComplex::~CpuComplex() = default;

// --- cached accesses ---

std::size_t CpuComplex::number_of(const ExecContext& ctx) const {
    const int cpu = dispatcher_.cpu_of(ctx);
    return cpu < 0 ? 0 : static_cast<std::size_t>(cpu);
}

void CpuComplex::read_memory(const ExecContext& ctx, std::uint64_t pa, void* out,
                             std::size_t size) {
    if (own_caches_) {
        memory_.load(number_of(ctx), Hpa{pa}, out, size);
    } else {
        memory_.read(Hpa{pa}, out, size);
    }
}

void CpuComplex::write_memory(const ExecContext& ctx, std::uint64_t pa, const void* in,
                              std::size_t size) {
    if (own_caches_) {
        memory_.store(number_of(ctx), Hpa{pa}, in, size);
    } else {
        memory_.write(Hpa{pa}, in, size);
    }
    memory_written(Hpa{pa}, size);
}

std::uint64_t CpuComplex::look(const ExecContext& ctx, std::uint64_t pa, unsigned size) {
    std::array<std::uint8_t, 8> bytes{};
    SIM_CHECK(size <= bytes.size() && pa % size == 0, "load of {} bytes at {:#x}", size, pa);
    SIM_CHECK(memory_.contains(Hpa{pa}, size), "{} loads from {:#x}: no memory", ctx.name(), pa);
    read_memory(ctx, pa, bytes.data(), size);
    if (memory_.poisoned(Hpa{pa}, size)) {
        machine_check(ctx, pa, bytes.data(), size);
    }
    return from_little_endian(bytes.data(), size);
}

std::uint64_t CpuComplex::load(ExecContext& ctx, std::uint64_t pa, unsigned size) {
    const std::uint64_t value = look(ctx, pa, size);
    ctx.spend(params_.load);
    return value;
}

void CpuComplex::store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) {
    std::array<std::uint8_t, 8> bytes{};
    SIM_CHECK(size <= bytes.size() && pa % size == 0, "store of {} bytes at {:#x}", size, pa);
    SIM_CHECK(memory_.contains(Hpa{pa}, size), "{} stores to {:#x}: no memory", ctx.name(), pa);
    for (unsigned i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
    write_memory(ctx, pa, bytes.data(), size);
    ctx.spend(params_.load);
}

void CpuComplex::read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) {
    SIM_CHECK(memory_.contains(Hpa{pa}, size), "{} reads {:#x}: no memory", ctx.name(), pa);
    const TimePs cost = block_cost(pa, size);
    read_memory(ctx, pa, out, size);
    if (memory_.poisoned(Hpa{pa}, size)) {
        machine_check(ctx, pa, static_cast<std::uint8_t*>(out), size);
    }
    ctx.spend(cost);
}

void CpuComplex::write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in, std::size_t size) {
    SIM_CHECK(memory_.contains(Hpa{pa}, size), "{} writes {:#x}: no memory", ctx.name(), pa);
    const TimePs cost = block_cost(pa, size);
    write_memory(ctx, pa, in, size);
    ctx.spend(cost);
}

// Lines that come from memory overlap as far as the fill buffers reach.
TimePs CpuComplex::block_cost(std::uint64_t pa, std::size_t size) const {
    TimePs cost;
    const std::uint64_t end = pa + size;
    for (std::uint64_t line = pa / kLineBytes * kLineBytes; line < end; line += kLineBytes) {
        cost += memory_.cached(Hpa{line}, 1) ? params_.block : params_.line_miss;
    }
    return cost;
}

void CpuComplex::machine_check(const ExecContext& ctx, std::uint64_t pa, std::uint8_t* out,
                               std::size_t size) {
    std::fill(out, out + size, std::uint8_t{0xFF});
    if (probes_.has(kMachineCheckLost)) {
        return;
    }
    probes_.hit(kMachineCheck);
    emit(trace::CpuMachineCheck{recorder().name(ctx.name()), Hpa{pa}, size});
    if (!ctx.in_user_access()) {
        // The reader ends at its next wait; nobody else goes on in this instant.
        const std::string kernel = ctx.name().substr(0, ctx.name().find('/'));
        emit(trace::IoasidHazard{
            recorder().name(kernel), trace::IoasidHazardKind::KernelMachineCheck,
            recorder().name(ctx.name()), recorder().name(fmt::format("{:#x}", pa)),
            recorder().name(ctx.call_chain())});
        sim().request_stop(sim::StopReason::Hazard);
    }
}

// --- uncached accesses ---

CpuComplex::Processor& CpuComplex::processor_of(const ExecContext& ctx) const {
    const int cpu = dispatcher_.cpu_of(ctx);
    SIM_CHECK(cpu >= 0, "{} executes without a processor", ctx.name());
    return *processors_.at(static_cast<std::size_t>(cpu));
}

pcie::Tlp CpuComplex::make_request(pcie::TlpKind kind, std::uint64_t address,
                                   std::uint32_t length) const {
    pcie::Tlp tlp;
    tlp.kind = kind;
    tlp.requester = pcie::kHostRid;
    tlp.address = address;
    tlp.length = length;
    return tlp;
}

void CpuComplex::send(ExecContext& ctx, pcie::Tlp tlp) {
    const std::uint64_t bytes = pcie::wire_bytes(tlp);
    upstream_.send(ctx.now(), std::move(tlp), bytes);
}

const pcie::Tlp& CpuComplex::ask(ExecContext& ctx, pcie::Tlp request) {
    Processor& processor = processor_of(ctx);
    SIM_CHECK(!processor.waiting, "{} has two requests outstanding", processor.answer.name());
    processor.waiting = true;
    request.tag = static_cast<std::uint32_t>(dispatcher_.cpu_of(ctx));
    send(ctx, std::move(request));
    ctx.stall(processor.answer);
    SIM_CHECK(!processor.waiting, "{} woke without it", processor.answer.name());
    return processor.completion;
}

std::uint64_t CpuComplex::mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) {
    SIM_CHECK(size <= 8 && pa % size == 0, "uncached read of {} bytes at {:#x}", size, pa);
    ctx.spend(params_.mmio_issue);
    const OneInstruction instruction(ctx);
    const pcie::Tlp& answer = ask(ctx, make_request(pcie::TlpKind::MemRead, pa, size));
    // A failed read returns all ones (PCIe 2.3.2, host bridge behaviour).
    std::uint64_t value = bit_mask(8 * size - 1, 0);
    if (answer.status == pcie::CplStatus::Success && answer.data.size() == size) {
        value = from_little_endian(answer.data.data(), size);
    } else {
        probes_.hit(kReadFailed);
    }
    ctx.spend(params_.completion);
    return value;
}

void CpuComplex::mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value,
                            unsigned size) {
    SIM_CHECK(size <= 8 && pa % size == 0, "uncached write of {} bytes at {:#x}", size, pa);
    pcie::Tlp tlp = make_request(pcie::TlpKind::MemWrite, pa, size);
    tlp.data = little_endian(value, size);
    send(ctx, std::move(tlp));
    ctx.spend(params_.mmio_write);
}

bool CpuComplex::movdir64b(ExecContext& ctx, Hpa destination, const Descriptor64& data) {
    if (destination.value() % data.size() != 0) {
        return false;
    }
    if (memory_.contains(destination, data.size())) {
        memory_.write(destination, data.data(), data.size());
        memory_.flush(destination, data.size());  // a direct store goes past the caches
        memory_written(destination, data.size());
        ctx.spend(params_.movdir64b_issue);
        return true;
    }
    // The buffer that the last store left is not free at once, least of all for the same line.
    Processor& processor = processor_of(ctx);
    const TimePs free_at =
        destination == processor.direct_line ? processor.same_line_free : processor.other_line_free;
    if (free_at > ctx.now()) {
        probes_.hit(kDirectStoreWaited);
        ctx.spend(free_at - ctx.now());
    }
    pcie::Tlp tlp = make_request(pcie::TlpKind::MemWrite, destination.value(), 64);
    tlp.data.assign(data.begin(), data.end());
    processor.direct_line = destination;
    processor.same_line_free = ctx.now() + params_.movdir64b;
    processor.other_line_free = ctx.now() + params_.movdir64b_other;
    send(ctx, std::move(tlp));
    ctx.spend(params_.movdir64b_issue);
    return true;
}

// --- what programs measure with ---

void CpuComplex::store_fence(ExecContext& ctx) {
    ctx.spend(params_.fence);
}

TimePs CpuComplex::timestamp(ExecContext& ctx) {
    ctx.spend(params_.timestamp);
    return ctx.now();
}

TimePs CpuComplex::watch(ExecContext& ctx, std::uint64_t pa, TimePs deadline) {
    Processor& processor = processor_of(ctx);
    const OneInstruction standing(ctx);
    processor.watched_line = pa / kLineBytes;
    ++watching_;
    if (ctx.stall_until(processor.watched, deadline)) {
        return processor.line_written;
    }
    processor.watched_line.reset();
    --watching_;
    return ctx.now();
}

PollResult CpuComplex::poll(ExecContext& ctx, const PollLoop& loop) {
    // Where others may have the processor meanwhile, or loads change a cache of its own, each load
    // is made. Whoever waits wakes 1 ps late, which the load at the end must hide.
    const TimePs turn = params_.load + loop.pause;
    if (!ctx.atomic() || own_caches_ || params_.load <= TimePs{1}) {
        return MachinePort::poll(ctx, loop);
    }
    const TimePs start = ctx.now();
    std::uint64_t last = loop.loads - 1;
    if (loop.deadline != TimePs::max()) {
        const TimePs first_end = start + params_.load;
        const std::uint64_t left =
            loop.deadline <= first_end ? 0 : ((loop.deadline - first_end).ps() - 1) / turn.ps() + 1;
        last = std::min(last, left);
    }
    std::uint64_t at = 0;
    bool found = look(ctx, loop.pa, loop.size) == loop.wanted;
    while (!found && at < last) {
        const TimePs written = watch(ctx, loop.pa, start + turn * last);
        const std::uint64_t seeing = ((written - start).ps() + turn.ps() - 1) / turn.ps();
        at = std::min(std::max(at + 1, seeing), last);
        const TimePs looks = start + turn * at;
        if (looks > ctx.now()) {
            ctx.spend(looks - ctx.now());
        }
        found = look(ctx, loop.pa, loop.size) == loop.wanted;
    }
    ctx.spend(start + turn * at + params_.load - ctx.now());
    return {found, at + 1};
}

std::uint8_t CpuComplex::spin_while_zero(ExecContext& ctx, Hpa byte, SpinBy by) {
    SIM_CHECK(memory_.contains(byte, 1), "{} looks at {:#x}: no memory", ctx.name(), byte.value());
    const TimePs start = ctx.now();
    Processor& processor = processor_of(ctx);
    std::uint8_t value = 0;
    read_memory(ctx, byte.value(), &value, 1);
    bool waited = false;
    while (value == 0) {
        waited = true;
        processor.watched_line = byte.value() / kLineBytes;
        ++watching_;
        ctx.stall(processor.watched);
        read_memory(ctx, byte.value(), &value, 1);
    }
    // Whoever wrote the byte took the line away from this processor's caches.
    TimePs seen = ctx.now();
    if (waited && by == SpinBy::Umwait) {
        seen += params_.umwait_wake;
    } else if (waited && params_.poll_turn != TimePs{}) {
        const std::uint64_t turn = params_.poll_turn.ps();
        seen = start + TimePs{((seen - start).ps() + turn - 1) / turn * turn};
    }
    ctx.spend(seen + params_.poll_fetch - ctx.now());
    return value;
}

void CpuComplex::memory_written(Hpa address, std::uint64_t bytes) {
    if (watching_ == 0 || bytes == 0) {
        return;
    }
    const std::uint64_t first = address.value() / kLineBytes;
    const std::uint64_t last = (address.value() + bytes - 1) / kLineBytes;
    for (const auto& processor : processors_) {
        if (processor->watched_line && *processor->watched_line >= first &&
            *processor->watched_line <= last) {
            processor->watched_line.reset();
            --watching_;
            processor->line_written = now();
            dispatcher_.wake_all(processor->watched);
        }
    }
}

void CpuComplex::clflushopt(ExecContext& ctx, Hpa address) {
    SIM_CHECK(memory_.contains(address, 1), "{} flushes {:#x}: no memory", ctx.name(),
              address.value());
    if (!probes_.has(kFlushIgnored)) {
        memory_.flush(address, 1);
    }
    ctx.spend(params_.flush);
}

void CpuComplex::wbinvd(ExecContext& ctx) {
    const OneInstruction instruction(ctx);
    memory::CacheFlush flushed;
    if (!probes_.has(kWbinvdIgnored)) {
        flushed = memory_.flush_all(number_of(ctx));
    }
    emit(trace::CpuWbinvd{processor_of(ctx).name, flushed.lines, flushed.modified});
    ctx.spend(params_.wbinvd + params_.wbinvd_line * flushed.lines);
}

// --- ENQCMD, ENQCMDS ---

EnqResult CpuComplex::enqcmd(ExecContext& ctx, const CpuState& state, Hpa portal,
                             const Descriptor64& descriptor) {
    return enqueue(ctx, EnqKind::Enqcmd, state, portal, descriptor);
}

EnqResult CpuComplex::enqcmds(ExecContext& ctx, const CpuState& state, Hpa portal,
                              const Descriptor64& descriptor) {
    return enqueue(ctx, EnqKind::Enqcmds, state, portal, descriptor);
}

EnqResult CpuComplex::enqueue(ExecContext& ctx, EnqKind kind, const CpuState& state, Hpa portal,
                              const Descriptor64& descriptor) {
    const TimePs start = ctx.now();
    ctx.spend(params_.mmio_issue);  // not begun yet: an interruption may still come first
    const OneInstruction instruction(ctx);
    const std::uint64_t msr = pasid_msr(ctx);
    const Pasid guest = submitted_pasid(kind, msr, descriptor);
    EnqResult result{EnqOutcome::GeneralProtection, Pasid{kInvalidIoasid}};
    std::uint64_t number = 0;
    if (refused(kind, state, msr, portal, descriptor)) {
        probes_.hit(kEnqcmdFaulted);
    } else if (const auto pasid = host_pasid(ctx, state, guest)) {
        Descriptor64 wire = wire_command(kind, *pasid, descriptor);
        if (state.supervisor && probes_.has(kEnqcmdPrivileged)) {
            wire[3] |= 0x80;
        }
        result = transmit(ctx, portal, *pasid, wire, number);
    } else {
        probes_.hit(kTranslationMiss);
        result.outcome = kind == EnqKind::Enqcmd ? EnqOutcome::ExitEnqcmd : EnqOutcome::ExitEnqcmds;
    }
    if (recorder().listened()) {
        recorder().emit(ctx.source(),
                        trace::CpuEnqcmd{processor_of(ctx).name, portal, guest, result.host_pasid,
                                         traced(result.outcome), ctx.now() - start, number});
    }
    return result;
}

bool CpuComplex::refused(EnqKind kind, const CpuState& state, std::uint64_t ia32_pasid, Hpa portal,
                         const Descriptor64& descriptor) const {
    Descriptor64 source = descriptor;
    if (probes_.has(kReservedBitsIgnored)) {
        std::fill_n(source.begin(), 4, std::uint8_t{0});
    }
    if (probes_.has(kPasidValidIgnored)) {
        ia32_pasid |= kIa32PasidValid;
    }
    return faults(kind, state, ia32_pasid, portal, source);
}

std::optional<Pasid> CpuComplex::host_pasid(ExecContext& ctx, const CpuState& state, Pasid guest) {
    if (state.vmcs == nullptr || !state.vmcs->enable_pasid_translation ||
        probes_.has(kPasidNotTranslated)) {
        return guest;
    }
    std::optional<Pasid> pasid;
    const std::pair<std::uint64_t, std::uint32_t> key{state.vmcs->low_pasid_directory.value(),
                                                      guest.value()};
    const auto kept = stale_.find(key);
    if (probes_.has(kStalePasidTranslation) && kept != stale_.end()) {
        pasid = kept->second;
    } else {
        Vmcs vmcs = *state.vmcs;
        if (probes_.has(kOneDirectory)) {
            vmcs.high_pasid_directory = vmcs.low_pasid_directory;
        }
        pasid = translate_pasid(vmcs, guest, memory_);
    }
    if (pasid && probes_.has(kStalePasidTranslation)) {
        stale_.emplace(key, *pasid);
    }
    // What was read is used even if the tables change meanwhile: the instruction is under way.
    ctx.spend(params_.pasid_translation);
    return pasid;
}

EnqResult CpuComplex::transmit(ExecContext& ctx, Hpa portal, Pasid pasid, const Descriptor64& wire,
                               std::uint64_t& number) {
    if (probes_.has(kEnqcmdStores) && memory_.contains(portal, wire.size())) {
        memory_.write(portal, wire.data(), wire.size());
    }
    pcie::Tlp tlp = make_request(pcie::TlpKind::DeferrableWrite, portal.value(), 64);
    tlp.data.assign(wire.begin(), wire.end());
    const pcie::Tlp& answer = ask(ctx, std::move(tlp));
    const bool accepted = answer.status == pcie::CplStatus::Success;
    if (accepted) {
        number = answer.descriptor;
    } else {
        probes_.hit(answer.status == pcie::CplStatus::Retry ? kEnqcmdRetried : kEnqcmdNoPortal);
    }
    ctx.spend(params_.completion);
    return {accepted ? EnqOutcome::Accepted : EnqOutcome::Retry, pasid};
}

// --- registers, interrupts between processors ---

std::uint64_t CpuComplex::pasid_msr(const ExecContext& ctx) const {
    return processor_of(ctx).ia32_pasid;
}

bool CpuComplex::set_pasid_msr(ExecContext& ctx, std::uint64_t value) {
    if ((value & kIa32PasidReserved) != 0 && !probes_.has(kMsrReservedTaken)) {
        probes_.hit(kMsrFaulted);
        return false;
    }
    processor_of(ctx).ia32_pasid = value;
    return true;
}

std::uint64_t CpuComplex::xsaves(std::size_t processor) const {
    return processors_.at(processor)->ia32_pasid;
}

void CpuComplex::xrstors(std::size_t processor, std::uint64_t ia32_pasid) {
    processors_.at(processor)->ia32_pasid = ia32_pasid;
}

void CpuComplex::send_ipi(ExecContext& ctx, std::size_t processor) {
    SIM_CHECK(processor < processors_.size(), "{} interrupts cpu{}", ctx.name(), processor);
    ipis_.schedule(ctx.now() + params_.ipi, 0, processor);
    wake_at(ctx.now() + params_.ipi);
}

// --- what comes back ---

void CpuComplex::advance(TimePs now) {
    while (inbox_.due(now)) {
        pcie::Tlp tlp = inbox_.pop().message;
        if (tlp.kind == pcie::TlpKind::Interrupt) {
            SIM_CHECK(tlp.data.size() == 4, "interrupt message of {} bytes", tlp.data.size());
            const auto data = static_cast<std::uint32_t>(from_little_endian(tlp.data.data(), 4));
            interrupts_.schedule(now + params_.interrupt, 0, {tlp.requester, tlp.address, data});
            continue;
        }
        SIM_CHECK(tlp.kind == pcie::TlpKind::Completion && tlp.tag < processors_.size(),
                  "unexpected transaction at the CPUs: kind {}", static_cast<int>(tlp.kind));
        Processor& processor = *processors_[tlp.tag];
        SIM_CHECK(processor.waiting, "a completion that cpu{} did not ask for", tlp.tag);
        processor.waiting = false;
        processor.completion = std::move(tlp);
        dispatcher_.wake_all(processor.answer);
    }
    while (ipis_.due(now)) {
        dispatcher_.interrupt_cpu(ipis_.pop());
    }
    while (interrupts_.due(now)) {
        const InterruptMessage message = interrupts_.pop();
        const auto vector = static_cast<std::uint8_t>(message.data);
        emit(trace::CpuInterrupt{message.requester, vector, Hpa{message.address}});
        if (sink_ != nullptr) {
            sink_->on_interrupt_message(vector, message.address, message.data);
        }
    }
}

std::optional<TimePs> CpuComplex::next_wakeup() const {
    return sim::earliest(inbox_.next(), sim::earliest(interrupts_.next(), ipis_.next()));
}

void CpuComplex::dump(sim::StateDump& out) const {
    for (const auto& processor : processors_) {
        if (processor->waiting) {
            out.line(fmt::format("waits: {}", processor->answer.name()));
        }
    }
    out.line(fmt::format("{} interrupt messages on their way to the kernel, {} to processors",
                         interrupts_.size(), ipis_.size()));
}

bool CpuComplex::busy() const {
    for (const auto& processor : processors_) {
        if (processor->waiting) {
            return true;
        }
    }
    return !interrupts_.empty() || !ipis_.empty();
}

}  // namespace ioasim::cpu
