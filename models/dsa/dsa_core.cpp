#include "models/dsa/dsa_core.hpp"

#include <algorithm>

#include "core/base/check.hpp"
#include "core/sim/module.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/run_events.hpp"
#include "models/dsa/dsa_probes.hpp"
#include "models/pcie/pcie_layout.hpp"

namespace ioasim::dsa {

namespace {

const char* op_name(std::uint8_t opcode) {
    switch (static_cast<Opcode>(opcode)) {
        case Opcode::Noop:
            return "noop";
        case Opcode::Batch:
            return "batch";
        case Opcode::Drain:
            return "drain";
        case Opcode::Memmove:
            return "memmove";
        case Opcode::Fill:
            return "fill";
        case Opcode::Compare:
            return "compare";
        case Opcode::ComparePattern:
            return "compare_pattern";
        case Opcode::CreateDelta:
            return "create_delta";
        case Opcode::ApplyDelta:
            return "apply_delta";
        case Opcode::Dualcast:
            return "dualcast";
        case Opcode::CrcGenerate:
            return "crc";
        case Opcode::CopyCrc:
            return "copy_crc";
        case Opcode::DifCheck:
            return "dif_check";
        case Opcode::DifInsert:
            return "dif_insert";
        case Opcode::DifStrip:
            return "dif_strip";
        case Opcode::DifUpdate:
            return "dif_update";
        case Opcode::CacheFlush:
            return "cache_flush";
    }
    return "unknown";
}

}  // namespace

TraceNames::TraceNames(trace::Recorder& recorder, const DsaConfig& config)
    : device(recorder.name(config.name)),
      source(recorder.name("source")),
      destination(recorder.name("destination")),
      completion(recorder.name("completion")),
      list(recorder.name("list")),
      readback(recorder.name("readback")),
      record(recorder.name("record")),
      none(recorder.name("none")),
      lost(recorder.name("lost")),
      abort(recorder.name("abort")) {
    for (const WorkqueueSpec& wq : config.workqueues) {
        wqs.push_back(recorder.name(wq.name));
    }
    for (std::uint32_t i = 0; i < config.engines; ++i) {
        engines.push_back(recorder.name(fmt::format("engine{}", i)));
    }
    for (unsigned op = 0; op < 256; ++op) {
        ops.push_back(recorder.name(op_name(static_cast<std::uint8_t>(op))));
    }
}

DsaCore::DsaCore(const DsaParams& params, const DsaConfig& config, Fabric& fabric, Probes& probes,
                 trace::Recorder& recorder, SourceId source)
    : params_(params),
      config_(config),
      names_(recorder, config),
      function_(params_, config_),
      shared_{params_, config_, fabric, probes, recorder, source, names_, function_},
      registers_(shared_),
      wqs_(config.workqueues.size(), Workqueue(WqReset{supported_operations()})),
      engines_(shared_, registers_, function_),
      commands_(shared_, function_, registers_, wqs_, engines_) {
    SIM_CHECK(config.workqueues.size() <= kMaxWorkqueues && config.engines >= 1 &&
                  config.engines <= kMaxEngines,
              "{}: {} workqueues, {} engines", config.name, config.workqueues.size(),
              config.engines);
}

void DsaCore::start() const {
    const trace::Name kind = shared_.recorder.name("workqueue");
    for (const WorkqueueSpec& wq : config_.workqueues) {
        shared_.emit(
            trace::RunPool{shared_.recorder.name(config_.name + "/" + wq.name), kind, wq.size});
    }
}

// --- registers ---

std::uint32_t DsaCore::read32(std::uint64_t offset) const {
    const std::uint64_t wqcfg_end = reg::kWqcfgTable + wqs_.size() * kWqcfgBytes;
    if (offset >= reg::kWqcfgTable && offset < wqcfg_end) {
        const std::uint64_t in_table = offset - reg::kWqcfgTable;
        return wqs_[in_table / kWqcfgBytes].read(in_table % kWqcfgBytes / 4);
    }
    return registers_.read(offset);
}

std::uint64_t DsaCore::read_register(std::uint64_t offset, unsigned size) const {
    const std::uint64_t low = read32(offset);
    return size == 8 ? low | (std::uint64_t{read32(offset + 4)} << 32U) : low;
}

void DsaCore::write_register(TimePs now, std::uint64_t offset, std::uint64_t value, unsigned size) {
    const auto high = static_cast<std::uint32_t>(value >> 32U);
    // Interrupt Pending goes with the head: what waited for room in the log interrupts anew. A
    // counter is locked when it is enabled, which its low half says.
    const bool high_first =
        size == 8 && (offset == reg::kEvlstatus || inside(offset, reg::kPerfmon, perf::kBytes));
    if (high_first) {
        write32(now, offset + 4, high);
    }
    write32(now, offset, static_cast<std::uint32_t>(value));
    if (size == 8 && !high_first) {
        write32(now, offset + 4, high);
    }
}

void DsaCore::write32(TimePs now, std::uint64_t offset, std::uint32_t value) {
    if (offset == reg::kCmd) {
        commands_.write(now, value, accepted_);
    } else if (offset >= reg::kWqcfgTable &&
               offset < reg::kWqcfgTable + wqs_.size() * kWqcfgBytes) {
        write_wqcfg(offset - reg::kWqcfgTable, value);
    } else {
        registers_.write(now, offset, value);
        if (offset == reg::kEvlstatus) {
            engines_.log_read(now);
        }
    }
}

void DsaCore::write_wqcfg(std::uint64_t offset, std::uint32_t value) {
    const auto index = static_cast<std::uint32_t>(offset / kWqcfgBytes);
    Workqueue& wq = wqs_[index];
    const std::uint64_t dword = offset % kWqcfgBytes / 4;
    const WqConfig before = wq.config();
    const bool unlocked =
        registers_.state() == DeviceState::Disabled || shared_.probes.has(kConfigUnlocked);
    if (!wq.write(dword, value, unlocked, shared_.probes.has(kThresholdLocked))) {
        shared_.probes.hit(kConfigIgnored);
        return;
    }
    const WqConfig& after = wq.config();
    const bool had_pasid = before.dedicated && before.pasid_enable;
    const bool has_pasid = after.dedicated && after.pasid_enable;
    if (had_pasid != has_pasid || (has_pasid && before.pasid != after.pasid)) {
        commands_.tell_state(index);
    }
}

// --- the PCI function ---

void DsaCore::configure(TimePs now, const pcie::Tlp& request) {
    const auto offset = static_cast<std::uint32_t>(request.address);
    if (function_.resetting(now)) {
        // Until the reset is over: Request Retry Status (6.6.2), which ends the access as failed.
        shared_.fabric.send(now, pcie::make_completion(request, pcie::CplStatus::Retry));
        return;
    }
    pcie::Tlp completion = pcie::make_completion(request, pcie::CplStatus::Success);
    if (request.kind == pcie::TlpKind::ConfigRead) {
        function_.set_pending(
            engines_.reads_outstanding() + engines_.translator().requests_outstanding() != 0);
        const std::uint32_t value = function_.read(offset, request.length);
        for (unsigned i = 0; i < request.length; ++i) {
            completion.data.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
        }
        shared_.fabric.send(now, std::move(completion));
        return;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < request.data.size(); ++i) {
        value |= std::uint32_t{request.data[i]} << (8 * i);
    }
    shared_.emit(trace::PcieConfigWrite{config_.rid, offset, value, request.length});
    const pcie::ConfigView before = function_.view();
    const pcie::ConfigOrders orders = function_.write(offset, value, request.length);
    shared_.fabric.send(now, std::move(completion));
    enables_changed(now, before, orders);
}

void DsaCore::enables_changed(TimePs now, const pcie::ConfigView& before,
                              const pcie::ConfigOrders& orders) {
    if (orders.reset_function) {
        function_reset(now);
        return;
    }
    const pcie::ConfigView& after = function_.view();
    if (after.ats != before.ats) {
        engines_.translator().ats_changed(after.ats);
    }
    if (orders.reset_page_requests) {
        engines_.translator().page_requests_reset(now);
    }
    engines_.translator().page_interface_changed(now);
    const bool changed = after.bus_master != before.bus_master || after.ats != before.ats ||
                         after.pasid != before.pasid || after.page_requests != before.page_requests;
    const bool in_use =
        registers_.state() == DeviceState::Enabled || registers_.state() == DeviceState::Draining;
    if (changed && in_use && !shared_.probes.has(kEnablesUnwatched)) {
        SoftwareError error;
        error.error = kSwErrorConfiguration;
        registers_.report(now, error);
        registers_.halt(now, shared_.recorder.name("configuration"), ResetType::FunctionLevel);
        commands_.halt(now);
    }
}

// Everything is forgotten. Tags whose completions are still to come stay taken: they will be
// discarded, whenever they come.
void DsaCore::function_reset(TimePs now) {
    const TimePs until = now + params_.reset_time;
    const std::uint32_t waited =
        engines_.reads_outstanding() + engines_.translator().requests_outstanding();
    shared_.emit(trace::PcieFunctionReset{
        config_.rid, waited, static_cast<std::uint32_t>(engines_.translator().pages_outstanding()),
        until});
    function_.begin_reset(until);
    if (shared_.probes.has(kResetLeavesWork)) {
        return;
    }
    commands_.function_reset(now);
    for (const pcie::Tlp& unsent : shared_.fabric.drop_requests(now)) {
        if (!pcie::is_posted(unsent.kind)) {
            engines_.never_sent(unsent.tag);
        }
    }
    registers_.function_reset();
    known_state_ = DeviceState::Disabled;
}

void DsaCore::power_off(TimePs now) {
    commands_.function_reset(now);
    static_cast<void>(shared_.fabric.drop_requests(now));
    registers_.function_reset();
}

void DsaCore::receive(TimePs now, const pcie::Tlp& message) {
    if (!function_.resetting(now)) {
        engines_.translator().receive(now, message);
    }
}

// --- portals ---

DsaCore::Answer DsaCore::submit(TimePs now, std::uint64_t offset,
                                const std::vector<std::uint8_t>& data, bool non_posted) {
    const auto target = decode_portal(offset);
    DescriptorBytes bytes{};
    std::copy_n(data.begin(), std::min(data.size(), bytes.size()), bytes.begin());
    const Descriptor descriptor = decode_descriptor(bytes);
    if (!target || target->wq >= wqs_.size() || data.size() != bytes.size()) {
        return refuse_submission(now, std::nullopt, non_posted, descriptor);
    }
    if (stored_messages(target->portal) && params_.message_storage == 0) {
        return refuse_submission(now, target->wq, non_posted, descriptor);  // no such portal (3.3)
    }
    const Workqueue& wq = wqs_[target->wq];
    const bool enabled =
        registers_.state() == DeviceState::Enabled ||
        (registers_.state() == DeviceState::Halt && shared_.probes.has(kHaltedAccepts));
    const bool threshold = limited(target->portal) && !shared_.probes.has(kThresholdIgnored);
    Admission admission = wq.admit(non_posted, threshold, enabled);
    if (admission == Admission::Accept && non_posted &&
        shared_.probes.fails(kSubmissionRetry, shared_.config.name)) {
        admission = Admission::Retry;
    }
    if (admission == Admission::Accept) {
        return {pcie::CplStatus::Success, accept(now, *target, descriptor)};
    }
    const bool full = non_posted && wq.state() == WqState::Enabled && !wq.config().dedicated;
    if (full && shared_.probes.has(kAcceptWhenFull)) {
        tell_submission(target->wq, Pasid{descriptor.pasid}, ++accepted_);
        return {pcie::CplStatus::Success, accepted_};
    }
    return refuse_submission(now, target->wq, non_posted, descriptor,
                             admission == Admission::Overflow);
}

std::uint64_t DsaCore::accept(TimePs now, const PortalTarget& target,
                              const Descriptor& descriptor) {
    const std::uint32_t index = target.wq;
    Workqueue& wq = wqs_[index];
    const WqConfig& config = wq.config();
    Work work;
    work.descriptor = descriptor;
    work.number = ++accepted_;
    work.wq = index;
    work.accepted = now;
    work.ready = now + params_.dispatch;
    work.max_transfer_shift = config.max_transfer_shift;
    work.max_batch_shift = config.max_batch_shift;
    work.block_on_fault = config.block_on_fault;
    work.ats = !config.ats_disable;
    work.prs = !config.prs_disable;
    work.stored_messages = stored_messages(target.portal);
    work.may_be_privileged = function_.view().pasid_privileged;
    if (!shared_.probes.has(kOperationsIgnored)) {
        work.operations = config.operations[0];
    }
    if (!config.dedicated) {
        work.pasid = Pasid{descriptor.pasid};
        work.privileged = descriptor.privileged;
    } else if (config.pasid_enable) {
        work.pasid =
            Pasid{shared_.probes.has(kQueuePasidIgnored) ? descriptor.pasid : config.pasid};
        work.privileged = config.privileged;
    }
    const Pasid pasid = traced_pasid(work.pasid);
    wq.push(std::move(work));
    tell_submission(index, pasid, accepted_);
    return accepted_;
}

void DsaCore::tell_submission(std::uint32_t wq, Pasid pasid, std::uint64_t number) const {
    shared_.emit(trace::DsaEnqueue{names_.device, names_.wqs[wq], pasid, number != 0,
                                   wqs_[wq].occupancy(), number});
}

DsaCore::Answer DsaCore::refuse_submission(TimePs now, std::optional<std::uint32_t> wq,
                                           bool non_posted, const Descriptor& descriptor,
                                           bool overflow) {
    if (non_posted) {
        if (!wq) {
            return {pcie::CplStatus::UnsupportedRequest, 0};
        }
        shared_.probes.hit(kRetryAnswered);
        tell_submission(*wq, Pasid{descriptor.pasid}, 0);
        return {pcie::CplStatus::Retry, 0};
    }
    shared_.probes.hit(kPostedLost);
    if (wq) {
        const WqConfig& config = wqs_[*wq].config();
        tell_submission(*wq, Pasid{config.pasid_enable ? config.pasid : kInvalidIoasid}, 0);
    }
    if (overflow || shared_.probes.has(kDropsReported)) {
        SoftwareError error;
        error.error = kSwErrorQueueFull;
        error.descriptor_valid = error.wq_valid = wq.has_value();
        error.wq = static_cast<std::uint8_t>(wq.value_or(0));
        error.opcode = descriptor.opcode;
        error.pasid = wq && wqs_[*wq].config().pasid_enable ? wqs_[*wq].config().pasid : 0;
        error.privileged = wq && wqs_[*wq].config().privileged;
        registers_.report(now, error);
    }
    return {pcie::CplStatus::UnsupportedRequest, 0};
}

// --- from workqueues to engines ---

void DsaCore::read_groups() {
    groups_.clear();
    std::vector<GroupBuffers> buffers;
    for (std::uint32_t g = 0; g < registers_.groups(); ++g) {
        Group group{g, {}, {}, GroupArbiter(wqs_.size())};
        buffers.push_back(registers_.group(g).engines != 0 ? registers_.group(g).buffers()
                                                           : GroupBuffers{});
        for (std::uint32_t wq = 0; wq < wqs_.size(); ++wq) {
            if (registers_.group(g).has_wq(wq)) {
                group.wqs.push_back(wq);
            }
        }
        for (std::uint32_t engine = 0; engine < engines_.count(); ++engine) {
            if (registers_.group(g).has_engine(engine)) {
                group.engines.push_back(engine);
            }
        }
        if (!group.wqs.empty()) {
            groups_.push_back(std::move(group));
        }
    }
    engines_.set_groups(buffers);
}

std::uint32_t DsaCore::queued() const {
    std::uint32_t sum = 0;
    for (const Workqueue& wq : wqs_) {
        sum += wq.occupancy();
    }
    return sum;
}

std::optional<std::uint32_t> DsaCore::engine_for(TimePs now, const Group& group, bool batch) const {
    std::optional<std::uint32_t> best;
    for (const std::uint32_t engine : group.engines) {
        const auto free_at = engines_.free_at(engine, batch);
        if (free_at && *free_at <= now && (!best || engines_.load(engine) < engines_.load(*best))) {
            best = engine;
        }
    }
    return best;
}

bool DsaCore::dispatch_one(TimePs now, Group& group) {
    candidates_.clear();
    for (const std::uint32_t wq : group.wqs) {
        if (!wqs_[wq].empty() && wqs_[wq].front().ready <= now &&
            engine_for(now, group, wqs_[wq].front().is_batch())) {
            const unsigned priority =
                shared_.probes.has(kPrioritiesIgnored) ? 1 : wqs_[wq].config().priority;
            candidates_.push_back({wq, priority});
        }
    }
    if (candidates_.empty()) {
        return false;
    }
    Workqueue& wq = wqs_[group.arbiter.pick(candidates_)];
    const auto engine = engine_for(now, group, wq.front().is_batch());
    if (shared_.probes.fails(kHardwareError, shared_.config.name)) {
        registers_.halt(now, shared_.names.engines[*engine],
                        static_cast<ResetType>(params_.halt_reset));
        commands_.halt(now);
        return false;
    }
    Work work = wq.pop();
    work.group = group.index;
    engines_.start(now, *engine, std::move(work), wq.occupancy());
    return true;
}

bool DsaCore::start_entry(TimePs now, const Group& group, bool out_of_turn) {
    for (const std::uint32_t engine : group.engines) {
        const auto at = engines_.entry_at(engine);
        if (at && *at <= now && (out_of_turn || engines_.entries_turn(engine))) {
            engines_.start_entry(now, engine);
            return true;
        }
    }
    return false;
}

void DsaCore::arbitrate(TimePs now) {
    if ((queued() == 0 && engines_.active() == 0) || registers_.state() == DeviceState::Halt) {
        return;
    }
    for (Group& group : groups_) {
        // Entries of batches and descriptors of workqueues take turns.
        while (start_entry(now, group, false) || dispatch_one(now, group) ||
               start_entry(now, group, true)) {
        }
    }
}

std::optional<TimePs> DsaCore::next_dispatch() const {
    std::optional<TimePs> next;
    if ((queued() == 0 && engines_.active() == 0) || registers_.state() == DeviceState::Halt) {
        return next;
    }
    for (const Group& group : groups_) {
        for (const std::uint32_t e : group.engines) {
            next = sim::earliest(next, engines_.entry_at(e));
        }
        for (const std::uint32_t wq : group.wqs) {
            if (wqs_[wq].empty()) {
                continue;
            }
            const Work& front = wqs_[wq].front();
            std::optional<TimePs> engine;
            for (const std::uint32_t e : group.engines) {
                engine = sim::earliest(engine, engines_.free_at(e, front.is_batch()));
            }
            // No free slot: the end of a descriptor calls advance().
            if (engine) {
                next = sim::earliest(next, std::max(front.ready, *engine));
            }
        }
    }
    return next;
}

// --- time ---

bool DsaCore::answer(TimePs now, pcie::Tlp completion) {
    return engines_.answer(now, std::move(completion));
}

void DsaCore::advance(TimePs now) {
    engines_.advance(now);
    commands_.advance(now);
    if (registers_.state() != known_state_) {
        known_state_ = registers_.state();
        if (known_state_ == DeviceState::Enabled) {
            read_groups();
        }
    }
    arbitrate(now);
    for (Workqueue& wq : wqs_) {
        if (wq.occupancy_interrupt(shared_.probes.has(kOccupancyRepeats))) {
            registers_.cause(now, kIntcauseOccupancy, false);
            const WqConfig& c = wq.config();
            registers_.interrupts().fire(now, {c.occupancy_handle, c.occupancy_ims}, 0);
        }
    }
}

std::optional<TimePs> DsaCore::next_wakeup() const {
    return sim::earliest(sim::earliest(engines_.next_wakeup(), commands_.next_wakeup()),
                         next_dispatch());
}

bool DsaCore::busy() const {
    return queued() != 0 || engines_.active() != 0 || commands_.active();
}

std::vector<std::string> DsaCore::describe() const {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < wqs_.size(); ++i) {
        if (!wqs_[i].empty()) {
            lines.push_back(fmt::format("{}: {} of {} entries, oldest descriptor {}",
                                        config_.workqueues[i].name, wqs_[i].occupancy(),
                                        wqs_[i].config().size, wqs_[i].front().number));
        }
    }
    lines.push_back(fmt::format("{} descriptors in engines, {} reads outstanding",
                                engines_.active(), engines_.reads_outstanding()));
    if (commands_.active()) {
        lines.push_back(commands_.describe());
    }
    return lines;
}

}  // namespace ioasim::dsa
