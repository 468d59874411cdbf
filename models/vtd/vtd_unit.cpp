#include "models/vtd/vtd_unit.hpp"

#include <cstring>
#include <utility>

#include "core/trace/vtd_events.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {
namespace {

constexpr std::uint32_t kFaultRecordBytes = 16;
constexpr std::uint32_t kFaultHighWord = 12;  // the dword of a record that holds F
constexpr std::uint32_t kFaultBit = 1U << 31U;
constexpr unsigned kTagShift = 32;
constexpr std::uint32_t kQueueCauses = fsts::kIqe | fsts::kIce | fsts::kIte;

}  // namespace

RemappingUnit::RemappingUnit(const VtdParams& params, Probes& probes, trace::Recorder& recorder,
                             SourceId source, const std::string& name, Rid own_id, UnitPort& port)
    : params_(params),
      caps_(make_capabilities(params)),
      probes_(probes),
      recorder_(recorder),
      source_(source),
      name_(recorder.name(name)),
      own_id_(own_id),
      port_(port),
      cache_names_{recorder.name("context"), recorder.name("pasid"), recorder.name("iotlb")},
      evicted_(recorder.name("evict")),
      invalidated_(recorder.name("invalidate")),
      registers_(caps_),
      faults_(caps_.fault_records),
      caches_(params_, probes, this),
      pipeline_(params_, caps_, caches_, probes, recorder, source, name_, port, *this),
      queue_(caps_, params_.invalidation, *this) {}

// --- time and messages --------------------------------------------------------------------------

void RemappingUnit::on_memory(TimePs now, memory::MemResponse response) {
    const auto index = static_cast<std::uint32_t>(response.tag);
    switch (response.tag >> kTagShift) {
        case RequestPipeline::kDmaTag:
            pipeline_.on_dma_response(now, index, std::move(response));
            break;
        case RequestPipeline::kWalkTag:
            pipeline_.on_walk_response(now, index, response);
            break;
        case kFetchTag:
            queue_.on_fetched(now, response.data.data(), response.data.size(),
                              response.status == memory::MemStatus::Ok);
            break;
        case kStatusTag:
            queue_.on_status_written(now);
            break;
        default:
            SIM_CHECK(false, "an answer of memory with tag {:#x}", response.tag);
    }
    settle(now);
}

void RemappingUnit::advance(TimePs now) {
    while (!reads_.empty() && reads_.front().due <= now) {
        port_.send_fabric(now, std::move(reads_.front().completion));
        reads_.pop_front();
    }
    if (queue_.due() && *queue_.due() <= now) {
        queue_.execute(now);
    }
    if (command_due_ && *command_due_ <= now) {
        command_due_.reset();
        command_waits_ = true;
        pipeline_.barrier();
    }
    settle(now);
}

std::optional<TimePs> RemappingUnit::next_wakeup() const {
    std::optional<TimePs> next = queue_.due();
    if (command_due_ && (!next || *command_due_ < *next)) {
        next = command_due_;
    }
    if (!reads_.empty() && (!next || reads_.front().due < *next)) {
        next = reads_.front().due;
    }
    return next;
}

bool RemappingUnit::busy() const {
    return pipeline_.busy() || !queue_.idle() || !commands_.empty() || !reads_.empty();
}

void RemappingUnit::settle(TimePs now) {
    if (command_waits_ && !command_must_wait()) {
        command_waits_ = false;
        finish_command(now);
    }
}

// --- global commands ----------------------------------------------------------------------------

void RemappingUnit::set_status(std::uint32_t bit, bool on) {
    registers_.set(reg::kGsts, on ? status() | bit : status() & ~bit);
}

void RemappingUnit::start_command(TimePs now) {
    if ((commands_.front() & gcmd::kSrtp) != 0) {
        set_status(gcmd::kSrtp, false);
    }
    command_due_ = now + params_.command;
}

bool RemappingUnit::command_must_wait() const {
    const std::uint32_t value = commands_.front();
    const bool enables = (value & gcmd::kTe) != 0 && (status() & gcmd::kTe) == 0;
    const bool stops_queue = (value & gcmd::kQie) == 0 && (status() & gcmd::kQie) != 0;
    return (enables && !pipeline_.drained()) || (stops_queue && !queue_.idle());
}

void RemappingUnit::finish_command(TimePs now) {
    const std::uint32_t value = commands_.front();
    commands_.pop_front();
    const std::uint32_t changed = value ^ status();
    if ((value & gcmd::kSrtp) != 0) {
        root_pointer_ = registers_.get64(reg::kRtaddr);
        if (caps_.flush_on_srtp) {
            invalidate_everything();
        }
        set_status(gcmd::kSrtp, true);
    }
    if ((changed & gcmd::kTe) != 0) {
        const bool on = (value & gcmd::kTe) != 0;
        set_status(gcmd::kTe, on);
        if (!on) {
            invalidate_everything();
            faults_.restart();
        }
    }
    if ((changed & gcmd::kQie) != 0) {
        const bool on = (value & gcmd::kQie) != 0;
        set_status(gcmd::kQie, on);
        if (on) {
            queue_.set_base(registers_.get64(reg::kIqa));
            queue_.kick(now);
        } else {
            queue_.reset_head();
        }
    }
    if (!commands_.empty()) {
        start_command(now);
    }
}

void RemappingUnit::invalidate_everything() {
    caches_.invalidate_all();
    pipeline_.barrier();
}

// --- registers ----------------------------------------------------------------------------------

void RemappingUnit::on_register_access(TimePs now, const pcie::Tlp& tlp) {
    const auto offset = static_cast<std::uint32_t>(tlp.address % kRegisterBytes);
    if (tlp.kind == pcie::TlpKind::MemWrite) {
        write_access(now, offset, tlp.data);
        return;
    }
    const bool read = tlp.kind == pcie::TlpKind::MemRead;
    pcie::Tlp completion = pcie::make_completion(
        tlp, read ? pcie::CplStatus::Success : pcie::CplStatus::UnsupportedRequest);
    if (read) {
        const std::uint64_t value = read_access(now, offset, tlp.length);
        completion.data.resize(tlp.length);
        std::memcpy(completion.data.data(), &value,
                    std::min<std::size_t>(sizeof value, completion.data.size()));
    }
    reads_.push_back({now + params_.register_access, std::move(completion)});
}

std::uint64_t RemappingUnit::read_access(TimePs, std::uint32_t offset, unsigned size) {
    if (!RegisterFile::legal(offset, size)) {
        probes_.hit(kBadRegisterAccess);
        return 0;
    }
    const std::uint64_t low = read_word(offset);
    return size == 8 ? low | (std::uint64_t{read_word(offset + 4)} << 32U) : low;
}

void RemappingUnit::write_access(TimePs now, std::uint32_t offset,
                                 const std::vector<std::uint8_t>& data) {
    if (!RegisterFile::legal(offset, static_cast<unsigned>(data.size()))) {
        probes_.hit(kBadRegisterAccess);
        return;
    }
    // A quadword is taken low dword first.
    for (std::size_t i = 0; i < data.size(); i += 4) {
        std::uint32_t value = 0;
        std::memcpy(&value, data.data() + i, sizeof value);
        write_word(now, offset + static_cast<std::uint32_t>(i), value);
    }
}

bool RemappingUnit::is_fault_record(std::uint32_t offset) const {
    return offset >= reg::kFrcd && offset < reg::kFrcd + faults_.size() * kFaultRecordBytes;
}

std::uint32_t RemappingUnit::read_fault_word(std::uint32_t offset) const {
    const std::uint32_t within = (offset - reg::kFrcd) % kFaultRecordBytes;
    const FaultQwords q = faults_.read((offset - reg::kFrcd) / kFaultRecordBytes);
    const std::uint64_t half = within < 8 ? q.low : q.high;
    return static_cast<std::uint32_t>(within % 8 == 0 ? half : half >> 32U);
}

std::uint32_t RemappingUnit::fault_status() const {
    std::uint32_t value = registers_.get(reg::kFsts) & kQueueCauses;
    value |= faults_.overflow() ? fsts::kPfo : 0;
    if (faults_.pending()) {
        value |= fsts::kPpf | static_cast<std::uint32_t>(fsts::kFri.make(faults_.first()));
    }
    return value;
}

bool RemappingUnit::any_fault_cause() const {
    return (fault_status() & (kQueueCauses | fsts::kPfo | fsts::kPpf)) != 0;
}

EventRegister* RemappingUnit::control_at(std::uint32_t offset) {
    switch (offset) {
        case reg::kFectl:
            return &fault_event_;
        case reg::kIectl:
            return &invalidation_event_;
        case reg::kPectl:
            return &page_event_;
        default:
            return nullptr;
    }
}

std::uint32_t RemappingUnit::read_word(std::uint32_t offset) const {
    if (is_fault_record(offset)) {
        return read_fault_word(offset);
    }
    if (const EventRegister* const event = control_at(offset)) {
        return event->control();
    }
    switch (offset) {
        case reg::kGcmd:
            return 0;
        case reg::kFsts:
            return fault_status();
        case reg::kIqh:
            return static_cast<std::uint32_t>(queue_.head());
        default:
            return registers_.get(offset);
    }
}

void RemappingUnit::write_word(TimePs now, std::uint32_t offset, std::uint32_t value) {
    if (is_fault_record(offset)) {
        const std::uint32_t within = (offset - reg::kFrcd) % kFaultRecordBytes;
        if (within == kFaultHighWord && (value & kFaultBit) != 0) {
            faults_.clear((offset - reg::kFrcd) / kFaultRecordBytes);
            if (!any_fault_cause()) {
                fault_event_.withdraw();
            }
        }
        return;
    }
    if (EventRegister* const event = control_at(offset)) {
        send(now, event->write_control(value));
        return;
    }
    const std::uint32_t before = registers_.get(offset);
    registers_.write(offset, value);
    after_write(now, offset, value);
    const bool page_queue = offset == reg::kPqh || offset == reg::kPqt;
    if (page_queue && registers_.get(offset) != before) {
        tell_page_queue();
    }
}

void RemappingUnit::after_write(TimePs now, std::uint32_t offset, std::uint32_t value) {
    const auto message = [this](std::uint32_t data) {
        return EventMessage{registers_.get64(data + 4), registers_.get(data)};
    };
    switch (offset) {
        case reg::kGcmd:
            commands_.push_back(value);
            if (commands_.size() == 1) {
                start_command(now);
            }
            break;
        case reg::kFsts:
            write_fault_status(now, value);
            break;
        case reg::kIqt:
            queue_.set_tail(registers_.get64(reg::kIqt));
            queue_.kick(now);
            break;
        case reg::kIqa:
        case reg::kIqa + 4:
            queue_.set_base(registers_.get64(reg::kIqa));
            break;
        case reg::kIcs:
            if ((registers_.get(reg::kIcs) & iq::kIwc) == 0) {
                invalidation_event_.withdraw();
            }
            break;
        case reg::kPrs:
            if (registers_.get(reg::kPrs) == 0) {
                page_event_.withdraw();
            }
            break;
        case reg::kFedata:
        case reg::kFeaddr:
        case reg::kFeuaddr:
            fault_event_.set_message(message(reg::kFedata));
            break;
        case reg::kIedata:
        case reg::kIeaddr:
        case reg::kIeuaddr:
            invalidation_event_.set_message(message(reg::kIedata));
            break;
        case reg::kPedata:
        case reg::kPeaddr:
        case reg::kPeuaddr:
            page_event_.set_message(message(reg::kPedata));
            break;
        default:
            break;
    }
}

void RemappingUnit::write_fault_status(TimePs now, std::uint32_t value) {
    if ((value & fsts::kPfo) != 0) {
        faults_.clear_overflow();
    }
    if (!any_fault_cause()) {
        fault_event_.withdraw();
    }
    if ((value & fsts::kIqe) != 0) {
        // The other two fields belong to ITE and ICE.
        registers_.set64(reg::kIqercd, iq::kErrorInfo.set(registers_.get64(reg::kIqercd), 0));
        queue_.kick(now);
    }
}

void RemappingUnit::tell_page_queue() {
    recorder_.emit(source_,
                   trace::VtdPrq{name_, registers_.get(reg::kPqh), registers_.get(reg::kPqt)});
}

// --- faults and events --------------------------------------------------------------------------

void RemappingUnit::send(TimePs now, const std::optional<EventMessage>& message) {
    if (!message) {
        return;
    }
    pcie::Tlp tlp;
    tlp.kind = pcie::TlpKind::Interrupt;
    tlp.requester = own_id_;
    tlp.address = message->address;
    tlp.length = sizeof message->data;
    tlp.data.resize(sizeof message->data);
    std::memcpy(tlp.data.data(), &message->data, sizeof message->data);
    port_.send_fabric(now, std::move(tlp));
}

void RemappingUnit::raise_fault_event(TimePs now, bool cause_before) {
    if (!cause_before) {
        send(now, fault_event_.raise());
    }
}

bool RemappingUnit::log_fault(TimePs now, const FaultRecord& fault) {
    const bool cause_before = any_fault_cause();
    // Address bits above the widest tables are not recorded (11.4.7.8).
    FaultRecord recorded = fault;
    recorded.address &= bit_mask(caps_.five_level ? 56 : 47, 0);
    const FaultLog::Outcome outcome = faults_.record(recorded);
    if (outcome.overflow) {
        probes_.hit(kFaultOverflow);
    }
    if (outcome.new_status) {
        raise_fault_event(now, cause_before);
    }
    return outcome.recorded;
}

void RemappingUnit::set_queue_status(TimePs now, std::uint32_t bit) {
    const bool cause_before = any_fault_cause();
    registers_.set(reg::kFsts, registers_.get(reg::kFsts) | bit);
    raise_fault_event(now, cause_before);
}

void RemappingUnit::unexpected_completion(TimePs now, Rid rid) {
    // ICESID in 63:48.
    registers_.set64(reg::kIqercd, Field{63, 48}.set(registers_.get64(reg::kIqercd), rid.value()));
    set_queue_status(now, fsts::kIce);
}

void RemappingUnit::queue_error(TimePs now, QueueError error) {
    probes_.hit(kQueueError);
    const std::uint64_t record = registers_.get64(reg::kIqercd);
    registers_.set64(reg::kIqercd, iq::kErrorInfo.set(record, static_cast<std::uint64_t>(error)));
    set_queue_status(now, fsts::kIqe);
}

// --- invalidation queue -------------------------------------------------------------------------

bool RemappingUnit::fetching_allowed() const {
    const std::uint32_t stopped = fsts::kIqe | fsts::kIte;
    return (status() & gcmd::kQie) != 0 && (registers_.get(reg::kFsts) & stopped) == 0;
}

void RemappingUnit::fetch(TimePs now, Hpa address, std::uint32_t bytes) {
    memory::MemRequest request;
    request.op = memory::MemOp::Read;
    request.address = address;
    request.size = bytes;
    request.tag = kFetchTag << kTagShift;
    port_.send_memory(now, std::move(request));
}

void RemappingUnit::write_status(TimePs now, Hpa address, std::uint32_t data) {
    memory::MemRequest request;
    request.op = memory::MemOp::Write;
    request.address = address;
    request.size = sizeof data;
    request.tag = kStatusTag << kTagShift;
    request.data.resize(sizeof data);
    std::memcpy(request.data.data(), &data, sizeof data);
    port_.send_memory(now, std::move(request));
}

bool RemappingUnit::requests_drained() const {
    return pipeline_.drained() || probes_.has(kWaitBeforeDrain);
}

void RemappingUnit::drained(TimePs now) {
    if (queue_.state() == InvalidationQueue::State::Draining) {
        probes_.hit(kWaitDrained);
        queue_.on_drained(now);
    }
}

void RemappingUnit::wait_done(TimePs now, const Descriptor& d) {
    const bool status = inv::kWaitStatus.get(d[0]) != 0;
    recorder_.emit(source_, trace::VtdInvWaitDone{
                                name_, status ? wait_status_address(caps_, d) : Hpa{},
                                static_cast<std::uint32_t>(status ? inv::kWaitData.get(d[0]) : 0)});
    if (inv::kWaitInterrupt.get(d[0]) != 0 && (registers_.get(reg::kIcs) & iq::kIwc) == 0) {
        registers_.set(reg::kIcs, iq::kIwc);
        send(now, invalidation_event_.raise());
    }
}

void RemappingUnit::apply(TimePs, const Descriptor& d) {
    const InvalidationType type = type_of(d);
    const bool iotlb = type == InvalidationType::Iotlb || type == InvalidationType::PasidIotlb;
    const bool skip = iotlb && probes_.has(kSkipIotlbInvalidation);
    Effect effect;
    if (skip) {
        effect = {type == InvalidationType::Iotlb ? "iotlb" : "piotlb", "", 0, false};
    } else if (type == InvalidationType::ContextCache) {
        effect = apply_context_cache(d);
    } else if (type == InvalidationType::PasidCache) {
        effect = apply_pasid_cache(d);
    } else if (type == InvalidationType::Iotlb) {
        effect = apply_iotlb(d);
    } else {
        effect = apply_pasid_iotlb(d);
    }
    if (!skip) {
        pipeline_.barrier();
    }
    const bool has_pasid =
        type == InvalidationType::PasidIotlb || type == InvalidationType::PasidCache;
    const auto pasid = static_cast<std::uint32_t>(inv::kPasid.get(d[0]));
    const auto shift = static_cast<unsigned>(12 + inv::kAddressMask.get(d[1]));
    const std::uint64_t bytes = shift >= 64 ? ~std::uint64_t{0} : std::uint64_t{1} << shift;
    recorder_.emit(source_,
                   trace::VtdInvalidation{
                       name_, recorder_.name(effect.kind), recorder_.name(effect.granularity),
                       domain_of(d), Pasid{has_pasid ? pasid : kInvalidIoasid}, effect.dropped,
                       Iova{effect.pages ? d[1] & inv::kAddress & ~(bytes - 1) : 0},
                       effect.pages ? bytes : 0});
}

// Bits beyond the width of domain ids are ignored.
DomainId RemappingUnit::domain_of(const Descriptor& d) const {
    const std::uint64_t width_mask = bit_mask(caps_.domain_bits - 1, 0);
    return DomainId{static_cast<std::uint16_t>(inv::kDid.get(d[0]) & width_mask)};
}

RemappingUnit::Effect RemappingUnit::apply_context_cache(const Descriptor& d) {
    const auto granularity = static_cast<ContextGranularity>(inv::kGranularity.get(d[0]));
    if (granularity == ContextGranularity::Device) {
        const Rid rid{static_cast<std::uint16_t>(inv::kSid.get(d[0]))};
        const auto mask = static_cast<unsigned>(inv::kFunctionMask.get(d[0]));
        return {"cc", "device", caches_.invalidate_context(rid, mask), false};
    }
    return {"cc", granularity == ContextGranularity::Domain ? "domain" : "global",
            caches_.invalidate_contexts(), false};
}

RemappingUnit::Effect RemappingUnit::apply_pasid_cache(const Descriptor& d) {
    const DomainId did = domain_of(d);
    switch (static_cast<PasidCacheGranularity>(inv::kGranularity.get(d[0]))) {
        case PasidCacheGranularity::Domain:
            return {"pasid_cache", "domain", caches_.invalidate_pasids_of(did), false};
        case PasidCacheGranularity::Pasid: {
            const Pasid pasid{static_cast<std::uint32_t>(inv::kPasid.get(d[0]))};
            return {"pasid_cache", "pasid", caches_.invalidate_pasid(did, pasid), false};
        }
        default:
            return {"pasid_cache", "global", caches_.invalidate_pasids(), false};
    }
}

RemappingUnit::Effect RemappingUnit::apply_iotlb(const Descriptor& d) {
    const DomainId did = domain_of(d);
    switch (static_cast<IotlbGranularity>(inv::kGranularity.get(d[0]))) {
        case IotlbGranularity::Global:
            return {"iotlb", "global", caches_.invalidate_iotlb(), false};
        case IotlbGranularity::Domain:
            return {"iotlb", "domain", caches_.invalidate_iotlb_domain(did), false};
        default: {
            // Address bits beyond the guest address width are ignored.
            const std::uint64_t address = d[1] & inv::kAddress & bit_mask(caps_.mgaw - 1, 0);
            const auto mask = static_cast<unsigned>(inv::kAddressMask.get(d[1]));
            return {"iotlb", "page", caches_.invalidate_iotlb_pages(did, address, mask), true};
        }
    }
}

RemappingUnit::Effect RemappingUnit::apply_pasid_iotlb(const Descriptor& d) {
    const DomainId did = domain_of(d);
    const Pasid pasid{static_cast<std::uint32_t>(inv::kPasid.get(d[0]))};
    const auto granularity = static_cast<PasidIotlbGranularity>(inv::kGranularity.get(d[0]));
    if (granularity == PasidIotlbGranularity::Pasid) {
        return {"piotlb", "pasid", caches_.invalidate_iotlb_pasid(did, pasid), false};
    }
    const auto mask = static_cast<unsigned>(inv::kAddressMask.get(d[1]));
    return {"piotlb", "page",
            caches_.invalidate_iotlb_pasid_pages(did, pasid, d[1] & inv::kAddress, mask), true};
}

void RemappingUnit::on_fill(const Line& line) {
    recorder_.emit(
        source_, trace::VtdFill{name_, cache_names_[static_cast<std::size_t>(line.cache)], line.rid,
                                line.pasid, line.did, Iova{line.address}, line.page, line.bytes});
}

void RemappingUnit::on_drop(const Line& line, bool evicted) {
    recorder_.emit(
        source_,
        trace::VtdDrop{name_, cache_names_[static_cast<std::size_t>(line.cache)], line.pasid,
                       line.did, Iova{line.address}, evicted ? evicted_ : invalidated_});
}

}  // namespace ioasim::vtd
