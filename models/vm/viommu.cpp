#include "models/vm/viommu.hpp"

#include <algorithm>
#include <optional>

#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {
namespace {

namespace reg = vtd::reg;

constexpr std::uint64_t kVersion = 0x60;  // 6.0: no register-based invalidation

constexpr std::uint64_t capabilities() {
    namespace c = vtd::cap;
    return c::kNd.make(6) | c::kCm.make(1) | c::kSagaw.make(4) | c::kMgaw.make(47) |
           c::kFro.make(reg::kFrcd / 16) | c::kPsi.make(1) | c::kMamv.make(18) | c::kDwd.make(1) |
           c::kDrd.make(1);
}

constexpr std::uint64_t extended_capabilities(bool commands) {
    namespace e = vtd::ecap;
    return e::kC.make(1) | e::kQi.make(1) | e::kIro.make(reg::kIva / 16) | e::kPss.make(19) |
           e::kPasid.make(1) | e::kSmts.make(1) | e::kVcs.make(commands ? 1 : 0) |
           e::kFsts.make(1) | e::kSmpwcs.make(1);
}

// Page requests come with device TLBs and with their drain.
constexpr std::uint64_t kPageRequests =
    vtd::ecap::kDt.make(1) | vtd::ecap::kPrs.make(1) | vtd::ecap::kPds.make(1);

bool plain_register(std::uint32_t offset) {
    switch (offset) {
        case reg::kRtaddr:
        case reg::kIqa:
        case reg::kFectl:
        case reg::kFedata:
        case reg::kFeaddr:
        case reg::kFeuaddr:
        case reg::kIectl:
        case reg::kIedata:
        case reg::kIeaddr:
        case reg::kIeuaddr:
            return true;
        default:
            return false;
    }
}

}  // namespace

Viommu::Viommu(const VirtualCommandConfig& commands, os::VmHost& host, const GuestMemory& memory,
               GpasidPool& pool, PasidShadow& shadow, IovaShadow* second_stages,
               VirtualPageRequests& page_requests, trace::Recorder& recorder, Probes& probes)
    : memory_(memory),
      shadow_(shadow),
      second_stages_(second_stages),
      probes_(probes),
      page_requests_(page_requests),
      commands_(commands, host, pool, recorder, probes),
      queue_lock_(SimLock::Kind::Mutex, commands.vm + "/viommu_queue", "viommu_queue") {
    reset();
}

void Viommu::reset() {
    registers_ = {};
    commands_.reset();
    page_requests_.reset();
    if (second_stages_ != nullptr) {
        second_stages_->reset();
    }
    set(reg::kVer, kVersion, 4);
    set(reg::kCap, capabilities(), 8);
    set(reg::kEcap,
        extended_capabilities(commands_.offered()) |
            (page_requests_.enabled() ? kPageRequests : 0) |
            vtd::ecap::kSsts.make(second_stages_ == nullptr ? 0 : 1),
        8);
    set(reg::kFectl, vtd::event_control::kMasked, 4);
    set(reg::kIectl, vtd::event_control::kMasked, 4);
}

std::uint64_t Viommu::get(std::uint32_t offset, unsigned size) const {
    const std::uint64_t word = registers_.at(offset / 8);
    return size == 8 ? word : (word >> (offset % 8 * 8)) & 0xFFFF'FFFFU;
}

void Viommu::set(std::uint32_t offset, std::uint64_t value, unsigned size) {
    std::uint64_t& word = registers_.at(offset / 8);
    const unsigned low = offset % 8 * 8;
    word = size == 8 ? value : set_bits(word, low + 31, low, value);
}

std::uint64_t Viommu::read(std::uint32_t offset, unsigned size) const {
    const bool legal = (size == 4 || size == 8) && offset % size == 0;
    if (legal && commands_.owns(offset)) {
        return commands_.read(offset, size);
    }
    if (legal && page_requests_.enabled() && VirtualPageRequests::has_register(offset)) {
        return page_requests_.read(offset, size);
    }
    return legal ? get(offset, size) : 0;
}

std::vector<std::uint64_t> Viommu::registers() const {
    std::vector<std::uint64_t> all(registers_.begin(), registers_.end());
    const VirtualCommands::Registers commands = commands_.registers();
    all.insert(all.end(), commands.begin(), commands.end());
    return all;
}

Errno Viommu::restore(const std::vector<std::uint64_t>& registers) {
    VirtualCommands::Registers commands{};
    if (registers.size() != registers_.size() + commands.size()) {
        return Errno::Einval;
    }
    const auto end = registers.begin() + static_cast<std::ptrdiff_t>(registers_.size());
    std::copy(registers.begin(), end, registers_.begin());
    std::copy(end, registers.end(), commands.begin());
    commands_.restore(commands);
    return Errno::Ok;
}

void Viommu::move_to(os::VmHost& host, std::uint32_t pasid_min, std::uint32_t pasid_max) {
    commands_.move_to(host, pasid_min, pasid_max);
}

void Viommu::write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value, unsigned size) {
    if ((size != 4 && size != 8) || offset % size != 0) {
        return;
    }
    if (commands_.owns(offset)) {
        commands_.write(ctx, offset, value, size);
        return;
    }
    if (page_requests_.enabled() && VirtualPageRequests::has_register(offset)) {
        page_requests_.write(ctx, offset, value, size);
        return;
    }
    if (plain_register(offset)) {
        set(offset, value, size);
        return;
    }
    // The tail moves at once; what it asks for is served behind what is being served. So is a
    // command that stops the queue: the descriptor at its head is finished first.
    if (offset == reg::kIqt) {
        set(reg::kIqt, value & vtd::iq::kOffsetMask, 8);
    }
    std::optional<LockGuard> guard;
    if (!probes_.has(kQueueReentered)) {
        guard.emplace(ctx, queue_lock_);
    }
    switch (offset) {
        case reg::kGcmd:
            on_command(static_cast<std::uint32_t>(value));
            break;
        case reg::kFsts:
            acknowledge(value);
            serve_queue(ctx);
            break;
        case reg::kIqt:
            serve_queue(ctx);
            break;
        default:
            break;  // read only, or nothing there
    }
}

void Viommu::acknowledge(std::uint64_t value) {
    const std::uint64_t cleared = get(reg::kFsts, 4) & ~(value & vtd::fsts::kIqe);
    set(reg::kFsts, cleared, 4);
    if (cleared == 0) {
        set(reg::kIqercd, 0, 8);
    }
}

void Viommu::on_command(std::uint32_t value) {
    namespace g = vtd::gcmd;
    auto status = static_cast<std::uint32_t>(get(reg::kGsts, 4));
    if ((value & g::kSrtp) != 0) {
        shadow_.set_root(Gpa{get(reg::kRtaddr, 8) & vtd::rtaddr::kAddress});
        status |= g::kSrtp;
    }
    if ((value & g::kQie) == 0 && (status & g::kQie) != 0) {
        set(reg::kIqh, 0, 8);
    }
    status = (status & ~(g::kTe | g::kQie)) | (value & (g::kTe | g::kQie));
    set(reg::kGsts, status, 4);
}

// --- invalidation queue -------------------------------------------------------------------------

void Viommu::serve_queue(ExecContext& ctx) {
    const std::uint64_t iqa = get(reg::kIqa, 8);
    while ((get(reg::kGsts, 4) & vtd::gcmd::kQie) != 0 &&
           (get(reg::kFsts, 4) & vtd::fsts::kIqe) == 0) {
        const std::uint64_t head = get(reg::kIqh, 8);
        if (head == get(reg::kIqt, 8)) {
            return;
        }
        const vtd::QueueError error = serve_head(ctx, iqa, head);
        if (error != vtd::QueueError::None) {
            set(reg::kIqercd, vtd::iq::kErrorInfo.make(static_cast<std::uint64_t>(error)), 8);
            set(reg::kFsts, get(reg::kFsts, 4) | vtd::fsts::kIqe, 4);
            return;
        }
        set(reg::kIqh, (head + vtd::kDescriptorBytes) % vtd::iq::bytes(iqa), 8);
    }
}

vtd::QueueError Viommu::serve_head(ExecContext& ctx, std::uint64_t iqa, std::uint64_t head) {
    const std::uint64_t tail = get(reg::kIqt, 8);
    if (tail >= vtd::iq::bytes(iqa)) {
        return vtd::QueueError::BadTail;
    }
    if ((iqa & vtd::iq::kWide) == 0) {
        return vtd::QueueError::BadWidth;
    }
    if (tail % vtd::kDescriptorBytes != 0) {
        return vtd::QueueError::TailAlignment;
    }
    vtd::Descriptor descriptor{};
    const Gpa base{iqa & bit_mask(63, 12)};
    if (!memory_.read(ctx, base + head, descriptor.data(), sizeof(descriptor))) {
        return vtd::QueueError::Fetch;
    }
    return serve(ctx, descriptor);
}

vtd::QueueError Viommu::serve(ExecContext& ctx, const vtd::Descriptor& d) {
    namespace i = vtd::inv;
    using Type = vtd::InvalidationType;
    const Type type = vtd::type_of(d);
    const bool known =
        type == Type::ContextCache || type == Type::PasidCache || type == Type::PasidIotlb ||
        type == Type::Iotlb || type == Type::Wait ||
        (page_requests_.enabled() && (type == Type::DeviceTlb || type == Type::PasidDeviceTlb ||
                                      type == Type::PageGroupResponse));
    if (!known) {
        return vtd::QueueError::BadType;
    }
    vtd::QueueFeatures features;
    features.device_tlb = features.page_requests = features.page_drain = page_requests_.enabled();
    if (vtd::has_reserved_bits(d, features) || !vtd::has_legal_granularity(d)) {
        return vtd::QueueError::Reserved;
    }
    const auto gpasid = static_cast<std::uint32_t>(i::kPasid.get(d[0]));
    switch (type) {
        case Type::PasidCache:
            if (i::kGranularity.get(d[0]) ==
                static_cast<std::uint64_t>(vtd::PasidCacheGranularity::Pasid)) {
                shadow_.sync(ctx, gpasid);
            } else {
                static_cast<void>(shadow_.sync_all(ctx));
            }
            break;
        case Type::PasidIotlb:
        case Type::PasidDeviceTlb:  // the host flushes device TLBs behind its IOTLB
            flush(ctx, gpasid);
            break;
        case Type::Iotlb:
            sync_second_stages(ctx, d);
            shadow_.flush_all(ctx);
            break;
        case Type::DeviceTlb:
            shadow_.flush_all(ctx);
            break;
        case Type::PageGroupResponse:
            page_requests_.respond(ctx, d);
            break;
        case Type::Wait:
            if (i::kWaitPageDrain.get(d[0]) != 0) {
                page_requests_.settle(ctx);
            }
            if (i::kWaitStatus.get(d[0]) != 0) {
                memory_.store(ctx, Gpa{d[1] & ~std::uint64_t{3}}, i::kWaitData.get(d[0]), 4);
            }
            break;
        default:
            break;  // contexts are read anew at each look-up
    }
    return vtd::QueueError::None;
}

void Viommu::flush(ExecContext& ctx, std::uint32_t gpasid) {
    if (!probes_.has(kFlushDropped)) {
        shadow_.flush(ctx, gpasid);
    }
}

// In caching mode also what became present is invalidated, by pages or by whole domains.
void Viommu::sync_second_stages(ExecContext& ctx, const vtd::Descriptor& d) {
    namespace i = vtd::inv;
    using Granularity = vtd::IotlbGranularity;
    if (second_stages_ == nullptr) {
        return;
    }
    const auto granularity = static_cast<Granularity>(i::kGranularity.get(d[0]));
    std::optional<DomainId> did;
    if (granularity != Granularity::Global) {
        did = DomainId{static_cast<std::uint16_t>(i::kDid.get(d[0]))};
    }
    std::uint64_t first = 0;
    std::uint64_t last = ~std::uint64_t{0};
    if (granularity == Granularity::Page) {
        const std::uint64_t bytes = kPageSize << i::kAddressMask.get(d[1]);
        first = d[1] & bit_mask(63, 12) & ~(bytes - 1);
        last = first + bytes - 1;
    }
    second_stages_->sync(ctx, did, first, last);
}

}  // namespace ioasim::vm
