// Declarations that a model makes about itself:
//   Defect     a named way in which the mechanism can be broken on purpose (off by default);
//   FaultSite  a named place where an operation can be made to fail at its n-th call;
//   Mark       a rare path that reports that it was reached.
// They are declared as `inline const` objects beside the model and listed by name. What is switched
// on belongs to a run and lives in a Probes object that the platform hands to each model.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ioasim {

class Declaration {
public:
    enum class Kind : std::uint8_t { Defect, FaultSite, Mark };

    std::string_view name() const { return name_; }        // "vtd.skip_iotlb_invalidation"
    std::string_view meaning() const { return meaning_; }  // one line
    Kind kind() const { return kind_; }
    std::size_t index() const { return index_; }

    Declaration(const Declaration&) = delete;
    Declaration& operator=(const Declaration&) = delete;

    // Every declaration of a kind linked into the program, by name.
    static std::vector<const Declaration*> all(Kind kind);
    // nullptr when the name is unknown.
    static const Declaration* find(Kind kind, std::string_view name);

protected:
    Declaration(Kind kind, std::string_view name, std::string_view meaning);
    ~Declaration() = default;

private:
    std::string_view name_;
    std::string_view meaning_;
    Kind kind_;
    std::size_t index_;
};

class Defect final : public Declaration {
public:
    Defect(std::string_view name, std::string_view meaning)
        : Declaration(Kind::Defect, name, meaning) {}
};

class FaultSite final : public Declaration {
public:
    FaultSite(std::string_view name, std::string_view meaning, std::uint64_t usual_extent = 0)
        : Declaration(Kind::FaultSite, name, meaning), usual_extent_(usual_extent) {}
    // How much, where nobody says: a delay in picoseconds, a number of times. 0: it has none.
    std::uint64_t usual_extent() const { return usual_extent_; }

private:
    std::uint64_t usual_extent_;
};

class Mark final : public Declaration {
public:
    Mark(std::string_view name, std::string_view meaning)
        : Declaration(Kind::Mark, name, meaning) {}
};

// What a run switched on, and what it reached.
class Probes {
public:
    void enable(const Defect& defect);
    bool any_defect() const { return any_defect_; }
    bool has(const Defect& defect) const { return any_defect_ && switched_on(defect); }
    // Remembers from now on which defects are asked for: another one cannot change the run.
    void watch_defects();
    std::vector<const Declaration*> asked_defects() const;

    // Calls first..last (counted from 1) of the site fail.
    void fail_calls(const FaultSite& site, std::uint64_t first, std::uint64_t last);
    // The next call of the site fails.
    void fail_next(const FaultSite& site);
    // Counts a call; true when this call must fail. `where`: the instance that makes it ("dsa0").
    bool fails(const FaultSite& site, std::string_view where = {}) {
        return (decide || !windows_.empty()) && counted_call_fails(site, where);
    }
    // How much, of the call that failed last.
    std::uint64_t extent() const { return extent_; }
    // Who decides beside the windows, with the extent: injections of a scenario. Asked for every
    // call of every site, and counts them itself.
    std::function<std::optional<std::uint64_t>(const FaultSite&, std::string_view where)> decide;

    void hit(const Mark& mark);
    std::uint64_t hits(const Mark& mark) const;
    // Those that were reached, by name.
    std::vector<const Declaration*> marks_hit() const;

private:
    bool switched_on(const Defect& defect) const;
    bool counted_call_fails(const FaultSite& site, std::string_view where);
    struct Window {
        std::uint64_t first;
        std::uint64_t last;
    };
    bool any_defect_ = false;  // or they are watched
    std::vector<bool> defects_;
    mutable std::vector<bool> asked_;  // empty: not watched
    std::map<std::size_t, std::vector<Window>> windows_;
    std::map<std::size_t, std::uint64_t> calls_;
    std::map<std::size_t, std::uint64_t> hits_;
    std::uint64_t extent_ = 0;
};

}  // namespace ioasim
