#include "traces/checkers.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace ioasim::traces {
namespace {

struct Maker {
    const char* name;
    std::unique_ptr<Checker> (*make)(const CheckerContext&);
};
constexpr std::array<Maker, 13> kMakers{{
    {"isolation", make_isolation_checker},
    {"use_after_free", make_use_after_free_checker},
    {"order", make_order_checker},
    {"level", make_level_checker},
    {"references", make_references_checker},
    {"conservation", make_conservation_checker},
    {"invalidation", make_invalidation_checker},
    {"queue", make_queue_checker},
    {"ats", make_ats_checker},
    {"ownership", make_ownership_checker},
    {"liveness", make_liveness_checker},
    {"hazard", make_hazard_checker},
    {"injection", make_injection_checker},
}};

}  // namespace

CheckerSet::CheckerSet(trace::Recorder& recorder, CheckerOptions options)
    : options_(std::move(options)),
      recorder_(recorder),
      facts_(recorder),
      history_(recorder, facts_),
      sink_(recorder, history_) {
    const CheckerContext context{recorder_, facts_, sink_, options_, unfinished_};
    facts_.add_first(table_);
    history_.add_handlers(table_);
    for (const Maker& maker : kMakers) {
        const auto& without = options_.without;
        if (std::find(without.begin(), without.end(), maker.name) == without.end()) {
            checkers_.push_back(maker.make(context));
            checkers_.back()->add_handlers(table_);
        }
    }
    facts_.add_last(table_);
}

CheckerSet::~CheckerSet() = default;

void CheckerSet::on_end(TimePs end) {
    for (const auto& checker : checkers_) {
        checker->on_end(end);
    }
}

std::vector<std::string> CheckerSet::active() const {
    std::vector<std::string> names;
    for (const auto& checker : checkers_) {
        names.emplace_back(checker->name());
    }
    return names;
}

std::vector<std::string> CheckerSet::history(std::string_view kernel, std::uint32_t ioasid) {
    return history_.of(recorder_.name(kernel).value(), ioasid);
}

std::vector<std::string> CheckerSet::all_names() {
    std::vector<std::string> names;
    for (const Maker& maker : kMakers) {
        names.emplace_back(maker.name);
    }
    return names;
}

}  // namespace ioasim::traces
