#include "models/memory/memory_module.hpp"

#include <algorithm>
#include <cstring>

#include "core/trace/device_events.hpp"

namespace ioasim::memory {
namespace {

constexpr std::size_t kSwapBytes = 8;

}  // namespace

MemoryModule::MemoryModule(sim::Simulation& simulation, const std::string& name,
                           const MemoryParams& params)
    : Module(simulation, name),
      params_(params),
      bytes_(memory_ranges(params)),
      inbox_(*this, params.queue) {}

std::uint32_t MemoryModule::add_client() {
    sim::LinkParams link;
    link.latency = params_.link_latency;
    responses_.push_back(std::make_unique<sim::Link<MemResponse>>(link));
    return static_cast<std::uint32_t>(responses_.size() - 1);
}

MemResponse MemoryModule::serve(const MemRequest& request) {
    MemResponse response;
    response.op = request.op;
    response.tag = request.tag;
    if (!bytes_.contains(request.address, request.size)) {
        response.status = MemStatus::NoTarget;
        return response;
    }
    switch (request.op) {
        case MemOp::Read:
            ++reads_;
            response.data.resize(request.size);
            bytes_.read(request.address, response.data.data(), request.size);
            break;
        case MemOp::Write:
            ++writes_;
            SIM_CHECK(request.data.size() == request.size, "write of {} bytes carries {}",
                      request.size, request.data.size());
            bytes_.write(request.address, request.data.data(), request.size);
            break;
        case MemOp::CompareSwap: {
            ++writes_;
            SIM_CHECK(request.size == kSwapBytes && request.data.size() == 2 * kSwapBytes,
                      "compare-and-swap of {} bytes carries {}", request.size, request.data.size());
            response.data.resize(kSwapBytes);
            bytes_.read(request.address, response.data.data(), kSwapBytes);
            if (std::equal(response.data.begin(), response.data.end(), request.data.begin())) {
                bytes_.write(request.address, request.data.data() + kSwapBytes, kSwapBytes);
            }
            break;
        }
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

void MemoryModule::advance(TimePs now) {
    while (inbox_.due(now)) {
        const sim::Arrival<MemRequest> arrival = inbox_.pop();
        MemResponse response = serve(arrival.message);
        free_at_ = std::max(free_at_, now);
        if (params_.bandwidth != 0) {
            // Rounded up to the picosecond: 1 us = 1e6 ps.
            const TimePs scaled = TimePs{1'000'000} * arrival.message.size;
            free_at_ += TimePs{(scaled.ps() + params_.bandwidth - 1) / params_.bandwidth};
        }
        responses(arrival.port).send(free_at_ + params_.latency, std::move(response));
    }
}

void MemoryModule::dump(sim::StateDump& out) const {
    out.line(fmt::format("{} requests under way, {} reads and {} writes served, {} pages held",
                         inbox_.size(), reads_, writes_, bytes_.pages()));
}

}  // namespace ioasim::memory
