#include "tools/cli/explore/shared_results.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <tuple>

#include <sys/mman.h>

namespace ioasim::tools {
namespace {

void wait_for(sem_t& semaphore) {
    while (::sem_wait(&semaphore) != 0 && errno == EINTR) {
    }
}

}  // namespace

SharedMemory::SharedMemory(std::size_t bytes)
    : bytes_(bytes),
      at_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0)) {
    if (at_ == MAP_FAILED) {
        throw std::bad_alloc();
    }
}

SharedMemory::~SharedMemory() {
    ::munmap(at_, bytes_);
}

// Fresh shared memory is zero, which is what all but the semaphores begin with.
SharedResults::SharedResults(unsigned jobs) : memory_(sizeof(Data)) {
    ::sem_init(&data().turns, 1, jobs);
    ::sem_init(&data().writing, 1, 1);
}

bool SharedResults::try_take_turn() {
    return ::sem_trywait(&data().turns) == 0;
}

void SharedResults::take_turn() {
    wait_for(data().turns);
}

void SharedResults::give_turn() {
    ::sem_post(&data().turns);
}

template <std::size_t kBytes>
void SharedResults::Text<kBytes>::set(std::string_view text) {
    const std::size_t size = std::min(text.size(), kBytes - 1);
    std::memcpy(bytes.data(), text.data(), size);
    bytes[size] = '\0';
}

// Called by the one process that runs the fixed order.
void SharedResults::count_choice(std::string_view what, bool followed) {
    Data& d = data();
    std::uint64_t i = 0;
    while (i < d.kinds_used && d.kinds[i].what.get() != what) {
        ++i;
    }
    if (i == kKinds) {
        return;
    }
    if (i == d.kinds_used) {
        d.kinds[i].what.set(what);
        ++d.kinds_used;
    }
    ++d.kinds[i].seen;
    d.kinds[i].followed += followed ? 1 : 0;
}

std::vector<ChoiceCount> SharedResults::choices() const {
    std::vector<ChoiceCount> list;
    for (std::uint64_t i = 0; i < data().kinds_used; ++i) {
        const Kind& kind = data().kinds[i];
        list.push_back({kind.what.get(), kind.seen, kind.followed});
    }
    std::sort(list.begin(), list.end(),
              [](const ChoiceCount& a, const ChoiceCount& b) { return a.what < b.what; });
    return list;
}

void SharedResults::add(const Found& found) {
    Data& d = data();
    wait_for(d.writing);
    std::uint64_t i = 0;
    while (i < d.used && d.slots[i].codes.get() != found.codes) {
        ++i;
    }
    if (i < kSlots) {
        Slot& slot = d.slots[i];
        const std::uint64_t runs = slot.runs + 1;
        if (i == d.used || shorter(found.schedule, read(slot).schedule)) {
            write(slot, found);
        }
        slot.runs = runs;
        d.used = std::max(d.used, i + 1);
    }
    ::sem_post(&d.writing);
}

Found SharedResults::read(const Slot& slot) {
    Found found{slot.codes.get(), slot.text.get(), {}, {}, slot.runs};
    for (std::uint64_t i = 0; i < slot.count; ++i) {
        const Step& step = slot.steps[i];
        found.schedule.push_back({step.at, step.what.get(), step.pick});
        found.choices.push_back(step.words.get());
    }
    return found;
}

void SharedResults::write(Slot& slot, const Found& found) {
    slot.codes.set(found.codes);
    slot.text.set(found.text);
    slot.count = found.schedule.size();
    for (std::size_t i = 0; i < found.schedule.size(); ++i) {
        Step& step = slot.steps.at(i);
        step.at = found.schedule[i].at;
        step.pick = found.schedule[i].pick;
        step.what.set(found.schedule[i].what);
        step.words.set(found.choices[i]);
    }
}

std::vector<Found> SharedResults::found() const {
    std::vector<Found> list;
    for (std::uint64_t i = 0; i < data().used; ++i) {
        list.push_back(read(data().slots[i]));
    }
    std::sort(list.begin(), list.end(), [](const Found& a, const Found& b) {
        return shorter(a.schedule, b.schedule) ||
               (!shorter(b.schedule, a.schedule) && a.codes < b.codes);
    });
    return list;
}

bool shorter(const std::vector<Deviation>& a, const std::vector<Deviation>& b) {
    if (a.size() != b.size() || a.empty()) {
        return a.size() < b.size();
    }
    if (a.back().at != b.back().at) {
        return a.back().at < b.back().at;
    }
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [](const Deviation& x, const Deviation& y) {
                                            return std::tie(x.at, x.pick) < std::tie(y.at, y.pick);
                                        });
}

}  // namespace ioasim::tools
