#include "tools/cli/bench/bench_hop.hpp"

#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "core/sim/bare_event.hpp"
#include "core/sim/link.hpp"
#include "core/sim/simulation.hpp"
#include "tools/cli/bench/measure.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

constexpr double kBudgetNs = 80;    // a hop, tracing off
constexpr double kBudgetRatio = 4;  // a hop in bare events
constexpr std::uint64_t kHops = 2'000'000;

// As large as the requests that devices send.
struct Message {
    std::array<std::uint64_t, 5> words{};
};

// Sends on whatever arrives, until enough have passed.
class Relay final : public sim::Module {
public:
    Relay(sim::Simulation& sim, const std::string& name, std::uint64_t& hops)
        : Module(sim, name), hops_(hops) {}

    void advance(TimePs now) override {
        while (inbox.due(now)) {
            sim::Arrival<Message> arrival = inbox.pop();
            if (++hops_ >= kHops) {
                return;
            }
            out.send(now, std::move(arrival.message));
        }
    }
    std::optional<TimePs> next_wakeup() const override {
        return hops_ >= kHops ? std::nullopt : inbox.next();
    }

    sim::Inbox<Message> inbox{*this, 4096};
    sim::Link<Message> out{sim::LinkParams{}};

private:
    std::uint64_t& hops_;
};

// A ring of six modules with some messages going round.
class Ring {
public:
    explicit Ring(unsigned in_flight) {
        sim::SimulationOptions options;
        options.limit = TimePs::max() - TimePs{1};
        options.activations_per_instant = ~std::uint64_t{0};
        sim_ = std::make_unique<sim::Simulation>(options);
        for (std::size_t i = 0; i < relays_.size(); ++i) {
            relays_[i] = std::make_unique<Relay>(*sim_, fmt::format("relay{}", i), hops_);
        }
        for (std::size_t i = 0; i < relays_.size(); ++i) {
            relays_[i]->out.bind(relays_[(i + 1) % relays_.size()]->inbox, 0);
        }
        for (unsigned i = 0; i < in_flight; ++i) {
            // Spread over the instants, as requests of a busy device are.
            relays_[0]->inbox.deliver(TimePs{}, TimePs{1 + i * 997 % 6000}, 0, Message{});
        }
    }
    std::uint64_t run() {
        sim_->run();
        return hops_;
    }

private:
    std::uint64_t hops_ = 0;
    std::unique_ptr<sim::Simulation> sim_;
    std::array<std::unique_ptr<Relay>, 6> relays_;
};

}  // namespace

double hop_ns(unsigned in_flight) {
    return best_ns_per_unit([in_flight] { return std::make_unique<Ring>(in_flight); },
                            [](Ring& ring) { return ring.run(); });
}

int bench_hop(bool strict) {
    const double bare = best_ns_per_unit([] { return std::make_unique<sim::BareEvent>(); },
                                         [](sim::BareEvent& event) {
                                             event.run(kHops);
                                             return event.activated();
                                         });
    print_out(fmt::format("bare event: {:.1f} ns\n", bare));
    bool good = true;
    for (const unsigned in_flight : {1U, 64U, 1024U}) {
        const double hop = hop_ns(in_flight);
        const double ratio = hop / bare;
        const bool within = ratio <= kBudgetRatio && (!strict || hop <= kBudgetNs);
        good = good && within;
        print_out(fmt::format("hop, {} in flight: {:.1f} ns, {:.2f} bare events{}\n", in_flight,
                              hop, ratio, within ? "" : " OVER BUDGET"));
    }
    print_out(fmt::format("bench hop: {} (at most {} bare events{})\n", good ? "pass" : "fail",
                          kBudgetRatio,
                          strict ? fmt::format(", at most {} ns", kBudgetNs)
                                 : fmt::format("; {} ns are judged with --strict", kBudgetNs)));
    return good ? 0 : 1;
}

}  // namespace ioasim::tools
