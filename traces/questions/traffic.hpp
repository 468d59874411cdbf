// What devices did under a PASID between two moments of a story, in one line: thousands of
// submissions, completions and blocked requests would hide everything else.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "traces/questions/scene.hpp"

namespace ioasim::traces {

class Traffic {
public:
    explicit Traffic(const Scene& scene) : scene_(scene) {}

    // False: the event is no traffic.
    bool add(std::size_t event);
    bool empty() const { return !first_; }
    // There is more in it than accesses to memory.
    bool tells() const;
    // The line, and an empty account.
    Moment take();
    void clear();

    // Over the whole story.
    std::uint64_t accepted() const { return all_accepted_; }
    std::uint64_t blocked() const { return all_blocked_; }
    std::uint64_t failed() const { return all_failed_; }
    const std::set<std::string>& devices() const { return devices_; }

private:
    std::string text() const;

    const Scene& scene_;
    std::optional<std::size_t> first_;
    std::size_t last_ = 0;
    std::set<std::string> where_;
    std::set<std::string> devices_;
    std::uint64_t accepted_ = 0;
    std::uint64_t retries_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t accesses_ = 0;
    std::uint64_t operations_ = 0;                  // of test requesters
    std::map<std::string, std::uint64_t> ended_;    // otherwise: "status 0x3", "abort"
    std::map<std::string, std::uint64_t> refused_;  // ENQCMD: "#GP", "exit72"
    std::map<std::string, std::uint64_t> blocked_;  // reason
    std::uint64_t page_requests_ = 0;
    std::uint64_t all_accepted_ = 0;
    std::uint64_t all_blocked_ = 0;
    std::uint64_t all_failed_ = 0;
};

}  // namespace ioasim::traces
