#include "models/memory/memory_module.hpp"

#include <algorithm>
#include <cstring>

#include "core/sim/simulation.hpp"
#include "core/trace/device_events.hpp"
#include "models/memory/memory_probes.hpp"

namespace ioasim::memory {
namespace {

constexpr std::size_t kSwapBytes = 8;

}  // namespace

MemoryModule::MemoryModule(sim::Simulation& simulation, const std::string& name,
                           const MemoryParams& params)
    : Module(simulation, name),
      params_(params),
      probes_(simulation.probes()),
      bytes_(memory_ranges(params)),
      inbox_(*this, params.queue),
      free_at_(params.channels) {}

std::uint32_t MemoryModule::add_client() {
    sim::LinkParams link;
    link.latency = params_.link_latency;
    responses_.push_back(std::make_unique<sim::Link<MemResponse>>(link));
    return static_cast<std::uint32_t>(responses_.size() - 1);
}

void MemoryModule::poison(Hpa address, std::size_t size) {
    bytes_.poison(address, size);
    emit(trace::MemoryPoison{address, size});
}

void MemoryModule::read(const MemRequest& request, MemResponse& response) {
    ++reads_;
    response.data.resize(request.size);
    bytes_.read(request.address, response.data.data(), request.size);
}

void MemoryModule::write(const MemRequest& request) {
    ++writes_;
    SIM_CHECK(request.data.size() == request.size, "write of {} bytes carries {}", request.size,
              request.data.size());
    const std::size_t poisoned = bytes_.poisoned_lines();
    bytes_.write(request.address, request.data.data(), request.size);
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
    bytes_.read(request.address, response.data.data(), kSwapBytes);
    if (response.status == MemStatus::Ok &&
        std::equal(response.data.begin(), response.data.end(), request.data.begin())) {
        bytes_.write(request.address, request.data.data() + kSwapBytes, kSwapBytes);
    }
}

MemResponse MemoryModule::serve(const MemRequest& request) {
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
    if (request.origin) {
        if (on_device_access) {
            on_device_access(request);
        }
        const MemOrigin& origin = *request.origin;
        emit(trace::MemoryAccess{origin.rid, origin.pasid, request.address, request.size,
                                 request.op != MemOp::Read, origin.descriptor});
    }
    return response;
}

TimePs MemoryModule::transfer(TimePs now, const MemRequest& request) {
    if (params_.bandwidth == 0) {
        return now;
    }
    const std::uint64_t channels = params_.channels;
    TimePs last = now;
    std::uint64_t at = request.address.value();
    std::uint64_t left = request.size;
    while (left != 0) {
        const std::uint64_t part =
            channels == 1 ? left : std::min(left, params_.interleave - at % params_.interleave);
        TimePs& free_at = free_at_[at / params_.interleave % channels];
        // Rounded up to the picosecond: 1 us = 1e6 ps.
        const TimePs scaled = TimePs{1'000'000} * part * channels;
        const TimePs takes{(scaled.ps() + params_.bandwidth - 1) / params_.bandwidth};
        const TimePs start = probes_.has(kRateNotShared) ? now : std::max(free_at, now);
        free_at = start + takes;
        last = std::max(last, free_at);
        if (part < left) {
            probes_.hit(kChannelsCrossed);
        }
        at += part;
        left -= part;
    }
    return last;
}

void MemoryModule::advance(TimePs now) {
    while (inbox_.due(now)) {
        const sim::Arrival<MemRequest> arrival = inbox_.pop();
        MemResponse response = serve(arrival.message);
        const TimePs ready = transfer(now, arrival.message) + params_.latency;
        if (probes_.has(kOneAtATime)) {
            std::fill(free_at_.begin(), free_at_.end(), ready);
        }
        responses(arrival.port).send(ready, std::move(response));
    }
}

void MemoryModule::dump(sim::StateDump& out) const {
    out.line(
        fmt::format("{} requests under way, {} reads and {} writes served, {} pages held, "
                    "{} lines poisoned",
                    inbox_.size(), reads_, writes_, bytes_.pages(), bytes_.poisoned_lines()));
}

}  // namespace ioasim::memory
