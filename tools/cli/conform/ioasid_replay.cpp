#include "tools/cli/conform/ioasid_replay.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/conform/ioasid_values.hpp"
#include "tools/cli/conform/recording.hpp"

namespace ioasim::tools {

using nlohmann::json;

namespace {

constexpr const char* kFormat = "ioasid-ops/1";
constexpr std::uint64_t kMostStaticSets = 10'000;
constexpr std::uint64_t kMostAllocations = std::uint64_t{1} << 21U;  // of one alloc_n

TimePs no_clock() {
    return TimePs{};
}

}  // namespace

// Tells what it was called with; drops a reference on FREE when the recorded one did.
class IoasidReplay::Block final : public NotifierBlock {
public:
    Block(IoasidReplay& replay, const json& info)
        : NotifierBlock(text_of(info, "nb"), int_of(info, "priority")),
          replay_(replay),
          result_(notify_result(info)),
          put_on_free_(bool_of(info, "put_on_free")) {}

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
    if (const std::string format = text_of(header, "format"); format != kFormat) {
        throw RecordingError(Code::Version, fmt::format("the format is \"{}\", not \"{}\"",
                                                        format.substr(0, 60), kFormat));
    }
    const std::string name = text_of(header, "profile");
    Profile profile = Profile::Spec;
    if (!parse_profile(name, profile)) {
        refuse_choice("profile", name, {"v4", "dcp", "mainline", "spec"});
    }
    Switches switches = Switches::preset(profile);
    switches.reference_counts = !header.contains("refcounts") || bool_of(header, "refcounts");
    managed_ = switches.managed_sets;
    reference_counts_ = switches.reference_counts;
    tells_marked_ = profile == Profile::Dcp;
    core_ = std::make_unique<IoasidCore>("host", params_, switches, recorder_, probes_);
    holder_ = core_->holder("replay");
    if (header.contains("static_sets") && managed_) {
        throw RecordingError(Code::UnknownKey, "\"static_sets\" belongs to mainline");
    }
    if (header.contains("static_sets")) {
        recorded_sets_ = u64_of(header, "static_sets", kMostStaticSets);
    }
    for (std::uint64_t i = 1; i <= recorded_sets_; ++i) {
        remember(core_->declare_set("set" + std::to_string(i)));
    }
    if (!value_of(header, "capacity").is_null()) {
        core_->install_capacity(ctx_, u32_of(header, "capacity"));
    }
    read_allocators(array_of(header, "allocators"));
    value_of(header, "notifiers");
    read_notifiers(array_of(header, "notifiers"));
}

void IoasidReplay::read_allocators(const json& infos) {
    std::map<std::string, const void*> functions;
    for (const json& info : infos) {
        const std::string provider = text_of(info, "name");
        // Any address that is the same for one name of functions and different for another.
        const auto known = functions.insert({text_of(info, "fn"), nullptr}).first;
        known->second = &*known;
        auto& place = providers_[provider];
        if (place != nullptr) {
            throw RecordingError(Code::NameTaken,
                                 fmt::format("two allocators are named \"{}\"", provider));
        }
        place = std::make_unique<Provider>(*this, provider, known->second);
    }
}

void IoasidReplay::read_notifiers(const json& infos) {
    for (const json& info : infos) {
        const std::string name = text_of(info, "nb");
        auto& block = blocks_[name];
        if (block != nullptr) {
            throw RecordingError(Code::NameTaken, fmt::format("two blocks are named \"{}\"", name));
        }
        block = std::make_unique<Block>(*this, info);
        if (value_of(info, "scope").is_null()) {
            continue;
        }
        const std::string scope = text_of(info, "scope");
        std::uint64_t token = 0;
        const char* const end = scope.data() + scope.size();
        if (scope == "global") {
            core_->register_notifier(ctx_, nullptr, *block);
        } else if (scope.rfind("mm:", 0) == 0 && scope.size() > 3 &&
                   std::from_chars(scope.data() + 3, end, token).ptr == end) {
            core_->register_notifier_mm(ctx_, token, *block);
        } else {
            refuse_choice("scope", scope, {"global", "mm:1"});
        }
    }
}

IoasidReplay::~IoasidReplay() = default;

IoasidSet* IoasidReplay::set_of(const json& op) const {
    if (value_of(op, "set").is_null()) {
        return nullptr;
    }
    const std::uint64_t number = u64_of(op, "set", kLargestToken);
    if (number < 1 || number > recorded_sets_) {
        throw RecordingError(Code::UnknownComponent,
                             fmt::format("there is no set {}: the recording has made {} so far",
                                         number, recorded_sets_));
    }
    if (const auto ended = ended_.find(number); ended != ended_.end()) {
        throw RecordingError(Code::BadOrder, fmt::format("set {} is used after its end in line {}",
                                                         number, ended->second));
    }
    if (number > sets_.size()) {
        throw std::runtime_error(fmt::format("set {} was not made here", number));
    }
    return sets_[number - 1];
}

void IoasidReplay::remember(IoasidSet* set) {
    sets_.push_back(set);
    gone_.push_back(false);
    numbers_[set] = static_cast<std::uint32_t>(sets_.size());
}

// What the recording itself says of its sets, whatever happened here.
void IoasidReplay::note_recorded(const std::string& name, const json& op, std::size_t line) {
    if (name == "set_alloc" && op.contains("set")) {
        recorded_sets_ = std::max(recorded_sets_, u64_of(op, "set", kLargestToken));
    }
    for (const json& set : array_of(op, "gone")) {
        if (set.is_number_unsigned()) {
            ended_.insert({set.get<std::uint64_t>(), line});
        }
    }
}

IoasidReplay::Block& IoasidReplay::block_of(const json& op) {
    const std::string name = text_of(op, "nb");
    const auto found = blocks_.find(name);
    if (found == blocks_.end()) {
        throw RecordingError(Code::UnknownComponent,
                             fmt::format("the header has no block \"{}\"", name));
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

const std::vector<std::string>& IoasidReplay::operations() {
    static const std::vector<std::string> names{"install_capacity",
                                                "reserve_capacity",
                                                "cancel_capacity",
                                                "set_alloc",
                                                "set_free",
                                                "find_mm_set",
                                                "free_all_in_set",
                                                "set_for_each",
                                                "alloc",
                                                "alloc_n",
                                                "free",
                                                "get",
                                                "get_if_owned",
                                                "put",
                                                "find",
                                                "find_set",
                                                "find_by_spid",
                                                "attach_data",
                                                "detach_data",
                                                "set_data",
                                                "attach_spid",
                                                "detach_spid",
                                                "register_notifier",
                                                "unregister_notifier",
                                                "register_notifier_mm",
                                                "unregister_notifier_mm",
                                                "register_allocator",
                                                "unregister_allocator",
                                                "snapshot"};
    return names;
}

bool IoasidReplay::perform(const json& op, std::size_t line, json& got) {
    events_->clear();
    provided_->clear();
    answers_.clear();
    next_answer_ = 0;
    const std::string name = text_of(op, "op");
    for (const json& call : array_of(op, "prov")) {
        if (text_of(call, "call") == "alloc") {
            answers_.push_back(u32_of(call, "ret"));
        }
    }
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
        got["after"] = after(id_of(op, "id"));
    }
    got["events"] = *events_;
    got["prov"] = *provided_;
    note_gone(got);
    note_recorded(name, op, line);
    return true;
}

bool IoasidReplay::dispatch_capacity(const std::string& name, const json& op, json& got) {
    if (name == "install_capacity") {
        core_->install_capacity(ctx_, u32_of(op, "total"));
        got["ret"] = nullptr;
        got["capacity"] = core_->capacity();
    } else if (name == "reserve_capacity") {
        got["ret"] = from_count(core_->reserve_capacity(ctx_, u32_of(op, "n")));
    } else if (name == "cancel_capacity") {
        got["ret"] = from_count(core_->cancel_capacity(ctx_, u32_of(op, "n")));
    } else {
        return false;
    }
    got["available"] = core_->available();
    return true;
}

bool IoasidReplay::dispatch_sets(const std::string& name, const json& op, json& got) {
    if (name == "set_alloc") {
        const auto result = core_->set_alloc(ctx_, token_of(op, "token"), u32_of(op, "quota"),
                                             type_of(op), "set" + std::to_string(sets_.size() + 1));
        got["ret"] = negative(result.error());
        if (result.ok()) {
            remember(*result);
            got["set"] = sets_.size();
            got["got_quota"] = (*result)->quota();
        }
        got["available"] = core_->available();
    } else if (name == "set_free") {
        got["ret"] = negative(core_->set_free(ctx_, set_of(op)));
        got["available"] = core_->available();
    } else if (name == "find_mm_set") {
        const IoasidSet* set = core_->find_mm_set(ctx_, token_of(op, "token"));
        got["ret"] = set == nullptr ? json(0) : number_of(set);
    } else if (name == "free_all_in_set") {
        core_->free_all_in_set(ctx_, set_of(op));
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
    got["count"] = core_->set_for_each(ctx_, set_of(op), [&](Ioasid id) { ids.push_back(id); });
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
        const Ioasid id =
            core_->alloc(ctx_, set_of(op), id_of(op, "min"), id_of(op, "max"), data_of(op));
        got["ret"] = id.value();
        got["after"] = after(id);
    } else if (name == "alloc_n") {
        alloc_many(op, got);
    } else if (name == "free") {
        core_->free(ctx_, managed_ ? set_of(op) : nullptr, id_of(op, "id"));
        got["ret"] = nullptr;
    } else if (name == "get") {
        const Errno error =
            core_->get(ctx_, managed_ ? set_of(op) : nullptr, id_of(op, "id"), holder_);
        got["ret"] = managed_ ? json(negative(error)) : json();
    } else if (name == "get_if_owned") {
        got["ret"] =
            negative(core_->get_if_owned(ctx_, token_of(op, "mm"), id_of(op, "id"), holder_));
    } else if (name == "put") {
        got["ret"] = core_->put(ctx_, managed_ ? set_of(op) : nullptr, id_of(op, "id"), holder_);
    } else {
        return false;
    }
    return true;
}

void IoasidReplay::alloc_many(const json& op, json& got) {
    std::vector<Ioasid> ids;
    std::uint64_t failed = 0;
    const auto count = u64_of(op, "n", kMostAllocations);
    for (std::uint64_t i = 0; i < count; ++i) {
        const Ioasid id =
            core_->alloc(ctx_, set_of(op), id_of(op, "min"), id_of(op, "max"), data_of(op));
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
        const auto result = core_->find_set(ctx_, id_of(op, "id"));
        got["ret"] = result.ok() ? number_of(*result) : json(negative(result.error()));
    } else if (name == "find_by_spid") {
        const Ioasid id = core_->find_by_spid(ctx_, set_of(op), Spid{u32_of(op, "spid")},
                                              bool_of(op, "get"), holder_);
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
    const bool has_getter = !value_of(op, "getter").is_null();
    const std::string kind = has_getter ? text_of(op, "getter") : "accept";
    if (kind != "accept" && kind != "refuse") {
        refuse_choice("getter", kind, {"accept", "refuse"});
    }
    const bool accept = kind == "accept";
    const DataGetter getter = [&](void* data) {
        ++calls;
        seen = data;
        return accept;
    };
    const auto result =
        core_->find(ctx_, set_of(op), id_of(op, "id"), has_getter ? &getter : nullptr);
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
        got["ret"] = negative(core_->attach_data(ctx_, nullptr, id_of(op, "id"), data_of(op)));
    } else if (name == "set_data") {
        got["ret"] = negative(core_->set_data(ctx_, id_of(op, "id"), data_of(op)));
    } else if (name == "attach_spid") {
        got["ret"] =
            negative(core_->attach_spid(ctx_, nullptr, id_of(op, "id"), Spid{u32_of(op, "spid")}));
    } else if (name == "detach_data") {
        core_->detach_data(ctx_, id_of(op, "id"));
        got["ret"] = nullptr;
    } else if (name == "detach_spid") {
        core_->detach_spid(ctx_, id_of(op, "id"));
        got["ret"] = nullptr;
    } else {
        return false;
    }
    return true;
}

bool IoasidReplay::dispatch_notifiers(const std::string& name, const json& op, json& got) {
    if (name == "register_notifier") {
        got["ret"] = negative(core_->register_notifier(ctx_, set_of(op), block_of(op)));
    } else if (name == "unregister_notifier") {
        core_->unregister_notifier(ctx_, set_of(op), block_of(op));
        got["ret"] = nullptr;
    } else if (name == "register_notifier_mm") {
        got["ret"] =
            negative(core_->register_notifier_mm(ctx_, token_of(op, "token"), block_of(op)));
    } else if (name == "unregister_notifier_mm") {
        core_->unregister_notifier_mm(ctx_, token_of(op, "token"), block_of(op));
        got["ret"] = nullptr;
    } else {
        return false;
    }
    return true;
}

bool IoasidReplay::dispatch_allocators(const std::string& name, const json& op, json& got) {
    if (name != "register_allocator" && name != "unregister_allocator") {
        return false;
    }
    const std::string which = text_of(op, "name");
    const auto found = providers_.find(which);
    if (found == providers_.end()) {
        throw RecordingError(Code::UnknownComponent,
                             fmt::format("the header has no allocator \"{}\"", which));
    }
    if (name == "register_allocator") {
        got["ret"] = negative(core_->register_allocator(ctx_, *found->second));
    } else {
        core_->unregister_allocator(ctx_, *found->second);
        got["ret"] = nullptr;
    }
    return true;
}

}  // namespace ioasim::tools
