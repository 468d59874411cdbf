// A reference model of the IOASID core: sets of numbers and maps, written from the contract alone
// and sharing no code with the core. It predicts results, the calls of notification blocks and the
// state after every operation, for the document and for the two posted versions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace ioasim::test {

constexpr int kModelNone = -1;
enum class ModelVersion { Document, V4, Production };
constexpr int kModelUntyped = 1;  // types of sets; others are illegal
constexpr int kModelMm = 2;
constexpr unsigned kModelAll = 1;  // scopes of a notification
constexpr unsigned kModelOwn = 2;
constexpr unsigned kModelBoth = 3;

// What a chain's last block said; of both chains a stop of the global one, else the set's.
enum class ModelAnswer { Nobody, Content, Stop };

struct ModelBlock {
    std::string name;
    int priority = 0;
    bool stops = false;
    bool puts_on_free = false;
    int takes_below = 0;  // after a put that reclaimed: allocates a number below this
};

struct ModelId {
    int refs = 1;
    bool pending = false;
    int spid = kModelNone;
    int data = 0;
    bool listed = true;  // in its set's array
};

struct ModelSet {
    bool alive = true;
    bool mm = false;
    bool is_private = false;
    bool marked = false;
    unsigned token = 0;
    unsigned quota = 0;
    int number = 0;
    std::map<int, ModelId> ids;
    std::vector<int> chain;  // blocks in call order
};

struct ModelMmEntry {
    unsigned token;
    int block;  // kModelNone: a version that forgets what it waits for
    int set;    // kModelNone: waits
};

// Results are errno numbers (0: success) unless a comment says otherwise.
class IoasidModel {
public:
    IoasidModel(ModelVersion version, unsigned capacity, std::vector<ModelBlock> model_blocks)
        : available(capacity),
          blocks(std::move(model_blocks)),
          version_(version),
          capacity_(capacity) {}

    // --- pool and sets: error and what was taken -----------------------------------------------
    std::pair<int, unsigned> reserve(unsigned n) {
        if (n > available) {
            return {28, 0};
        }
        n = n == 0 ? available : n;
        available -= n;
        return {0, n};
    }
    // Error and what is available now.
    std::pair<int, unsigned> cancel(unsigned n) {
        // 32 bits in the posted code: n near 2^32 shrinks the pool.
        const std::uint64_t sum = std::uint64_t{available} + n;
        if ((posted() ? sum & 0xFFFFFFFF : sum) > capacity_) {
            return {22, 0};
        }
        available = static_cast<unsigned>(sum);
        return {0, available};
    }
    int set_alloc(unsigned token, unsigned quota, int type) {
        if (type > kModelMm || (type < 0 && !posted())) {
            return 22;
        }
        quota = quota == 0 ? available : quota;
        if (quota > available) {
            return 28;
        }
        if (const int error = token_error(token, type); error != 0) {
            return error;
        }
        const int number = free_number();
        if (number > static_cast<int>(available)) {
            return 28;
        }
        add_set(token, quota, type == kModelMm, false, number);
        available -= quota;
        return 0;
    }
    int set_alloc_private(unsigned token, int type) {
        // Nobody finds it by its token, so any other set may have the same.
        const int error = posted() ? 22 : token_error(token, type);
        if (error != 0 && error != 17) {
            return error;
        }
        add_set(token, 0, type == kModelMm, true, free_number());
        return 0;
    }
    int set_free(int s) {
        ModelSet& set = sets[index(s)];
        if (!set.alive) {
            return 22;
        }
        if (!set.ids.empty()) {
            set.marked = version_ != ModelVersion::V4;
            return 16;
        }
        destroy(s);
        return 0;
    }
    int adjust(int s, unsigned quota) {
        if (posted()) {
            return 95;
        }
        ModelSet& set = sets[index(s)];
        if (!set.alive || set.is_private || quota == 0 || quota < set.ids.size()) {
            return 22;
        }
        if (quota > set.quota + available) {
            return 28;
        }
        if (quota > set.quota) {
            available -= quota - set.quota;
        } else {
            give_back(set.quota - quota);
        }
        set.quota = quota;
        return 0;
    }
    void free_all(int s) {
        if (!sets[index(s)].alive) {
            return;
        }
        std::vector<int> all;
        for (const auto& [id, entry] : sets[index(s)].ids) {
            if (entry.listed) {
                all.push_back(id);
            }
        }
        for (const int id : all) {
            free(s, id);
            if (posted()) {
                // Out of the array, whether it is gone or waits for its users.
                const auto left = sets[index(s)].ids.find(id);
                if (left != sets[index(s)].ids.end()) {
                    left->second.listed = false;
                }
            }
        }
    }
    int find_mm(unsigned token) const {  // a set or kModelNone
        for (std::size_t s = 0; s < sets.size(); ++s) {
            const ModelSet& set = sets[s];
            if (set.alive && set.mm && !set.is_private && set.token == token) {
                return static_cast<int>(s);
            }
        }
        return kModelNone;
    }

    // --- IDs ----------------------------------------------------------------------------------
    int alloc(int s, int min, int max, int data) {  // an ID or kModelNone
        ModelSet& set = sets[index(s)];
        if (!set.alive || (set.marked && !posted()) ||
            (!set.is_private && set.ids.size() >= set.quota)) {
            return kModelNone;
        }
        for (int id = min; id <= max; ++id) {
            const bool used = set.is_private ? set.ids.count(id) != 0 : owner_of(id) != kModelNone;
            if (!used && held_back_.count(id) == 0) {
                set.ids[id].data = data;
                notify("ALLOC", s, id, kModelOwn);
                return id;
            }
        }
        return kModelNone;
    }
    void free(int s, int id) {
        ModelId* entry = find_in(s, id);
        if (entry == nullptr || entry->pending) {
            return;
        }
        if (entry->refs > 1) {
            entry->pending = true;
            --entry->refs;
            notify("FREE", s, id, kModelBoth);
            return;
        }
        if (entry->spid != kModelNone && !posted()) {
            notify("UNBIND", s, id, kModelOwn);
        }
        reclaim(s, id);
    }
    int get(int s, int id) {
        const int where = home(s, id);
        if (where == kModelNone) {
            return 22;
        }
        ModelId& entry = sets[index(where)].ids[id];
        if (entry.pending) {
            return 16;
        }
        if (s != kModelNone && where != s) {
            return 13;
        }
        ++entry.refs;
        return 0;
    }
    int get_if_owned(unsigned token, int id) {
        const int where = owner_of(id);
        if (where == kModelNone) {
            return 2;
        }
        if (!sets[index(where)].mm) {
            return 22;
        }
        return sets[index(where)].token != token ? 1 : get(where, id);
    }
    bool put(int s, int id) {
        const int where = home(s, id);
        if (where == kModelNone || (s != kModelNone && where != s)) {
            return false;
        }
        if (--sets[index(where)].ids[id].refs != 0) {
            return false;
        }
        reclaim(where, id);
        return true;
    }
    // Error and data.
    std::pair<int, int> find(int s, int id) const {
        const int where = home(s, id);
        if (where == kModelNone) {
            return {2, 0};
        }
        if (s != kModelNone && where != s) {
            return {13, 0};
        }
        return {0, sets[index(where)].ids.at(id).data};
    }
    int attach_data(int s, int id, int data) {
        s = posted() ? kModelNone : s;
        const auto [error, old] = find(s, id);
        if (error != 0) {
            return error;
        }
        if (old != 0) {
            return 16;
        }
        sets[index(home(s, id))].ids[id].data = data;
        return 0;
    }
    void detach_data(int id) {
        if (const int where = owner_of(id); where != kModelNone) {
            sets[index(where)].ids[id].data = 0;
        }
    }

    // --- SPIDs --------------------------------------------------------------------------------
    int attach_spid(int s, int id, int spid) {
        s = posted() ? kModelNone : s;
        const int where = home(s, id);
        if (spid == kModelNone) {
            return 22;
        }
        if (where == kModelNone) {
            return 2;
        }
        if (s != kModelNone && where != s) {
            return 13;
        }
        ModelId& entry = sets[index(where)].ids[id];
        if (entry.spid != kModelNone && !posted()) {
            return 16;
        }
        if (by_spid(where, spid) != kModelNone) {
            return 22;
        }
        entry.spid = spid;
        notify("BIND", where, id, kModelOwn);
        return 0;
    }
    void detach_spid(int id) {
        const int where = owner_of(id);
        if (where == kModelNone || sets[index(where)].ids[id].spid == kModelNone) {
            return;
        }
        notify("UNBIND", where, id, kModelOwn);
        sets[index(where)].ids[id].spid = kModelNone;
    }
    int by_spid(int s, int spid) const {  // an ID or kModelNone
        const ModelSet& set = sets[index(s)];
        if (set.alive) {
            for (const auto& [id, entry] : set.ids) {
                if (entry.spid == spid && spid != kModelNone && entry.listed) {
                    return id;
                }
            }
        }
        return kModelNone;
    }
    int find_by_spid(int s, int spid, bool get_too) {
        if (spid == kModelNone && posted()) {
            return find_without_spid(s, get_too);
        }
        const int id = by_spid(s, spid);
        if (id == kModelNone || !get_too) {
            return id;
        }
        ModelId& entry = sets[index(s)].ids[id];
        if (entry.pending && !posted()) {
            return kModelNone;
        }
        ++entry.refs;
        return id;
    }

    // --- blocks -------------------------------------------------------------------------------
    // Explicit notification, as reviewed: BIND and UNBIND. Error and answer.
    std::pair<int, ModelAnswer> notify_explicitly(int id, const std::string& event,
                                                  unsigned scopes) {
        const int where = owner_of(id);
        const bool known = event == "BIND" || event == "UNBIND";
        if (posted() || where == kModelNone || !known || scopes == 0 || scopes > kModelBoth) {
            return {posted() ? 95 : 22, ModelAnswer::Nobody};
        }
        return {0, notify(event, where, id, scopes)};
    }
    int register_block(int s, int block) {
        if (s == kModelNone) {
            insert(global, block);
            return 0;
        }
        ModelSet& set = sets[index(s)];
        if (!set.alive) {
            return 22;
        }
        if (set.mm && !set.ids.empty() && !posted()) {
            return 16;
        }
        insert(set.chain, block);
        return 0;
    }
    void unregister_block(int s, int block) {
        if (s == kModelNone) {
            erase(global, block);
        } else if (sets[index(s)].alive) {
            erase(sets[index(s)].chain, block);
            unpin(s);
        }
    }
    int register_mm(unsigned token, int block) {
        if (token == 0 && !posted()) {
            return 22;
        }
        for (const ModelMmEntry& entry : mm_list) {
            if (entry.token == token && entry.block == block) {
                return 16;
            }
        }
        const int s = find_mm(token);
        if (s != kModelNone && !sets[index(s)].ids.empty()) {
            return 16;
        }
        if (s == kModelNone && version_ == ModelVersion::V4) {
            mm_list.insert(mm_list.begin(), {0, kModelNone, kModelNone});
            return 0;
        }
        mm_list.insert(mm_list.begin(), {token, block, s});
        if (s != kModelNone) {
            insert(sets[index(s)].chain, block);
        }
        return 0;
    }
    void unregister_mm(unsigned token, int block) {
        for (auto entry = mm_list.begin(); entry != mm_list.end(); ++entry) {
            if (entry->token == token && entry->block == block) {
                const int s = entry->set;
                mm_list.erase(entry);
                if (s != kModelNone) {
                    erase(sets[index(s)].chain, block);
                    unpin(s);
                }
                return;
            }
        }
    }

    // The set whose ID this is in the common namespace, or kModelNone.
    int owner_of(int id) const {
        for (std::size_t s = 0; s < sets.size(); ++s) {
            if (!sets[s].is_private && sets[s].ids.count(id) != 0) {
                return static_cast<int>(s);
            }
        }
        return kModelNone;
    }

    unsigned available;
    std::vector<ModelBlock> blocks;
    std::vector<ModelSet> sets;
    std::vector<int> global;
    std::vector<ModelMmEntry> mm_list;
    std::vector<std::string> calls;

private:
    ModelVersion version_;
    unsigned capacity_;
    int depth_ = 0;            // notifications under way
    std::set<int> held_back_;  // reclaimed in them: free when the last chain has ended

    static std::size_t index(int s) { return static_cast<std::size_t>(s); }
    // Cancelling what nobody had reserved can make the pool fuller than its total: it overflows.
    void give_back(unsigned n) { available = std::min(capacity_, available + n); }

    bool posted() const { return version_ != ModelVersion::Document; }
    int token_error(unsigned token, int type) const {
        const bool mm = type == kModelMm;
        if ((!mm && type != kModelUntyped) || (mm && token == 0)) {
            return 22;
        }
        if (!mm && posted()) {
            return token == 0 ? 0 : 22;
        }
        for (const ModelSet& set : sets) {
            const bool found_by_token = set.alive && !set.is_private && token != 0;
            if (found_by_token && set.mm == mm && set.token == token) {
                return 17;
            }
        }
        return 0;
    }
    // "No SPID" is compared like any SPID: the highest wins, and all of them are referenced.
    int find_without_spid(int s, bool get_too) {
        int highest = kModelNone;
        if (!sets[index(s)].alive) {
            return highest;
        }
        for (auto& [id, entry] : sets[index(s)].ids) {
            if (entry.listed && entry.spid == kModelNone) {
                highest = id;
                entry.refs += get_too ? 1 : 0;
            }
        }
        return highest;
    }
    // The production kernel pins a set by its live count while a block is taken off.
    void unpin(int s) {
        if (version_ == ModelVersion::Production && sets[index(s)].alive &&
            sets[index(s)].ids.empty()) {
            destroy(s);
        }
    }
    int free_number() const {
        std::set<int> used;
        for (const ModelSet& set : sets) {
            if (set.alive) {
                used.insert(set.number);
            }
        }
        int number = 0;
        while (used.count(number) != 0) {
            ++number;
        }
        return number;
    }
    void add_set(unsigned token, unsigned quota, bool mm, bool is_private, int number) {
        ModelSet set;
        set.mm = mm;
        set.is_private = is_private;
        set.token = token;
        set.quota = quota;
        set.number = number;
        sets.push_back(set);
        if (!mm || is_private) {
            return;
        }
        for (ModelMmEntry& entry : mm_list) {
            if (entry.set == kModelNone && entry.token == token) {
                entry.set = static_cast<int>(sets.size()) - 1;
                insert(sets.back().chain, entry.block);
            }
        }
    }
    void destroy(int s) {
        ModelSet& set = sets[index(s)];
        set.alive = false;
        set.marked = false;
        if (!posted()) {
            give_back(set.quota);
        }
        for (ModelMmEntry& entry : mm_list) {
            if (entry.set == s) {
                entry.set = kModelNone;
            }
        }
    }
    void reclaim(int s, int id) {
        ModelSet& set = sets[index(s)];
        set.ids.erase(id);
        if (depth_ > 0) {
            held_back_.insert(id);
        }
        if (set.ids.empty() && set.alive && (set.marked || version_ == ModelVersion::V4)) {
            destroy(s);
        }
    }
    // Where a call that names set `s` (or none) finds the ID.
    int home(int s, int id) const {
        if (s != kModelNone && sets[index(s)].is_private) {
            return sets[index(s)].ids.count(id) != 0 ? s : kModelNone;
        }
        return owner_of(id);
    }
    ModelId* find_in(int s, int id) {
        if (s == kModelNone) {
            return nullptr;
        }
        const auto found = sets[index(s)].ids.find(id);
        return found == sets[index(s)].ids.end() ? nullptr : &found->second;
    }

    void insert(std::vector<int>& chain, int block) {
        if (std::find(chain.begin(), chain.end(), block) != chain.end()) {
            return;
        }
        auto place = chain.begin();
        while (place != chain.end() && priority(*place) >= priority(block)) {
            ++place;
        }
        chain.insert(place, block);
    }
    static void erase(std::vector<int>& chain, int block) {
        chain.erase(std::remove(chain.begin(), chain.end(), block), chain.end());
    }
    int priority(int block) const { return blocks[index(block)].priority; }

    // Sorts the union of both chains instead of merging them (posted code: the whole global chain
    // first), and drops a chain's rest on a stop.
    ModelAnswer notify(const std::string& event, int s, int id, unsigned scopes) {
        struct Call {
            int block;
            bool of_set;
        };
        std::vector<Call> order;
        for (const int block : (scopes & kModelAll) != 0 ? global : std::vector<int>{}) {
            order.push_back({block, false});
        }
        const std::vector<int> own = sets[index(s)].chain;
        for (const int block : (scopes & kModelOwn) != 0 ? own : std::vector<int>{}) {
            order.push_back({block, true});
        }
        if (!posted()) {
            std::stable_sort(order.begin(), order.end(), [this](const Call& a, const Call& b) {
                return priority(a.block) > priority(b.block);
            });
        }
        const int spid = sets[index(s)].ids[id].spid;
        ModelAnswer of_all = ModelAnswer::Nobody;
        ModelAnswer of_set = ModelAnswer::Nobody;
        ++depth_;
        for (const Call& call : order) {
            ModelAnswer& answer = call.of_set ? of_set : of_all;
            if (answer == ModelAnswer::Stop) {
                continue;
            }
            const ModelBlock& block = blocks[index(call.block)];
            calls.push_back(block.name + ":" + event + " " + std::to_string(id) +
                            (spid == kModelNone ? "" : "/" + std::to_string(spid)));
            if (event == "FREE" && block.puts_on_free && put(s, id) && block.takes_below > 0) {
                alloc(s, 0, block.takes_below - 1, 0);
            }
            answer = block.stops ? ModelAnswer::Stop : ModelAnswer::Content;
        }
        if (--depth_ == 0) {
            held_back_.clear();
        }
        return of_all == ModelAnswer::Stop || of_set == ModelAnswer::Nobody ? of_all : of_set;
    }
};

}  // namespace ioasim::test
