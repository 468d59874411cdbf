#include "core/base/defects.hpp"

#include <algorithm>
#include <array>

#include "core/base/check.hpp"

namespace ioasim {
namespace {

std::vector<const Declaration*>& registry(Declaration::Kind kind) {
    static std::array<std::vector<const Declaration*>, 3> lists;
    return lists[static_cast<std::size_t>(kind)];
}

}  // namespace

Declaration::Declaration(Kind kind, std::string_view name, std::string_view meaning)
    : name_(name), meaning_(meaning), kind_(kind), index_(registry(kind).size()) {
    registry(kind).push_back(this);
}

std::vector<const Declaration*> Declaration::all(Kind kind) {
    std::vector<const Declaration*> sorted = registry(kind);
    std::sort(sorted.begin(), sorted.end(),
              [](const Declaration* a, const Declaration* b) { return a->name() < b->name(); });
    return sorted;
}

const Declaration* Declaration::find(Kind kind, std::string_view name) {
    for (const Declaration* declaration : registry(kind)) {
        if (declaration->name() == name) {
            return declaration;
        }
    }
    return nullptr;
}

void Probes::enable(const Defect& defect) {
    defects_.resize(std::max(defects_.size(), registry(Declaration::Kind::Defect).size()));
    defects_[defect.index()] = true;
    any_defect_ = true;
}

bool Probes::switched_on(const Defect& defect) const {
    if (!asked_.empty()) {
        asked_[defect.index()] = true;
    }
    return defect.index() < defects_.size() && defects_[defect.index()];
}

void Probes::watch_defects() {
    asked_.resize(registry(Declaration::Kind::Defect).size());
    any_defect_ = true;
}

std::vector<const Declaration*> Probes::asked_defects() const {
    std::vector<const Declaration*> out;
    for (const Declaration* declaration : Declaration::all(Declaration::Kind::Defect)) {
        if (!asked_.empty() && asked_[declaration->index()]) {
            out.push_back(declaration);
        }
    }
    return out;
}

std::vector<const Declaration*> Probes::marks_hit() const {
    std::vector<const Declaration*> out;
    for (const Declaration* declaration : Declaration::all(Declaration::Kind::Mark)) {
        if (hits_.count(declaration->index()) != 0) {
            out.push_back(declaration);
        }
    }
    return out;
}

void Probes::fail_calls(const FaultSite& site, std::uint64_t first, std::uint64_t last) {
    SIM_CHECK(first >= 1 && first <= last, "fault site {}: calls {}..{}", site.name(), first, last);
    windows_[site.index()].push_back({first, last});
}

void Probes::fail_next(const FaultSite& site) {
    const std::uint64_t next = calls_[site.index()] + 1;
    fail_calls(site, next, next);
}

bool Probes::counted_call_fails(const FaultSite& site, std::string_view where) {
    const std::optional<std::uint64_t> decided = decide ? decide(site, where) : std::nullopt;
    extent_ = decided.value_or(site.usual_extent());
    const auto windows = windows_.find(site.index());
    if (windows == windows_.end()) {
        return decided.has_value();
    }
    const std::uint64_t call = ++calls_[site.index()];
    return decided || std::any_of(windows->second.begin(), windows->second.end(),
                                  [call](auto& w) { return call >= w.first && call <= w.last; });
}

void Probes::hit(const Mark& mark) {
    ++hits_[mark.index()];
}

std::uint64_t Probes::hits(const Mark& mark) const {
    const auto found = hits_.find(mark.index());
    return found == hits_.end() ? 0 : found->second;
}

}  // namespace ioasim
