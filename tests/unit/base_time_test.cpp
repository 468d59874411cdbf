#include <doctest/doctest.h>

#include "core/base/time.hpp"

using namespace ioasim;

TEST_CASE("time: a sum beyond 64 bits is a bug, not a wrap") {
    CHECK_THROWS_AS(TimePs::max() + 1_ps, ModelBug);
    CHECK((TimePs::max() + 0_ps) == TimePs::max());
}
