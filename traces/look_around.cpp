#include "traces/look_around.hpp"

namespace ioasim::traces {
namespace {

void nothing() {}

void (*g_look)() = nothing;

}  // namespace

void set_look_around(void (*look)()) {
    g_look = look;
}

void look_around() {
    g_look();
}

}  // namespace ioasim::traces
