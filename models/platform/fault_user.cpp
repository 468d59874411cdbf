#include "models/platform/fault_user.hpp"

#include "models/linux/device.hpp"
#include "models/linux/fault_queue.hpp"
#include "models/linux/iommufd.hpp"
#include "models/linux/page_request_service.hpp"
#include "models/platform/bare_actor.hpp"
#include "models/platform/vfio_user.hpp"

namespace ioasim::platform {
namespace {

using V = BareValue;
namespace response = os::fault_response;

constexpr std::uint64_t kMostAnswers = kPageSize / response::kBytes;

BareArgSpec subject(V value, const char* doc) {
    return {"", value, true, doc, "", {}};
}

BareSpec process_step(const char* key, BareKind kind, BareArgSpec what,
                      std::vector<BareArgSpec> args, const char* doc) {
    return {key, kind, std::move(what), std::move(args), doc, StepFamily::Process};
}

std::vector<BareSpec> page_tables() {
    return {
        process_step("hwpt_alloc", BareKind::HwptAlloc, subject(V::Text, "names the page table"),
                     {{"of", V::Text, true, "the space whose mappings it has"},
                      {"device", V::AnyDevice, true, "a bound device: the format is its unit's"},
                      {"faults", V::Text, false,
                       "the fault object that takes page requests (default: none)"},
                      {"pasids", V::Flag, false, "it may be attached to PASIDs", "false"}},
                     "allocates a page table of a space"),
        process_step("hwpt_destroy", BareKind::HwptDestroy, subject(V::Text, "the page table"), {},
                     "destroys it (-EBUSY: something is attached)"),
        process_step("space_replace", BareKind::SpaceReplace, subject(V::AnyDevice, "the device"),
                     {{"to", V::Text, true, "a space or page table"},
                      {"pasid",
                       V::Number,
                       false,
                       "of its requests with this PASID alone",
                       "",
                       {},
                       0,
                       0xFFFFF}},
                     "an attached device goes over to another page table, in one step"),
    };
}

std::vector<BareSpec> fault_objects() {
    return {
        process_step("fault_queue", BareKind::FaultQueue, subject(V::Text, "names the object"),
                     {{"of", V::Text, true, "the file"},
                      {"flags", V::Number, false, "of the call; there are none yet", "0"}},
                     "makes a fault object and opens its file"),
        process_step("fault_close", BareKind::FaultClose, subject(V::Text, "the object"), {},
                     "closes its file; nothing is answered by that"),
        process_step("fault_destroy", BareKind::FaultDestroy, subject(V::Text, "the object"), {},
                     "destroys it (-EBUSY: its file is open, or a page table names it)"),
        process_step("fault_wait", BareKind::FaultWait, subject(V::Text, "the object"),
                     {{"timeout", V::Time, false, "how long at most (-ETIMEDOUT)", "\"10ms\""}},
                     "polls its file until there is something to read"),
        process_step("fault_read", BareKind::FaultRead, subject(V::Text, "the object"),
                     {{"into", V::Buffer, true, "a buffer of the process"},
                      {"offset", V::Number, false, "first byte of it", "0"},
                      {"size", V::Number, false, "bytes; a record has 40", "40"}},
                     "reads whole groups as records; the value is their bytes"),
        process_step("fault_respond", BareKind::FaultRespond, subject(V::Text, "the object"),
                     {{"cookies", V::Numbers, true, "of the groups that are answered"},
                      {"code",
                       V::Choice,
                       false,
                       "the answer to each of them",
                       "\"success\"",
                       {"success", "invalid", "failure"}},
                      {"size",
                       V::Number,
                       false,
                       "bytes that are written; an answer has 8",
                       "",
                       {},
                       0,
                       kPageSize}},
                     "writes answers; the value is the bytes that were taken"),
        process_step("device_error_wait", BareKind::DeviceErrorWait,
                     subject(V::AnyDevice, "the device"),
                     {{"timeout", V::Time, false, "how long at most (-ETIMEDOUT)", "\"10ms\""}},
                     "until the kernel has stopped the device"),
    };
}

std::uint32_t code_of(const std::string& word) {
    if (word == "failure") {
        return 2;
    }
    return word == "invalid" ? 1 : 0;
}

}  // namespace

std::vector<BareSpec> fault_user_specs() {
    std::vector<BareSpec> all = page_tables();
    for (BareSpec& spec : fault_objects()) {
        all.push_back(std::move(spec));
    }
    return all;
}

bool is_fault_user_step(BareKind kind) {
    return kind >= BareKind::HwptAlloc && kind <= BareKind::DeviceErrorWait;
}

StepOutcome FaultUser::perform(ExecContext& ctx, const BareStep& step, const VfioUser& buffers) {
    os::Iommufd& iommufd = kernel_.iommufd();
    const std::string name = step.name("");
    switch (step.kind) {
        case BareKind::FaultQueue:
            return outcome(iommufd.alloc_faults(ctx, step.name("of"), name, step.number("flags")));
        case BareKind::FaultClose:
            return outcome(iommufd.close_faults(ctx, name));
        case BareKind::FaultDestroy:
            return outcome(iommufd.destroy_faults(ctx, name));
        case BareKind::FaultWait:
        case BareKind::FaultRead:
        case BareKind::FaultRespond:
            return queue(ctx, step, buffers);
        case BareKind::DeviceErrorWait:
            return error_wait(ctx, step);
        default:
            return tables(ctx, step);
    }
}

// The eventfd of VFIO_PCI_ERR_IRQ_INDEX.
StepOutcome FaultUser::error_wait(ExecContext& ctx, const BareStep& step) {
    os::Device* const device = kernel_.find_device(step.name(""));
    SIM_CHECK(device != nullptr, "no device {}", step.name(""));
    os::PageRequestService* const requests = device->iommu().page_requests();
    if (requests == nullptr) {
        return outcome(Errno::Enodev);
    }
    const TimePs timeout{step.number("timeout", kBareTimeout.ps())};
    return outcome(requests->wait_for_error(ctx, *device, process_, ctx.now() + timeout));
}

StepOutcome FaultUser::tables(ExecContext& ctx, const BareStep& step) {
    os::Iommufd& iommufd = kernel_.iommufd();
    if (step.kind == BareKind::HwptDestroy) {
        return outcome(iommufd.destroy_hwpt(ctx, step.name("")));
    }
    const bool allocates = step.kind == BareKind::HwptAlloc;
    const std::string& whose = allocates ? step.name("device") : step.name("");
    os::Device* const device = kernel_.find_device(whose);
    SIM_CHECK(device != nullptr, "no device {}", whose);
    if (allocates) {
        return outcome(iommufd.alloc_hwpt(ctx, step.name("of"), step.name(""), *device,
                                          step.name("faults"), step.number("pasids") != 0));
    }
    if (!step.has("pasid")) {
        return outcome(iommufd.replace(ctx, *device, step.name("to")));
    }
    const Pasid pasid{static_cast<std::uint32_t>(step.number("pasid"))};
    return outcome(iommufd.replace_pasid(ctx, *device, step.name("to"), pasid));
}

StepOutcome FaultUser::queue(ExecContext& ctx, const BareStep& step, const VfioUser& buffers) {
    os::FaultQueue* const faults = kernel_.iommufd().faults(step.name(""));
    if (faults == nullptr || !faults->is_open()) {
        return outcome(Errno::Ebadf);
    }
    if (step.kind == BareKind::FaultWait) {
        const TimePs timeout{step.number("timeout", kBareTimeout.ps())};
        return outcome(faults->wait(ctx, process_, ctx.now() + timeout));
    }
    if (step.kind == BareKind::FaultRespond) {
        return respond(ctx, step, *faults);
    }
    const std::uint64_t address = buffers.address_of(step.name("into")) + step.number("offset");
    const auto read =
        faults->read(ctx, process_, address, step.number("size", os::fault_record::kBytes));
    return read ? StepOutcome{Errno::Ok, *read} : outcome(read.error());
}

StepOutcome FaultUser::respond(ExecContext& ctx, const BareStep& step, os::FaultQueue& faults) {
    if (answers_ == 0) {
        const auto page = process_.mm.map_anonymous(ctx, kPageSize);
        if (!page) {
            return outcome(page.error());
        }
        answers_ = *page;
    }
    const std::vector<std::uint64_t>& cookies = step.lists.at("cookies");
    const std::uint64_t count = std::min<std::uint64_t>(cookies.size(), kMostAnswers);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t word = (cookies[i] & 0xFFFF'FFFF) << (8 * response::kCookie) |
                                   std::uint64_t{code_of(step.name("code"))}
                                       << (8 * response::kCode);
        static_cast<void>(
            process_.mm.write(ctx, answers_ + i * response::kBytes, &word, response::kBytes));
    }
    const auto written =
        faults.write(ctx, process_, answers_, step.number("size", count * response::kBytes));
    return written ? StepOutcome{Errno::Ok, *written} : outcome(written.error());
}

}  // namespace ioasim::platform
