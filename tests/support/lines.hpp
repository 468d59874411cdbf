// Logs of tests: lists of lines that a failing check prints.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace ioasim::test {

using Lines = std::vector<std::string>;

}  // namespace ioasim::test

template <>
struct doctest::StringMaker<std::vector<std::string>> {
    static doctest::String convert(const std::vector<std::string>& lines) {
        std::string text;
        for (const std::string& line : lines) {
            text += "\n    " + line;
        }
        return text.c_str();
    }
};
