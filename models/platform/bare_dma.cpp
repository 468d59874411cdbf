// DMA of test requesters, as bare programs ask for it, and what became of it.
#include <fmt/format.h>

#include "models/platform/bare_actor.hpp"

namespace ioasim::platform {

// The function ignores GO while an operation is under way.
bool BareActor::busy(const std::string& device, const BareUnit& unit) {
    const BareWorld::Engaged engaged = world_.engaged[device];
    return engaged == BareWorld::Engaged::Told ||
           (engaged == BareWorld::Engaged::Started &&
            requester::state_of(reg(unit, requester::reg::kStatus)) == requester::State::Busy);
}

void BareActor::tell(const BareStep& step, const BareUnit& unit, std::uint32_t length) {
    namespace reg = requester::reg;
    namespace request = requester::request;
    const auto data = step.bytes.find("data");
    const bool write = step.name("") == "write";
    std::uint32_t flags = static_cast<std::uint32_t>(write ? requester::Operation::Write
                                                           : requester::Operation::Read);
    flags |= step.number("privileged") != 0 ? request::kPrivileged : 0;
    flags |= step.number("execute") != 0 ? request::kExecute : 0;
    flags |= step.number("no_snoop") != 0 ? request::kNoSnoop : 0;
    flags |= step.number("relaxed") != 0 ? request::kRelaxedOrdering : 0;
    flags |= step.number("id_ordering") != 0 ? request::kIdOrdering : 0;
    flags |= step.number("poisoned") != 0 ? request::kPoisoned : 0;
    flags |= step.name("into") == "cache" ? request::kToCache : 0;
    flags |= step.name("into") == "memory" ? request::kToMemory : 0;
    flags |= step.number("translated") != 0 ? 2U << request::kAtShift : 0;
    flags |= step.number("ats") != 0 ? request::kAutomatic : 0;
    set_reg(unit, reg::kAddress, step.number("iova"), 8);
    set_reg(unit, reg::kLength, length);
    set_reg(unit, reg::kPasid,
            step.has("pasid") ? step.number("pasid") | requester::kValid : std::uint64_t{0});
    set_reg(unit, reg::kRequest, flags);
    set_reg(unit, reg::kRequester,
            step.has("rid") ? step.number("rid") | requester::kValid : std::uint64_t{0});
    if (write && data != step.bytes.end()) {
        for (std::uint32_t at = 0; at < length; at += 4) {
            std::uint32_t word = 0;
            for (std::uint32_t i = 0; i < std::min(4U, length - at); ++i) {
                word |= std::uint32_t{data->second[at + i]} << (8 * i);
            }
            set_reg(unit, reg::kData + at, word);
        }
    }
}

StepOutcome BareActor::dma(const BareStep& step) {
    const std::string device = step.name("by");
    const BareUnit& unit = world_.units.at(device);
    if (busy(device, unit)) {
        return mismatch(device + " takes an operation", "an operation is still under way",
                        Errno::Ebusy);
    }
    world_.engaged[device] = BareWorld::Engaged::Told;
    const auto data = step.bytes.find("data");
    const bool has_data = data != step.bytes.end();
    const auto length =
        static_cast<std::uint32_t>(step.number("size", has_data ? data->second.size() : 0));
    tell(step, unit, length);
    Asked asked;
    asked.write = step.name("") == "write";
    asked.rid = step.has("rid") ? Rid{static_cast<std::uint16_t>(step.number("rid"))} : unit.rid;
    asked.length = length;
    constexpr std::uint32_t kMessageBytes = 4;
    if (asked.write && has_data && length == kMessageBytes) {
        std::uint32_t value = 0;
        for (std::uint32_t i = 0; i < kMessageBytes; ++i) {
            value |= std::uint32_t{data->second[i]} << (8 * i);
        }
        asked.message = {step.number("iova"), value};
        asked.messages = world_.interrupts.came(step.number("iova"), value);
    }
    // Asked for beforehand: the answer to a later read would come behind the writes.
    asked.number = reg(unit, requester::reg::kNumber) + 1;
    set_reg(unit, requester::reg::kGo, 1);
    world_.engaged[device] = BareWorld::Engaged::Started;
    asked_[device] = asked;
    return step.number("async") == 0 ? dma_wait(step, device) : StepOutcome{};
}

StepOutcome BareActor::dma_wait(const BareStep& step, const std::string& device) {
    namespace reg = requester::reg;
    const BareUnit& unit = world_.units.at(device);
    const TimePs end = ctx_->now() + TimePs{step.number("timeout", kBareTimeout.ps())};
    std::uint64_t status = this->reg(unit, reg::kStatus);
    while (requester::state_of(status) == requester::State::Busy) {
        if (ctx_->now() >= end) {
            return mismatch("the operation ends", "it is under way", Errno::Etimedout);
        }
        status = this->reg(unit, reg::kStatus);
    }
    world_.engaged[device] = BareWorld::Engaged::No;
    if (requester::state_of(status) == requester::State::Idle) {
        return mismatch("an operation of " + device, "none was started", Errno::Einval);
    }
    constexpr std::uint64_t kNoAnswer = 0xFFFF'FFFF;  // what the host bridge makes of a failed read
    if (status == kNoAnswer && step.name("expect", "ok") != "any") {
        return mismatch("the operation ends: " + step.name("expect", "ok"),
                        device + " does not answer");
    }
    const Asked& asked = asked_[device];
    const requester::Outcome outcome = requester::outcome_of(status);
    if (!asked.write) {
        return judge_read(step, unit, outcome);
    }
    if (step.name("expect", "ok") != "any") {
        settle();  // posted: what memory does not have by then, it never gets
    }
    std::uint64_t landed = world_.writes.bytes(asked.rid, asked.number);
    if (asked.message &&
        world_.interrupts.came(asked.message->first, asked.message->second) > asked.messages) {
        landed += asked.length;
    }
    StepOutcome judged = judge_write(step.name("expect", "ok"), outcome);
    if (judged.error != Errno::Ok || outcome != requester::Outcome::Ok) {
        return judged;
    }
    const std::string expect = step.name("expect", "ok");
    if ((expect == "ok" && landed != asked.length) || (expect == "blocked" && landed != 0)) {
        return mismatch(expect == "ok" ? fmt::format("{} bytes written", asked.length)
                                       : std::string("no byte written"),
                        fmt::format("{} bytes reached memory or a processor", landed));
    }
    return {Errno::Ok, landed};
}

StepOutcome BareActor::judge_read(const BareStep& step, const BareUnit& unit,
                                  requester::Outcome outcome) {
    using requester::Outcome;
    const std::string expect = step.name("expect", "ok");
    const std::string found = requester::outcome_name(outcome);
    const bool blocked =
        outcome == Outcome::UnsupportedRequest || outcome == Outcome::CompleterAbort;
    if (expect != "any" && expect != found && !(expect == "blocked" && blocked)) {
        return mismatch("the read ends: " + expect, found);
    }
    const auto data = step.bytes.find("data");
    if (outcome == Outcome::Ok && data != step.bytes.end()) {
        std::vector<std::uint8_t> came;
        for (std::uint32_t at = 0; came.size() < data->second.size(); at += 4) {
            const std::uint64_t word = reg(unit, requester::reg::kData + at);
            for (unsigned i = 0; i < 4 && came.size() < data->second.size(); ++i) {
                came.push_back(static_cast<std::uint8_t>(word >> (8 * i)));
            }
        }
        if (came != data->second) {
            return mismatch(
                fmt::format("{} read", hex_bytes(data->second)),
                fmt::format("{}, {}", hex_bytes(came), first_difference(data->second, came)));
        }
    }
    return {Errno::Ok, reg(unit, requester::reg::kMoved)};
}

StepOutcome BareActor::judge_write(const std::string& expect, requester::Outcome outcome) {
    const std::string found = requester::outcome_name(outcome);
    // A posted write is sent or refused; what became of it is asked of memory.
    const bool sent = expect == "ok" || expect == "blocked";
    if (expect != "any" && found != (sent ? "ok" : expect)) {
        return mismatch("the write ends: " + expect, found);
    }
    return {};
}

}  // namespace ioasim::platform
