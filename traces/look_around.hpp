// Readers of traces call this once a line: whoever has to stop in the middle of a long file throws
// out of it.
#pragma once

namespace ioasim::traces {

void set_look_around(void (*look)());
void look_around();

}  // namespace ioasim::traces
