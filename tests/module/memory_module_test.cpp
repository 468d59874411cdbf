// Latency, rate and order of the timed memory.
#include <doctest/doctest.h>

#include <cstring>

#include "core/sim/link.hpp"
#include "core/sim/simulation.hpp"
#include "models/memory/memory_module.hpp"
#include "tests/support/event_log.hpp"

using namespace ioasim;
using namespace ioasim::memory;
using ioasim::test::EventLog;

namespace {

constexpr TimePs kStart{1'000'000};
constexpr TimePs kWay{7'000};

class Client final : public sim::Module {
public:
    Client(sim::Simulation& simulation, const std::string& name, MemoryModule& memory,
           std::size_t node = 0)
        : Module(simulation, name), out_(sim::LinkParams{kWay, 0, 0}) {
        port = memory.add_client(node);
        out_.bind(memory.inbox(), port);
        memory.responses(port).bind(inbox_, 0);
    }
    void at(TimePs time, MemRequest request) { plan_.schedule(time, 0, std::move(request)); }
    void advance(TimePs now) override {
        while (inbox_.due(now)) {
            got.emplace_back(now, inbox_.pop().message);
        }
        while (plan_.due(now)) {
            out_.send(now, plan_.pop());
        }
    }
    std::optional<TimePs> next_wakeup() const override {
        return sim::earliest(inbox_.next(), plan_.next());
    }
    std::uint32_t port = 0;
    std::vector<std::pair<TimePs, MemResponse>> got;

private:
    sim::Inbox<MemResponse> inbox_{*this, 1024};
    sim::Link<MemRequest> out_;
    sim::Timeline<MemRequest> plan_;
};

MemoryParams params_with(std::uint64_t bandwidth) {
    MemoryParams params = memory_param_table().defaults();
    params.latency = 100_ns;
    params.link_latency = 40_ns;
    params.bandwidth = bandwidth;
    params.llc_bytes = 0;
    return params;
}

MemRequest read_of(std::uint64_t address, std::uint32_t size, std::uint64_t tag = 0) {
    MemRequest request;
    request.address = Hpa{address};
    request.size = size;
    request.tag = tag;
    return request;
}

MemRequest write_of(std::uint64_t address, std::uint64_t value) {
    MemRequest request = read_of(address, sizeof value);
    request.op = MemOp::Write;
    request.data.resize(sizeof value);
    std::memcpy(request.data.data(), &value, sizeof value);
    return request;
}

MemRequest swap_of(std::uint64_t address, std::uint64_t expected, std::uint64_t desired) {
    MemRequest request = write_of(address, expected);
    request.op = MemOp::CompareSwap;
    request.data.resize(2 * sizeof desired);
    std::memcpy(request.data.data() + sizeof expected, &desired, sizeof desired);
    return request;
}

std::uint64_t value_of(const MemResponse& response) {
    std::uint64_t value = 0;
    std::memcpy(&value, response.data.data(), sizeof value);
    return value;
}

struct Bench {
    explicit Bench(std::uint64_t bandwidth = 0)
        : sim(sim::SimulationOptions{}), memory(sim, "memory", params_with(bandwidth)) {}
    sim::Simulation sim;
    MemoryModule memory;
};

}  // namespace

TEST_CASE("memory module: a response takes both ways and the latency") {
    Bench bench;
    Client client(bench.sim, "client", bench.memory);
    client.at(kStart, read_of(0x1000, 64, 5));
    bench.sim.run();
    REQUIRE(client.got.size() == 1);
    CHECK(client.got[0].first == kStart + kWay + 100_ns + 40_ns);
    CHECK(client.got[0].second.tag == 5);
}

TEST_CASE("memory module: the shared rate spaces responses of all clients") {
    Bench bench{1000};  // 1 byte a nanosecond
    Client a(bench.sim, "a", bench.memory);
    Client b(bench.sim, "b", bench.memory);
    a.at(kStart, read_of(0x1000, 64));
    b.at(kStart, read_of(0x2000, 32));
    bench.sim.run();
    const TimePs base = kStart + kWay + 100_ns + 40_ns;
    CHECK(a.got.at(0).first == base + 64_ns);
    CHECK(b.got.at(0).first == base + 96_ns);
}

TEST_CASE("memory module: at one instant the lower client is served first") {
    Bench bench;
    Client a(bench.sim, "a", bench.memory);
    Client b(bench.sim, "b", bench.memory);
    // The later rank asks first in program order; rank decides.
    b.at(kStart, read_of(0x1000, 8));
    a.at(kStart, write_of(0x1000, 42));
    bench.sim.run();
    CHECK(value_of(b.got.at(0).second) == 42);
}

TEST_CASE("memory module: a compare-and-swap happens only when the bytes are as expected") {
    Bench bench;
    Client client(bench.sim, "client", bench.memory);
    client.at(kStart, write_of(0x1000, 7));
    client.at(kStart + 1_ns, swap_of(0x1000, 6, 1));
    client.at(kStart + 2_ns, swap_of(0x1000, 7, 2));
    client.at(kStart + 3_ns, read_of(0x1000, 8));
    bench.sim.run();
    REQUIRE(client.got.size() == 4);
    CHECK(value_of(client.got[1].second) == 7);
    CHECK(value_of(client.got[2].second) == 7);
    CHECK(value_of(client.got[3].second) == 2);
}

TEST_CASE("memory module: outside of the installed ranges nothing answers with data") {
    Bench bench;
    Client client(bench.sim, "client", bench.memory);
    client.at(kStart, read_of(0xFED9'0000, 8));
    bench.sim.run();
    REQUIRE(client.got.size() == 1);
    CHECK(client.got[0].second.status == MemStatus::NoTarget);
    CHECK(client.got[0].second.data.empty());
}

TEST_CASE("memory module: accesses of devices are told at the instant of their effect") {
    Bench bench;
    EventLog log(bench.sim.recorder());
    Client client(bench.sim, "client", bench.memory);
    MemRequest request = write_of(0x1000, 1);
    request.origin = MemOrigin{Rid{0x108}, Pasid{5}, 77};
    client.at(kStart, request);
    client.at(kStart + 1_us, write_of(0x2000, 1));
    bench.sim.run();
    const auto accesses = log.of("memory.access");
    REQUIRE(accesses.size() == 1);
    CHECK(accesses[0].time == kStart + kWay);
    CHECK(EventLog::number(accesses[0], "descriptor") == 77);
}

TEST_CASE("memory module: a read of poison has its bytes and says so, a swap does not happen") {
    Bench bench;
    Client client(bench.sim, "client", bench.memory);
    bench.memory.poison(Hpa{0x1020}, 1);
    client.at(kStart, read_of(0x1000, 8));
    client.at(kStart + 1_ns, swap_of(0x1000, 0, 2));
    client.at(kStart + 2_ns, write_of(0x1000, 7));
    client.at(kStart + 3_ns, read_of(0x1000, 8));
    bench.sim.run();
    REQUIRE(client.got.size() == 4);
    CHECK(client.got[0].second.status == MemStatus::Poisoned);
    CHECK(client.got[0].second.data.size() == 8);
    CHECK(client.got[1].second.status == MemStatus::Poisoned);
    CHECK(client.got[2].second.status == MemStatus::Ok);
    CHECK(client.got[3].second.status == MemStatus::Poisoned);
    CHECK(value_of(client.got[3].second) == 7);
}

TEST_CASE("memory module: a write that says its data is wrong poisons what it writes") {
    Bench bench;
    Client client(bench.sim, "client", bench.memory);
    MemRequest request = write_of(0x1000, 7);
    request.poisoned = true;
    client.at(kStart, request);
    client.at(kStart + 1_ns, read_of(0x1000, 8));
    bench.sim.run();
    CHECK(client.got.at(1).second.status == MemStatus::Poisoned);
}

TEST_CASE("memory module: channels serve beside each other, each with its share of the rate") {
    MemoryParams params = params_with(1000);  // 1 byte a nanosecond
    params.channels = 2;
    params.interleave = 256;
    sim::Simulation sim{sim::SimulationOptions{}};
    MemoryModule memory(sim, "memory", params);
    Client a(sim, "a", memory);
    Client b(sim, "b", memory);
    Client c(sim, "c", memory);
    a.at(kStart, read_of(0x1000, 64));   // channel 0
    b.at(kStart, read_of(0x1100, 64));   // channel 1
    c.at(kStart, read_of(0x10C0, 128));  // the end of one, the begin of the other
    sim.run();
    const TimePs base = kStart + kWay + 100_ns + 40_ns;
    CHECK(a.got.at(0).first == base + 128_ns);
    CHECK(b.got.at(0).first == base + 128_ns);
    CHECK(c.got.at(0).first == base + 256_ns);
}

namespace {

constexpr std::uint64_t kLines = 64;

struct CacheBench {
    explicit CacheBench(MemoryParams params) : memory(sim, "memory", params) {}
    sim::Simulation sim{sim::SimulationOptions{}};
    MemoryModule memory;
};

MemoryParams cache_params() {
    MemoryParams params = params_with(0);
    params.llc_bytes = 1U << 20U;
    params.llc_device_bytes = 8 * kLines;
    params.llc_latency = 30_ns;
    return params;
}

MemRequest device_write(std::uint64_t address, std::uint32_t size,
                        Destination destination = Destination::Default) {
    MemRequest request = read_of(address, size);
    request.op = MemOp::Write;
    request.data.assign(size, 1);
    request.destination = destination;
    return request;
}

const TimePs kMiss = kStart + kWay + 100_ns + 40_ns;
const TimePs kHit = kStart + kWay + 30_ns + 40_ns;

}  // namespace

TEST_CASE("memory module: what the last-level cache holds comes sooner and passes what does not") {
    CacheBench b{cache_params()};
    Client client(b.sim, "client", b.memory);
    const std::uint64_t value = 1;
    b.memory.cached().write(Hpa{0x1000}, &value, sizeof value);
    client.at(kStart, read_of(0x2000, 64, 1));
    client.at(kStart, read_of(0x1000, 64, 2));
    b.sim.run();
    CHECK(client.got.at(0).first == kHit);
    CHECK(client.got.at(0).second.tag == 2);
    CHECK(client.got.at(1).first == kMiss);
}

TEST_CASE("memory module: reads bring nothing into the cache") {
    CacheBench b{cache_params()};
    Client client(b.sim, "client", b.memory);
    client.at(kStart, read_of(0x1000, 64));
    client.at(kStart + 1_us, read_of(0x1000, 64));
    b.sim.run();
    CHECK(client.got.at(1).first == kMiss + 1_us);
}

TEST_CASE("memory module: writes go where they ask to go") {
    for (const Destination destination :
         {Destination::Default, Destination::Cache, Destination::Memory}) {
        CacheBench b{cache_params()};
        Client client(b.sim, "client", b.memory);
        client.at(kStart, device_write(0x1000, 64, destination));
        client.at(kStart + 1_us, read_of(0x1000, 64));
        b.sim.run();
        const bool cached = destination != Destination::Memory;
        CHECK(client.got.at(1).first == (cached ? kHit : kMiss) + 1_us);
    }
}

TEST_CASE("memory module: a line that a device writes to memory leaves the cache") {
    CacheBench b{cache_params()};
    Client client(b.sim, "client", b.memory);
    client.at(kStart, device_write(0x1000, 64, Destination::Cache));
    client.at(kStart + 1_us, device_write(0x1000, 64, Destination::Memory));
    client.at(kStart + 2_us, read_of(0x1000, 64));
    b.sim.run();
    CHECK(client.got.at(2).first == kMiss + 2_us);
}

TEST_CASE("memory module: without write allocation writes of devices stay out of the cache") {
    MemoryParams params = cache_params();
    params.llc_device_writes = false;
    CacheBench b{params};
    Client client(b.sim, "client", b.memory);
    client.at(kStart, device_write(0x1000, 64));
    client.at(kStart + 1_us, read_of(0x1000, 64));
    b.sim.run();
    CHECK(client.got.at(1).first == kMiss + 1_us);
}

TEST_CASE("memory module: hits leave memory's rate to others, misses pay for their lines") {
    MemoryParams params = cache_params();
    params.bandwidth = 1000;  // 1 byte a nanosecond
    CacheBench b{params};
    Client client(b.sim, "client", b.memory);
    client.at(kStart, device_write(0x1000, 128, Destination::Cache));
    client.at(kStart + 1_us, read_of(0x1000, 128, 1));
    client.at(kStart + 1_us, read_of(0x1040, 128, 2));  // a line of it is in memory
    client.at(kStart + 1_us, read_of(0x2000, 64, 3));
    b.sim.run();
    REQUIRE(client.got.size() == 4);
    CHECK(client.got[1].first == kHit + 1_us);
    CHECK(client.got[2].first == kMiss + 1_us + 64_ns);
    CHECK(client.got[3].first == kMiss + 1_us + 128_ns);
}

TEST_CASE("memory module: lines that go back to memory take its rate") {
    MemoryParams params = cache_params();
    params.bandwidth = 1000;
    CacheBench b{params};
    Client client(b.sim, "client", b.memory);
    client.at(kStart, device_write(0x1000, 8 * kLines));         // fills the share of devices
    client.at(kStart + 1_us, device_write(0x4000, 4 * kLines));  // four lines go back
    client.at(kStart + 1_us, read_of(0x8000, 64));
    b.sim.run();
    CHECK(client.got.at(2).first == kMiss + 1_us + TimePs{1000} * (4 * kLines + 64));
}

TEST_CASE("memory module: the other socket's memory is two ways further, its link has a rate") {
    MemoryParams params = params_with(0);
    params.node1_bytes = 1U << 20U;
    params.socket_latency = 60_ns;
    params.socket_bandwidth = 1000;
    CacheBench b{params};
    Client near(b.sim, "near", b.memory);
    Client far(b.sim, "far", b.memory, 1);
    const std::uint64_t remote = node1_base(params).value();
    near.at(kStart, read_of(remote, 64));
    near.at(kStart, read_of(remote + 64, 64));
    far.at(kStart, read_of(remote, 64));
    far.at(kStart, read_of(0x1000, 64));
    b.sim.run();
    REQUIRE(near.got.size() == 2);
    CHECK(near.got[0].first == kMiss + 120_ns + 64_ns);
    CHECK(near.got[1].first == kMiss + 120_ns + 128_ns);
    REQUIRE(far.got.size() == 2);
    CHECK(far.got[0].first == kMiss);
    CHECK(far.got[1].first == kMiss + 120_ns + 64_ns);  // the other direction is free
}

namespace {

MemRequest with_origin(MemRequest request, std::uint16_t rid) {
    request.origin = MemOrigin{Rid{rid}, Pasid{kInvalidIoasid}, 0};
    return request;
}

MemoryParams two_sockets() {
    MemoryParams params = params_with(0);
    params.node1_bytes = 1U << 20U;
    params.socket_latency = 60_ns;
    params.socket_bandwidth = 0;
    return params;
}
// From the arrival of a write at the device's socket to the other one's answer.
constexpr TimePs kAnswer{220'000};
const TimePs kArrival = kStart + kWay;

// When the memory at `address` has its value for everybody.
TimePs seen_at(CacheBench& b, std::uint64_t address) {
    TimePs at;
    b.memory.on_device_access = [&](const MemRequest& request) {
        at = request.address.value() == address ? b.memory.now() : at;
    };
    b.sim.run();
    return at;
}

}  // namespace

TEST_CASE("memory module: a device's write to the other socket takes effect with its answer") {
    CacheBench b{two_sockets()};
    const std::uint64_t remote = node1_base(two_sockets()).value();
    Client client(b.sim, "client", b.memory);
    client.at(kStart, with_origin(device_write(remote, 64), 8));
    CHECK(seen_at(b, remote) == kArrival + kAnswer);
    CHECK(client.got.at(0).first == kArrival + kAnswer + 40_ns);
}

TEST_CASE("memory module: a write behind one to the other socket takes effect after it") {
    CacheBench b{two_sockets()};
    const std::uint64_t remote = node1_base(two_sockets()).value();
    Client client(b.sim, "client", b.memory);
    client.at(kStart, with_origin(device_write(remote, 64), 8));
    client.at(kStart, with_origin(device_write(0x1000, 64), 8));
    CHECK(seen_at(b, 0x1000) == kArrival + kAnswer);
}

TEST_CASE("memory module: another device's writes do not wait for the other socket") {
    CacheBench b{two_sockets()};
    const std::uint64_t remote = node1_base(two_sockets()).value();
    Client client(b.sim, "client", b.memory);
    client.at(kStart, with_origin(device_write(remote, 64), 8));
    client.at(kStart, with_origin(device_write(0x1000, 64), 16));
    CHECK(seen_at(b, 0x1000) == kArrival);
}

TEST_CASE("memory module: writes to the other socket are under way together") {
    CacheBench b{two_sockets()};
    const std::uint64_t remote = node1_base(two_sockets()).value();
    Client client(b.sim, "client", b.memory);
    client.at(kStart, with_origin(device_write(remote, 64), 8));
    client.at(kStart + 50_ns, with_origin(device_write(remote + 64, 64), 8));
    CHECK(seen_at(b, remote + 64) == kArrival + 50_ns + kAnswer);
}

TEST_CASE("memory module: a device reads what it wrote, and passes what it did not") {
    CacheBench b{two_sockets()};
    const std::uint64_t remote = node1_base(two_sockets()).value();
    Client client(b.sim, "client", b.memory);
    client.at(kStart, with_origin(device_write(remote, 64), 8));
    client.at(kStart, with_origin(read_of(remote + 32, 8, 1), 8));
    client.at(kStart, with_origin(read_of(0x1000, 8, 2), 8));
    b.sim.run();
    REQUIRE(client.got.size() == 3);
    CHECK(client.got[0].second.tag == 2);
    CHECK(client.got[0].first == kMiss);
    CHECK(client.got[2].second.tag == 1);
    CHECK(value_of(client.got[2].second) == 0x0101010101010101);
}
