// One door for every choice that the modelled system leaves open: which waiter gets a lock, which
// ready task runs. By default the fixed rule (the first candidate); a campaign passes a seeded
// chooser, a replay a recorded list.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/random.hpp"

namespace ioasim {

class Chooser {
public:
    virtual ~Chooser() = default;
    // Picks one of `count` candidates (count >= 1), listed in the fixed order. `what` names the
    // kind of choice ("lock.waiter", "cpu.ready", ...).
    virtual std::size_t choose(std::string_view what, std::size_t count) = 0;
};

class FirstChooser final : public Chooser {
public:
    std::size_t choose(std::string_view, std::size_t) override { return 0; }
};

class SeededChooser final : public Chooser {
public:
    explicit SeededChooser(std::uint64_t seed) : stream_(seed, "chooser", "schedule") {}
    std::size_t choose(std::string_view, std::size_t count) override {
        return static_cast<std::size_t>(stream_.below(count));
    }

private:
    RandomStream stream_;
};

}  // namespace ioasim
