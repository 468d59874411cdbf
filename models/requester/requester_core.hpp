// The logic of a test requester: registers in, transactions out. Plain C++.
//
// One operation at a time, split into requests that cross no 4-KiB page and are no longer than the
// function's configuration allows. Reads and translation requests hold a tag. Writes are posted:
// their operation is done when the last one was sent, and nobody tells whether they took effect.
//
// An operation goes as its registers tell, or "automatic", as a function that keeps the rules: with
// ATS enabled every page is looked up in the device TLB, a miss asks for a translation, a
// translation that does not permit the access asks for the page where page requests are enabled,
// and the response to that makes it ask for the translation again. Messages that arrive while ATS
// or page requests are off are software's business (MessageWindow). MISBEHAVE breaks single rules.
// Traffic (requester_traffic.hpp) runs instead of an operation, untranslated or as told.
// Left out: several operations at a time, translations ahead of need, atomics.
//
//   requester_core.cpp         registers, configuration, messages, reset, time
//   requester_operation.cpp    an operation: its requests, their completions, its end
//   requester_translation.cpp  device TLB, invalidations, page requests
//   requester_traffic.cpp      many blocks of reads or writes, counted and timed
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/time.hpp"
#include "core/sim/timeline.hpp"
#include "core/trace/recorder.hpp"
#include "models/pcie/page_groups_if.hpp"
#include "models/pcie/pcie_if.hpp"
#include "models/requester/requester_atc.hpp"
#include "models/requester/requester_config.hpp"
#include "models/requester/requester_layout.hpp"
#include "models/requester/requester_messages.hpp"
#include "models/requester/requester_params.hpp"
#include "models/requester/requester_tags.hpp"
#include "models/requester/requester_traffic.hpp"

namespace ioasim::requester {

class Fabric {
public:
    virtual ~Fabric() = default;
    // Returns when the way out is free again, if nothing waits for credits.
    virtual TimePs send(TimePs now, pcie::Tlp tlp) = 0;
    // What waits for credits of the link, completions excepted, is dropped and returned.
    virtual std::vector<pcie::Tlp> drop_requests(TimePs now) = 0;
    // When everything sent so far has left; none while some of it waits for credits of the link.
    virtual std::optional<TimePs> all_sent() const = 0;
};

class RequesterCore {
public:
    // `bar0`: where firmware put the registers.
    RequesterCore(const RequesterParams& params, Rid rid, trace::Name name, Fabric& fabric,
                  Probes& probes, trace::Recorder& recorder, SourceId source,
                  std::uint64_t bar0 = 0);

    // Offsets below kBar0Bytes, naturally aligned, 4 or 8 bytes.
    std::uint64_t read_register(std::uint64_t offset, unsigned size) const;
    void write_register(TimePs now, std::uint64_t offset, std::uint64_t value, unsigned size);
    // A configuration request, answered through the fabric.
    void configure(TimePs now, const pcie::Tlp& request);
    // The function claims MMIO at this address.
    bool decodes(TimePs now, std::uint64_t bar0) const {
        return config_.decodes(bar0) && !config_.resetting(now);
    }
    // A message of the remapping unit.
    void receive(TimePs now, const pcie::Tlp& message);
    // A completion of one of its requests.
    void answer(TimePs now, const pcie::Tlp& completion);

    void advance(TimePs now);
    std::optional<TimePs> next_wakeup() const;
    bool busy() const {
        return state_ == State::Busy || traffic_state_ == State::Busy || !invalidations_.empty() ||
               stop_ != Stop::None;
    }
    std::vector<std::string> describe() const;

private:
    // What goes into every request of an operation.
    struct Wish {
        std::optional<Pasid> pasid;
        Rid requester;
        pcie::AddressType at = pcie::AddressType::Untranslated;
        bool automatic = false;
        bool privileged = false;
        bool execute = false;
        bool no_snoop = false;
        bool relaxed_ordering = false;
        bool id_ordering = false;
        bool poisoned = false;
        pcie::CacheHint hint = pcie::CacheHint::None;
    };
    // How the next part of an operation goes.
    struct Route {
        enum class Kind : std::uint8_t { Go, Wait, GiveUp };
        Kind kind = Kind::Go;
        pcie::AddressType at = pcie::AddressType::Untranslated;
        std::uint64_t address = 0;
        bool snoop = false;                    // the translation forbids no-snoop
        Outcome why = Outcome::NoTranslation;  // GiveUp
    };

    // requester_core.cpp
    std::uint32_t word(std::uint64_t offset) const;
    void set_word(TimePs now, std::uint64_t offset, std::uint32_t value);
    std::uint32_t at(std::uint32_t offset) const { return words_[offset / 4]; }
    std::uint64_t wide(std::uint32_t offset) const {
        return at(offset) | std::uint64_t{at(offset + 4)} << 32U;
    }
    bool misbehaves(std::uint32_t how) const { return (at(reg::kMisbehave) & how) != 0; }
    void send_message(TimePs now, std::uint32_t control);
    void written(TimePs now, const pcie::ConfigOrders& orders, bool had_ats);
    void reset(TimePs now);
    void stop(TimePs now, Stop how);
    void continue_stop(TimePs now);
    void show_page_status();

    // requester_operation.cpp
    Wish wish() const;
    bool legal(const Wish& wish) const;
    void go(TimePs now);
    bool may_master() const;
    pcie::Tlp request(const Wish& wish, pcie::TlpKind kind) const;
    std::uint32_t part(std::uint64_t limit) const;
    void issue(TimePs now);
    // One request of the operation, by this way.
    pcie::Tlp part_of_operation(pcie::TlpKind kind, const Route& route, std::uint32_t length) const;
    void send_write(TimePs now, const Route& route);
    bool send_read(TimePs now, const Route& route);
    std::optional<TimePs> deadline(TimePs now) const;
    void read_came(const Outstanding& was, const pcie::Tlp& completion);
    void time_out(TimePs now, const Outstanding& was);
    void failed(std::uint64_t part_address, Outcome outcome);
    void give_up_rest(Outcome outcome);
    // Something that the operation asked for is still to come; it ends by that, not by time.
    bool awaits() const { return reads_ != 0 || asking_ || awaiting_pages_; }
    void end_if_done(TimePs now);
    void interrupt(TimePs now);

    // requester_translation.cpp
    bool ats_on() const;
    bool serves(const AtcEntry& entry) const;
    Route route(TimePs now, std::uint64_t iova);
    Route ask_translation(TimePs now, std::uint64_t iova);
    void translation_came(const Outstanding& was, const pcie::Tlp& completion);
    void fill(const Outstanding& was, const pcie::Tlp& completion);
    void tell_dropped(const std::vector<AtcEntry>& gone, const char* cause);
    void invalidate(TimePs now, const pcie::Tlp& message);
    void apply(Invalidation& invalidation);
    void came_back(std::uint32_t tag);
    void answer_invalidations(TimePs now);
    std::uint64_t page_credits() const;
    Route ask_pages(TimePs now, std::uint64_t iova);
    std::vector<std::uint64_t> missing_pages(std::uint64_t iova, std::uint64_t most);
    void page_answer(TimePs now, const pcie::Tlp& message);

    // requester_traffic.cpp
    struct TrafficStep {
        std::uint32_t block = 0;
        bool end = false;  // else its requests may leave
    };
    void traffic_go(TimePs now);
    void begin_blocks(TimePs now);
    void issue_blocks(TimePs now);
    std::uint64_t next_address();
    std::uint32_t traffic_part(const TrafficBlock& block, std::uint64_t limit) const;
    void write_part(TimePs now, TrafficBlock& block);
    bool read_part(TimePs now, std::uint32_t slot, TrafficBlock& block);
    void traffic_came(TimePs now, const Outstanding& was, Outcome why);
    void end_block(TimePs now, std::uint32_t slot);
    void end_traffic(TimePs now);
    void stop_traffic(TimePs now, Outcome outcome);
    void advance_traffic(TimePs now);
    void forget_traffic();
    std::uint64_t traffic_value(std::uint64_t offset) const;

    RequesterParams params_;
    Rid rid_;
    trace::Name name_;
    trace::Name atc_name_;
    Fabric& fabric_;
    Probes& probes_;
    trace::Recorder& recorder_;
    SourceId source_;
    FunctionConfig config_;
    std::array<std::uint32_t, reg::kRegisters> words_{};  // registers that software writes
    std::vector<std::uint8_t> data_;
    MessageWindow messages_;
    TagTable tags_;

    // The operation: what its registers said when it began, and how far it is.
    State state_ = State::Idle;
    Outcome outcome_ = Outcome::Ok;
    std::uint32_t number_ = 0;
    std::uint64_t failed_at_ = 0;
    std::uint32_t moved_ = 0;
    Operation operation_ = Operation::Read;
    Wish wish_;
    std::uint64_t start_ = 0;
    std::uint32_t length_ = 0;
    std::uint32_t issued_ = 0;
    std::optional<TimePs> end_;  // writes: when the last one has left
    std::vector<std::uint8_t> moving_;
    std::uint32_t reads_ = 0;  // of it, under way

    DeviceTlb atc_;
    bool ats_halted_ = false;                 // a translation request was unsupported
    std::optional<std::uint32_t> asking_;     // the tag of the translation request under way
    std::optional<std::uint64_t> denied_;     // the page whose translation does not do
    std::deque<Invalidation> invalidations_;  // in order of arrival

    pcie::PageRequestGroups groups_;
    bool awaiting_pages_ = false;  // the operation waits for a response
    std::uint64_t promised_page_ = 0;
    std::uint64_t promises_ = 0;  // that it came, while it did not

    Stop stop_ = Stop::None;
    std::optional<Pasid> stop_pasid_;

    State traffic_state_ = State::Idle;
    Outcome traffic_outcome_ = Outcome::Ok;
    TrafficPlan plan_;
    TrafficCount traffic_;
    TrafficRandom random_;
    std::vector<TrafficBlock> blocks_;    // under way
    std::deque<std::uint32_t> to_issue_;  // of them, in order of issue
    std::uint64_t begun_ = 0;
    TimePs engine_free_;  // the way into the device's memory
    sim::Timeline<TrafficStep> traffic_steps_;
    std::vector<std::uint32_t> journal_;
};

}  // namespace ioasim::requester
