// Random operations as words, for tests with rapidcheck. A failure prints the seed and a shrunk
// sequence; RC_PARAMS="seed=N" random_tests "FILTER" repeats it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <rapidcheck.h>

namespace ioasim::test {

// The library draws a seed from the clock unless told: a test run must be repeatable.
inline void configure(const char* runs) {
    setenv("RC_PARAMS", (std::string("seed=20210227 max_size=1000 ") + runs).c_str(), 0);
}

// An operation is one word; each operand takes its bits.
using Word = std::uint64_t;
inline unsigned bits(Word word, unsigned from, unsigned count) {
    return static_cast<unsigned>((word >> from) & ((Word{1} << count) - 1));
}

inline rc::Gen<std::vector<Word>> words() {
    return rc::gen::container<std::vector<Word>>(rc::gen::inRange<Word>(0, Word{1} << 48U));
}

}  // namespace ioasim::test
