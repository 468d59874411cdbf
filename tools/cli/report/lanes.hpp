// What a report draws over time, in bounded memory however long the trace is: lanes of slices, and
// series of values. While few slices stand in a lane each is kept as it was; beyond that, short
// neighbours of one kind become one slice that tells how many it stands for, at a resolution that
// grows by powers of two. The same trace gives the same slices.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ioasim::tools::report {

// How a slice looks; what it means stands in its text.
enum class Kind : std::uint8_t { Work, Wait, Idle, Active, Pending, Bad, Note, Guest };
constexpr std::size_t kKinds = 8;
const char* kind_name(Kind kind);  // "work": the class of its colour
const char* kind_meaning(Kind kind);

constexpr std::uint64_t kNoNumber = ~std::uint64_t{0};

// From begin to end in picoseconds; an instant when they are equal. What several slices that became
// one do not share is empty.
struct Slice {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    Kind kind = Kind::Note;
    std::uint8_t row = 0;    // within the lane, where slices overlap
    std::uint32_t text = 0;  // in Texts
    std::uint64_t number = kNoNumber;
    std::uint32_t count = 1;
    std::uint64_t seq = 0;  // of the (first) event
};

// Texts by number; 0 is the empty one. A trace may hold any number of them: from a bound on they
// are all one.
class Texts {
public:
    std::uint32_t add(const std::string& text);
    const std::string& at(std::uint32_t number) const { return list_[number]; }
    const std::vector<std::string>& list() const { return list_; }

private:
    static constexpr std::size_t kMost = 20'000;
    std::map<std::string, std::uint32_t> numbers_;
    std::vector<std::string> list_{""};
};

// Merges to at most `most` slices; returns the resolution that it took (0: nothing was merged).
std::uint64_t merge_slices(std::vector<Slice>& slices, std::uint64_t resolution, std::size_t most);

class Lane {
public:
    Lane(std::uint32_t group, std::string name) : group_(group), name_(std::move(name)) {}
    void add(const Slice& slice);
    // Sorted by begin, in rows, at most so many.
    void finish(std::size_t most);

    std::uint32_t group() const { return group_; }
    const std::string& name() const { return name_; }
    const std::vector<Slice>& slices() const { return slices_; }
    std::uint64_t total() const { return total_; }  // before merging
    std::uint64_t bad() const { return bad_; }
    std::uint64_t resolution() const { return resolution_; }
    std::uint8_t rows() const { return rows_; }

private:
    void put_in_rows();

    static constexpr std::size_t kMost = 20'000;
    static constexpr std::uint8_t kRows = 4;
    std::uint32_t group_;
    std::string name_;
    std::vector<Slice> slices_;
    std::uint64_t total_ = 0;
    std::uint64_t bad_ = 0;
    std::uint64_t resolution_ = 0;
    std::uint8_t rows_ = 1;
};

// A value that changes at instants. Beyond the bound: the highest value in each step of time.
class Series {
public:
    struct Point {
        std::uint64_t time = 0;
        std::uint64_t high = 0;
        std::uint64_t last = 0;
    };
    Series(std::string chart, std::string name)
        : chart_(std::move(chart)), name_(std::move(name)) {}
    void add(std::uint64_t time, std::uint64_t value);
    void finish(std::size_t most);

    const std::string& chart() const { return chart_; }
    const std::string& name() const { return name_; }
    const std::vector<Point>& points() const { return points_; }
    std::uint64_t highest() const { return highest_; }
    std::uint64_t last() const { return points_.empty() ? 0 : points_.back().last; }
    std::uint64_t resolution() const { return resolution_; }

private:
    void merge(std::size_t most);

    static constexpr std::size_t kMost = 4000;
    std::string chart_;
    std::string name_;
    std::vector<Point> points_;
    std::uint64_t highest_ = 0;
    std::uint64_t resolution_ = 0;
};

}  // namespace ioasim::tools::report
