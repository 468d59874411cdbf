#include "models/linux/interrupts.hpp"

#include "core/base/check.hpp"
#include "models/linux/scheduler_if.hpp"

namespace ioasim::os {

Interrupts::Line& Interrupts::request(const std::string& name, std::uint32_t address) {
    for (const auto& [number, line] : lines_) {
        if (line->name_ == name && line->address_ == address) {
            return *line;
        }
    }
    const auto vector = static_cast<std::uint8_t>(first_ + lines_.size());
    SIM_CHECK(vector >= first_, "no vector is left for {}", name);
    return *lines_.emplace(vector, std::make_unique<Line>(vector, address, name)).first->second;
}

void Interrupts::stop() {
    for (const auto& [vector, line] : lines_) {
        line->stopped_ = true;
        scheduler_.wake_all(line->queue_);
    }
}

void Interrupts::on_interrupt_message(std::uint8_t vector, std::uint64_t address, std::uint32_t) {
    const auto line = lines_.find(vector);
    if (line == lines_.end() || address != line->second->address_) {
        return;  // spurious
    }
    line->second->pending_ = true;
    scheduler_.wake_all(line->second->queue_);
}

}  // namespace ioasim::os
