#include "models/memory/memory_module.hpp"

#include <algorithm>
#include <cstring>

#include "core/sim/simulation.hpp"
#include "core/trace/coherency_events.hpp"
#include "core/trace/device_events.hpp"
#include "models/memory/memory_probes.hpp"

namespace ioasim::memory {
namespace {

constexpr std::size_t kSwapBytes = 8;

// Whole picoseconds that `bytes` take at a rate in bytes a microsecond, rounded up.
TimePs at_rate(std::uint64_t bytes, std::uint64_t rate) {
    const TimePs scaled = TimePs{1'000'000} * bytes;
    return TimePs{(scaled.ps() + rate - 1) / rate};
}

}  // namespace

MemoryModule::MemoryModule(sim::Simulation& simulation, const std::string& name,
                           const MemoryParams& params)
    : Module(simulation, name),
      params_(params),
      probes_(simulation.probes()),
      bytes_(memory_ranges(params)),
      caches_(params),
      own_(params.processor_cache_bytes, bytes_, probes_),
      cached_(bytes_, caches_, own_),
      inbox_(*this, params.queue),
      free_at_(2 * params.channels),
      in_cache_(recorder().name("llc")),
      in_memory_(recorder().name("memory")),
      in_both_(recorder().name("both")) {}

std::uint32_t MemoryModule::add_client(std::size_t node) {
    SIM_CHECK(node < link_free_at_.size(), "a client of socket {}", node);
    clients_.push_back({node, ResponsePath{params_.link_latency}});
    return static_cast<std::uint32_t>(clients_.size() - 1);
}

void MemoryModule::poison(Hpa address, std::size_t size) {
    bytes_.poison(address, size);
    emit(trace::MemoryPoison{address, size});
}

// --- bytes --------------------------------------------------------------------------------------

bool MemoryModule::snoops(const MemRequest& request) const {
    return (request.snooped || probes_.has(kNoSnoopIgnored)) &&
           !(request.origin && probes_.has(kNothingSnooped));
}

void MemoryModule::get(const MemRequest& request, std::uint8_t* data, std::size_t size) const {
    if (own_.present() && snoops(request)) {
        own_.snoop(request.address, data, size);
    } else {
        bytes_.read(request.address, data, size);
    }
}

void MemoryModule::put(const MemRequest& request, const std::uint8_t* data, std::size_t size) {
    if (own_.present() && snoops(request)) {
        own_.overwrite(request.address, data, size);
    } else {
        bytes_.write(request.address, data, size);
    }
}

void MemoryModule::read(const MemRequest& request, MemResponse& response) {
    ++reads_;
    response.data.resize(request.size);
    get(request, response.data.data(), request.size);
}

void MemoryModule::write(const MemRequest& request) {
    ++writes_;
    SIM_CHECK(request.data.size() == request.size, "write of {} bytes carries {}", request.size,
              request.data.size());
    const std::size_t poisoned = bytes_.poisoned_lines();
    put(request, request.data.data(), request.size);
    if (bytes_.poisoned_lines() != poisoned) {
        probes_.hit(kPoisonHealed);
    }
    if (request.poisoned && request.size != 0) {
        bytes_.poison(request.address, request.size);
    }
}

void MemoryModule::swap(const MemRequest& request, MemResponse& response) {
    ++writes_;
    SIM_CHECK(request.size == kSwapBytes && request.data.size() == 2 * kSwapBytes,
              "compare-and-swap of {} bytes carries {}", request.size, request.data.size());
    response.data.resize(kSwapBytes);
    get(request, response.data.data(), kSwapBytes);
    if (response.status == MemStatus::Ok &&
        std::equal(response.data.begin(), response.data.end(), request.data.begin())) {
        put(request, request.data.data() + kSwapBytes, kSwapBytes);
    }
}

bool MemoryModule::into_cache(const MemRequest& request) const {
    const bool cache = request.destination == Destination::Default
                           ? params_.llc_device_writes
                           : request.destination == Destination::Cache;
    return cache || probes_.has(kHintIgnored);
}

MemoryModule::Residence MemoryModule::look_up(const MemRequest& request) {
    Residence r;
    r.channels = request.size;
    if (!bytes_.contains(request.address, request.size)) {
        return r;
    }
    if (own_.present()) {
        r.own = own_.held(request.address, request.size);
    }
    LastLevelCache& cache = caches_.of(request.address);
    if (!cache.present() || !snoops(request)) {
        return r;
    }
    const Hpa at = request.address;
    const std::uint64_t lines = lines_touched(at, request.size);
    if (request.op == MemOp::Write && into_cache(request)) {
        const auto filler = probes_.has(kShareIgnored) ? LastLevelCache::Filler::Processor
                                                       : LastLevelCache::Filler::Device;
        cache.fill(at, request.size, filler, true, r.written_back);
        r.hits = cache.held(at, request.size);
    } else if (request.op == MemOp::Write) {
        // What the line held beside the written bytes goes to memory with them.
        if (!probes_.has(kCacheKeepsLine)) {
            std::vector<CacheLines> merged;
            cache.drop(at, request.size, merged);
        }
    } else {
        r.hits = cache.touch(at, request.size, request.op == MemOp::CompareSwap);
        if (probes_.has(kReadFills) && request.op == MemOp::Read) {
            cache.fill(at, request.size, LastLevelCache::Filler::Device, false, r.written_back);
        }
    }
    r.whole = r.hits == lines && !probes_.has(kHitAsSlow);
    const std::uint64_t missing = (lines - r.hits) * kCacheLineBytes;
    r.channels = std::min<std::uint64_t>(missing, request.size);
    hits_ += r.whole ? 1 : 0;
    if (!r.whole && r.hits != 0) {
        probes_.hit(kPartlyCached);
    }
    return r;
}

MemResponse MemoryModule::serve(const MemRequest& request, const Residence& residence) {
    MemResponse response;
    response.op = request.op;
    response.tag = request.tag;
    if (!bytes_.contains(request.address, request.size)) {
        response.status = MemStatus::NoTarget;
        return response;
    }
    if (request.op != MemOp::Write && bytes_.poisoned(request.address, request.size) &&
        !probes_.has(kPoisonUnnoticed)) {
        response.status = MemStatus::Poisoned;
        probes_.hit(kPoisonRead);
        emit(trace::MemoryError{request.origin ? request.origin->rid : Rid{}, request.address,
                                request.size});
    }
    switch (request.op) {
        case MemOp::Read:
            read(request, response);
            break;
        case MemOp::Write:
            write(request);
            break;
        case MemOp::CompareSwap:
            swap(request, response);
            break;
    }
    if (on_write && request.op != MemOp::Read) {
        on_write(request.address, request.size);
    }
    if (request.origin) {
        if (residence.own.lines != 0 && !snoops(request)) {
            emit(trace::MemoryUnsnooped{request.origin->rid, request.address, request.size,
                                        request.op != MemOp::Read, residence.own.lines,
                                        residence.own.modified});
        }
        if (on_device_access) {
            on_device_access(request);
        }
        const MemOrigin& origin = *request.origin;
        emit(trace::MemoryAccess{origin.rid, origin.pasid, request.address, request.size,
                                 request.op != MemOp::Read, origin.descriptor,
                                 residence.whole       ? in_cache_
                                 : residence.hits != 0 ? in_both_
                                                       : in_memory_,
                                 static_cast<std::uint32_t>(caches_.node_of(request.address))});
    }
    return response;
}

TimePs MemoryModule::transfer(TimePs now, Hpa address, std::uint64_t bytes) {
    if (params_.bandwidth == 0) {
        return now;
    }
    const std::uint64_t channels = params_.channels;
    TimePs* const of_node = &free_at_[caches_.node_of(address) * channels];
    TimePs last = now;
    std::uint64_t at = address.value();
    std::uint64_t left = bytes;
    while (left != 0) {
        const std::uint64_t part =
            channels == 1 ? left : std::min(left, params_.interleave - at % params_.interleave);
        TimePs& free_at = of_node[at / params_.interleave % channels];
        const TimePs start = probes_.has(kRateNotShared) ? now : std::max(free_at, now);
        free_at = start + at_rate(part * channels, params_.bandwidth);
        last = std::max(last, free_at);
        if (part < left) {
            probes_.hit(kChannelsCrossed);
        }
        at += part;
        left -= part;
    }
    return last;
}

TimePs MemoryModule::cross(TimePs now, std::size_t from, std::uint64_t bytes) {
    if (params_.socket_bandwidth == 0 || bytes == 0) {
        return now;
    }
    TimePs& free_at = link_free_at_[from];
    free_at = std::max(free_at, now) + at_rate(bytes, params_.socket_bandwidth);
    return free_at;
}

TimePs MemoryModule::finish(TimePs now, std::size_t client_node, const MemRequest& request,
                            const Residence& residence) {
    const std::size_t home = caches_.node_of(request.address);
    const bool remote = home != client_node && !probes_.has(kOneSocket);
    const bool read = request.op == MemOp::Read;
    TimePs begin = now;
    if (remote) {
        probes_.hit(kOtherSocket);
        begin = cross(now, client_node, read ? 0 : request.size) + params_.socket_latency;
    }
    TimePs ready = begin;
    if (residence.channels != 0) {
        ready = transfer(begin, request.address, residence.channels);
    }
    const std::uint64_t cached =
        request.size - std::min<std::uint64_t>(request.size, residence.channels);
    if (cached != 0 && params_.llc_bandwidth != 0) {
        TimePs& free_at = cache_free_at_[home];
        free_at = std::max(free_at, begin) + at_rate(cached, params_.llc_bandwidth);
        ready = std::max(ready, free_at);
    }
    for (const CacheLines& back : residence.written_back) {
        const auto lines = static_cast<std::uint64_t>(__builtin_popcountll(back.lines));
        transfer(begin, Hpa{back.page}, lines * kCacheLineBytes);
    }
    const TimePs latency = residence.whole ? params_.llc_latency : params_.latency;
    if (snoops(request) || probes_.has(kSnoopFree)) {
        const bool asked = residence.own.modified != 0 && !probes_.has(kSnoopFree);
        ready += latency + (asked ? params_.snoop_modified : TimePs{});
    } else {
        ready += latency - std::min(latency, params_.snoop_latency);
    }
    if (remote) {
        ready = cross(ready, home, read ? request.size : 0) + params_.socket_latency;
    }
    return ready;
}

bool MemoryModule::remote(const Held& held) const {
    return caches_.node_of(held.request.address) != clients_.at(held.port).node &&
           !probes_.has(kOneSocket);
}

// A write to the other socket waits for its answer, a later one of the same device for those
// before it; a read for what it would otherwise overtake in the same lines.
TimePs MemoryModule::effect_of(TimePs now, const Held& held) const {
    if (!held.request.origin || probes_.has(kAcknowledgementIgnored)) {
        return now;
    }
    const bool write = held.request.op == MemOp::Write;
    const TimePs own = write && remote(held) ? held.ready : now;
    const auto stream = held_.find({held.port, held.request.origin->rid.value()});
    if (stream == held_.end()) {
        return own;
    }
    const auto overlaps = [&held](const Held& before) {
        const std::uint64_t at = before.request.address.value();
        const std::uint64_t mine = held.request.address.value();
        return at < mine + held.request.size && mine < at + before.request.size;
    };
    const bool waits = write || std::any_of(stream->second.begin(), stream->second.end(), overlaps);
    return waits ? std::max(own, stream->second.back().effect) : own;
}

void MemoryModule::take(TimePs now, sim::Arrival<MemRequest> arrival) {
    Held held;
    held.port = arrival.port;
    held.request = std::move(arrival.message);
    held.residence = look_up(held.request);
    held.ready = finish(now, clients_.at(held.port).node, held.request, held.residence);
    held.effect = effect_of(now, held);
    if (held.effect <= now) {
        take_effect(now, held);
        return;
    }
    if (!remote(held)) {
        probes_.hit(kHeldBehindOtherSocket);
    }
    const Stream stream{held.port, held.request.origin->rid.value()};
    effects_.schedule(held.effect, held.port, stream);
    held_[stream].push_back(std::move(held));
}

void MemoryModule::take_effect(TimePs now, const Held& held) {
    MemResponse response = serve(held.request, held.residence);
    const TimePs ready = std::max(held.ready, held.effect);
    if (probes_.has(kOneAtATime)) {
        std::fill(free_at_.begin(), free_at_.end(), ready);
    }
    clients_.at(held.port).responses.send(now, ready, std::move(response));
}

void MemoryModule::advance(TimePs now) {
    for (;;) {
        if (effects_.due(now)) {
            const auto stream = held_.find(effects_.pop());
            const Held held = std::move(stream->second.front());
            stream->second.pop_front();
            if (stream->second.empty()) {
                held_.erase(stream);
            }
            take_effect(now, held);
        } else if (inbox_.due(now)) {
            take(now, inbox_.pop());
        } else {
            return;
        }
    }
}

void MemoryModule::dump(sim::StateDump& out) const {
    out.line(fmt::format(
        "{} requests under way, {} await the other socket, {} reads and {} writes served, {} by "
        "the last-level cache, {} pages held, {} lines poisoned",
        inbox_.size(), effects_.size(), reads_, writes_, hits_, bytes_.pages(),
        bytes_.poisoned_lines()));
}

}  // namespace ioasim::memory
