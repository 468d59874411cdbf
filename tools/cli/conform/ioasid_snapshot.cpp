// What a core holds, in the words of a recording.
#include <nlohmann/json.hpp>

#include "tools/cli/conform/ioasid_replay.hpp"
#include "tools/cli/conform/ioasid_values.hpp"

namespace ioasim::tools {

using nlohmann::json;

void IoasidReplay::snapshot(json& got) const {
    if (!managed_) {
        got["ids"] = snapshot_ids();
        got["allocators"] = snapshot_allocators();
        return;
    }
    got["capacity"] = core_->capacity();
    got["available"] = core_->available();
    got["sets"] = json::array();
    for (const IoasidSet* set : sets_) {
        if (set->registered()) {
            got["sets"].push_back(snapshot_set(*set));
        }
    }
    got["global"] = json::array();
    for (const NotifierBlock* block : core_->global_chain().blocks()) {
        got["global"].push_back(block->name());
    }
    got["mm_list"] = json::array();
    for (const auto& entry : core_->mm_list()) {
        got["mm_list"].push_back(
            {{"token", from_token(entry.token)},
             {"nb", entry.block == nullptr ? json() : json(entry.block->name())},
             {"active", entry.active}});
    }
    got["allocators"] = snapshot_allocators();
}

json IoasidReplay::snapshot_ids() const {
    json ids = json::array();
    for (const IoasidView& view : core_->ids()) {
        json entry = after(view.id);
        entry["id"] = view.id.value();
        ids.push_back(std::move(entry));
    }
    return ids;
}

json IoasidReplay::snapshot_set(const IoasidSet& set) const {
    json result{{"set", number_of(&set)},
                {"num", set.number()},
                {"type", set.type() == SetType::Mm ? "mm" : "null"},
                {"token", from_token(set.token())},
                {"live", set.live()},
                {"quota", set.quota()},
                {"chain", json::array()},
                {"ids", json::array()}};
    if (tells_marked_) {
        result["free_pending"] = set.marked();
    }
    for (const NotifierBlock* block : set.chain().blocks()) {
        result["chain"].push_back(block->name());
    }
    for (const IoasidView& view : core_->ids_of(set)) {
        json entry = after(view.id);
        entry.erase("set");
        entry["id"] = view.id.value();
        if (!view.listed) {
            entry["listed"] = false;
        }
        result["ids"].push_back(std::move(entry));
    }
    json orphans = json::array();
    for (const Ioasid id : core_->orphans_of(set)) {
        orphans.push_back(id.value());
    }
    if (!orphans.empty()) {
        result["orphans"] = std::move(orphans);
    }
    return result;
}

json IoasidReplay::snapshot_allocators() const {
    json groups = json::array();
    for (const auto& group : core_->allocator_groups()) {
        json members = json::array();
        for (const AllocatorOps* member : group.members) {
            members.push_back(member->name());
        }
        groups.push_back({{"head", group.head->name()},
                          {"members", std::move(members)},
                          {"active", group.active},
                          {"ids", group.ids}});
    }
    return groups;
}

}  // namespace ioasim::tools
