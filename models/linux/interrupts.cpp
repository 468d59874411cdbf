#include "models/linux/interrupts.hpp"

#include "core/base/check.hpp"
#include "models/linux/scheduler_if.hpp"

namespace ioasim::os {

Interrupts::Line& Interrupts::request(const std::string& name) {
    const auto vector = static_cast<std::uint8_t>(kFirstVector + lines_.size());
    SIM_CHECK(vector >= kFirstVector, "no vector is left for {}", name);
    return *lines_.emplace(vector, std::make_unique<Line>(vector, name)).first->second;
}

void Interrupts::stop() {
    for (const auto& [vector, line] : lines_) {
        line->stopped_ = true;
        scheduler_.wake_all(line->queue_);
    }
}

void Interrupts::on_interrupt_message(std::uint8_t vector, std::uint64_t address, std::uint32_t) {
    const auto line = lines_.find(vector);
    if (line == lines_.end() || address != address_) {
        return;  // spurious
    }
    line->second->pending_ = true;
    scheduler_.wake_all(line->second->queue_);
}

}  // namespace ioasim::os
