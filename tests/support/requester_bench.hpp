// A requester whose requests wait here for an answer, at a time that the test moves.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "models/pcie/pcie_layout.hpp"
#include "models/requester/requester_core.hpp"

namespace ioasim::requester::test {

inline TimePs g_now;

struct RequesterBench : Fabric {
    explicit RequesterBench(const RequesterParams& params = requester_param_table().defaults())
        : recorder([] { return g_now; }),
          core(params, Rid{0x0108}, recorder.name("dev0"), *this, probes, recorder,
               recorder.source("dev0")) {
        g_now = TimePs{1};
    }

    TimePs send(TimePs now, pcie::Tlp tlp) override {
        sent.push_back(std::move(tlp));
        return free_at = now + TimePs{100};
    }
    std::vector<pcie::Tlp> drop_requests(TimePs) override { return {}; }
    std::optional<TimePs> all_sent() const override {
        return held ? std::nullopt : std::optional<TimePs>(free_at);
    }
    void set(std::uint32_t offset, std::uint64_t value, unsigned size = 4) {
        core.write_register(g_now, offset, value, size);
    }
    std::uint64_t get(std::uint32_t offset, unsigned size = 4) const {
        return core.read_register(offset, size);
    }
    void pass(TimePs time) {
        g_now += time;
        core.advance(g_now);
    }
    pcie::Tlp take() {
        REQUIRE_FALSE(sent.empty());
        pcie::Tlp tlp = sent.front();
        sent.pop_front();
        return tlp;
    }
    void answer(const pcie::Tlp& request, std::uint8_t byte = 0) {
        pcie::Tlp completion = pcie::make_completion(request, pcie::CplStatus::Success);
        completion.data.assign(request.length, byte);
        core.answer(g_now, completion);
    }

    Probes probes;
    trace::Recorder recorder;
    std::deque<pcie::Tlp> sent;
    TimePs free_at;
    bool held = false;  // the link waits for credits
    RequesterCore core;
};

}  // namespace ioasim::requester::test
