// The always-on checkers: passive listeners that know what real systems must never do. One class a
// concern; CheckerSet runs them over shared facts with one dispatch an event.
//
//   CheckerSet checkers(recorder, options);
//   recorder.add_listener(checkers, checkers.categories());
//   ... run; checkers.set_unfinished(lines) when something did not end; recorder.finish(end) ...
//   checkers.findings(), checkers.counts()
//
// Each finding is also emitted as run.finding. What real systems legally do is none: a stale
// IA32_PASID in a task, descriptors ended by abort or reset without a record, faults between the
// first and the last unbind of an ID. Rules and codes: explain.hpp, and the table in README.md.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "traces/findings.hpp"

namespace ioasim::traces {

struct CheckerOptions {
    // Profile `spec`: notifications are merged by priority over both chains, and the CPU stage of
    // an UNBIND comes before the PASID entry is cleared. Posted code (`v4`, `dcp`) promises
    // neither.
    bool spec_order = true;
    // A kernel tells which address space a PASID stands for. Bare programs may, or nothing is
    // judged.
    bool spaces_told = true;
    // Names of checkers to leave out.
    std::vector<std::string> without;
    // "within 20 ms after the last fault": how long what is under way had. Empty: nobody said.
    std::string healed;
    // What waits for what, one line each; asked when a run ended in a deadlock or a hang.
    std::function<std::vector<std::string>()> state_dump;
};

struct CheckerContext {
    trace::Recorder& recorder;
    Facts& facts;
    FindingSink& sink;
    const CheckerOptions& options;
    // What had not ended when the run did; filled in before the end.
    const std::vector<std::string>& unfinished;
};

class Checker {
public:
    explicit Checker(const CheckerContext& context) : c_(context) {}
    virtual ~Checker() = default;
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;
    virtual const char* name() const = 0;
    virtual void add_handlers(HandlerTable& table) = 0;
    virtual void on_end(TimePs) {}

protected:
    template <class Self, class Event, void (Self::*Method)(const trace::EventRecord&)>
    void on(HandlerTable& table) {
        table.add(trace::info_of<Event>(), {[](void* self, const trace::EventRecord& record) {
                                                (static_cast<Self*>(self)->*Method)(record);
                                            },
                                            static_cast<Self*>(this)});
    }
    CheckerContext c_;
};

class CheckerSet final : public trace::Listener {
public:
    explicit CheckerSet(trace::Recorder& recorder, CheckerOptions options = {});
    ~CheckerSet() override;

    void on_event(const trace::EventRecord& record) override { table_.dispatch(record); }
    void add_handlers(const trace::EventInfo& info, std::vector<Handler>& handlers) override {
        table_.append_to(handlers, info);
    }
    void on_end(TimePs end) override;
    std::uint32_t categories() const { return table_.categories(); }
    // For listeners behind this one: true after the event that they see.
    Facts& facts() { return facts_; }

    // Work that had to end and did not, one line each: findings of the liveness checker, whatever
    // the reason of the end.
    void set_unfinished(std::vector<std::string> lines) { unfinished_ = std::move(lines); }

    const std::vector<Finding>& findings() const { return sink_.findings(); }
    const std::map<std::string, std::uint64_t>& counts() const { return sink_.counts(); }
    std::uint64_t total() const { return sink_.total(); }
    std::vector<std::string> active() const;  // names, for the summary
    // Recent events of an ID, for `who still uses this PASID`.
    std::vector<std::string> history(std::string_view kernel, std::uint32_t ioasid);

    // Every checker there is, in the order in which they run.
    static std::vector<std::string> all_names();

private:
    CheckerOptions options_;
    trace::Recorder& recorder_;
    std::vector<std::string> unfinished_;
    Facts facts_;
    History history_;
    FindingSink sink_;
    std::vector<std::unique_ptr<Checker>> checkers_;
    HandlerTable table_;
};

// One factory a class; the classes themselves live in checkers_*.cpp.
std::unique_ptr<Checker> make_isolation_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_use_after_free_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_order_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_level_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_references_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_conservation_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_invalidation_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_queue_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_ats_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_ownership_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_liveness_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_hazard_checker(const CheckerContext& context);
std::unique_ptr<Checker> make_injection_checker(const CheckerContext& context);

}  // namespace ioasim::traces
