// Anonymous pages that several address spaces map since a fork, each read-only, until one of them
// writes (copy on write). Who maps a page, by the names of the address spaces.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ioasim::os {

class SharedPages {
public:
    // `parent` has the page (alone, or shared already), `child` maps it from here on too.
    void share(std::uint64_t page, const std::string& parent, const std::string& child) {
        std::vector<std::string>& users = users_[page];
        if (users.empty()) {
            users.push_back(parent);
        }
        users.push_back(child);
    }
    // One address space less. True: others still map the page.
    bool leave(std::uint64_t page, const std::string& user) {
        const auto found = users_.find(page);
        if (found == users_.end()) {
            return false;
        }
        std::vector<std::string>& users = found->second;
        users.erase(std::remove(users.begin(), users.end(), user), users.end());
        if (users.empty()) {
            users_.erase(found);
            return false;
        }
        return true;
    }
    // The page is nobody's but its last user's: it may write to it again.
    void unshare(std::uint64_t page) { users_.erase(page); }
    bool shared(std::uint64_t page) const { return users_.count(page) != 0; }
    std::size_t users(std::uint64_t page) const {
        const auto found = users_.find(page);
        return found == users_.end() ? 1 : found->second.size();
    }
    // "host/app|host/child": whose the page is in ownership events.
    std::string owners(std::uint64_t page) const {
        const auto found = users_.find(page);
        std::string all;
        for (std::size_t i = 0; found != users_.end() && i < found->second.size(); ++i) {
            all += (i == 0 ? "" : "|") + found->second[i];
        }
        return all;
    }

private:
    std::map<std::uint64_t, std::vector<std::string>> users_;
};

}  // namespace ioasim::os
