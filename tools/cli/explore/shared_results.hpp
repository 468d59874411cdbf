// What all processes of an exploration share: the right to run, counts, and what they found.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <semaphore.h>

#include "tools/cli/explore/explorer.hpp"

namespace ioasim::tools {

constexpr unsigned kMostDeviations = 8;

// Anonymous shared memory, for as long as the object lives. Plain data alone may lie there.
class SharedMemory {
public:
    explicit SharedMemory(std::size_t bytes);
    ~SharedMemory();
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    void* at() const { return at_; }

private:
    std::size_t bytes_;
    void* at_;
};

class SharedResults {
public:
    explicit SharedResults(unsigned jobs);

    // The right to run: a process has one while it computes.
    bool try_take_turn();
    void take_turn();
    void give_turn();

    std::uint64_t add_run() { return data().runs.fetch_add(1) + 1; }
    std::uint64_t runs() const { return data().runs.load(); }
    void stop() { data().stop = true; }
    bool stopped() const { return data().stop.load(); }

    // Choices of the fixed order by kind.
    void count_choice(std::string_view what, bool followed);
    std::vector<ChoiceCount> choices() const;

    // Keeps the shortest schedule of each outcome.
    void add(const Found& found);
    std::vector<Found> found() const;

private:
    template <std::size_t kBytes>
    struct Text {
        std::array<char, kBytes> bytes;
        void set(std::string_view text);
        std::string get() const { return bytes.data(); }
    };
    struct Step {
        std::uint64_t at;
        std::uint64_t pick;
        Text<16> what;
        Text<160> words;
    };
    struct Slot {
        Text<160> codes;
        Text<480> text;
        std::uint64_t runs;
        std::uint64_t count;
        std::array<Step, kMostDeviations> steps;
    };
    struct Kind {
        Text<16> what;
        std::uint64_t seen;
        std::uint64_t followed;
    };
    static constexpr std::size_t kSlots = 64;
    static constexpr std::size_t kKinds = 8;
    struct Data {
        sem_t turns;
        sem_t writing;
        std::atomic<std::uint64_t> runs;
        std::atomic<bool> stop;
        std::uint64_t used;
        std::array<Slot, kSlots> slots;
        std::uint64_t kinds_used;
        std::array<Kind, kKinds> kinds;
    };
    Data& data() const { return *static_cast<Data*>(memory_.at()); }
    static Found read(const Slot& slot);
    static void write(Slot& slot, const Found& found);

    SharedMemory memory_;
};

// Fewer deviations, then an earlier end, then the smaller numbers.
bool shorter(const std::vector<Deviation>& a, const std::vector<Deviation>& b);

}  // namespace ioasim::tools
