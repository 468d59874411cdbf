// What the checkers cost: host time of runs with all of them, with each alone and with none.
#pragma once

namespace ioasim::tools {

int bench_checkers(bool strict);

}  // namespace ioasim::tools
