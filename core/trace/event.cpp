#include "core/trace/event.hpp"

#include "core/base/check.hpp"

namespace ioasim::trace {

std::string_view category_name(Category category) {
    static constexpr std::array<std::string_view, static_cast<std::size_t>(Category::kCount)>
        kNames{"run", "ioasid", "software", "lock",     "sched", "cpu",
               "vm",  "pcie",   "vtd",      "vtd_walk", "dsa",   "memory"};
    return kNames.at(static_cast<std::size_t>(category));
}

std::size_t EventInfo::field(std::string_view field_name) const {
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (fields[i].name == field_name) {
            return i;
        }
    }
    return fields.size();
}

EventInfo make_event_info(const EventName& name, std::string_view field_list,
                          std::vector<FieldInfo> fields) {
    std::size_t at = 0;
    for (FieldInfo& field : fields) {
        const std::size_t end = std::min(field_list.find(',', at), field_list.size());
        std::string_view text = field_list.substr(at, end - at);
        while (!text.empty() && text.front() == ' ') {
            text.remove_prefix(1);
        }
        SIM_CHECK(!text.empty(), "event {}: fewer names than fields", name.name);
        field.name = std::string(text);
        at = end + 1;
    }
    static std::uint32_t types = 0;
    return {name.name, name.category, name.meaning, std::move(fields), types++};
}

}  // namespace ioasim::trace
