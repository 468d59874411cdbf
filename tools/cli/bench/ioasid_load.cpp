#include "tools/cli/bench/ioasid_load.hpp"

#include <malloc.h>

namespace ioasim::tools {

namespace {

TimePs no_clock() {
    return TimePs{};
}

constexpr Ioasid kLowest{1};
constexpr Ioasid kHighest{kDefaultIoasidCapacity - 1};

// A number below `bound` from 32 random bits.
std::size_t below(std::uint64_t bits, std::size_t bound) {
    return ((bits & 0xFFFFFFFF) * bound) >> 32U;
}

}  // namespace

class IoasidLoad::Block final : public NotifierBlock {
public:
    Block(int priority, std::uint64_t& heard)
        : NotifierBlock("block" + std::to_string(priority), priority), heard_(heard) {}
    NotifyResult handle(ExecContext&, const NotifierPayload&) override {
        ++heard_;
        return NotifyResult::Ok;
    }

private:
    std::uint64_t& heard_;
};

IoasidLoad::IoasidLoad(const LoadShape& shape)
    : shape_(shape),
      per_set_(shape.ids / shape.sets),
      ctx_(monitor_, "bench"),
      recorder_(no_clock),
      core_(std::make_unique<IoasidCore>("host", IoasidParams::zero_time(),
                                         Switches::preset(Profile::Spec), recorder_, probes_)),
      me_(core_->holder("bench")),
      ids_(shape.ids) {
    const auto quota = static_cast<std::uint32_t>(kDefaultIoasidCapacity / shape.sets);
    for (std::size_t i = 0; i < shape.sets; ++i) {
        sets_.push_back(*core_->set_alloc(ctx_, 0, quota, SetType::None, "set"));
    }
    if (!shape.handlers) {
        return;
    }
    for (const int priority : {kPriorityIommu, kPriorityCpu, kPriorityDevice}) {
        blocks_.push_back(std::make_unique<Block>(priority, heard_));
    }
    core_->register_notifier(ctx_, nullptr, *blocks_[0]);
    for (IoasidSet* set : sets_) {
        core_->register_notifier(ctx_, set, *blocks_[1]);
        core_->register_notifier(ctx_, set, *blocks_[2]);
    }
}

IoasidLoad::~IoasidLoad() = default;

// `count` times `each(core, set, place of an ID of that set)`, which returns something to add up.
// The state of the choice is local, so that a round costs no memory traffic of its own.
template <class Each>
std::uint64_t IoasidLoad::rounds(std::uint64_t count, Each each) {
    IoasidCore& core = *core_;
    Xorshift random = random_;
    IoasidSet* const* const sets = sets_.data();
    std::uint32_t* const ids = ids_.data();
    const std::size_t set_count = sets_.size();
    const std::size_t per_set = per_set_;
    std::uint64_t seen = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t bits = random.next();
        const std::size_t set = below(bits >> 32U, set_count);
        seen += each(core, sets[set], ids[set * per_set + below(bits, per_set)]);
    }
    random_ = random;
    seen_ += seen;
    return count;
}

std::uint64_t IoasidLoad::fill() {
    for (std::size_t i = 0; i < ids_.size(); ++i) {
        const std::size_t set = shape_.round_robin ? i % sets_.size() : i / per_set_;
        const std::size_t at = shape_.round_robin ? i / sets_.size() : i % per_set_;
        ids_[set * per_set_ + at] =
            core_->alloc(ctx_, sets_[set], kLowest, kHighest, nullptr).value();
    }
    return ids_.size();
}

std::uint64_t IoasidLoad::empty(std::uint64_t count) {
    return rounds(count, [](IoasidCore&, IoasidSet* set, std::uint32_t id) {
        return id + reinterpret_cast<std::uintptr_t>(set);
    });
}

std::uint64_t IoasidLoad::alloc_free_same(std::uint64_t count) {
    return rounds(count, [this](IoasidCore& core, IoasidSet* set, std::uint32_t) {
        const Ioasid id = core.alloc(ctx_, set, kLowest, kHighest, nullptr);
        core.free(ctx_, set, id);
        return id.value();
    });
}

std::uint64_t IoasidLoad::alloc_free_random(std::uint64_t count) {
    return rounds(count, [this](IoasidCore& core, IoasidSet* set, std::uint32_t& id) {
        const Ioasid fresh = core.alloc(ctx_, set, kLowest, kHighest, nullptr);
        core.free(ctx_, set, Ioasid{id});
        return id = fresh.value();
    });
}

std::uint64_t IoasidLoad::get_put(std::uint64_t count) {
    return rounds(count, [this](IoasidCore& core, IoasidSet* set, std::uint32_t id) {
        const Errno error = core.get(ctx_, set, Ioasid{id}, me_);
        const bool last = core.put(ctx_, set, Ioasid{id}, me_);
        return static_cast<std::uint32_t>(error) + (last ? 1U : 0U);
    });
}

std::uint64_t IoasidLoad::find(std::uint64_t count) {
    return rounds(count, [this](IoasidCore& core, IoasidSet* set, std::uint32_t id) {
        return static_cast<std::uint32_t>(core.find(ctx_, set, Ioasid{id}).error());
    });
}

std::uint64_t IoasidLoad::find_set(std::uint64_t count) {
    return rounds(count, [this](IoasidCore& core, IoasidSet*, std::uint32_t id) {
        return static_cast<std::uint32_t>(core.find_set(ctx_, Ioasid{id}).error());
    });
}

std::uint64_t IoasidLoad::life(std::uint64_t count) {
    return rounds(count, [this](IoasidCore& core, IoasidSet* set, std::uint32_t) {
        const Ioasid id = core.alloc(ctx_, set, kLowest, kHighest, nullptr);
        core.get(ctx_, set, id, me_);
        core.free(ctx_, set, id);
        return core.put(ctx_, set, id, me_) ? 1U : 0U;
    });
}

// --- SPIDs ------------------------------------------------------------------------------------

// An ID's SPID is its place in its set: the same SPIDs in every set.
std::uint64_t IoasidLoad::attach_spids(std::size_t sets, std::size_t per_set) {
    for (std::size_t set = 0; set < sets; ++set) {
        for (std::size_t i = 0; i < per_set; ++i) {
            core_->attach_spid(ctx_, sets_[set], Ioasid{ids_[set * per_set_ + i]},
                               Spid{static_cast<std::uint32_t>(i)});
        }
    }
    return sets * per_set;
}

std::uint64_t IoasidLoad::detach_spids(std::size_t sets, std::size_t per_set) {
    for (std::size_t set = 0; set < sets; ++set) {
        for (std::size_t i = 0; i < per_set; ++i) {
            core_->detach_spid(ctx_, Ioasid{ids_[set * per_set_ + i]});
        }
    }
    return sets * per_set;
}

std::uint64_t IoasidLoad::find_by_spid(std::uint64_t count, std::size_t sets, std::size_t per_set) {
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t bits = random_.next();
        const Spid spid{static_cast<std::uint32_t>(below(bits, per_set))};
        IoasidSet* set = sets_[below(bits >> 32U, sets)];
        seen_ += core_->find_by_spid(ctx_, set, spid, false).value();
    }
    return count;
}

std::uint64_t IoasidLoad::detach_attach(std::uint64_t count, std::size_t sets,
                                        std::size_t per_set) {
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t bits = random_.next();
        const std::size_t set = below(bits >> 32U, sets);
        const std::size_t at = below(bits, per_set);
        const Ioasid id{ids_[set * per_set_ + at]};
        core_->detach_spid(ctx_, id);
        core_->attach_spid(ctx_, sets_[set], id, Spid{static_cast<std::uint32_t>(at)});
    }
    return count;
}

std::size_t allocated_bytes() {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

}  // namespace ioasim::tools
