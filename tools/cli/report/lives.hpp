// Folds the event stream into the lives of IDs: states, holders of references, and what was done to
// each ID when. A passive listener.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tools/cli/report/model.hpp"
#include "traces/fields.hpp"
#include "traces/typed_listener.hpp"

namespace ioasim::tools::report {

class Lives final : public traces::TypedListener<Lives> {
public:
    explicit Lives(trace::Recorder& recorder);
    void on_end(TimePs end) override;
    // Moves the lives into the model; once, at the end.
    void give(RunModel& model);

private:
    // Numbers are unique within a set; private sets may share them.
    using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;  // kernel, set, ID

    void on_alloc(const trace::EventRecord& record);
    void on_state(const trace::EventRecord& record);
    void on_get(const trace::EventRecord& record);
    void on_put(const trace::EventRecord& record);
    void on_bind(const trace::EventRecord& record);
    void on_unbind(const trace::EventRecord& record);
    void on_free(const trace::EventRecord& record);
    void on_free_call(const trace::EventRecord& record);
    void on_reclaim(const trace::EventRecord& record);
    void on_kvm_bind(const trace::EventRecord& record);
    void on_kvm_unbind(const trace::EventRecord& record);
    void on_entry_set(const trace::EventRecord& record);
    void on_entry_clear(const trace::EventRecord& record);
    void on_fault(const trace::EventRecord& record);

    Life* find(const Key& key);
    // The living ID of the host behind a number of hardware.
    Life* of_host(std::uint64_t ioasid);
    static void mark(Life* life, const trace::EventRecord& record, const char* text);
    void take(Life* life, const std::string& holder, std::uint64_t time);
    void drop(Life* life, const std::string& holder, std::uint64_t time);
    std::string name(trace::Name text) const { return recorder_.names().text(text); }

    static constexpr std::size_t kLives = 400;
    static constexpr std::size_t kParts = 60;  // states, holders or marks of one life
    trace::Recorder& recorder_;
    std::uint32_t host_;
    std::map<Key, std::size_t> living_;
    std::map<std::uint32_t, std::size_t> host_living_;
    std::map<std::pair<std::size_t, std::string>, std::uint32_t> held_;  // references now
    std::vector<Life> lives_;
    std::uint64_t left_out_ = 0;
};

}  // namespace ioasim::tools::report
