// Keeps every event of a run for questions afterwards.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/trace/recorder.hpp"

namespace ioasim::test {

class EventLog final : public trace::Listener {
public:
    explicit EventLog(trace::Recorder& recorder) : recorder_(recorder) {
        recorder.add_listener(*this, trace::kAllCategories);
    }
    void on_event(const trace::EventRecord& record) override { records_.push_back(record); }

    // All events of a name so far, the current instant included.
    std::vector<trace::EventRecord> of(std::string_view name) {
        recorder_.flush();
        std::vector<trace::EventRecord> found;
        for (const trace::EventRecord& record : records_) {
            if (record.info->name == name) {
                found.push_back(record);
            }
        }
        return found;
    }
    std::size_t count(std::string_view name) { return of(name).size(); }
    static std::uint64_t number(const trace::EventRecord& record, std::string_view field) {
        return record.values.at(record.info->field(field));
    }
    std::string text(const trace::EventRecord& record, std::string_view field) const {
        return recorder_.names().text(
            trace::Name{static_cast<std::uint32_t>(number(record, field))});
    }

private:
    trace::Recorder& recorder_;
    std::vector<trace::EventRecord> records_;
};

}  // namespace ioasim::test
