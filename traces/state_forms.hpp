// Every form of a path into the state and the function that answers it.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "traces/state_fold.hpp"
#include "traces/state_path.hpp"
#include "traces/state_view.hpp"

namespace ioasim::traces {

// What a path asks for once it matched a form.
struct Asked {
    std::vector<std::string> names;      // in place of capital words, then NAME arguments
    std::vector<std::uint64_t> numbers;  // N, RID, ADDRESS arguments
};

// One run's state with the means to look names up.
class Source {
public:
    Source(trace::Recorder& recorder, const StateFold& state) : recorder_(recorder), fold(state) {}
    std::uint32_t key(const std::string& name) const { return recorder_.name(name).value(); }
    std::string name(std::uint32_t key) const { return recorder_.names().text(trace::Name{key}); }

    template <class Value>
    StateAnswer missing(const char* kind, const std::string& wanted,
                        const FlatMap<Value>& from) const {
        std::vector<std::string> names;
        for (const std::uint64_t known : from.sorted_keys()) {
            names.push_back(name(as_u32(known)));
        }
        std::sort(names.begin(), names.end());
        StateAnswer result;
        result.error = fmt::format("there is no {} \"{}\"", kind, wanted);
        result.near = near_names(wanted, names);
        if (result.near.empty() && !names.empty()) {
            result.error += fmt::format(" (there is {})", fmt::join(names, ", "));
        }
        return result;
    }

private:
    trace::Recorder& recorder_;

public:
    const StateFold& fold;
};

using Getter = StateAnswer (*)(const Source&, const Asked&);

struct FormEntry {
    const char* path;
    const char* meaning;
    Getter get;
};

const std::vector<FormEntry>& form_entries();

}  // namespace ioasim::traces
