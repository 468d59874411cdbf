// `run.window`, `run.stall` and `run.choices`: what order is left open, and a recorded schedule.
#include "scenarios/language/reading.hpp"

namespace ioasim::scenario {

Schedule read_schedule(Reading& reading) {
    Schedule schedule;
    const Node* run = reading.root.get("run");
    if (run == nullptr) {
        return schedule;
    }
    if (const Node* window = run->get("window")) {
        schedule.window = time_of(window, TimePs{});
    }
    schedule.stall = time_of(run->get("stall"), TimePs{});
    std::size_t index = 0;
    for (const Node& item : items_of(run->get("choices"))) {
        const std::string pointer = pointer_join("/run/choices", index++);
        Deviation deviation;
        deviation.at = integer_of(item.get("at"), 0);
        deviation.what = text_of(item.get("what"));
        deviation.pick = integer_of(item.get("pick"), 1);
        if (item.get("at") != nullptr && !schedule.choices.empty() &&
            deviation.at <= schedule.choices.back().at) {
            reading.report(Code::BadOrder, item.place, pointer,
                           "choices are listed in the order in which they come, each once");
        }
        if (deviation.what == kHoldUp && run->get("stall") == nullptr) {
            reading.report(Code::MissingKey, item.place, pointer,
                           "a task is held up only where \"stall\" says for how long");
        }
        if (deviation.what == "link.arrival" && run->get("window") == nullptr) {
            reading.report(Code::MissingKey, item.place, pointer,
                           "messages come in another order only within a \"window\"");
        }
        schedule.choices.push_back(std::move(deviation));
        schedule.places.push_back(reading.where(item.place));
    }
    return schedule;
}

}  // namespace ioasim::scenario
