#include "tools/cli/bench/bench_vtd.hpp"

#include <memory>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "core/sim/bare_event.hpp"
#include "models/platform/translation_load.hpp"
#include "tools/cli/bench/bench_hop.hpp"
#include "tools/cli/bench/measure.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

using Load = platform::TranslationLoad;

constexpr std::uint64_t kHits = 200'000;
constexpr std::uint64_t kWalks = 20'000;
constexpr std::uint64_t kEvents = 1'000'000;
constexpr double kBareEventsOfMessage = 8;  // what a message may cost, with all that is done for it

struct Figure {
    double ns = 0;        // of one read
    double messages = 0;  // of one read
};

Figure measure(Load::Kind kind, unsigned in_flight, std::uint64_t reads) {
    Figure figure;
    figure.ns = best_ns_per_unit([&] { return std::make_unique<Load>(kind, in_flight, reads); },
                                 [&](Load& load) {
                                     const std::uint64_t succeeded = load.run();
                                     SIM_CHECK(signal_seen() != 0 || succeeded == reads,
                                               "{} of {} reads succeeded", succeeded, reads);
                                     figure.messages = static_cast<double>(load.messages()) /
                                                       static_cast<double>(reads);
                                     return succeeded;
                                 });
    return figure;
}

}  // namespace

int bench_vtd(bool) {
    const double bare = best_ns_per_unit([] { return std::make_unique<sim::BareEvent>(); },
                                         [](sim::BareEvent& event) {
                                             event.run(kEvents);
                                             return event.activated();
                                         });
    print_out(fmt::format("bare event: {:.1f} ns\n", bare));
    bool good = true;
    for (const unsigned in_flight : {1U, 64U}) {
        const double hop = hop_ns(in_flight);
        print_out(fmt::format("hop, {} in flight: {:.1f} ns\n", in_flight, hop));
        const auto tell = [&](const char* what, Load::Kind kind, std::uint64_t reads) {
            // The first look at each page is a walk; beside so many hits it does not show.
            const Figure f = measure(kind, in_flight, reads);
            const bool within = f.messages < Load::messages_needed(kind) + 0.5 &&
                                f.ns <= f.messages * kBareEventsOfMessage * bare;
            good = good && within;
            print_out(fmt::format(
                "{}, {} in flight: {:.0f} ns, {:.1f} messages; as many bare events "
                "{:.0f} ns ({:.1f} times), as many hops {:.0f} ns{}\n",
                what, in_flight, f.ns, f.messages, f.messages * bare, f.ns / f.messages / bare,
                f.messages * hop, within ? "" : " OVER BUDGET"));
        };
        tell("IOTLB hit", Load::Kind::IotlbHits, kHits);
        tell("cold nested walk", Load::Kind::ColdNestedWalks, kWalks);
    }
    print_out(
        fmt::format("bench vtd: {} (a hit {} messages, a cold nested walk {}; a message at most "
                    "{} bare events)\n",
                    good ? "pass" : "fail", Load::messages_needed(Load::Kind::IotlbHits),
                    Load::messages_needed(Load::Kind::ColdNestedWalks), kBareEventsOfMessage));
    return good ? 0 : 1;
}

}  // namespace ioasim::tools
