// Address translation by the device itself: the device TLB of each engine, translation requests,
// page requests, invalidations. Plain C++: engines ask for the route of an access and are told when
// it is worth asking again; transactions leave through Fabric.
//
// With ATS enabled (configuration space, and WQCFG) an access leaves with a translated address. The
// device TLB of an engine has one entry for each of first and second source, first and second
// destination, and completion record; descriptors that follow each other share it, and one that
// needs what another has asked for waits for that: a hit as well. A descriptor keeps the pages that
// it works on: of each operand the present one, and the next ones ahead of need. The list and the
// record of a batch are translated for it alone. A page that the translation does not permit is
// asked for with a page request where the descriptor may block.
//
// PCI Express Base Specification 10.2 to 10.4; DSA Architecture Specification: address translation,
// page faults; organisation of the device TLB: DSAssassin (HPCA 2026). Left out: requests for
// several translations, execution.
//
//   translator.cpp         routes, requests, the device TLB
//   translator_pages.cpp   page requests, invalidations, ATS switched off, reset
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/sim/module.hpp"
#include "core/sim/timeline.hpp"
#include "models/dsa/dma_port.hpp"
#include "models/dsa/function.hpp"
#include "models/dsa/registers.hpp"
#include "models/dsa/work.hpp"
#include "models/pcie/page_groups_if.hpp"
#include "models/pcie/translations_if.hpp"

namespace ioasim::dsa {

// What has a device TLB entry of its own; a list has none.
enum class Operand : std::uint8_t { Source, Source2, Destination, Destination2, Record, List };
constexpr std::size_t kCachedOperands = 5;
constexpr std::size_t kOperands = 6;

// A slot of an engine; its batch unit has the number behind the last slot.
struct AtsUser {
    std::uint32_t engine = 0;
    std::uint32_t slot = 0;
};

class TranslationUsers {
public:
    virtual ~TranslationUsers() = default;
    // The route of an access of this user is known now, or is to be asked for again.
    virtual void translated(TimePs now, AtsUser user) = 0;
};

class Translator {
public:
    Translator(const DeviceShared& shared, Function& function, Registers& registers,
               const DmaPort& port, TranslationUsers& users);

    // --- routes ---
    struct Route {
        enum class Kind : std::uint8_t { Go, Wait, Refused };
        Kind kind = Kind::Go;
        Way way;
        Status why = Status::Success;  // refused
        bool goes() const { return kind == Kind::Go; }
    };
    struct Access {
        AtsUser user;
        Operand operand = Operand::Source;
        std::uint64_t address = 0;
        bool write = false;
        std::uint64_t until = 0;  // last byte of a stream that continues here, or 0
    };
    Route route(TimePs now, const Issuer& issuer, const Access& access);
    // A new descriptor begins: nothing is known of its operands.
    void begin(AtsUser user);
    // A translation or page that the user asked for is still under way.
    bool asking(AtsUser user) const;
    // Nobody waits for the user's pages any more: what comes of requests under way is nobody's,
    // their groups stay out until they are answered, and who has joined them asks for itself.
    void abandon(TimePs now, AtsUser user);

    // --- time and transactions ---
    void advance(TimePs now);
    std::optional<TimePs> next_wakeup() const;
    bool owns(std::uint32_t tag) const;
    // A completion of a translation request.
    bool answer(TimePs now, const pcie::Tlp& completion);
    // Invalidation requests and page responses.
    void receive(TimePs now, const pcie::Tlp& message);
    // A read ended; invalidations may have waited for it.
    void read_ended(TimePs now, std::uint32_t tag);

    // --- the function ---
    void ats_changed(bool enabled);
    void page_requests_reset(TimePs now);
    // The allocation or the enable changed.
    void page_interface_changed(TimePs now);
    // No user is left who waits; nothing is remembered.
    void reset(TimePs now);
    // A request that did not leave.
    void never_sent(std::uint32_t tag);
    // The work of a PASID was dropped: software is told that nobody waits for its pages.
    void stop(TimePs now, Pasid pasid);
    std::uint64_t pages_outstanding() const { return groups_.outstanding(); }
    std::uint32_t requests_outstanding() const { return outstanding_; }

private:
    enum class State : std::uint8_t {
        None,
        LooksUp,        // in the device TLB
        Joined,         // waits for a translation that another descriptor asked for
        Leaves,         // its request is being made, or waits for a free one
        Asked,          // for the translation
        AwaitsCredits,  // to ask for the page
        AwaitsPage,
        Ready,
        Refused,
    };
    struct Page {
        State state = State::None;
        std::uint64_t page = 0;
        bool write = false;
        pcie::AtcEntry entry;  // ready
        Status why = Status::Success;
        std::uint64_t promises = 0;    // page requests that were answered with success
        std::uint32_t generation = 0;  // steps of an earlier use are stale
    };
    static constexpr std::uint32_t kPages = kMaxTranslatedAhead + 1;
    struct Use {
        std::array<Page, kPages> pages;  // taken in turn
        std::uint32_t current = 0;
        Issuer issuer;
        AtsUser user;
    };
    struct PageRef {
        std::uint32_t use = 0;  // index into uses_
        std::uint32_t page = 0;
    };
    struct Step {
        PageRef ref;
        std::uint32_t generation = 0;
    };
    struct Request {
        bool waited = false;  // else it is free
        std::uint32_t tag = 0;
        PageRef ref;
        std::optional<Pasid> pasid;
        bool stale = false;    // an invalidation overtook it
        bool useless = false;  // ATS was switched off since, or nobody waits any more
        TimePs deadline;
    };

    bool on(const Issuer& issuer) const;
    std::uint32_t index_of(AtsUser user, Operand operand) const;
    AtsUser user_of(std::uint32_t use) const { return uses_[use].user; }
    Operand operand_of(std::uint32_t use) const { return static_cast<Operand>(use % kOperands); }
    bool cached(std::uint32_t use) const;
    Page& page_of(const PageRef& ref) { return uses_[ref.use].pages[ref.page]; }
    bool may_block(const Use& use, Operand operand) const;
    static bool requests(State state) { return state == State::Leaves || state == State::Asked; }
    void become(Page& page, State state) {
        pages_requested_ += (requests(state) ? 1U : 0U) - (requests(page.state) ? 1U : 0U);
        page.state = state;
    }

    void open(TimePs now, const PageRef& ref, std::uint64_t address, bool write);
    void look_up(TimePs now, const PageRef& ref);
    void ahead(TimePs now, std::uint32_t use, const Access& access);
    static bool idle(const Page& page) {
        return page.state == State::None || page.state == State::Ready ||
               page.state == State::Refused;
    }
    bool asked_already(const PageRef& ref) const;
    void rejoin(TimePs now, std::uint32_t use);
    void schedule(TimePs at, const PageRef& ref);
    void step(TimePs now, const Step& step);
    void leave(TimePs now, const PageRef& ref);
    void next_waiting(TimePs now);
    Request& request_of(std::uint32_t tag);
    std::optional<std::uint32_t> free_tag(TimePs now) const;
    void give_up(TimePs now, Request& request);
    void came(TimePs now, const Request& was, const pcie::Tlp& completion);
    void fill(const PageRef& ref, const pcie::AtcEntry& entry);
    void drop(pcie::AtcEntry& entry, trace::Name cause);
    void refuse(TimePs now, const PageRef& ref, Status why);
    void tell(TimePs now, const PageRef& ref) { users_.translated(now, user_of(ref.use)); }
    std::optional<Pasid> pasid_of(std::uint32_t use) const { return uses_[use].issuer.pasid; }

    // --- pages ---
    void denied(TimePs now, const PageRef& ref);
    void ask_page(TimePs now, const PageRef& ref);
    void next_page(TimePs now);
    std::uint64_t page_credits() const;
    void page_answer(TimePs now, const pcie::Tlp& message);
    void refuse_waiting_pages(TimePs now, Status why);
    void show_page_status();
    // --- invalidations ---
    void apply(pcie::Invalidation& invalidation);
    void answer_invalidations(TimePs now);
    template <class Matches>
    std::uint32_t drop_if(Matches&& matches);

    const DeviceShared& shared_;
    Function& function_;
    Registers& registers_;
    const DmaPort& port_;
    TranslationUsers& users_;
    trace::Name cache_name_, invalidate_, evict_;
    std::array<trace::Name, kOperands> operand_names_;
    std::vector<Use> uses_;                   // by engine, slot, operand
    std::vector<pcie::AtcEntry> device_tlb_;  // by engine and operand; empty: first > last
    std::vector<Request> requests_;
    std::vector<TimePs> quarantine_;  // by tag, one of each request after the other; until when
    std::uint32_t outstanding_ = 0;
    std::uint32_t pages_requested_ = 0;  // whose translation is asked for, or is about to be
    std::deque<Step> waiting_;           // for a free request
    std::vector<Step> joined_;
    sim::Timeline<Step> steps_;
    bool halted_ = false;  // nobody translates for this function
    pcie::PageRequestGroups groups_;
    struct Waiter {
        std::uint16_t group;
        Step step;
    };
    std::vector<Waiter> page_waiters_;
    std::deque<Step> credit_waiters_;
    std::uint64_t kept_credits_ = 0;  // by a defect: of answered requests
    std::deque<pcie::Invalidation> invalidations_;
};

}  // namespace ioasim::dsa
