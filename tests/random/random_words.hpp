// Random operations as words, for tests with rapidcheck. A failure prints the seed and a shrunk
// sequence. RC_PARAMS in the environment overrides single settings: RC_PARAMS="seed=N" repeats or
// varies a run, "max_success=N" makes it shorter or longer.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <rapidcheck.h>

namespace ioasim::test {

// The settings of a test. The library draws a seed from the clock unless told: a run must be
// repeatable.
class RandomRun {
public:
    explicit RandomRun(const char* runs) {
        read(std::string("seed=20210227 max_size=1000 ") + runs);
        static const char* const given = std::getenv("RC_PARAMS");
        static const std::string asked = given != nullptr ? given : "";
        read(asked);
        as_declared_ =
            asked.find("max_s") == std::string::npos && asked.find("repro") == std::string::npos;
        std::string all;
        for (const auto& [key, value] : settings_) {
            all += key + "=" + value + " ";
        }
        setenv("RC_PARAMS", all.c_str(), 1);
    }
    // False where the number of runs was given from outside.
    bool as_declared() const { return as_declared_; }
    // A line that the test's program shows even when all is well.
    void tell(const std::string& what, std::uint64_t operations) const {
        std::cout << "note: " << what << ": seed " << settings_.at("seed") << ", " << operations
                  << " operations" << std::endl;
    }

private:
    void read(const std::string& text) {
        std::istringstream words(text);
        for (std::string word; words >> word;) {
            const std::size_t equals = word.find('=');
            if (equals != std::string::npos) {
                settings_[word.substr(0, equals)] = word.substr(equals + 1);
            }
        }
    }
    std::map<std::string, std::string> settings_;
    bool as_declared_ = true;
};

// An operation is one word; each operand takes its bits.
using Word = std::uint64_t;
inline unsigned bits(Word word, unsigned from, unsigned count) {
    return static_cast<unsigned>((word >> from) & ((Word{1} << count) - 1));
}

inline rc::Gen<std::vector<Word>> words() {
    return rc::gen::container<std::vector<Word>>(rc::gen::inRange<Word>(0, Word{1} << 48U));
}

}  // namespace ioasim::test
