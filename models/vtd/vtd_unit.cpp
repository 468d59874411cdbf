#include "models/vtd/vtd_unit.hpp"

#include <cstring>
#include <utility>

#include "core/trace/vtd_events.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {
namespace {

constexpr unsigned kTagShift = 32;

}  // namespace

RemappingUnit::RemappingUnit(const VtdParams& params, Probes& probes, trace::Recorder& recorder,
                             SourceId source, const std::string& name, Rid own_id, UnitPort& port,
                             std::uint64_t seed)
    : params_(params),
      caps_(make_capabilities(params)),
      probes_(probes),
      recorder_(recorder),
      source_(source),
      name_(recorder.name(name)),
      own_id_(own_id),
      port_(port),
      cache_names_{recorder.name("context"), recorder.name("pasid"), recorder.name("iotlb"),
                   recorder.name("first_stage"), recorder.name("second_stage")},
      evicted_(recorder.name("evict")),
      invalidated_(recorder.name("invalidate")),
      registers_(caps_),
      events_(caps_, params_, registers_, probes, *this),
      caches_(params_, probes, this, RandomStream{seed, name, "caches"}),
      effects_(caps_, caches_, probes, recorder, source, name_),
      pipeline_(params_, caps_, caches_, probes, recorder, source, name_, port, *this),
      queue_(caps_, params_, probes, *this),
      device_tlbs_(params_.itags, params_.device_tlb_timeout, probes),
      page_requests_(params_, caps_, registers_, events_, caches_, probes, recorder, source, name_,
                     port, *this),
      commands_(caps_, params_.command, registers_, probes, *this) {
    const std::vector<std::string> problems = capability_problems(params);
    SIM_CHECK(problems.empty(), "{}: {}", name, problems.front());
}

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
            queue_.on_fetched(now, index, response.data.data(), response.data.size(),
                              response.status == memory::MemStatus::Ok);
            break;
        case PageRequestQueue::kWalkTag:
            page_requests_.on_walk_response(now, response);
            break;
        case PageRequestQueue::kWriteTag:
            page_requests_.on_written(now, index);
            break;
        case kStatusTag:
            queue_.on_status_written(now);
            break;
        default:
            SIM_CHECK(false, "an answer of memory with tag {:#x}", response.tag);
    }
    commands_.settle(now);
}

void RemappingUnit::advance(TimePs now) {
    while (!reads_.empty() && reads_.front().due <= now) {
        port_.send_fabric(now, std::move(reads_.front().completion));
        reads_.pop_front();
    }
    if (queue_.due() && *queue_.due() <= now) {
        queue_.execute(now);
    }
    expire_device_tlbs(now);
    page_requests_.advance(now);
    if (commands_.due() && *commands_.due() <= now) {
        commands_.execute(now);
    }
    commands_.settle(now);
}

std::optional<TimePs> RemappingUnit::next_wakeup() const {
    std::optional<TimePs> next = queue_.due();
    const auto sooner = [&next](const std::optional<TimePs>& at) {
        if (at && (!next || *at < *next)) {
            next = at;
        }
    };
    sooner(commands_.due());
    sooner(device_tlbs_.deadline());
    sooner(page_requests_.due());
    if (!reads_.empty()) {
        sooner(reads_.front().due);
    }
    return next;
}

bool RemappingUnit::busy() const {
    return pipeline_.busy() || !queue_.idle() || device_tlbs_.pending() != 0 ||
           page_requests_.busy() || commands_.busy() || !reads_.empty();
}

// --- commands -----------------------------------------------------------------------------------

void RemappingUnit::set_root_pointer(TimePs) {
    root_pointer_ = registers_.get64(reg::kRtaddr);
    if (caps_.flush_on_srtp) {
        invalidate_everything();
    }
}

void RemappingUnit::switch_translation(TimePs, bool on) {
    if (!on) {
        invalidate_everything();
    }
}

void RemappingUnit::switch_queue(TimePs now, bool on) {
    if (on) {
        queue_.set_base(registers_.get64(reg::kIqa));
        queue_.kick(now);
    } else {
        queue_.reset_head();
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
    if (!registers_.legal(offset, size)) {
        probes_.hit(kBadRegisterAccess);
        return 0;
    }
    const std::uint64_t low = read_word(offset);
    return size == 8 ? low | (std::uint64_t{read_word(offset + 4)} << 32U) : low;
}

void RemappingUnit::write_access(TimePs now, std::uint32_t offset,
                                 const std::vector<std::uint8_t>& data) {
    if (!registers_.legal(offset, static_cast<unsigned>(data.size()))) {
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

std::uint32_t RemappingUnit::read_word(std::uint32_t offset) const {
    if (const std::optional<std::uint32_t> value = events_.read(offset)) {
        return *value;
    }
    switch (offset) {
        case reg::kGcmd:
            return 0;
        case reg::kIqh:
            return static_cast<std::uint32_t>(queue_.head());
        default:
            return registers_.get(offset);
    }
}

void RemappingUnit::write_word(TimePs now, std::uint32_t offset, std::uint32_t value) {
    if (events_.write(now, offset, value) || commands_.write(now, offset, value)) {
        return;
    }
    const std::uint32_t before = registers_.get(offset);
    registers_.write(offset, value);
    events_.after_write(offset, value);
    after_write(now, offset);
    if (offset == reg::kPqt) {
        page_requests_.on_tail_write();
    }
    const bool page_queue = offset == reg::kPqh || offset == reg::kPqt;
    if (page_queue && registers_.get(offset) != before) {
        tell_page_queue();
    }
}

void RemappingUnit::after_write(TimePs now, std::uint32_t offset) {
    switch (offset) {
        case reg::kFsts:
            queue_.kick(now);
            break;
        case reg::kIqt:
            queue_.set_tail(registers_.get64(reg::kIqt));
            queue_.kick(now);
            break;
        case reg::kIqa:
        case reg::kIqa + 4:
            queue_.set_base(registers_.get64(reg::kIqa));
            break;
        default:
            break;
    }
}

void RemappingUnit::tell_page_queue() {
    recorder_.emit(source_,
                   trace::VtdPrq{name_, registers_.get(reg::kPqh), registers_.get(reg::kPqt)});
}

// --- messages -----------------------------------------------------------------------------------

void RemappingUnit::send_event(TimePs now, const EventMessage& message) {
    pcie::Tlp tlp;
    recorder_.emit(source_, trace::VtdEventMessage{name_, trace::Hex{message.address},
                                                   trace::Hex{message.data}});
    tlp.kind = pcie::TlpKind::Interrupt;
    tlp.requester = own_id_;
    tlp.address = message.address;
    tlp.length = sizeof message.data;
    tlp.data.resize(sizeof message.data);
    std::memcpy(tlp.data.data(), &message.data, sizeof message.data);
    port_.send_fabric(now, std::move(tlp));
}

// --- invalidation queue -------------------------------------------------------------------------

bool RemappingUnit::fetching_allowed() const {
    return (status() & gcmd::kQie) != 0 && !events_.queue_stopped();
}

void RemappingUnit::fetch(TimePs now, Hpa address, std::uint32_t bytes, std::uint32_t number) {
    memory::MemRequest request;
    request.op = memory::MemOp::Read;
    request.address = address;
    request.size = bytes;
    request.tag = (kFetchTag << kTagShift) | number;
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

void RemappingUnit::drained(TimePs now) {
    queue_.on_progress(now);
}

QueueMarks RemappingUnit::marks() const {
    return {pipeline_.mark(), device_tlbs_.mark(), page_requests_.mark()};
}

void RemappingUnit::wait_taken(TimePs, const Descriptor& d) {
    recorder_.emit(source_, trace::VtdInvWait{name_, inv::kWaitFence.get(d[0]) != 0,
                                              inv::kWaitPageDrain.get(d[0]) != 0});
}

void RemappingUnit::wait_done(TimePs now, const Descriptor& d) {
    const bool status = inv::kWaitStatus.get(d[0]) != 0;
    recorder_.emit(source_, trace::VtdInvWaitDone{
                                name_, status ? wait_status_address(caps_, d) : Hpa{},
                                static_cast<std::uint32_t>(status ? inv::kWaitData.get(d[0]) : 0)});
    if (inv::kWaitInterrupt.get(d[0]) != 0) {
        events_.wait_complete(now);
    }
}

void RemappingUnit::queue_error(TimePs now, QueueError error) {
    recorder_.emit(source_, trace::VtdQueueStop{name_, recorder_.name("iqe"),
                                                static_cast<std::uint32_t>(error),
                                                static_cast<std::uint32_t>(queue_.head())});
    events_.queue_error(now, error);
}

void RemappingUnit::apply(TimePs now, const Descriptor& d) {
    if (type_of(d) == InvalidationType::PageGroupResponse) {
        page_requests_.respond(now, d);
        return;
    }
    if (effects_.apply(d)) {
        pipeline_.barrier();
    }
}

// --- device TLBs --------------------------------------------------------------------------------

bool RemappingUnit::invalidate_device(TimePs now, const Descriptor& d) {
    DeviceTlbRequest request = decode_device_tlb(d, caps_.device_tlb_throttle);
    request.body.size_bit = request.body.size_bit && !probes_.has(kDeviceTlbSizeLost);
    if (!device_tlbs_.room_for(request)) {
        return false;
    }
    const std::uint32_t itag = device_tlbs_.begin(now, request);
    const pcie::AtsRange range = request.body.range();
    recorder_.emit(source_,
                   trace::VtdDevTlbRequest{name_, request.function,
                                           request.pasid.value_or(Pasid{kInvalidIoasid}), itag,
                                           Iova{range.first}, range.last, request.body.global});
    port_.send_fabric(
        now, pcie::invalidate_request(request.function, request.pasid, itag, request.body));
    return true;
}

void RemappingUnit::invalidation_completion(TimePs now, const pcie::Tlp& tlp) {
    if (!remapping()) {
        return;  // nobody takes it
    }
    const auto answer =
        device_tlbs_.complete(tlp.requester, pcie::decode_invalidate_done(tlp.address));
    for (const auto& ended : answer.ended) {
        recorder_.emit(source_, trace::VtdDevTlbDone{name_, ended.function, ended.itag, false});
    }
    if (answer.unexpected) {
        events_.unexpected_completion(now, tlp.requester);
    }
    if (!answer.ended.empty()) {
        queue_.on_progress(now);
    }
}

void RemappingUnit::expire_device_tlbs(TimePs now) {
    while (const auto late = device_tlbs_.expire(now)) {
        recorder_.emit(source_, trace::VtdDevTlbDone{name_, late->function, late->itag, true});
        if (probes_.has(kTimeoutIgnored)) {
            queue_.on_progress(now);
            continue;
        }
        recorder_.emit(source_,
                       trace::VtdQueueStop{name_, recorder_.name("ite"), late->function.value(),
                                           static_cast<std::uint32_t>(queue_.head())});
        events_.timeout(now, late->function);
        queue_.abort(now);
    }
}

void RemappingUnit::on_fill(const Line& line) {
    recorder_.emit(
        source_, trace::VtdFill{name_, cache_names_[static_cast<std::size_t>(line.cache)], line.rid,
                                line.pasid, line.did, Iova{line.address}, line.page, line.bytes,
                                static_cast<std::uint32_t>(line.type)});
}

void RemappingUnit::on_drop(const Line& line, bool evicted) {
    recorder_.emit(
        source_,
        trace::VtdDrop{name_, cache_names_[static_cast<std::size_t>(line.cache)], line.pasid,
                       line.did, Iova{line.address}, evicted ? evicted_ : invalidated_});
}

}  // namespace ioasim::vtd
