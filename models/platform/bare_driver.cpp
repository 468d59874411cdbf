#include "models/platform/bare_driver.hpp"

#include <array>
#include <map>
#include <string>

#include <fmt/format.h>

#include "core/base/bits.hpp"

namespace ioasim::platform {
namespace {

namespace reg = vtd::reg;

constexpr std::uint64_t kDefaultTimeoutPs = 10'000'000'000;

TimePs timeout_of(const BareStep& step) {
    return TimePs{step.number("timeout", kDefaultTimeoutPs)};
}

BareResult problem(Errno error, std::string expected, std::string found) {
    return {error, std::move(expected), std::move(found), 0};
}

Rid rid_of_step(const BareStep& step) {
    return Rid{static_cast<std::uint16_t>(step.number("by"))};
}
DomainId did_of(const BareStep& step) {
    return DomainId{static_cast<std::uint16_t>(step.number("did"))};
}
Pasid pasid_of(const BareStep& step) {
    return Pasid{static_cast<std::uint32_t>(step.number("pasid"))};
}
unsigned mask_of(const BareStep& step) {
    return static_cast<unsigned>(step.number("address_mask"));
}

template <class Granularity>
Granularity granularity(const BareStep& step, const std::map<std::string, Granularity>& codes,
                        Granularity otherwise) {
    const auto found = codes.find(step.name("granularity"));
    return found == codes.end() ? otherwise : found->second;
}

vtd::Descriptor context_cache(const BareStep& step) {
    using G = vtd::ContextGranularity;
    return vtd::context_cache_invalidate(
        granularity<G>(step, {{"domain", G::Domain}, {"device", G::Device}}, G::Global),
        did_of(step), rid_of_step(step), static_cast<unsigned>(step.number("function_mask")));
}

vtd::Descriptor pasid_cache(const BareStep& step) {
    using G = vtd::PasidCacheGranularity;
    return vtd::pasid_cache_invalidate(
        granularity<G>(step, {{"domain", G::Domain}, {"pasid", G::Pasid}}, G::Global), did_of(step),
        pasid_of(step));
}

vtd::Descriptor iotlb(const BareStep& step) {
    using G = vtd::IotlbGranularity;
    return vtd::iotlb_invalidate(
        granularity<G>(step, {{"domain", G::Domain}, {"page", G::Page}}, G::Global), did_of(step),
        step.number("address"), mask_of(step), step.number("leaf_only") != 0);
}

vtd::Descriptor pasid_iotlb(const BareStep& step) {
    using G = vtd::PasidIotlbGranularity;
    return vtd::pasid_iotlb_invalidate(granularity<G>(step, {{"page", G::Page}}, G::Pasid),
                                       did_of(step), pasid_of(step), step.number("address"),
                                       mask_of(step), step.number("leaf_only") != 0);
}

vtd::Descriptor page_response(const BareStep& step) {
    using R = vtd::PageResponse;
    const std::string code = step.name("code", "success");
    return vtd::page_group_response(rid_of_step(step),
                                    static_cast<std::uint16_t>(step.number("group")),
                                    code == "success"   ? R::Success
                                    : code == "invalid" ? R::Invalid
                                                        : R::Failure,
                                    step.has("pasid"), pasid_of(step));
}

vtd::Descriptor wait(const BareStep& step) {
    vtd::Descriptor d = vtd::wait_barrier();
    d[0] = vtd::type_bits(vtd::InvalidationType::Wait) |
           vtd::inv::kWaitStatus.make(step.has("status") ? 1 : 0) |
           vtd::inv::kWaitData.make(step.number("data")) |
           vtd::inv::kWaitInterrupt.make(step.number("interrupt")) |
           vtd::inv::kWaitFence.make(step.number("fence")) |
           vtd::inv::kWaitPageDrain.make(step.number("page_drain"));
    d[1] = step.number("status");
    return d;
}

vtd::Descriptor descriptor_of(const BareStep& step) {
    const std::string kind = step.name("");
    if (kind == "context_cache") {
        return context_cache(step);
    }
    if (kind == "pasid_cache") {
        return pasid_cache(step);
    }
    if (kind == "iotlb") {
        return iotlb(step);
    }
    if (kind == "pasid_iotlb") {
        return pasid_iotlb(step);
    }
    if (kind == "device_tlb") {
        return vtd::device_tlb_invalidate(rid_of_step(step), step.number("address"),
                                          step.number("size_bit") != 0);
    }
    if (kind == "pasid_device_tlb") {
        return vtd::pasid_device_tlb_invalidate(
            rid_of_step(step), pasid_of(step), step.number("address"), step.number("size_bit") != 0,
            step.number("global") != 0);
    }
    return kind == "page_response" ? page_response(step) : wait(step);
}

const char* type_name(vtd::FaultType type) {
    switch (type) {
        case vtd::FaultType::Write:
            return "write";
        case vtd::FaultType::PageRequest:
            return "page_request";
        case vtd::FaultType::Read:
            return "read";
        case vtd::FaultType::Atomic:
            return "atomic";
    }
    return "?";
}

const char* at_name(std::uint8_t at) {
    constexpr std::array<const char*, 4> kNames{"untranslated", "translation_request", "translated",
                                                "reserved"};
    return kNames.at(at & 3U);
}

std::string fault_text(const vtd::FaultRecord& r, const std::string& type, const std::string& at) {
    return fmt::format(
        "fault {:#x} of {:#06x}, {}, page {:#x}, {}, {}{}{}", r.reason, r.source.value(),
        r.has_pasid ? fmt::format("PASID {}", r.pasid.value()) : "no PASID", r.address, type, at,
        r.execute ? ", execute" : "", r.privileged ? ", privileged" : "");
}

}  // namespace

// --- commands ---

BareResult BareDriver::command(ExecContext& ctx, std::uint32_t bit, bool on, TimePs timeout) {
    const auto status = static_cast<std::uint32_t>(read(ctx, reg::kGsts));
    const std::uint32_t sticky = status & vtd::gcmd::kStickyMask;
    write(ctx, reg::kGcmd, on ? sticky | bit : sticky & ~bit);
    const TimePs end = ctx.now() + timeout;
    while (((read(ctx, reg::kGsts) & bit) != 0) != on) {
        if (ctx.now() >= end) {
            return problem(Errno::Etimedout, fmt::format("GSTS bit {:#x} becomes {}", bit, on),
                           fmt::format("GSTS {:#x}", read(ctx, reg::kGsts)));
        }
    }
    return {};
}

BareResult BareDriver::start_queue(ExecContext& ctx, const BareStep& step) {
    const auto size = static_cast<unsigned>(step.number("queue_size"));
    const bool scalable = !builder_.has_root(unit_) || builder_.scalable(unit_);
    wide_ = step.number("wide", scalable ? 1 : 0) != 0;
    queue_bytes_ = kPageSize << size;
    queue_base_ = builder_.take(ctx, queue_bytes_ / kPageSize);
    status_ = builder_.take(ctx);
    if (queue_base_ == 0 || status_ == 0) {
        queue_base_ = 0;
        return builder_.problem();
    }
    tail_ = 0;
    write(ctx, reg::kIqt, 0, 8);
    write(ctx, reg::kIqa, vtd::iq::make_iqa(Hpa{queue_base_}, wide_, size), 8);
    return command(ctx, vtd::gcmd::kQie, true, timeout_of(step));
}

BareResult BareDriver::set_root(ExecContext& ctx, const BareStep& step) {
    write(ctx, reg::kRtaddr, builder_.root_register(unit_), 8);
    BareResult result = command(ctx, vtd::gcmd::kSrtp, true, timeout_of(step));
    if (!result.ok() || queue_base_ == 0) {
        return result;
    }
    // Whatever the unit kept of an older root (6.6).
    for (const vtd::Descriptor& d :
         {vtd::context_cache_invalidate(vtd::ContextGranularity::Global),
          vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Global),
          vtd::iotlb_invalidate(vtd::IotlbGranularity::Global)}) {
        const bool pasids = vtd::type_of(d) == vtd::InvalidationType::PasidCache;
        if (result.ok() && (!pasids || builder_.scalable(unit_))) {
            result = put(ctx, {d.begin(), d.end()}, true);
        }
    }
    return result.ok() ? sync(ctx, timeout_of(step)) : result;
}

BareResult BareDriver::enable(ExecContext& ctx, const BareStep& step) {
    BareResult result;
    if (step.number("queue", 1) != 0 && queue_base_ == 0) {
        result = start_queue(ctx, step);
    }
    if (result.ok() && builder_.has_root(unit_) && step.number("root", 1) != 0) {
        result = set_root(ctx, step);
    }
    if (result.ok() && step.has("page_requests")) {
        const auto size = static_cast<unsigned>(step.number("page_requests"));
        const std::uint64_t base = builder_.take(ctx, std::uint64_t{1} << size);
        if (base == 0) {
            return builder_.problem();
        }
        write(ctx, reg::kPqh, 0, 8);
        write(ctx, reg::kPqt, 0, 8);
        write(ctx, reg::kPqa, vtd::pq::make_pqa(Hpa{base}, size), 8);
        result.value = base;
    }
    if (result.ok() && step.number("translation", 1) != 0) {
        const std::uint64_t value = result.value;
        result = command(ctx, vtd::gcmd::kTe, true, timeout_of(step));
        result.value = value;
    }
    return result;
}

BareResult BareDriver::disable(ExecContext& ctx, const BareStep& step) {
    BareResult result = command(ctx, vtd::gcmd::kTe, false, timeout_of(step));
    if (result.ok() && step.number("queue") != 0) {
        result = command(ctx, vtd::gcmd::kQie, false, timeout_of(step));
        queue_base_ = 0;
    }
    return result;
}

// --- the queue ---

BareResult BareDriver::put(ExecContext& ctx, const std::vector<std::uint64_t>& words, bool submit) {
    if (queue_base_ == 0) {
        return problem(Errno::Einval, "a queue", "\"iommu_enable\" has not made one");
    }
    const std::uint64_t bytes = wide_ ? vtd::kDescriptorBytes : vtd::kDescriptorBytes / 2;
    const std::uint64_t next = (tail_ + bytes) % queue_bytes_;
    if (next == (read(ctx, reg::kIqh, 8) & vtd::iq::kOffsetMask)) {
        return problem(Errno::Enospc, "room in the queue", "it is full");
    }
    for (std::size_t i = 0; i < bytes / 8; ++i) {
        ctx.store(queue_base_ + tail_ + 8 * i, i < words.size() ? words[i] : 0, 8);
    }
    tail_ = next;
    if (submit) {
        write(ctx, reg::kIqt, tail_, 8);
    }
    return {};
}

BareResult BareDriver::queue(ExecContext& ctx, const BareStep& step) {
    const std::vector<std::uint64_t>& words = step.lists.at("");
    if (words.size() * 8 > (wide_ ? vtd::kDescriptorBytes : vtd::kDescriptorBytes / 2)) {
        return problem(Errno::Einval, "a descriptor of 2 quadwords, as in this queue",
                       fmt::format("{} quadwords", words.size()));
    }
    return put(ctx, words, step.number("hold") == 0);
}

BareResult BareDriver::invalidate(ExecContext& ctx, const BareStep& step) {
    const vtd::Descriptor d = descriptor_of(step);
    std::vector<std::uint64_t> words(d.begin(), d.end());
    const auto more = step.lists.find("or");
    for (std::size_t i = 0; more != step.lists.end() && i < more->second.size(); ++i) {
        if (i < words.size()) {
            words[i] |= more->second[i];
        }
    }
    return put(ctx, words, step.number("hold") == 0);
}

BareResult BareDriver::sync(ExecContext& ctx, TimePs timeout) {
    const std::uint32_t mine = ++waits_;
    const vtd::Descriptor d = vtd::wait_with_status(Hpa{status_}, mine);
    const BareResult result = put(ctx, {d.begin(), d.end()}, true);
    if (!result.ok()) {
        return result;
    }
    const TimePs end = ctx.now() + timeout;
    while (ctx.load(status_, 4) != mine) {
        const std::uint64_t faults = read(ctx, reg::kFsts);
        if ((faults & (vtd::fsts::kIqe | vtd::fsts::kIte)) != 0) {
            return problem(Errno::Eio, "the queue runs up to this wait",
                           fmt::format("FSTS {:#x}, IQERCD {:#x}, IQH {:#x}", faults,
                                       read(ctx, reg::kIqercd, 8), read(ctx, reg::kIqh, 8)));
        }
        if (ctx.now() >= end) {
            return problem(Errno::Etimedout, "the wait completes",
                           fmt::format("IQH {:#x}, IQT {:#x}", read(ctx, reg::kIqh, 8), tail_));
        }
    }
    return {};
}

BareResult BareDriver::submit_sync(ExecContext& ctx,
                                   const std::vector<vtd::Descriptor>& descriptors) {
    const std::uint32_t mine = ++waits_;
    std::vector<vtd::Descriptor> all = descriptors;
    all.push_back(vtd::wait_with_status(Hpa{status_}, mine));
    const std::uint64_t bytes = wide_ ? vtd::kDescriptorBytes : vtd::kDescriptorBytes / 2;
    if (queue_base_ == 0 || (all.size() + 1) * bytes > queue_bytes_) {
        return problem(Errno::Einval, "a queue with room", "there is none");
    }
    for (const vtd::Descriptor& d : all) {
        ctx.write_bytes(queue_base_ + tail_, d.data(), bytes);
        tail_ = (tail_ + bytes) % queue_bytes_;
    }
    write(ctx, reg::kIqt, tail_, 8);
    while (ctx.load(status_, 4) != mine) {
        const std::uint64_t faults = read(ctx, reg::kFsts);
        if ((faults & (vtd::fsts::kIqe | vtd::fsts::kIte)) != 0) {
            return problem(Errno::Eio, "the queue runs up to this wait",
                           fmt::format("FSTS {:#x}", faults));
        }
    }
    return {};
}

// --- faults ---

vtd::FaultRecord BareDriver::wanted_fault(const BareStep& step) const {
    vtd::FaultRecord r;
    r.reason = static_cast<std::uint8_t>(step.number(""));
    r.source = rid_of_step(step);
    r.has_pasid = step.has("pasid");
    r.pasid = pasid_of(step);
    r.address = step.number("address") & ~(kPageSize - 1);
    r.execute = step.number("execute") != 0;
    r.privileged = step.number("privileged") != 0;
    return r;
}

BareResult BareDriver::fault(ExecContext& ctx, const BareStep& step) {
    const std::uint64_t status = read(ctx, reg::kFsts);
    if ((status & vtd::fsts::kPpf) == 0) {
        return problem(Errno::Eio, fmt::format("fault {:#x}", step.number("")),
                       fmt::format("none is recorded (FSTS {:#x})", status));
    }
    constexpr std::uint32_t kRecordBytes = 16;
    const auto base =
        static_cast<std::uint32_t>(vtd::cap::kFro.get(read(ctx, reg::kCap, 8))) * kRecordBytes;
    const std::uint32_t offset =
        base + static_cast<std::uint32_t>(vtd::fsts::kFri.get(status)) * kRecordBytes;
    const vtd::FaultRecord found =
        vtd::decode_fault({read(ctx, offset, 8), read(ctx, offset + 8, 8)});
    write(ctx, offset + 8, vtd::frcd::kF.mask(), 8);
    write(ctx, reg::kFsts, vtd::fsts::kPfo);
    const std::string type = type_name(found.type);
    const std::string at = at_name(found.at);
    vtd::FaultRecord wanted = wanted_fault(step);
    wanted.address = step.has("address") ? wanted.address : found.address;
    wanted.execute = step.has("execute") ? wanted.execute : found.execute;
    wanted.privileged = step.has("privileged") ? wanted.privileged : found.privileged;
    const std::string a = fault_text(wanted, step.name("type", type), step.name("at", at));
    const std::string b = fault_text(found, type, at);
    return a == b ? BareResult{Errno::Ok, {}, {}, found.reason} : problem(Errno::Eio, a, b);
}

BareResult BareDriver::no_fault(ExecContext& ctx) {
    const std::uint64_t status = read(ctx, reg::kFsts);
    return (status & (vtd::fsts::kPpf | vtd::fsts::kPfo)) == 0
               ? BareResult{}
               : problem(Errno::Eio, "no fault is recorded", fmt::format("FSTS {:#x}", status));
}

}  // namespace ioasim::platform
