// Memory behind messages: latency, one shared rate, several clients.
//
// Requests are served in order of arrival (time, client rank, sequence) and take effect when they
// arrive: arrival at the controller is the point of global order, the latency is the way to the
// data and back. The rate delays responses, not the order of one socket. Accesses of devices are
// told as memory.access at that same moment. Each channel is a server with its share of the rate:
// what lies in it waits for what came before, whoever sent it. What a last-level cache holds comes
// from there and leaves the channels alone (cached_memory.hpp). A request that is not snooped asks
// no cache at all: it has the bytes of memory, and what processors hold stays
// (processor_caches.hpp). A client belongs to a socket; memory of the other one lies behind the
// link between them, and a device's write there takes effect when that socket has answered, with
// whatever the device wrote after it: the socket of the device keeps the order. Left out: banks,
// refresh, the CPUs' share.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/defects.hpp"
#include "core/sim/inbox.hpp"
#include "core/sim/module.hpp"
#include "core/sim/timeline.hpp"
#include "models/memory/cached_memory.hpp"
#include "models/memory/memory_if.hpp"
#include "models/memory/memory_params.hpp"

namespace ioasim::memory {

// The way of responses to a client. What is quicker arrives earlier: a hit in the cache does not
// queue behind a miss.
class ResponsePath {
public:
    explicit ResponsePath(TimePs latency) : latency_(latency) {}
    void bind(sim::Inbox<MemResponse>& target, std::uint32_t port) {
        target_ = &target;
        port_ = port;
    }
    void send(TimePs now, TimePs ready, MemResponse response) {
        SIM_CHECK(target_ != nullptr, "a response to nobody");
        ++sent_;
        target_->deliver(now, ready + latency_, port_, std::move(response));
    }
    std::uint64_t sent() const { return sent_; }

private:
    TimePs latency_;
    sim::Inbox<MemResponse>* target_ = nullptr;
    std::uint32_t port_ = 0;
    std::uint64_t sent_ = 0;
};

class MemoryModule final : public sim::Module {
public:
    MemoryModule(sim::Simulation& simulation, const std::string& name, const MemoryParams& params);

    // A client binds its link to inbox() with the port returned here, and gets its responses from
    // responses(port). `node`: its socket.
    std::uint32_t add_client(std::size_t node = 0);
    sim::Inbox<MemRequest>& inbox() { return inbox_; }
    ResponsePath& responses(std::uint32_t port) { return clients_.at(port).responses; }

    // A test bench may watch what devices do to memory; it learns and changes nothing.
    std::function<void(const MemRequest&)> on_device_access;
    // Processors that look at a line in a loop learn that it was written.
    std::function<void(Hpa address, std::uint64_t bytes)> on_write;
    // An error from outside, in every line that the range touches.
    void poison(Hpa address, std::size_t size);
    // Coherent with every request that has taken effect; looking at them changes nothing.
    SparseMemory& bytes() { return bytes_; }
    const SparseMemory& bytes() const { return bytes_; }
    // The same, as processors use it.
    CachedMemory& cached() { return cached_; }
    const SocketCaches& caches() const { return caches_; }

    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override {
        return sim::earliest(inbox_.next(), effects_.next());
    }
    void dump(sim::StateDump& out) const override;
    bool busy() const override { return inbox_.size() != 0 || !effects_.empty(); }

private:
    struct Client {
        std::size_t node = 0;
        ResponsePath responses;
    };
    // What the caches make of a request.
    struct Residence {
        std::uint64_t hits = 0;      // lines served by the cache
        std::uint64_t channels = 0;  // bytes that memory's channels move for it
        bool whole = false;          // all of it
        CacheFlush own;              // what the processors' own caches had of it
        std::vector<CacheLines> written_back;
    };

    // A request of a device that takes effect later than it arrived.
    struct Held {
        std::uint32_t port = 0;
        MemRequest request;
        Residence residence;
        TimePs ready;   // when its own access is over
        TimePs effect;  // not before
    };
    // Of one device behind one client: what it wrote, in order.
    using Stream = std::pair<std::uint32_t, std::uint16_t>;

    void take(TimePs now, sim::Arrival<MemRequest> arrival);
    void take_effect(TimePs now, const Held& held);
    TimePs effect_of(TimePs now, const Held& held) const;
    bool remote(const Held& held) const;
    MemResponse serve(const MemRequest& request, const Residence& residence);
    bool snoops(const MemRequest& request) const;
    void put(const MemRequest& request, const std::uint8_t* data, std::size_t size);
    void get(const MemRequest& request, std::uint8_t* data, std::size_t size) const;
    void read(const MemRequest& request, MemResponse& response);
    void write(const MemRequest& request);
    void swap(const MemRequest& request, MemResponse& response);
    Residence look_up(const MemRequest& request);
    bool into_cache(const MemRequest& request) const;
    // When the response is ready at the client's socket.
    TimePs finish(TimePs now, std::size_t client_node, const MemRequest& request,
                  const Residence& residence);
    // When the last byte has been transferred.
    TimePs transfer(TimePs now, Hpa address, std::uint64_t bytes);
    TimePs cross(TimePs now, std::size_t from, std::uint64_t bytes);

    MemoryParams params_;
    Probes& probes_;
    SparseMemory bytes_;
    SocketCaches caches_;
    ProcessorCaches own_;  // of the processors
    CachedMemory cached_;
    sim::Inbox<MemRequest> inbox_;
    std::map<Stream, std::deque<Held>> held_;  // none is empty
    sim::Timeline<Stream> effects_;            // one for each that is held
    std::vector<Client> clients_;
    std::vector<TimePs> free_at_;          // by socket and channel
    std::array<TimePs, 2> cache_free_at_;  // by socket
    std::array<TimePs, 2> link_free_at_;   // between sockets, by the one it leads from
    trace::Name in_cache_;
    trace::Name in_memory_;
    trace::Name in_both_;
    std::uint64_t reads_ = 0;
    std::uint64_t writes_ = 0;
    std::uint64_t hits_ = 0;
};

}  // namespace ioasim::memory
