// Memory behind messages: latency, one shared rate, several clients.
//
// Requests are served in order of arrival (time, client rank, sequence) and take effect when they
// arrive: arrival at the controller is the point of global order, the latency is the way to the
// data and back. The rate delays responses, not the order. Accesses of devices are told as
// memory.access at that same moment. Each channel is a server with its share of the rate: what lies
// in it waits for what came before, whoever sent it. Left out: banks, refresh, the CPUs' share.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/sim/inbox.hpp"
#include "core/sim/link.hpp"
#include "core/sim/module.hpp"
#include "models/memory/memory_if.hpp"
#include "models/memory/memory_params.hpp"

namespace ioasim::memory {

class MemoryModule final : public sim::Module {
public:
    MemoryModule(sim::Simulation& simulation, const std::string& name, const MemoryParams& params);

    // A client binds its link to inbox() with the port returned here, and gets its responses from
    // responses(port).
    std::uint32_t add_client();
    sim::Inbox<MemRequest>& inbox() { return inbox_; }
    sim::Link<MemResponse>& responses(std::uint32_t port) { return *responses_.at(port); }

    // A test bench may watch what devices do to memory; it learns and changes nothing.
    std::function<void(const MemRequest&)> on_device_access;
    // An error from outside, in every line that the range touches.
    void poison(Hpa address, std::size_t size);
    // What CPUs see, coherent with every request that has taken effect.
    SparseMemory& bytes() { return bytes_; }
    const SparseMemory& bytes() const { return bytes_; }

    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override { return inbox_.next(); }
    void dump(sim::StateDump& out) const override;
    bool busy() const override { return inbox_.size() != 0; }

private:
    MemResponse serve(const MemRequest& request);
    void read(const MemRequest& request, MemResponse& response);
    void write(const MemRequest& request);
    void swap(const MemRequest& request, MemResponse& response);
    // When the last byte has been transferred.
    TimePs transfer(TimePs now, const MemRequest& request);

    MemoryParams params_;
    Probes& probes_;
    SparseMemory bytes_;
    sim::Inbox<MemRequest> inbox_;
    std::vector<std::unique_ptr<sim::Link<MemResponse>>> responses_;
    std::vector<TimePs> free_at_;  // by channel
    std::uint64_t reads_ = 0;
    std::uint64_t writes_ = 0;
};

}  // namespace ioasim::memory
