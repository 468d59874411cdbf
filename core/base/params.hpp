// Parameters of a model: every size and latency with path, unit, range, default and source, in one
// table beside the model. Configuration, schema, `--set`, timing profiles and the list of
// parameters all iterate these tables; a model reads plain members.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.hpp"

namespace ioasim {

enum class Unit : std::uint8_t {
    Count,
    Bytes,
    Time,       // picoseconds
    Bandwidth,  // bytes per microsecond (1 GB/s = 1000)
    Flag,       // 0 or 1
    Choice,     // index into `choices`
    Bits,       // a register value, written "0x1F"
};

struct ParamInfo {
    std::string path;  // relative to the owner: "iotlb.entries"
    Unit unit = Unit::Count;
    std::uint64_t low = 0;  // inclusive range, in the unit
    std::uint64_t high = 0;
    std::uint64_t initial = 0;  // default
    std::string meaning;
    std::string source;  // specification section, publication, or "modelling choice: why"
    std::vector<std::string> choices;
    std::uint64_t multiple = 1;  // values are multiples of this
    bool power_of_two = false;   // values are powers of two

    bool allows(std::uint64_t value) const {
        const bool single_bit = value != 0 && (value & (value - 1)) == 0;
        return value >= low && value <= high && value % multiple == 0 &&
               (single_bit || !power_of_two);
    }
};

// A parameter as the default timing profile has it: unit, range, default and source.
ParamInfo timing_param(std::string_view owner, std::string_view path);

// One model's table, bound to its parameter struct P by member pointers:
//   static const ParamTable<VtdParams> table = [] {
//       ParamTable<VtdParams> t{"iommu"};
//       t.count("iotlb.entries", &VtdParams::iotlb_entries, 0, 65536, 512, "…", "…");
//       t.timing("walk.read", &VtdParams::walk_read, "…");
//       return t; }();
class ParamTableBase {
public:
    explicit ParamTableBase(std::string owner) : owner_(std::move(owner)) {}
    virtual ~ParamTableBase() = default;
    const std::string& owner() const { return owner_; }  // kind of component: "iommu", "device"
    const std::vector<ParamInfo>& params() const { return infos_; }
    const ParamInfo* find(std::string_view path) const;

protected:
    std::string owner_;
    std::vector<ParamInfo> infos_;
};

template <class P>
class ParamTable final : public ParamTableBase {
public:
    using ParamTableBase::ParamTableBase;

    ParamTable& count(std::string path, std::uint64_t P::*member, std::uint64_t low,
                      std::uint64_t high, std::uint64_t initial, std::string meaning,
                      std::string source, Unit unit = Unit::Count) {
        return add(
            {std::move(path), unit, low, high, initial, std::move(meaning), std::move(source), {}},
            [member](P& p, std::uint64_t v) { p.*member = v; },
            [member](const P& p) { return p.*member; });
    }
    // A latency, or a rate or size that is fitted with the latencies: all but its meaning stands in
    // the timing profile (core/base/timing_profile.hpp).
    ParamTable& timing(const char* path, TimePs P::*member, std::string meaning) {
        return add(
            profiled(path, std::move(meaning)),
            [member](P& p, std::uint64_t v) { p.*member = TimePs{v}; },
            [member](const P& p) { return (p.*member).ps(); });
    }
    ParamTable& timing(const char* path, std::uint64_t P::*member, std::string meaning) {
        return add(
            profiled(path, std::move(meaning)), [member](P& p, std::uint64_t v) { p.*member = v; },
            [member](const P& p) { return p.*member; });
    }
    ParamTable& flag(std::string path, bool P::*member, bool initial, std::string meaning,
                     std::string source) {
        return add(
            {std::move(path),
             Unit::Flag,
             0,
             1,
             initial ? 1U : 0U,
             std::move(meaning),
             std::move(source),
             {}},
            [member](P& p, std::uint64_t v) { p.*member = v != 0; },
            [member](const P& p) { return std::uint64_t{p.*member ? 1U : 0U}; });
    }
    // Any 64-bit register value.
    ParamTable& bits(std::string path, std::uint64_t P::*member, std::uint64_t initial,
                     std::string meaning, std::string source) {
        return count(std::move(path), member, 0, ~std::uint64_t{0}, initial, std::move(meaning),
                     std::move(source), Unit::Bits);
    }
    template <class E>
    ParamTable& choice(std::string path, E P::*member, std::vector<std::string> names, E initial,
                       std::string meaning, std::string source) {
        const std::uint64_t high = names.size() - 1;
        return add(
            {std::move(path), Unit::Choice, 0, high, static_cast<std::uint64_t>(initial),
             std::move(meaning), std::move(source), std::move(names)},
            [member](P& p, std::uint64_t v) { p.*member = static_cast<E>(v); },
            [member](const P& p) { return static_cast<std::uint64_t>(p.*member); });
    }

    // Of the parameter before it: what hardware would round is refused instead.
    ParamTable& in_multiples_of(std::uint64_t multiple) {
        infos_.back().multiple = multiple;
        return check_default();
    }
    ParamTable& in_powers_of_two() {
        infos_.back().power_of_two = true;
        return check_default();
    }

    // A struct with every default.
    P defaults() const {
        P p{};
        for (std::size_t i = 0; i < infos_.size(); ++i) {
            setters_[i](p, infos_[i].initial);
        }
        return p;
    }
    // false when the path is unknown or the value is out of range.
    bool set(P& p, std::string_view path, std::uint64_t value) const {
        for (std::size_t i = 0; i < infos_.size(); ++i) {
            if (infos_[i].path == path) {
                if (!infos_[i].allows(value)) {
                    return false;
                }
                setters_[i](p, value);
                return true;
            }
        }
        return false;
    }
    std::uint64_t get(const P& p, std::size_t index) const { return getters_[index](p); }

private:
    ParamInfo profiled(const char* path, std::string meaning) const {
        ParamInfo info = timing_param(owner_, path);
        info.meaning = std::move(meaning);
        return info;
    }
    ParamTable& add(ParamInfo info, std::function<void(P&, std::uint64_t)> setter,
                    std::function<std::uint64_t(const P&)> getter) {
        SIM_CHECK(find(info.path) == nullptr, "parameter {}.{} declared twice", owner_, info.path);
        infos_.push_back(std::move(info));
        check_default();
        setters_.push_back(std::move(setter));
        getters_.push_back(std::move(getter));
        return *this;
    }
    ParamTable& check_default() {
        const ParamInfo& info = infos_.back();
        SIM_CHECK(info.allows(info.initial), "parameter {}.{}: default {} outside {}..{}", owner_,
                  info.path, info.initial, info.low, info.high);
        return *this;
    }
    std::vector<std::function<void(P&, std::uint64_t)>> setters_;
    std::vector<std::function<std::uint64_t(const P&)>> getters_;
};

}  // namespace ioasim
