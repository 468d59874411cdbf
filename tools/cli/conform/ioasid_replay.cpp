#include "tools/cli/conform/ioasid_replay.hpp"

#include <stdexcept>

#include <nlohmann/json.hpp>

namespace ioasim::tools {

using nlohmann::json;

namespace {

TimePs no_clock() {
    return TimePs{};
}

// Arguments are u32 in C; a recording may show one as a negative int.
std::uint32_t u32(const json& value) {
    return static_cast<std::uint32_t>(value.get<std::int64_t>());
}
Ioasid id_of(const json& value) {
    return Ioasid{u32(value)};
}
SetToken token_of(const json& value) {
    return value.is_null() ? 0 : value.get<SetToken>();
}

// Private data is a small number in the recording and an opaque pointer in the core.
void* data_of(const json& value) {
    return value.is_null() ? nullptr : reinterpret_cast<void*>(value.get<std::uintptr_t>());
}
json from_data(void* data) {
    return data == nullptr ? json() : json(reinterpret_cast<std::uintptr_t>(data));
}
json from_spid(Spid spid) {
    return spid == kNoSpid ? json() : json(spid.value());
}
json from_token(SetToken token) {
    return token == 0 ? json() : json(token);
}

int negative(Errno error) {
    return -static_cast<int>(error);
}

// C functions return int: numbers above 2^31 show as negative there.
json from_count(const Result<std::uint32_t>& result) {
    return result.ok() ? json(static_cast<std::int32_t>(*result)) : json(negative(result.error()));
}

SetType type_of(const json& value) {
    if (value.is_string()) {
        const std::string name = value.get<std::string>();
        if (name != "mm" && name != "null") {
            throw std::runtime_error("unknown set type " + name);
        }
        return name == "mm" ? SetType::Mm : SetType::None;
    }
    return static_cast<SetType>(u32(value));
}

NotifyResult notify_result(const std::string& name) {
    if (name == "OK") {
        return NotifyResult::Ok;
    }
    if (name == "STOP") {
        return NotifyResult::Stop;
    }
    return name == "BAD" ? NotifyResult::Bad : NotifyResult::Done;
}

// Consecutive numbers as [[first,last],..] in the order given.
json runs_of(const std::vector<Ioasid>& ids) {
    json runs = json::array();
    for (const Ioasid id : ids) {
        if (!runs.empty() && runs.back()[1].get<std::uint64_t>() + 1 == id.value()) {
            runs.back()[1] = id.value();
        } else {
            runs.push_back({id.value(), id.value()});
        }
    }
    return runs;
}

}  // namespace

// Tells what it was called with; drops a reference on FREE when the recorded one did.
class IoasidReplay::Block final : public NotifierBlock {
public:
    Block(IoasidReplay& replay, const json& info)
        : NotifierBlock(info.at("nb").get<std::string>(), info.at("priority").get<int>()),
          replay_(replay),
          result_(notify_result(info.at("ret").get<std::string>())),
          put_on_free_(info.at("put_on_free").get<bool>()) {}

    NotifyResult handle(ExecContext& ctx, const NotifierPayload& p) override {
        json event{{"nb", name()},
                   {"event", trace::kIoasidNotificationLabels[static_cast<int>(p.event)]},
                   {"id", p.id.value()},
                   {"spid", from_spid(p.spid)},
                   {"set", replay_.number_of(p.set)},
                   {"data", from_data(p.data)}};
        replay_.events_->push_back(std::move(event));
        if (put_on_free_ && p.event == IoasidNotification::Free) {
            const bool last = replay_.core_->put_locked(ctx, nullptr, p.id, replay_.holder_);
            replay_.events_->back()["put"] = true;
            replay_.events_->back()["put_ret"] = last;
        }
        return result_;
    }

private:
    IoasidReplay& replay_;
    NotifyResult result_;
    bool put_on_free_;
};

// Answers as recorded.
class IoasidReplay::Provider final : public AllocatorOps {
public:
    Provider(IoasidReplay& replay, std::string name, const void* functions)
        : AllocatorOps(std::move(name)), replay_(replay), functions_(functions) {}
    const void* functions() const override { return functions_; }

    Ioasid alloc(ExecContext&, Ioasid min, Ioasid max) override {
        std::uint32_t answer = kInvalidIoasid;
        if (replay_.next_answer_ < replay_.answers_.size()) {
            answer = replay_.answers_[replay_.next_answer_++];
        }
        replay_.provided_->push_back({{"call", "alloc"},
                                      {"name", name()},
                                      {"min", min.value()},
                                      {"max", max.value()},
                                      {"ret", answer},
                                      {"at", replay_.events_->size()}});
        return Ioasid{answer};
    }
    void free(ExecContext&, Ioasid id) override {
        replay_.provided_->push_back({{"call", "free"},
                                      {"name", name()},
                                      {"id", id.value()},
                                      {"at", replay_.events_->size()}});
    }

private:
    IoasidReplay& replay_;
    const void* functions_;
};

IoasidReplay::IoasidReplay(const json& header)
    : params_(IoasidParams::zero_time()),
      ctx_(monitor_, "replay"),
      recorder_(no_clock),
      events_(std::make_unique<json>(json::array())),
      provided_(std::make_unique<json>(json::array())) {
    if (header.value("format", "") != "ioasid-ops/1") {
        throw std::runtime_error("the first line is no header of format ioasid-ops/1");
    }
    const std::string name = header.at("profile").get<std::string>();
    Profile profile = Profile::Spec;
    if (!parse_profile(name, profile)) {
        throw std::runtime_error("unknown profile " + name);
    }
    Switches switches = Switches::preset(profile);
    switches.reference_counts = header.value("refcounts", true);
    managed_ = switches.managed_sets;
    reference_counts_ = switches.reference_counts;
    tells_marked_ = profile == Profile::Dcp;
    core_ = std::make_unique<IoasidCore>("host", params_, switches, recorder_, probes_);
    holder_ = core_->holder("replay");
    for (int i = 0; i < header.value("static_sets", 0); ++i) {
        sets_.push_back(core_->declare_set("set" + std::to_string(i + 1)));
        numbers_[sets_.back()] = static_cast<std::uint32_t>(sets_.size());
        gone_.push_back(false);
    }
    if (!header.at("capacity").is_null()) {
        core_->install_capacity(ctx_, u32(header.at("capacity")));
    }
    std::map<std::string, const void*> functions;
    for (const json& info : header.value("allocators", json::array())) {
        const std::string provider = info.at("name").get<std::string>();
        // Any address that is the same for one name of functions and different for another.
        const auto known = functions.insert({info.at("fn").get<std::string>(), nullptr}).first;
        known->second = &*known;
        auto& place = providers_[provider];
        place = std::make_unique<Provider>(*this, provider, known->second);
    }
    for (const json& info : header.at("notifiers")) {
        auto& block = blocks_[info.at("nb").get<std::string>()];
        block = std::make_unique<Block>(*this, info);
        const json& scope = info.at("scope");
        if (scope == "global") {
            core_->register_notifier(ctx_, nullptr, *block);
        } else if (!scope.is_null()) {
            const std::string text = scope.get<std::string>();
            if (text.rfind("mm:", 0) != 0) {
                throw std::runtime_error("unknown scope " + text);
            }
            core_->register_notifier_mm(ctx_, std::stoull(text.substr(3)), *block);
        }
    }
}

IoasidReplay::~IoasidReplay() = default;

IoasidSet* IoasidReplay::set_of(const json& value) const {
    if (value.is_null()) {
        return nullptr;
    }
    const auto number = value.get<std::size_t>();
    if (number < 1 || number > sets_.size()) {
        throw std::runtime_error("set " + std::to_string(number) + " does not exist here");
    }
    return sets_[number - 1];
}

IoasidReplay::Block& IoasidReplay::block_of(const json& name) {
    const auto found = blocks_.find(name.get<std::string>());
    if (found == blocks_.end()) {
        throw std::runtime_error("unknown notification block " + name.get<std::string>());
    }
    return *found->second;
}

json IoasidReplay::number_of(const IoasidSet* set) const {
    const auto found = numbers_.find(set);
    return found == numbers_.end() ? json() : json(found->second);
}

json IoasidReplay::after(Ioasid id) const {
    const auto view = core_->view(id);
    if (!view) {
        return json();
    }
    json result{{"set", number_of(view->set)}, {"data", from_data(view->data)}};
    if (managed_) {
        result["state"] = view->state == IoasidState::FreePending ? "FREE_PENDING" : "IDLE";
        result["spid"] = from_spid(view->spid);
    }
    if (managed_ || reference_counts_) {
        result["refs"] = view->refs;
    }
    return result;
}

void IoasidReplay::note_gone(json& got) {
    json gone = json::array();
    for (std::size_t i = 0; i < sets_.size(); ++i) {
        if (!gone_[i] && !sets_[i]->registered()) {
            gone_[i] = true;
            gone.push_back(i + 1);
        }
    }
    got["gone"] = std::move(gone);
}

bool IoasidReplay::perform(const json& op, json& got) {
    events_->clear();
    provided_->clear();
    answers_.clear();
    next_answer_ = 0;
    for (const json& call : op.value("prov", json::array())) {
        if (call.at("call") == "alloc") {
            answers_.push_back(u32(call.at("ret")));
        }
    }
    const std::string name = op.at("op").get<std::string>();
    got = json::object();
    const bool known = dispatch_capacity(name, op, got) || dispatch_sets(name, op, got) ||
                       dispatch_ids(name, op, got) || dispatch_lookups(name, op, got) ||
                       dispatch_attach(name, op, got) || dispatch_notifiers(name, op, got) ||
                       dispatch_allocators(name, op, got);
    if (!known && name != "snapshot") {
        return false;
    }
    if (name == "snapshot") {
        snapshot(got);
    } else if (op.contains("id")) {
        got["after"] = after(id_of(op.at("id")));
    }
    got["events"] = *events_;
    got["prov"] = *provided_;
    note_gone(got);
    return true;
}

bool IoasidReplay::dispatch_capacity(const std::string& name, const json& op, json& got) {
    if (name == "install_capacity") {
        core_->install_capacity(ctx_, u32(op.at("total")));
        got["ret"] = nullptr;
        got["capacity"] = core_->capacity();
    } else if (name == "reserve_capacity") {
        got["ret"] = from_count(core_->reserve_capacity(ctx_, u32(op.at("n"))));
    } else if (name == "cancel_capacity") {
        got["ret"] = from_count(core_->cancel_capacity(ctx_, u32(op.at("n"))));
    } else {
        return false;
    }
    got["available"] = core_->available();
    return true;
}

bool IoasidReplay::dispatch_sets(const std::string& name, const json& op, json& got) {
    if (name == "set_alloc") {
        const auto result =
            core_->set_alloc(ctx_, token_of(op.at("token")), u32(op.at("quota")),
                             type_of(op.at("type")), "set" + std::to_string(sets_.size() + 1));
        got["ret"] = negative(result.error());
        if (result.ok()) {
            sets_.push_back(*result);
            gone_.push_back(false);
            numbers_[*result] = static_cast<std::uint32_t>(sets_.size());
            got["set"] = sets_.size();
            got["got_quota"] = (*result)->quota();
        }
        got["available"] = core_->available();
    } else if (name == "set_free") {
        got["ret"] = negative(core_->set_free(ctx_, set_of(op.at("set"))));
        got["available"] = core_->available();
    } else if (name == "find_mm_set") {
        const IoasidSet* set = core_->find_mm_set(ctx_, token_of(op.at("token")));
        got["ret"] = set == nullptr ? json(0) : number_of(set);
    } else if (name == "free_all_in_set") {
        core_->free_all_in_set(ctx_, set_of(op.at("set")));
        got["ret"] = nullptr;
    } else if (name == "set_for_each") {
        for_each(op, got);
    } else {
        return false;
    }
    return true;
}

void IoasidReplay::for_each(const json& op, json& got) {
    std::vector<Ioasid> ids;
    got["count"] =
        core_->set_for_each(ctx_, set_of(op.at("set")), [&](Ioasid id) { ids.push_back(id); });
    got["ret"] = nullptr;
    got["runs"] = runs_of(ids);
    json list = json::array();
    for (const Ioasid id : ids) {
        list.push_back(id.value());
    }
    got["ids"] = std::move(list);
}

bool IoasidReplay::dispatch_ids(const std::string& name, const json& op, json& got) {
    if (name == "alloc") {
        const Ioasid id = core_->alloc(ctx_, set_of(op.at("set")), id_of(op.at("min")),
                                       id_of(op.at("max")), data_of(op.at("data")));
        got["ret"] = id.value();
        got["after"] = after(id);
    } else if (name == "alloc_n") {
        alloc_many(op, got);
    } else if (name == "free") {
        core_->free(ctx_, managed_ ? set_of(op.at("set")) : nullptr, id_of(op.at("id")));
        got["ret"] = nullptr;
    } else if (name == "get") {
        const Errno error = core_->get(ctx_, managed_ ? set_of(op.at("set")) : nullptr,
                                       id_of(op.at("id")), holder_);
        got["ret"] = managed_ ? json(negative(error)) : json();
    } else if (name == "get_if_owned") {
        got["ret"] =
            negative(core_->get_if_owned(ctx_, token_of(op.at("mm")), id_of(op.at("id")), holder_));
    } else if (name == "put") {
        got["ret"] = core_->put(ctx_, managed_ ? set_of(op.at("set")) : nullptr, id_of(op.at("id")),
                                holder_);
    } else {
        return false;
    }
    return true;
}

void IoasidReplay::alloc_many(const json& op, json& got) {
    std::vector<Ioasid> ids;
    std::uint64_t failed = 0;
    const auto count = op.at("n").get<std::uint64_t>();
    for (std::uint64_t i = 0; i < count; ++i) {
        const Ioasid id = core_->alloc(ctx_, set_of(op.at("set")), id_of(op.at("min")),
                                       id_of(op.at("max")), data_of(op.at("data")));
        if (is_valid(id)) {
            ids.push_back(id);
        } else {
            ++failed;
        }
    }
    got["ret"] = runs_of(ids);
    got["failed"] = failed;
    events_->clear();  // not recorded for this operation
}

bool IoasidReplay::dispatch_lookups(const std::string& name, const json& op, json& got) {
    if (name == "find") {
        find(op, got);
    } else if (name == "find_set") {
        const auto result = core_->find_set(ctx_, id_of(op.at("id")));
        got["ret"] = result.ok() ? number_of(*result) : json(negative(result.error()));
    } else if (name == "find_by_spid") {
        const Ioasid id = core_->find_by_spid(ctx_, set_of(op.at("set")), Spid{u32(op.at("spid"))},
                                              op.at("get").get<bool>(), holder_);
        got["ret"] = id.value();
        got["after"] = after(id);
    } else {
        return false;
    }
    return true;
}

void IoasidReplay::find(const json& op, json& got) {
    int calls = 0;
    void* seen = nullptr;
    const bool accept = op.at("getter") == "accept";
    const DataGetter getter = [&](void* data) {
        ++calls;
        seen = data;
        return accept;
    };
    const auto result = core_->find(ctx_, set_of(op.at("set")), id_of(op.at("id")),
                                    op.at("getter").is_null() ? nullptr : &getter);
    if (!result.ok()) {
        got["ret"] = negative(result.error());
    } else {
        got["ret"] = *result == nullptr ? json(0) : from_data(*result);
    }
    got["getter_calls"] = calls;
    got["getter_data"] = from_data(seen);
}

bool IoasidReplay::dispatch_attach(const std::string& name, const json& op, json& got) {
    if (name == "attach_data") {
        got["ret"] =
            negative(core_->attach_data(ctx_, nullptr, id_of(op.at("id")), data_of(op.at("data"))));
    } else if (name == "set_data") {
        got["ret"] = negative(core_->set_data(ctx_, id_of(op.at("id")), data_of(op.at("data"))));
    } else if (name == "attach_spid") {
        got["ret"] = negative(
            core_->attach_spid(ctx_, nullptr, id_of(op.at("id")), Spid{u32(op.at("spid"))}));
    } else if (name == "detach_data") {
        core_->detach_data(ctx_, id_of(op.at("id")));
        got["ret"] = nullptr;
    } else if (name == "detach_spid") {
        core_->detach_spid(ctx_, id_of(op.at("id")));
        got["ret"] = nullptr;
    } else {
        return false;
    }
    return true;
}

bool IoasidReplay::dispatch_notifiers(const std::string& name, const json& op, json& got) {
    got["ret"] = nullptr;
    if (name == "register_notifier") {
        got["ret"] =
            negative(core_->register_notifier(ctx_, set_of(op.at("set")), block_of(op.at("nb"))));
    } else if (name == "unregister_notifier") {
        core_->unregister_notifier(ctx_, set_of(op.at("set")), block_of(op.at("nb")));
    } else if (name == "register_notifier_mm") {
        got["ret"] = negative(
            core_->register_notifier_mm(ctx_, token_of(op.at("token")), block_of(op.at("nb"))));
    } else if (name == "unregister_notifier_mm") {
        core_->unregister_notifier_mm(ctx_, token_of(op.at("token")), block_of(op.at("nb")));
    } else {
        return false;
    }
    return true;
}

bool IoasidReplay::dispatch_allocators(const std::string& name, const json& op, json& got) {
    if (name != "register_allocator" && name != "unregister_allocator") {
        return false;
    }
    const auto found = providers_.find(op.at("name").get<std::string>());
    if (found == providers_.end()) {
        throw std::runtime_error("unknown allocator " + op.at("name").get<std::string>());
    }
    if (name == "register_allocator") {
        got["ret"] = negative(core_->register_allocator(ctx_, *found->second));
    } else {
        core_->unregister_allocator(ctx_, *found->second);
        got["ret"] = nullptr;
    }
    return true;
}

// --- snapshots --------------------------------------------------------------------------------

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
