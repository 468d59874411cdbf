// The parsers that read what people and other programs wrote, each as one function over bytes. A
// target holds when any input at all ends in an answer or in an error with its place: no crash, no
// exception, no endless loop, no more memory than a bounded multiple of the input.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ioasim::fuzz {

struct Target {
    const char* name;
    // Whether the input was accepted. Ends the process (abort) when a rule of the parser does not
    // hold.
    bool (*run)(std::string_view bytes);
    // Good inputs of this kind in the project, beside those of tests/fuzz/corpus/NAME.
    std::vector<const char*> folders;
    const char* ending;
};

const std::vector<Target>& targets();
// nullptr: no such target.
const Target* find_target(std::string_view name);

}  // namespace ioasim::fuzz
