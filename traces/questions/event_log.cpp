#include "traces/questions/event_log.hpp"

#include "traces/event_text.hpp"

namespace ioasim::traces {

void EventLog::on_event(const trace::EventRecord& record) {
    rows_.push_back({record.info, record.time.ps(), record.seq, values_.size(), record.source});
    values_.insert(values_.end(), record.values.begin(),
                   record.values.begin() + static_cast<std::ptrdiff_t>(record.info->fields.size()));
}

trace::EventRecord EventLog::at(std::size_t index) const {
    const Row& row = rows_[index];
    trace::EventRecord record;
    record.info = row.info;
    record.time = TimePs{row.time};
    record.seq = row.seq;
    record.source = row.source;
    std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(row.first), row.info->fields.size(),
                record.values.begin());
    return record;
}

std::string EventLog::field_text(std::size_t index, std::string_view field) const {
    const trace::EventInfo& what = info(index);
    const std::size_t at = what.field(field);
    return at == what.fields.size() ? std::string()
                                    : format_value(recorder_, what.fields[at], value(index, at));
}

void Follower::on_event(const trace::EventRecord& record) {
    const auto translated = [](std::vector<std::uint32_t>& memo, std::uint32_t key, auto&& make) {
        if (key >= memo.size()) {
            memo.resize(key + 1, 0);
        }
        if (memo[key] == 0) {
            memo[key] = make() + 1;
        }
        return memo[key] - 1;
    };
    trace::EventRecord copy = record;
    copy.source = SourceId{translated(sources_, record.source.value(), [&] {
        return to_.source(from_.source_name(record.source)).value();
    })};
    for (std::size_t i = 0; i < record.info->fields.size(); ++i) {
        if (record.info->fields[i].type == trace::FieldType::Text) {
            copy.values[i] = translated(names_, as_u32(record.values[i]), [&] {
                return to_.name(from_.names().text(as_name(record.values[i]))).value();
            });
        }
    }
    listener_.on_event(copy);
}

}  // namespace ioasim::traces
