#include "models/platform/dsa_bench.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "models/cpu/vmx_layout.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/memory/memory_params.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/platform/param_resolve.hpp"

namespace ioasim::platform {
namespace {

namespace reg = dsa::reg;

constexpr TimePs kCommandTimeout{10'000'000'000};
// A socket has so many accelerators; with more of them there are two sockets.
constexpr std::size_t kDevicesOfSocket = 4;
constexpr std::uint64_t kFarBytes = std::uint64_t{64} << 30U;
// Data lie above 4 GiB, tables below.
constexpr std::uint64_t kDataBase = std::uint64_t{1} << 32U;
constexpr std::uint64_t kDataBytes = std::uint64_t{200} << 30U;
constexpr std::uint64_t kTablesBase = 0x100'0000;
constexpr std::uint64_t kTablesBytes = 0x4000'0000;
constexpr std::uint32_t kFirstPasid = 1;
// Forced hits of device TLBs: all that an address space has lies in one page.
constexpr std::uint64_t kLargestPage = std::uint64_t{1} << 30U;
// Outstanding page requests that software lets a device have.
constexpr std::uint64_t kPageRequests = 32;
// Guest PASIDs differ from the host's, so that a translation left out does not go unnoticed.
constexpr std::uint32_t kGuestPasidDistance = 100;

std::string device_name(std::size_t index) {
    return fmt::format("dsa{}", index);
}

bool two_sockets(const Experiment& e) {
    return e.numa == NumaUse::DstRemote || device_shapes(e).size() > kDevicesOfSocket;
}

std::string unit_name(const Experiment& e, std::size_t device) {
    return two_sockets(e) && device >= kDevicesOfSocket ? "iommu1" : "iommu0";
}

HarnessMemory far_memory(const Experiment& e) {
    if (!two_sockets(e)) {
        return {0, 0};
    }
    const PlatformConfig config = DsaBench::platform(e);
    const auto params = resolve(memory::memory_param_table(), config, "memory");
    return {memory::node1_base(params).value(), params.node1_bytes};
}

std::size_t client_count(const Experiment& e) {
    std::size_t clients = 1;
    for (const TraceShape& t : e.trace) {
        clients = std::max<std::size_t>(clients, t.client + 1);
    }
    return std::max(clients, e.clients.size());
}

}  // namespace

std::vector<DeviceShape> device_shapes(const Experiment& e) {
    if (!e.config.empty()) {
        return e.config;
    }
    const GroupShape group{e.engines, {e.queue}};
    return std::vector<DeviceShape>(e.devices, DeviceShape{{e.groups, group}});
}

PlatformConfig DsaBench::platform(const Experiment& e) {
    PlatformConfig config;
    config.iommus.push_back({"iommu0", 0});
    if (two_sockets(e)) {
        config.iommus.push_back({"iommu1", 1});
        config.params.push_back({"memory", "node1.bytes", kFarBytes});
    }
    config.params.push_back({"iommu", "cap.device_tlb", 1});
    if (e.devtlb == DevTlbUse::Hit) {
        config.params.push_back({"iommu", "ats.pass_through_level", 3});
    }
    if (e.ddio_bytes) {
        config.params.push_back({"memory", "llc.device_bytes", *e.ddio_bytes / 64 * 64});
    }
    if (e.block_on_fault) {
        config.params.push_back({"iommu", "cap.page_requests", 1});
        config.params.push_back({"iommu", "cap.page_request_drain", 1});
    }
    std::size_t index = 0;
    for (const DeviceShape& shape : device_shapes(e)) {
        DeviceConfig device;
        device.name = device_name(index);
        device.iommu = unit_name(e, index++);
        device.ats = true;
        device.engines = 0;
        for (const GroupShape& group : shape.groups) {
            device.engines += group.engines;
            for (const QueueShape& queue : group.queues) {
                device.workqueues.push_back({fmt::format("wq{}", device.workqueues.size()),
                                             queue.shared, queue.size, queue.threshold, 10});
            }
        }
        config.devices.push_back(std::move(device));
    }
    config.cpus = std::max<std::uint64_t>(e.submitters, e.clients.size()) + 1;
    return config;
}

DsaBench::DsaBench(Harness& harness)
    : harness_(harness),
      experiment_(harness.series.front()),
      ctx_(harness.ctx),
      params_(resolve(bench_param_table(), harness.config, "software")),
      scheduler_(resolve(scheduler_param_table(), harness.config, "scheduler")),
      processor_(resolve(cpu::cpu_param_table(), harness.config, "cpu")),
      prepared_(*harness.world.memory),
      builder_(harness.world.is_memory, harness.world.is_poisoned),
      memory_(kDataBase, kDataBytes),
      far_(far_memory(harness.series.front())) {
    builder_.use(kTablesBase, kTablesBytes);
}

BenchQueue& DsaBench::queue(std::uint32_t device, std::uint32_t group, std::uint32_t queue) {
    return devices_.at(device).groups.at(group).at(queue);
}

std::vector<BenchQueue*> DsaBench::queues() {
    std::vector<BenchQueue*> all;
    for (Device& device : devices_) {
        for (auto& group : device.groups) {
            for (BenchQueue& queue : group) {
                all.push_back(&queue);
            }
        }
    }
    return all;
}

HarnessMemory& DsaBench::destination_memory() {
    return experiment_.numa == NumaUse::DstRemote ? far_ : memory_;
}

namespace {

// Registers of one device.
class DeviceRegisters {
public:
    DeviceRegisters(ExecContext& ctx, std::uint64_t base) : ctx_(ctx), base_(base) {}
    std::uint64_t read(std::uint64_t offset, unsigned size) {
        return ctx_.mmio_read(base_ + offset, size);
    }
    void write(std::uint64_t offset, std::uint64_t value, unsigned size) {
        ctx_.mmio_write(base_ + offset, value, size);
    }
    void command(dsa::Command code, std::uint32_t operand) {
        write(reg::kCmd, dsa::encode_command(code, operand, false), 4);
        const TimePs end = ctx_.now() + kCommandTimeout;
        dsa::CommandStatus status;
        do {
            status = dsa::decode_cmdsts(static_cast<std::uint32_t>(read(reg::kCmdsts, 4)));
        } while (status.active && ctx_.now() < end);
        SIM_CHECK(!status.active && status.error == dsa::CommandError::None,
                  "command {} of the accelerator fails with {:#x}", static_cast<int>(code),
                  static_cast<int>(status.error));
    }

private:
    ExecContext& ctx_;
    std::uint64_t base_;
};

}  // namespace

std::uint64_t DsaBench::device_tlb_hits(std::uint32_t device) {
    namespace perf = dsa::perf;
    DeviceRegisters registers(ctx_, harness_.world.units.at(device_name(device)).registers);
    return registers.read(reg::kPerfmon + perf::counter_data(0), 8);
}

void DsaBench::count_device_tlb_hits(std::uint32_t device) {
    namespace perf = dsa::perf;
    DeviceRegisters registers(ctx_, harness_.world.units.at(device_name(device)).registers);
    const std::uint64_t category = static_cast<std::uint64_t>(perf::Category::Translation) << 8U;
    registers.write(reg::kPerfmon + perf::counter_config(0),
                    1U << perf::kEnable | category | std::uint64_t{perf::kDeviceTlbHit} << 32U, 8);
}

void DsaBench::bring_up() {
    for (const char* const name : {"iommu0", "iommu1"}) {
        const auto found = harness_.world.units.find(name);
        if (found != harness_.world.units.end()) {
            units_.emplace_back(found->second.registers, builder_, name);
            must(builder_.root_table(ctx_, step_of(BareKind::RootTable, {}, {{"", "scalable"}}),
                                     name),
                 "root table");
        }
    }
    make_spaces();
    make_contexts();
    enable_units();
    const std::vector<DeviceShape> shapes = device_shapes(experiment_);
    for (std::size_t d = 0; d < shapes.size(); ++d) {
        configure(d);
    }
    make_guest();
}

// --- translation ---

void DsaBench::make_spaces() {
    if (experiment_.vm) {
        must(builder_.page_table(ctx_, step_of(BareKind::PageTable, {{"levels", 4}},
                                               {{"", "guest"}, {"stage", "second"}})),
             "second-stage table");
    }
    const bool first = experiment_.translation == TranslationBy::Svm;
    for (std::size_t i = 0; i < client_count(experiment_); ++i) {
        std::string table;
        const std::string guest = experiment_.vm ? "guest" : "";
        if (!physical()) {
            table = fmt::format("mm{}", i);
            BareStep step = step_of(BareKind::PageTable, {{"levels", 4}},
                                    {{"", table}, {"stage", first ? "first" : "second"}});
            if (experiment_.vm && first) {
                step.names["inside"] = guest;
            }
            must(builder_.page_table(ctx_, step), "page table");
        }
        spaces_.push_back(std::make_unique<HarnessSpace>(
            builder_, memory_, table, first ? guest : "",
            Pasid{kFirstPasid + static_cast<std::uint32_t>(i)},
            experiment_.devtlb == DevTlbUse::Hit ? kLargestPage : experiment_.page_size));
    }
}

void DsaBench::make_contexts() {
    for (std::size_t d = 0; d < device_shapes(experiment_).size(); ++d) {
        devices_.push_back({device_name(d), {}});
        const BareUnit& unit = harness_.world.units.at(device_name(d));
        const std::uint64_t blocks = experiment_.block_on_fault ? 1 : 0;
        must(builder_.context(ctx_,
                              step_of(BareKind::Context, {{"", unit.rid.value()},
                                                          {"pasids", 1},
                                                          {"device_tlb", 1},
                                                          {"page_requests", blocks},
                                                          {"rid_pasid", 0}}),
                              unit_name(experiment_, d)),
             "context entry");
        for (std::size_t i = 0; i < spaces_.size(); ++i) {
            make_entries(*spaces_[i], i, d);
        }
    }
}

// Requests with the PASID of the address space, and those without one: the kernel's.
void DsaBench::make_entries(HarnessSpace& space, std::size_t index, std::size_t device) {
    const std::uint64_t by = harness_.world.units.at(device_name(device)).rid.value();
    const std::uint64_t did = index + 1;
    BareStep entry = step_of(BareKind::PasidEntry, {{"", space.pasid().value()},
                                                    {"by", by},
                                                    {"did", did},
                                                    {"supervisor", 1},
                                                    {"snooped_walks", 1}});
    if (physical()) {
        entry.numbers["pass_through"] = 1;
    } else if (experiment_.translation == TranslationBy::Iova) {
        entry.names["second"] = fmt::format("mm{}", index);
    } else {
        entry.names["first"] = fmt::format("mm{}", index);
        if (experiment_.vm) {
            entry.names["second"] = "guest";
        }
    }
    must(builder_.pasid_entry(ctx_, entry), "PASID entry");
    if (index == 0) {
        entry.numbers[""] = 0;  // RID_PASID
        must(builder_.pasid_entry(ctx_, entry), "PASID entry of the requester id");
    }
}

void DsaBench::enable_units() {
    for (BareDriver& unit : units_) {
        BareStep step = step_of(BareKind::Enable, {});
        if (experiment_.block_on_fault) {
            step.numbers["page_requests"] = 0;
        }
        const BareResult result = unit.enable(ctx_, step);
        must(result, "the remapping unit");
        page_requests_ = result.value;
    }
}

// The PASID that a guest program submits with is the guest's.
void DsaBench::make_guest() {
    for (const auto& space : spaces_) {
        cpu::CpuState state;
        std::uint32_t pasid = space->pasid().value();
        state.supervisor = experiment_.driver != DriverKind::User;
        if (experiment_.vm) {
            if (!vmcs_.enable_pasid_translation) {
                vmcs_.enable_pasid_translation = true;
                vmcs_.low_pasid_directory = Hpa{builder_.take(ctx_)};
                vmcs_.high_pasid_directory = Hpa{builder_.take(ctx_)};
                const cpu::PasidDirectoryEntry entry{true, Hpa{builder_.take(ctx_)}};
                ctx_.store(
                    cpu::directory_entry_address(vmcs_.low_pasid_directory, Pasid{0}).value(),
                    cpu::encode(entry), 8);
            }
            const Pasid guest{pasid + kGuestPasidDistance};
            const Hpa directory = cpu::directory_entry_address(vmcs_.low_pasid_directory, guest);
            const Hpa table = cpu::decode_pasid_directory(ctx_.load(directory.value(), 8)).table;
            ctx_.store(cpu::table_entry_address(table, guest).value(),
                       cpu::encode(cpu::PasidTableEntry{true, space->pasid()}), 4);
            state.vmcs = &vmcs_;
            pasid = guest.value();
        }
        states_.push_back(state);
        pasid_msrs_.push_back(cpu::kIa32PasidValid | pasid);
    }
}

// --- the accelerators ---

namespace {

// The client that a dedicated workqueue belongs to.
std::size_t owner_of(const Experiment& e, std::size_t device, std::size_t group,
                     std::size_t queue) {
    for (std::size_t i = 0; i < e.clients.size(); ++i) {
        const ClientShape& client = e.clients[i];
        if (client.device == device && client.group == group && client.queue == queue) {
            return i;
        }
    }
    for (const TraceShape& step : e.trace) {
        if (step.device == device && step.group == group && step.queue == queue) {
            return step.client;
        }
    }
    return 0;
}

}  // namespace

dsa::WqConfig DsaBench::queue_config(const QueueShape& queue, std::size_t owner) {
    dsa::WqConfig config;
    config.size = queue.size;
    config.dedicated = !queue.shared;
    config.threshold = !queue.shared ? 0 : std::max(queue.threshold, 1U);
    config.priority = 10;
    config.pasid_enable = queue.shared || !physical();
    config.pasid = queue.shared || physical() ? 0 : space(owner).pasid().value();
    config.block_on_fault = experiment_.block_on_fault;
    config.privileged = !queue.shared && experiment_.driver != DriverKind::User;
    return config;
}

void DsaBench::configure(std::size_t index) {
    const BareUnit& unit = harness_.world.units.at(device_name(index));
    // Linux leaves ATS on whatever the domain is, pass-through too, when a unit has scalable mode.
    namespace config = pcie::config;
    ctx_.mmio_write(unit.configuration + config::kPasidCtl,
                    config::kPasidEnable | config::kPasidPrivileged, 2);
    ctx_.mmio_write(unit.configuration + config::kAtsCtl, config::kAtsEnable, 2);
    if (experiment_.block_on_fault) {
        ctx_.mmio_write(unit.configuration + config::kPriAllocation, kPageRequests, 4);
        ctx_.mmio_write(unit.configuration + config::kPriCtl, config::kPriEnable, 2);
    }
    DeviceRegisters registers(ctx_, unit.registers);
    const auto offsets = dsa::decode_offsets(registers.read(reg::kOffsets, 8));
    const auto gencap = dsa::decode_gencap(registers.read(reg::kGencap, 8));
    const unsigned stride = dsa::decode_wqcap(registers.read(reg::kWqcap, 8)).config_size_code;
    const DeviceShape shape = device_shapes(experiment_).at(index);
    std::uint32_t wq = 0;
    std::uint32_t engine = 0;
    for (std::uint32_t g = 0; g < shape.groups.size(); ++g) {
        const GroupShape& group = shape.groups[g];
        const std::uint64_t at = dsa::grpcfg_address(offsets.grpcfg, g);
        const std::uint64_t queues = bit_mask(static_cast<unsigned>(group.queues.size()) - 1, 0);
        registers.write(at + dsa::kGrpcfgWqBitmap, queues << wq, 8);
        registers.write(at + dsa::kGrpcfgEngineBitmap, bit_mask(group.engines - 1, 0) << engine, 8);
        engine += group.engines;
        devices_.at(index).groups.emplace_back();
        for (const QueueShape& queue : group.queues) {
            const std::size_t place = devices_.at(index).groups.back().size();
            dsa::WqConfig wanted = queue_config(queue, owner_of(experiment_, index, g, place));
            wanted.max_transfer_shift = gencap.max_transfer_shift;
            wanted.max_batch_shift = gencap.max_batch_shift;
            const dsa::WqcfgDwords dwords = dsa::encode(wanted);
            for (std::uint64_t i = 0; i < 4; ++i) {
                registers.write(dsa::wqcfg_address(offsets.wqcfg, wq, stride, i), dwords.at(i), 4);
            }
            BenchQueue made;
            made.shape = queue;
            made.portal = unit.portals + dsa::portal_offset(wq, dsa::Portal::LimitedMsix);
            devices_.at(index).groups.back().push_back(std::move(made));
            ++wq;
        }
    }
    registers.command(dsa::Command::EnableDevice, 0);
    for (std::uint32_t i = 0; i < wq; ++i) {
        registers.command(dsa::Command::EnableWq, i);
    }
}

}  // namespace ioasim::platform
