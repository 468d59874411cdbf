// Fault reasons of the remapping unit in words: the list, and one with what raises it.
#pragma once

#include <string>

namespace ioasim::tools {

std::string fault_list();
// "0x71", "113" or empty for the list; empty when there is no such reason.
std::string fault_entry(const std::string& code);

}  // namespace ioasim::tools
