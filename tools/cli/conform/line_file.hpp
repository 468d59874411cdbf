// Lines of a text file, gzip-compressed or plain.
#pragma once

#include <string>
#include <vector>

namespace ioasim::tools {

// False with a reason when the file is missing, cut off or corrupt.
bool read_lines(const std::string& path, std::vector<std::string>& lines, std::string& reason);

}  // namespace ioasim::tools
