// A machine for kernel code without hardware models: memory bytes, remapping units that execute
// their invalidation queue at once and remember every descriptor, DSA functions that accept every
// command, and an ENQCMD that the test answers.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/ioasid/ioasid.hpp"
#include "core/trace/recorder.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/scheduler_if.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os::test {

constexpr std::uint64_t kUnit0 = 0xFED9'0000;
constexpr std::uint64_t kDsa0 = 0xE000'0000;
constexpr std::uint64_t kDsa1 = 0xE001'0000;
constexpr std::uint64_t kPortals0 = 0xD000'0000;
constexpr std::uint64_t kPortals1 = 0xD010'0000;
constexpr std::uint64_t kMemoryBase = 0x10'0000;

class FakeMachine final : public MachinePort, public cpu::Instructions, public cpu::LocalApics {
public:
    // --- memory ---------------------------------------------------------------------------------
    std::uint64_t load(ExecContext& ctx, std::uint64_t pa, unsigned size) override {
        std::uint64_t value = 0;
        peek(pa, &value, size);
        ctx.spend(TimePs{1000});
        return value;
    }
    void store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) override {
        stores.push_back(pa);
        poke(pa, &value, size);
        ctx.spend(TimePs{1000});
    }
    void read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) override {
        peek(pa, out, size);
        ctx.spend(TimePs{1000});
    }
    void write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in,
                     std::size_t size) override {
        poke(pa, in, size);
        ctx.spend(TimePs{1000});
    }
    void peek(std::uint64_t pa, void* out, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            static_cast<std::uint8_t*>(out)[i] = byte(pa + i);
        }
    }
    void poke(std::uint64_t pa, const void* in, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            byte(pa + i) = static_cast<const std::uint8_t*>(in)[i];
        }
    }
    std::uint64_t qword(std::uint64_t pa) {
        std::uint64_t value = 0;
        peek(pa, &value, 8);
        return value;
    }

    // --- devices --------------------------------------------------------------------------------
    std::uint64_t mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) override {
        ctx.spend(TimePs{100'000});
        const std::uint64_t value = is_unit(pa) ? unit_read(pa) : dsa_read(pa);
        return size == 8 ? value : value & 0xFFFF'FFFFU;
    }
    void mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned) override {
        ctx.spend(TimePs{10'000});
        writes.push_back({pa, value});
        if (is_unit(pa)) {
            unit_write(pa, value);
        } else {
            registers_[pa] = value;
        }
    }

    // --- instructions ---------------------------------------------------------------------------
    cpu::EnqResult enqcmd(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                          const cpu::Descriptor64& descriptor) override {
        ctx.spend(TimePs{200'000});
        ++submissions;
        return on_enqcmd ? on_enqcmd(state, portal, descriptor)
                         : cpu::EnqResult{cpu::EnqOutcome::Accepted, Pasid{}};
    }
    cpu::EnqResult enqcmds(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                           const cpu::Descriptor64& descriptor) override {
        return enqcmd(ctx, state, portal, descriptor);
    }
    bool movdir64b(ExecContext&, Hpa, const cpu::Descriptor64&) override { return true; }
    void clflushopt(ExecContext&, Hpa) override {}
    void wbinvd(ExecContext&) override { ++wbinvds; }
    std::uint64_t pasid_msr(const ExecContext&) const override { return ia32_pasid; }
    bool set_pasid_msr(ExecContext&, std::uint64_t value) override {
        ia32_pasid = value;
        return true;
    }
    void send_ipi(ExecContext&, std::size_t) override { ++ipis; }

    // --- what the test sets and sees ------------------------------------------------------------
    struct Write {
        std::uint64_t address;
        std::uint64_t value;
    };
    std::uint64_t cap = vtd::cap::kFro.make(vtd::reg::kFrcd / 16) | vtd::cap::kEsrtps.make(1) |
                        vtd::cap::kNd.make(6);
    std::uint64_t ecap = vtd::ecap::kQi.make(1) | vtd::ecap::kSmts.make(1) |
                         vtd::ecap::kPasid.make(1) | vtd::ecap::kPss.make(19) |
                         vtd::ecap::kFsts.make(1) | vtd::ecap::kSsts.make(1) |
                         vtd::ecap::kNest.make(1) | vtd::ecap::kSmpwcs.make(1);
    std::map<std::uint64_t, std::uint64_t> cap_at;  // of units that differ, by their registers
    std::map<std::uint64_t, std::uint64_t> ecap_at;
    bool queue_hangs = false;
    bool refuse_next = false;  // the next descriptor that is no wait: IQE
    bool command_hangs = false;
    std::vector<Write> writes;
    std::vector<std::uint64_t> stores;         // addresses
    std::vector<vtd::Descriptor> descriptors;  // executed by the unit, waits included
    int submissions = 0;
    std::uint64_t ia32_pasid = 0;
    int ipis = 0;
    std::uint64_t& hardware_register(std::uint64_t pa) { return registers_[pa]; }
    int wbinvds = 0;
    std::function<cpu::EnqResult(const cpu::CpuState&, Hpa, const cpu::Descriptor64&)> on_enqcmd;

private:
    std::uint8_t& byte(std::uint64_t pa) { return pages_[pa / kPageSize][pa % kPageSize]; }
    static bool is_unit(std::uint64_t pa) { return pa - kUnit0 < 16 * vtd::kRegisterBytes; }

    std::uint64_t unit_read(std::uint64_t pa) {
        switch (pa % vtd::kRegisterBytes) {
            case vtd::reg::kCap: {
                const auto own = cap_at.find(pa - vtd::reg::kCap);
                return own == cap_at.end() ? cap : own->second;
            }
            case vtd::reg::kEcap: {
                const auto own = ecap_at.find(pa - vtd::reg::kEcap);
                return own == ecap_at.end() ? ecap : own->second;
            }
            default:
                return registers_[pa];
        }
    }
    void unit_write(std::uint64_t pa, std::uint64_t value) {
        const std::uint64_t base = pa & ~(vtd::kRegisterBytes - 1);
        switch (pa % vtd::kRegisterBytes) {
            case vtd::reg::kGcmd:
                registers_[base + vtd::reg::kGsts] = value;
                break;
            case vtd::reg::kFsts:
                registers_[pa] &= ~value;
                serve(base);
                break;
            case vtd::reg::kPrs:
                registers_[pa] &= ~value;
                break;
            case vtd::reg::kIqt:
                registers_[pa] = value;
                serve(base);
                break;
            default:
                registers_[pa] = value;
        }
    }
    void serve(std::uint64_t base) {
        std::uint64_t& head = registers_[base + vtd::reg::kIqh];
        const std::uint64_t iqa = registers_[base + vtd::reg::kIqa];
        while (!queue_hangs && head != registers_[base + vtd::reg::kIqt] &&
               (registers_[base + vtd::reg::kFsts] & vtd::fsts::kIqe) == 0) {
            vtd::Descriptor d{};
            peek((iqa & bit_mask(63, 12)) + head, d.data(), sizeof(d));
            const bool wait = vtd::type_of(d) == vtd::InvalidationType::Wait;
            if (refuse_next && !wait) {
                refuse_next = false;
                registers_[base + vtd::reg::kFsts] |= vtd::fsts::kIqe;
                return;
            }
            descriptors.push_back(d);
            if (wait && vtd::inv::kWaitStatus.get(d[0]) != 0) {
                const auto data = static_cast<std::uint32_t>(vtd::inv::kWaitData.get(d[0]));
                poke(d[1], &data, 4);
            }
            head = (head + vtd::kDescriptorBytes) % vtd::iq::bytes(iqa);
        }
    }
    std::uint64_t dsa_read(std::uint64_t pa) {
        switch (pa % dsa::kBar0Bytes) {
            case dsa::reg::kWqcap:
                return dsa::encode(dsa::WqCapabilities{128, 8});
            case dsa::reg::kEngcap:
                return 4;
            case dsa::reg::kOffsets:
                return dsa::encode(dsa::TableOffsets{dsa::reg::kGrpcfgTable, dsa::reg::kWqcfgTable,
                                                     dsa::reg::kMsixPerm});
            case dsa::reg::kCmdsts:
                return dsa::encode(dsa::CommandStatus{command_hangs, dsa::CommandError::None, 0});
            default:
                return registers_[pa];
        }
    }

    std::map<std::uint64_t, std::array<std::uint8_t, kPageSize>> pages_;
    std::map<std::uint64_t, std::uint64_t> registers_;
};

class FakeScheduler final : public TaskScheduler {
public:
    int cpu_of(const ExecContext&) const override { return 0; }
    TimePs on_cpu_since(const ExecContext&) const override { return {}; }
    void spawn(const std::string&, MachinePort*, std::function<void(ExecContext&)> body) override {
        spawned.push_back(std::move(body));
    }
    // Services never end: a test calls what they would do, or has a dispatcher run them.
    void spawn_service(const std::string&, MachinePort*,
                       std::function<void(ExecContext&)> body) override {
        ++services;
        service_bodies.push_back(std::move(body));
    }
    void wake_all(WaitQueue&) override { ++wakes; }
    int services = 0;
    int wakes = 0;
    void spawn_on(int cpu, const std::string&, MachinePort*,
                  std::function<void(ExecContext&)> body) override {
        pinned.push_back(cpu);
        spawned.push_back(std::move(body));
    }
    void move(ExecContext&, std::size_t) override {}
    std::vector<int> pinned;
    std::vector<std::function<void(ExecContext&)>> spawned;
    std::vector<std::function<void(ExecContext&)>> service_bodies;
};

// Every event of a run by name, with one field at hand.
class EventLog final : public trace::Listener {
public:
    explicit EventLog(trace::Recorder& recorder) : recorder_(recorder) {
        recorder.add_listener(*this, trace::kAllCategories);
    }
    void on_event(const trace::EventRecord& record) override { records_.push_back(record); }

    std::size_t count(const std::string& name) {
        recorder_.flush();
        std::size_t n = 0;
        for (const trace::EventRecord& r : records_) {
            n += r.info->name == name ? 1 : 0;
        }
        return n;
    }
    // Position of the n-th event of that name, counted from 0; records().size() when there is none.
    std::size_t position(const std::string& name, std::size_t n = 0) {
        recorder_.flush();
        for (std::size_t i = 0; i < records_.size(); ++i) {
            if (records_[i].info->name == name && n-- == 0) {
                return i;
            }
        }
        return records_.size();
    }
    bool before(const std::string& first, const std::string& second) {
        const std::size_t a = position(first);
        const std::size_t b = position(second);
        return a < b && b < records_.size();
    }
    std::uint64_t field(std::size_t index, const std::string& name) const {
        const trace::EventRecord& r = records_.at(index);
        return r.values.at(r.info->field(name));
    }

private:
    trace::Recorder& recorder_;
    std::vector<trace::EventRecord> records_;
};

inline TimePs no_time() {
    return TimePs{};
}

// A host with one unit and two shared-workqueue functions, booted. Work that is deferred runs when
// somebody waits for it, or through work().
struct Host {
    explicit Host(const std::vector<const Defect*>& defects = {}, Switches switches = {},
                  std::function<void(FakeMachine&, KernelConfig&)> adjust = {},
                  const KernelParams& params = kernel_param_table().defaults(),
                  const std::function<void(Kernel&)>& more = {}, std::uint32_t capacity = 0) {
        recorder.source("host/test");
        recorder.begin_software();  // events in the order in which the code emits them
        for (const Defect* defect : defects) {
            probes.enable(*defect);
        }
        core = std::make_unique<IoasidCore>("host", IoasidParams::zero_time(), switches, recorder,
                                            probes);
        if (capacity != 0) {
            core->install_capacity(ctx, capacity);
        }
        KernelConfig config{"host", kMemoryBase, std::uint64_t{64} << 20U, false, false};
        if (adjust) {
            adjust(machine, config);
        }
        kernel = std::make_unique<Kernel>(
            KernelDeps{recorder, probes, *core, machine, scheduler, &machine}, config, params);
        IommuDriver& unit = kernel->add_iommu("iommu0", kUnit0);
        kernel->add_device({"dsa0", &unit, Rid{8}, false, 1, kDsa0, kPortals0, {{"wq0"}}});
        kernel->add_device({"dsa1", &unit, Rid{16}, true, 1, kDsa1, kPortals1, {{"wq0"}}});
        if (more) {
            more(*kernel);
        }
        boot_result = kernel->boot(ctx);
    }
    Device& dsa0() { return *kernel->find_device("dsa0"); }
    Device& dsa1() { return *kernel->find_device("dsa1"); }
    IommuDriver& unit() { return *kernel->find_iommu("iommu0"); }
    Process& process(const std::string& name) {
        Process& made = kernel->create_process(name);
        static_cast<void>(kernel->start_process(ctx, made));
        return made;
    }
    void work() { core->run_pending(ctx); }
    std::uint32_t refs(Ioasid id) const {
        const auto view = core->view(id);
        return view ? view->refs : 0;
    }

    trace::Recorder recorder{no_time};
    Probes probes;
    EventLog log{recorder};
    LockMonitor monitor;
    FakeMachine machine;
    FakeScheduler scheduler;
    ImmediateContext ctx{monitor, "host/test", &machine};
    std::unique_ptr<IoasidCore> core;
    std::unique_ptr<Kernel> kernel;
    Errno boot_result = Errno::Ok;
};

}  // namespace ioasim::os::test
