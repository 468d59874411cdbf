#include "models/platform/iova_user.hpp"

#include <fmt/format.h>

#include "core/trace/run_events.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/linux/device.hpp"

namespace ioasim::platform {
namespace {

using V = BareValue;

BareArgSpec subject(const char* doc) {
    return {"", V::Text, true, doc, "", {}};
}

BareSpec guest_step(const char* key, BareKind kind, BareArgSpec what, std::vector<BareArgSpec> args,
                    const char* doc) {
    return {key, kind, std::move(what), std::move(args), doc, StepFamily::Guest};
}

// What interrupts the user, and what the kernel reads then, is no access of the user's.
std::uint64_t own_load(ExecContext& ctx, std::uint64_t address) {
    const OneInstruction whole(ctx);
    const UserAccess own(ctx);
    return ctx.load(address, 1);
}

const BareArgSpec kAddress{"address", V::Number, true, "first I/O virtual address"};
const BareArgSpec kSize{"size", V::Number, false, "bytes", "\"4KiB\"", {}, 1};

}  // namespace

std::vector<BareSpec> iova_user_specs() {
    return {
        guest_step("iova_open", BareKind::IovaOpen, subject("names the address space"),
                   {{"device", V::AnyDevice, true, "whose PASID leads there"},
                    {"pasid", V::Text, false, "the PASID, a variable (default: none)"},
                    {"stage",
                     V::Choice,
                     false,
                     "which tables; without PASID no first ones; none: guest physical addresses",
                     "\"first\"",
                     {"first", "second", "none"}}},
                   "the guest's kernel makes I/O virtual addresses for a PASID of a device, or for "
                   "what it does without one"),
        guest_step("iova_close", BareKind::IovaClose, subject("the address space"), {},
                   "takes the PASID away and frees the tables"),
        guest_step(
            "iova_map", BareKind::IovaMap, subject("the address space"),
            {kAddress,
             {"to", V::Number, true, "first guest physical address"},
             kSize,
             {"access", V::Choice, false, "what the device may do", "\"rw\"", {"rw", "r", "w"}}},
            "maps pages"),
        guest_step("iova_unmap", BareKind::IovaUnmap, subject("the address space"),
                   {kAddress, kSize}, "unmaps pages, and flushes"),
        guest_step("iova_copy", BareKind::IovaCopy, subject("the address space"),
                   {{"wq", V::Number, false, "workqueue of the device", "0", {}, 0, 7},
                    {"source", V::Number, true, "I/O virtual address"},
                    {"destination", V::Number, true, "I/O virtual address"},
                    {"record", V::Number, true, "where the completion record goes; mapped"},
                    {"size", V::Number, false, "bytes", "\"4KiB\"", {}, 1, 1ULL << 21U},
                    {"status", V::Number, false, "of the record", "1", {}, 0, 255},
                    {"by", V::Text, false, "the vector whose interrupt is waited for"},
                    {"handle",
                     V::Number,
                     false,
                     "asks for the interrupt of this handle",
                     "",
                     {},
                     0,
                     0xFFFF}},
                   "the device copies; its record must have this status"),
        guest_step("vector_request", BareKind::VectorRequest, subject("names the vector"),
                   {{"device", V::AnyDevice, true, "a virtual device whose parent stores messages"},
                    {"vector", V::Number, false, "of the device", "1", {}, 0, 1},
                    {"pasid", V::Text, false,
                     "whose descriptors may ask for it, a variable (default: those without)"}},
                   "the driver sets a vector of the device up; the value is its handle"),
        guest_step("vector_release", BareKind::VectorRelease, subject("the vector"), {},
                   "gives the handle back and masks the vector"),
    };
}

bool is_iova_user_step(BareKind kind) {
    return kind >= BareKind::IovaOpen && kind <= BareKind::VectorRelease;
}

StepOutcome IovaUser::perform(ExecContext& ctx, const BareStep& step, std::size_t index,
                              const Variables& variables) {
    index_ = index;
    ctx.spend(kernel_.params().syscall);
    if (step.kind == BareKind::IovaOpen) {
        return open(ctx, step, variables);
    }
    if (step.kind == BareKind::VectorRequest) {
        return request_vector(ctx, step, variables);
    }
    if (step.kind == BareKind::VectorRelease) {
        return release_vector(ctx, step);
    }
    const auto found = spaces_.find(step.name(""));
    if (found == spaces_.end()) {
        return outcome(Errno::Enoent);
    }
    Space& space = found->second;
    if (space.domain == nullptr && step.kind != BareKind::IovaCopy &&
        step.kind != BareKind::IovaClose) {
        return outcome(Errno::Einval);  // there are no tables
    }
    switch (step.kind) {
        case BareKind::IovaMap:
            return map(ctx, step, space);
        case BareKind::IovaUnmap:
            return outcome(
                space.domain->unmap(ctx, step.number("address"), step.number("size", kPageSize)));
        case BareKind::IovaCopy:
            return copy(ctx, step, space);
        default:
            close(ctx, space);
            spaces_.erase(found);
            return {};
    }
}

StepOutcome IovaUser::open(ExecContext& ctx, const BareStep& step, const Variables& variables) {
    os::Device* const device = kernel_.find_device(step.name("device"));
    const bool numbered = !step.name("pasid").empty();
    const auto id = numbered ? variables.get(step.name("pasid")) : std::nullopt;
    if (device == nullptr || numbered != id.has_value() || spaces_.count(step.name("")) != 0) {
        return outcome(device == nullptr            ? Errno::Enodev
                       : numbered != id.has_value() ? Errno::Enoent
                                                    : Errno::Eexist);
    }
    const std::string stage = step.name("stage", "first");
    if (numbered ? stage == "none" : stage == "first") {
        return outcome(Errno::Einval);
    }
    Space space{nullptr, device, id ? std::optional<Pasid>{Pasid{id->value()}} : std::nullopt};
    Errno error = Errno::Ok;
    if (stage != "none") {
        space.domain = std::make_unique<os::IommuDomain>(
            kernel_, device->iommu(), process_,
            stage == "first" ? os::IommuDomain::Stage::First : os::IommuDomain::Stage::Second);
        error = attach(ctx, space);
    }
    if (error == Errno::Ok) {
        spaces_.emplace(step.name(""), std::move(space));
    }
    return outcome(error);
}

Errno IovaUser::attach(ExecContext& ctx, Space& space) {
    Errno error = space.domain->create(ctx);
    if (error != Errno::Ok) {
        return error;
    }
    error = space.pasid ? space.domain->attach_pasid(ctx, *space.device, *space.pasid)
                        : space.domain->attach(ctx, *space.device);
    if (error != Errno::Ok) {
        space.domain->destroy();
    }
    return error;
}

// Where the guest's own processor finds it.
Result<std::uint64_t> IovaUser::translate(ExecContext& ctx, const Space& space,
                                          std::uint64_t address) {
    return space.domain == nullptr ? Result<std::uint64_t>(address)
                                   : space.domain->translate(ctx, address);
}

StepOutcome IovaUser::map(ExecContext& ctx, const BareStep& step, Space& space) {
    const std::uint64_t bytes = step.number("size", kPageSize);
    const std::uint64_t iova = step.number("address");
    if ((iova | step.number("to") | bytes) % kPageSize != 0) {
        return outcome(Errno::Einval);
    }
    std::vector<std::uint64_t> pages;
    for (std::uint64_t at = 0; at < bytes; at += kPageSize) {
        if (space.domain->translate(ctx, iova + at).ok()) {
            return outcome(Errno::Eexist);
        }
        pages.push_back(step.number("to") + at);
    }
    const std::string access = step.name("access", "rw");
    return outcome(space.domain->map(ctx, iova, pages, {access != "w", access != "r"}));
}

StepOutcome IovaUser::copy(ExecContext& ctx, const BareStep& step, const Space& space) {
    const auto record = translate(ctx, space, step.number("record"));
    if (!record) {
        return outcome(Errno::Efault);  // the driver could not read its own record
    }
    if (step.number("wq") >= space.device->setup().queues.size()) {
        return outcome(Errno::Enodev);
    }
    dsa::Descriptor descriptor;
    descriptor.pasid = space.pasid ? space.pasid->value() : 0;
    descriptor.opcode = static_cast<std::uint8_t>(dsa::Opcode::Memmove);
    descriptor.flags = dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord;
    descriptor.record = step.number("record");
    descriptor.source = step.number("source");
    descriptor.destination = step.number("destination");
    descriptor.size = static_cast<std::uint32_t>(step.number("size", kPageSize));
    const auto vector = vectors_.find(step.name("by"));
    if (!step.name("by").empty() && vector == vectors_.end()) {
        return outcome(Errno::Enoent);
    }
    const bool named = step.has("handle");
    if (vector != vectors_.end() || named) {
        descriptor.flags |= dsa::flag::kRequestInterrupt;
        descriptor.interrupt_handle =
            static_cast<std::uint16_t>(named ? step.number("handle") : vector->second->handle());
    }
    ctx.spend(kernel_.params().descriptor_build);
    ctx.store(*record, 0, 8);
    return send(ctx, step, space, descriptor, *record);
}

StepOutcome IovaUser::send(ExecContext& ctx, const BareStep& step, const Space& space,
                           const dsa::Descriptor& descriptor, std::uint64_t record) {
    const auto queue = static_cast<std::uint32_t>(step.number("wq"));
    const Hpa portal{space.device->portal(queue)};
    if (!space.device->setup().queues[queue].shared) {
        kernel_.instructions().movdir64b(ctx, portal, dsa::encode(descriptor));
        return await(ctx, step, record);
    }
    cpu::CpuState state;
    state.supervisor = true;
    for (std::uint64_t tries = 0;; ++tries) {
        const cpu::EnqResult sent =
            kernel_.instructions().enqcmds(ctx, state, portal, dsa::encode(descriptor));
        if (sent.outcome == cpu::EnqOutcome::Accepted) {
            return await(ctx, step, record);
        }
        if (sent.outcome != cpu::EnqOutcome::Retry) {
            return outcome(Errno::Efault);  // #GP
        }
        if (tries == kernel_.params().enqcmd_retries) {
            return outcome(Errno::Eagain);
        }
        ctx.spend(kernel_.params().backoff_first);
    }
}

StepOutcome IovaUser::await(ExecContext& ctx, const BareStep& step, std::uint64_t record) {
    const std::uint64_t wanted = step.number("status", 1);
    const TimePs deadline = ctx.now() + kernel_.params().completion_timeout;
    const auto vector = vectors_.find(step.name("by"));
    if (vector != vectors_.end() && !vector->second->wait(ctx, deadline)) {
        return outcome(Errno::Etimedout);
    }
    while (true) {
        const std::uint64_t status = own_load(ctx, record) & dsa::kStatusMask;
        if (status == static_cast<std::uint64_t>(dsa::Status::Pending)) {
            if (ctx.now() >= deadline) {
                return outcome(Errno::Etimedout);
            }
            ctx.spend(kernel_.params().completion_poll);
            continue;
        }
        if (status == wanted) {
            return {Errno::Ok, status};
        }
        recorder_.emit(
            ctx.source(),
            trace::StepMismatch{recorder_.name(process_), static_cast<std::uint32_t>(index_),
                                recorder_.name(fmt::format("status {}", wanted)),
                                recorder_.name(fmt::format("status {}", status))});
        return {Errno::Eio, status};
    }
}

StepOutcome IovaUser::request_vector(ExecContext& ctx, const BareStep& step,
                                     const Variables& variables) {
    os::Device* const device = kernel_.find_device(step.name("device"));
    const bool numbered = !step.name("pasid").empty();
    const auto id = numbered ? variables.get(step.name("pasid")) : std::nullopt;
    if (device == nullptr || !device->configured_here()) {
        return outcome(Errno::Enodev);
    }
    if (numbered != id.has_value()) {
        return outcome(Errno::Enoent);
    }
    if (vectors_.count(step.name("")) != 0) {
        return outcome(Errno::Eexist);
    }
    auto vector = std::make_unique<os::DeviceVector>(
        kernel_, *device, static_cast<std::uint32_t>(step.number("vector", 1)), 0);
    const Errno error =
        vector->request(ctx, id ? std::optional<Pasid>{Pasid{id->value()}} : std::nullopt);
    if (error != Errno::Ok) {
        return outcome(error);
    }
    const std::uint16_t handle = vector->handle();
    vectors_[step.name("")] = std::move(vector);
    return {Errno::Ok, handle};
}

StepOutcome IovaUser::release_vector(ExecContext& ctx, const BareStep& step) {
    const auto found = vectors_.find(step.name(""));
    if (found == vectors_.end()) {
        return outcome(Errno::Enoent);
    }
    found->second->release(ctx);
    vectors_.erase(found);
    return {};
}

void IovaUser::close(ExecContext& ctx, Space& space) {
    if (space.domain == nullptr) {
        return;
    }
    if (space.pasid) {
        space.domain->detach_pasid(ctx, *space.device, *space.pasid);
    } else {
        space.domain->detach(ctx, *space.device);
    }
    space.domain->destroy();
}

// Vectors behind what uses them.
void IovaUser::close_all(ExecContext& ctx) {
    for (auto& [name, space] : spaces_) {
        close(ctx, space);
    }
    spaces_.clear();
    for (auto& [name, vector] : vectors_) {
        vector->release(ctx);
    }
    vectors_.clear();
}

}  // namespace ioasim::platform
