#include "models/vm/migration.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "models/dsa/dsa_layout.hpp"
#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {

using trace::MigrationPhase;

namespace {

// Each device's portals start at a place of their own, far enough for any number of queues.
constexpr std::uint64_t kPortalStride = std::uint64_t{4} << 20U;

}  // namespace

Gpa portal_base(std::size_t device) {
    return kPortalBase + device * kPortalStride;
}

Gpa portal_page(std::size_t device, std::uint32_t queue) {
    return portal_base(device) + dsa::portal_offset(queue, dsa::Portal::LimitedMsix);
}

void map_portals(const MovableMachine& machine) {
    for (std::size_t device = 0; device < machine.site.devices.size(); ++device) {
        for (std::uint32_t queue = 0; queue < machine.queues.at(device); ++queue) {
            const auto portal = machine.host->portal(machine.site.devices[device], queue);
            if (portal) {
                machine.memory.map_portal(portal_page(device, queue), *portal);
            }
        }
    }
}

bool submit_kept(ExecContext& ctx, const MovableMachine& machine, const KeptSubmission& kept) {
    const std::string& device = machine.site.devices.at(kept.device);
    Result<Ioasid> sent = Errno::Eagain;
    const TimePs deadline = ctx.now() + machine.params.kill_timeout;
    while (machine.alive && !sent && sent.error() == Errno::Eagain && ctx.now() < deadline) {
        sent = machine.host->submit(ctx, device, kept.queue, Spid{kept.gpasid}, kept.descriptor);
        if (!sent && sent.error() == Errno::Eagain) {
            ctx.spend(machine.params.migration_poll);
        }
    }
    if (!machine.alive && !sent) {
        return false;
    }
    machine.recorder.emit(ctx.source(),
                          trace::VdevSubmissionResumed{
                              machine.recorder.name(machine.name), machine.recorder.name(device),
                              kept.queue, kept.number, Pasid{kept.gpasid},
                              Pasid{sent ? (*sent).value() : kInvalidIoasid}, sent.error()});
    return true;
}

void on_guest_binding(ExecContext& ctx, const MovableMachine& machine, std::size_t device,
                      std::uint32_t gpasid, bool bound) {
    const auto number = static_cast<std::uint32_t>(device);
    if (bound) {
        machine.kept.begin(number, gpasid);
        return;
    }
    if (machine.probes.has(kUnbindLosesKept)) {
        return;
    }
    for (const KeptSubmission& kept : machine.kept.end(number, gpasid)) {
        if (!submit_kept(ctx, machine, kept)) {
            return;
        }
    }
}

void Migration::tell(const ExecContext& ctx, MigrationPhase phase, std::uint64_t count) {
    m_.recorder.emit(ctx.source(), trace::VmMigration{m_.recorder.name(m_.name),
                                                      m_.recorder.name(to_.host), phase, count});
}

// --- the other side -----------------------------------------------------------------------------

Errno Migration::on_destination(ExecContext& ctx, std::uint64_t bytes, const Body& body) {
    WaitQueue arrived{m_.name + "/migration link"};
    const auto travel = [&](TimePs time) {
        const TimePs until = ctx.now() + time;
        while (ctx.now() < until) {
            ctx.wait_until(arrived, until);
        }
    };
    const std::uint64_t pages = (bytes + kPageSize - 1) / kPageSize;
    travel(m_.params.migration_latency + m_.params.migration_page * pages);
    bool done = false;
    Errno error = Errno::Ok;
    WaitQueue answered{m_.name + "/migration answer"};
    m_.scheduler.spawn(to_.host + "/" + m_.name + "-incoming" + std::to_string(++messages_),
                       &m_.host_port, [&](ExecContext& there) {
                           error = body(there);
                           done = true;
                           there.wake_all(answered);
                       });
    while (!done) {
        ctx.wait(answered);
    }
    travel(m_.params.migration_latency);
    return error;
}

Errno Migration::prepare(ExecContext& ctx) {
    return on_destination(ctx, 0, [this](ExecContext& there) {
        Errno error = to_.vm_host->open(there);
        if (error == Errno::Ok) {
            auto pages = to_.vm_host->map_memory(there, m_.memory_bytes);
            error = pages.error();
            if (pages) {
                pages_ = *pages;
            } else {
                static_cast<void>(to_.vm_host->release(there));
            }
        }
        return error;
    });
}

// --- the source ---------------------------------------------------------------------------------

void Migration::unmap_portals(ExecContext& ctx) {
    for (std::uint32_t device = 0; device < m_.devices.size(); ++device) {
        for (std::uint32_t queue = 0; queue < m_.queues.at(device); ++queue) {
            m_.memory.keep_portal(portal_page(device, queue), {device, queue});
        }
    }
    for (os::VirtualDeviceIf* device : virtual_devices()) {
        static_cast<void>(device->pause(ctx));
    }
    // Whoever looked the page up before is through with it first.
    std::vector<std::uint64_t> before;
    for (const auto& vcpu : m_.vcpus) {
        before.push_back(vcpu->access());
        vcpu->kick(ctx);
    }
    for (std::size_t i = 0; i < m_.vcpus.size(); ++i) {
        while (before[i] != 0 && m_.vcpus[i]->access() == before[i]) {
            ctx.spend(m_.params.migration_poll);
        }
    }
    tell(ctx, MigrationPhase::PortalsUnmapped);
}

std::vector<os::VirtualDeviceIf*> Migration::virtual_devices() const {
    std::vector<os::VirtualDeviceIf*> devices;
    std::copy_if(m_.virtual_devices.begin(), m_.virtual_devices.end(), std::back_inserter(devices),
                 [](const os::VirtualDeviceIf* device) { return device != nullptr; });
    return devices;
}

// What a device does not finish here is done nowhere: its memory has been copied by then.
Errno Migration::drain(ExecContext& ctx) {
    Errno result = m_.shadow.drain(ctx);
    for (os::VirtualDeviceIf* device : virtual_devices()) {
        const Errno error = device->drain(ctx);
        if (error != Errno::Enodev) {  // it is closed
            result = error != Errno::Ok ? error : result;
        }
    }
    tell(ctx, MigrationPhase::Drained, m_.kept.all().size());
    return m_.probes.has(kDrainIgnored) ? Errno::Ok : result;
}

void Migration::stop(ExecContext& ctx) {
    m_.control.stopped = true;
    for (const auto& vcpu : m_.vcpus) {
        vcpu->kick(ctx);  // who has no processor now leaves the guest when it gets one
    }
    while (m_.alive && !std::all_of(m_.vcpus.begin(), m_.vcpus.end(),
                                    [](const auto& vcpu) { return vcpu->at_rest(); })) {
        ctx.spend(m_.params.migration_poll);
    }
    tell(ctx, MigrationPhase::Stopped);
}

MigrationState Migration::save(ExecContext& ctx) {
    MigrationState state;
    state.registers = m_.viommu.registers();
    state.root_table = m_.shadow.root().value();
    state.next_gpasid = m_.pool.next();
    state.returned.assign(m_.pool.returned().begin(), m_.pool.returned().end());
    for (const auto& [gpasid, id] : m_.pool.ids()) {
        state.gpasids.push_back(gpasid);
    }
    if (!m_.probes.has(kQueueDropped)) {
        state.submissions = m_.kept.all();
    }
    for (os::VirtualDeviceIf* device : virtual_devices()) {
        state.devices.push_back(device->save(ctx));
        if (m_.probes.has(kQueueDropped)) {
            state.devices.back().trapped.clear();
        }
    }
    source_ids_.clear();
    for (const auto& [gpasid, id] : m_.pool.ids()) {
        source_ids_[gpasid] = id;
    }
    return state;
}

Errno Migration::copy(ExecContext& ctx) {
    const std::uint64_t batch = m_.params.migration_batch;
    std::vector<std::uint8_t> bytes;
    for (std::uint64_t first = 0; first < pages_.size() && m_.alive; first += batch) {
        const std::uint64_t count = std::min<std::uint64_t>(batch, pages_.size() - first);
        bytes.resize(count * kPageSize);
        for (std::uint64_t i = 0; i < count; ++i) {
            const UserAccess copied(ctx);
            ctx.read_bytes(source_pages_.at(first + i).value(), &bytes[i * kPageSize], kPageSize);
        }
        const Errno error = on_destination(ctx, bytes.size(), [&](ExecContext& there) {
            for (std::uint64_t i = 0; i < count; ++i) {
                there.write_bytes(pages_.at(first + i).value(), &bytes[i * kPageSize], kPageSize);
            }
            return Errno::Ok;
        });
        if (error != Errno::Ok) {
            return error;
        }
    }
    tell(ctx, MigrationPhase::Copied, pages_.size());
    return Errno::Ok;
}

// The host PASIDs stay until the files of this side are closed: the machine may come back to them.
void Migration::detach(ExecContext& ctx) {
    if (m_.probes.has(kSpidsKept)) {
        return;
    }
    const std::size_t bound = m_.shadow.bound();
    m_.shadow.unbind_all(ctx);
    if (m_.probes.has(kNumbersFreedEarly)) {
        for (const auto& [gpasid, id] : source_ids_) {
            static_cast<void>(m_.host->free_ioasid(ctx, id));
        }
    }
    tell(ctx, MigrationPhase::Unbound, bound);
}

// --- the whole way ------------------------------------------------------------------------------

Errno Migration::run(ExecContext& ctx) {
    Frame frame{ctx, "migrate"};
    const VmSite from = m_.site;
    source_pages_.clear();
    for (const std::uint64_t page : from.vm_host->ram()) {
        source_pages_.push_back(Hpa{page});
    }
    m_.control.armed = true;
    const Errno prepared = prepare(ctx);
    if (prepared != Errno::Ok) {
        tell(ctx, MigrationPhase::Failed);
        return m_.alive ? prepared : Errno::Ecanceled;
    }
    const Errno error = move(ctx);
    if (!m_.alive) {
        // Its queue goes with it; the host that it is on is released by whoever killed it.
        m_.kept.clear();
        end_on(ctx, m_.host == to_.vm_host ? from : to_);
        tell(ctx, MigrationPhase::Cancelled);
        return Errno::Ecanceled;
    }
    if (error == Errno::Ok && !m_.probes.has(kSpidsKept)) {
        end_on(ctx, from);
    }
    return error;
}

Errno Migration::move(ExecContext& ctx) {
    const VmSite from = m_.site;
    if (!m_.probes.has(kPortalLeftMapped)) {
        unmap_portals(ctx);
    }
    const Errno drained = drain(ctx);
    stop(ctx);
    if (!m_.alive) {
        return Errno::Ecanceled;
    }
    if (drained != Errno::Ok) {
        stay(ctx);
        return drained;
    }
    const std::vector<std::uint8_t> state = encode(save(ctx));
    tell(ctx, MigrationPhase::Saved, state.size());
    Errno error = copy(ctx);
    if (!m_.alive) {
        return Errno::Ecanceled;
    }
    detach(ctx);
    if (error == Errno::Ok) {
        error = on_destination(ctx, state.size(), [&](ExecContext& there) {
            return take_over(there, to_, pages_, state);
        });
    }
    if (error != Errno::Ok && m_.alive) {
        tell(ctx, MigrationPhase::Failed);
        on_destination(ctx, 0, [this](ExecContext& there) { return to_.vm_host->release(there); });
        lost_ = take_over(ctx, from, source_pages_, state) != Errno::Ok;
    }
    return error;
}

// Nothing has been taken away here: devices and vCPUs go on where they stopped.
void Migration::stay(ExecContext& ctx) {
    tell(ctx, MigrationPhase::Failed);
    on_destination(ctx, 0, [this](ExecContext& there) { return to_.vm_host->release(there); });
    enable(ctx);
    if (m_.alive) {
        resume(ctx);
    }
}

// The VMM of that side ends: its files are closed, and its memory goes back.
void Migration::end_on(ExecContext& ctx, const VmSite& site) {
    if (site.host == to_.host) {
        on_destination(ctx, 0, [&](ExecContext& there) { return site.vm_host->release(there); });
    } else {
        static_cast<void>(site.vm_host->release(ctx));
    }
}

// --- the destination ----------------------------------------------------------------------------

Errno Migration::take_over(ExecContext& ctx, const VmSite& site, const std::vector<Hpa>& pages,
                           const std::vector<std::uint8_t>& bytes) {
    const Result<MigrationState> state = decode(bytes);
    if (!state) {
        return state.error();
    }
    m_.recorder.emit(ctx.source(),
                     trace::VmHosted{m_.recorder.name(m_.name), m_.recorder.name(site.host)});
    m_.memory.set_ram(pages);
    const Errno loaded = load(ctx, site, *state);
    if (loaded != Errno::Ok) {
        return loaded;
    }
    tell(ctx, MigrationPhase::Loaded, m_.pool.assigned());
    const bool early = m_.probes.has(kEnabledBeforeBind);
    if (early) {
        enable(ctx);
    }
    const Errno bound = m_.shadow.bind_again(ctx);
    tell(ctx, MigrationPhase::Bound, m_.shadow.bound());
    if (bound != Errno::Ok && m_.alive && !m_.probes.has(kRefusedBindIgnored)) {
        return bound;
    }
    if (!early) {
        enable(ctx);
    }
    if (m_.alive) {
        resume(ctx);
    }
    return Errno::Ok;
}

Errno Migration::load(ExecContext& ctx, const VmSite& site, const MigrationState& state) {
    m_.site = site;
    m_.host = site.vm_host;
    m_.shadow.move_to(*site.vm_host, site.devices);
    m_.shadow.set_root(Gpa{state.root_table});
    m_.viommu.move_to(*site.vm_host, site.pasid_min, site.pasid_max);
    const Errno error = m_.viommu.restore(state.registers);
    if (error != Errno::Ok) {
        return error;
    }
    m_.pool.restore(state.next_gpasid, {state.returned.begin(), state.returned.end()});
    m_.kept.restore(state.submissions);
    m_.serve_devices();
    std::size_t next = 0;
    for (os::VirtualDeviceIf* device : virtual_devices()) {
        const Errno restored = next < state.devices.size()
                                   ? restore(ctx, *device, state.devices[next])
                                   : Errno::Einval;
        ++next;
        if (restored != Errno::Ok) {
            return restored;
        }
    }
    for (const std::uint32_t gpasid : state.gpasids) {
        if (site.host != to_.host && !m_.probes.has(kNumbersFreedEarly)) {
            m_.pool.back(gpasid, source_ids_.at(gpasid));  // back where it has them
            continue;
        }
        std::uint32_t min = site.pasid_min;
        std::uint32_t max = site.pasid_max;
        if (m_.probes.has(kHostPasidCarried)) {
            min = max = source_ids_.at(gpasid).value();
        }
        const auto id = site.vm_host->alloc_ioasid(ctx, min, max);
        if (!id) {
            return id.error();
        }
        m_.pool.back(gpasid, *id);
    }
    return Errno::Ok;
}

// The source's own devices are taken back as they were: what UNBIND took away is off.
Errno Migration::restore(ExecContext& ctx, os::VirtualDeviceIf& device,
                         const os::VirtualDeviceState& state) {
    static_cast<void>(device.reset(ctx));
    return device.restore(ctx, state);
}

void Migration::enable(ExecContext& ctx) {
    for (os::VirtualDeviceIf* device : virtual_devices()) {
        const Errno error = go_on(ctx, *device);
        if (error != Errno::Ok) {
            tell(ctx, MigrationPhase::QueueOff, static_cast<std::uint64_t>(error));
        }
    }
    resubmit(ctx);
}

// A shared queue of the host may be full for a while.
Errno Migration::go_on(ExecContext& ctx, os::VirtualDeviceIf& device) {
    const TimePs deadline = ctx.now() + m_.params.kill_timeout;
    Errno error = device.resume(ctx, os::CallingTask{m_.host->mm()});
    while (error == Errno::Eagain && m_.alive && ctx.now() < deadline &&
           !m_.probes.has(kResumesOnce)) {
        ctx.spend(m_.params.migration_poll);
        error = device.resume(ctx, os::CallingTask{m_.host->mm()});
    }
    return error;
}

void Migration::resubmit(ExecContext& ctx) {
    std::deque<KeptSubmission> queue = m_.kept.all();
    m_.kept.clear();
    if (m_.probes.has(kQueueTwice)) {
        const std::deque<KeptSubmission> again = queue;
        queue.insert(queue.end(), again.begin(), again.end());
    }
    for (const KeptSubmission& kept : queue) {
        if (!submit_kept(ctx, m_, kept)) {
            break;  // who would send the rest is dead, and so is the guest that waits for it
        }
    }
    tell(ctx, MigrationPhase::Resubmitted, queue.size());
}

void Migration::resume(ExecContext& ctx) {
    map_portals(m_);
    for (const auto& vcpu : m_.vcpus) {
        vcpu->move_to(m_.site.host);
    }
    m_.control.stopped = false;
    tell(ctx, MigrationPhase::Resumed);
    ctx.wake_all(m_.control.resumed);
}

}  // namespace ioasim::vm
