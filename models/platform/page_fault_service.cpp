#include "models/platform/page_fault_service.hpp"

#include "core/trace/device_events.hpp"

namespace ioasim::platform {
namespace {

namespace reg = vtd::reg;

constexpr std::uint64_t kQueueBytes = kPageSize;  // PQA.PQS 0

std::uint64_t field_of(const trace::EventRecord& record, const char* name) {
    return record.values.at(record.info->field(name));
}

}  // namespace

PageFaultService::PageFaultService(DsaBench& bench, ExecContext& ctx, Find find)
    : bench_(bench),
      find_(std::move(find)),
      registers_(bench.harness().world.units.at("iommu0").registers) {
    BareWorld& world = bench.harness().world;
    world.interrupts.on_message = [this, &world](std::uint64_t, std::uint32_t data) {
        if (data == kMessageData) {
            ++interrupts_;
            world.wake(interrupt_);
        }
    };
    write(ctx, reg::kPedata, kMessageData, 4);
    write(ctx, reg::kPeaddr, kMessageAddress, 4);
    write(ctx, reg::kPeuaddr, 0, 4);
    write(ctx, reg::kPectl, 0, 4);
    world.spawn("kernel/prq", -1, [this](ExecContext& thread) { empty_queue(thread); });
    world.spawn("kernel/iopf", -1, [this](ExecContext& worker) { serve(worker); });
}

std::uint64_t PageFaultService::read(ExecContext& ctx, std::uint32_t offset, unsigned size) {
    return ctx.mmio_read(registers_ + offset, size);
}

void PageFaultService::write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
                             unsigned size) {
    ctx.mmio_write(registers_ + offset, value, size);
}

void PageFaultService::empty_queue(ExecContext& ctx) {
    std::uint64_t seen = 0;
    for (;;) {
        while (interrupts_ == seen && !over_) {
            ctx.wait(interrupt_);
        }
        if (over_) {
            break;
        }
        seen = interrupts_;
        // PPR first: what comes from here on is a new event.
        write(ctx, reg::kPrs, 1, 4);
        const std::uint64_t tail = read(ctx, reg::kPqt, 8);
        std::uint64_t head = read(ctx, reg::kPqh, 8);
        while (head != tail) {
            vtd::Descriptor d{};
            ctx.read_bytes(bench_.page_request_queue() + head, d.data(), vtd::kDescriptorBytes);
            requests_.push_back(vtd::decode_page_request(d));
            head = (head + vtd::kDescriptorBytes) % kQueueBytes;
        }
        write(ctx, reg::kPqh, head, 8);
        ctx.wake_all(work_);
    }
    leave(ctx);
}

void PageFaultService::serve(ExecContext& ctx) {
    for (;;) {
        while (requests_.empty() && !over_) {
            ctx.wait(work_);
        }
        if (over_) {
            break;
        }
        const vtd::PageRequest request = requests_.front();
        requests_.pop_front();
        find_(ctx, request.address);
        if (request.last) {
            must(bench_.unit().submit_sync(
                     ctx, {vtd::page_group_response(request.rid, request.group,
                                                    vtd::PageResponse::Success, request.has_pasid,
                                                    request.pasid)}),
                 "a page group response");
        }
    }
    leave(ctx);
}

void PageFaultService::leave(ExecContext& ctx) {
    --threads_;
    ctx.wake_all(ended_);
}

void PageFaultService::stop(ExecContext& ctx) {
    over_ = true;
    ctx.wake_all(interrupt_);
    ctx.wake_all(work_);
    while (threads_ != 0) {
        ctx.wait(ended_);
    }
    bench_.harness().world.interrupts.on_message = nullptr;
}

FaultTimes::FaultTimes(trace::Recorder& recorder) {
    recorder.add_listener(*this, trace::category_bit(trace::Category::Pcie) |
                                     trace::category_bit(trace::Category::Dsa));
}

void FaultTimes::on_event(const trace::EventRecord& record) {
    if (record.info == &trace::info_of<trace::RequesterPageGroup>()) {
        asked_[field_of(record, "address") / kPageSize] = record.time;
    } else if (record.info == &trace::info_of<trace::DsaAccess>()) {
        const auto asked = asked_.find(field_of(record, "address") / kPageSize);
        if (asked != asked_.end()) {
            samples.push_back(record.time - asked->second);
            asked_.erase(asked);
        }
    }
}

}  // namespace ioasim::platform
