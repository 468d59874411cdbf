#include "tools/cli/report/lives.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/ioasid_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::tools::report {

#define IOASIM_LIFE_OF(record, Event)                                        \
    find({IOASIM_U32(record, Event, kernel), IOASIM_U32(record, Event, set), \
          IOASIM_U32(record, Event, ioasid)})

std::string Life::name() const {
    return fmt::format("{} {} ({})", kernel, ioasid, set);
}

std::string Life::anchor() const {
    std::string out = "id-";
    for (const char c : fmt::format("{}-{}-{}", kernel, ioasid, begin)) {
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        out += plain ? c : '-';
    }
    return out;
}

Lives::Lives(trace::Recorder& recorder)
    : recorder_(recorder), host_(recorder.name("host").value()) {
    on<trace::IoasidAlloc, &Lives::on_alloc>();
    on<trace::IoasidStateChange, &Lives::on_state>();
    on<trace::IoasidGet, &Lives::on_get>();
    on<trace::IoasidPut, &Lives::on_put>();
    on<trace::IoasidBind, &Lives::on_bind>();
    on<trace::IoasidUnbind, &Lives::on_unbind>();
    on<trace::IoasidFree, &Lives::on_free>();
    on<trace::IoasidFreeCall, &Lives::on_free_call>();
    on<trace::IoasidReclaim, &Lives::on_reclaim>();
    on<trace::KvmBind, &Lives::on_kvm_bind>();
    on<trace::KvmUnbind, &Lives::on_kvm_unbind>();
    on<trace::VtdPasidEntrySet, &Lives::on_entry_set>();
    on<trace::VtdPasidEntryClear, &Lives::on_entry_clear>();
    on<trace::VtdFault, &Lives::on_fault>();
}

Life* Lives::find(const Key& key) {
    const auto found = living_.find(key);
    return found == living_.end() ? nullptr : &lives_[found->second];
}

Life* Lives::of_host(std::uint64_t ioasid) {
    const auto found = host_living_.find(traces::as_u32(ioasid));
    return found == host_living_.end() ? nullptr : &lives_[found->second];
}

void Lives::mark(Life* life, const trace::EventRecord& record, const char* text) {
    if (life == nullptr) {
        return;
    }
    if (life->marks.size() == kParts) {
        ++life->left_out;
        return;
    }
    life->marks.push_back({record.time.ps(), record.seq, text});
}

void Lives::on_alloc(const trace::EventRecord& record) {
    const Key key{IOASIM_U32(record, IoasidAlloc, kernel), IOASIM_U32(record, IoasidAlloc, set),
                  IOASIM_U32(record, IoasidAlloc, ioasid)};
    if (lives_.size() == kLives) {
        ++left_out_;
        living_.erase(key);  // of a life before that had no end
        return;
    }
    Life life;
    life.kernel = name(IOASIM_NAME(record, IoasidAlloc, kernel));
    life.set = name(IOASIM_NAME(record, IoasidAlloc, set));
    life.ioasid = std::get<2>(key);
    life.begin = record.time.ps();
    lives_.push_back(std::move(life));
    living_[key] = lives_.size() - 1;
    if (std::get<0>(key) == host_) {
        host_living_[std::get<2>(key)] = lives_.size() - 1;
    }
    mark(&lives_.back(), record, "alloc");
    take(&lives_.back(), "owner", record.time.ps());
}

void Lives::on_state(const trace::EventRecord& record) {
    Life* life = IOASIM_LIFE_OF(record, IoasidStateChange);
    if (life == nullptr) {
        return;
    }
    if (!life->states.empty()) {
        life->states.back().end = record.time.ps();
        life->states.back().open = false;
    }
    const std::uint64_t to = IOASIM_FIELD(record, IoasidStateChange, to);
    if (static_cast<trace::IoasidState>(to) == trace::IoasidState::Free) {
        return;
    }
    if (life->states.size() == kParts) {
        ++life->left_out;
        return;
    }
    life->states.push_back({trace::kIoasidStateLabels[to], record.time.ps(), 0, 0, true});
}

void Lives::take(Life* life, const std::string& holder, std::uint64_t time) {
    if (life == nullptr) {
        return;
    }
    std::uint32_t& count = held_[{static_cast<std::size_t>(life - lives_.data()), holder}];
    ++count;
    if (count == 1 && life->holders.size() == kParts) {
        ++life->left_out;
        return;
    }
    if (count == 1) {
        life->holders.push_back({holder, time, 0, 1, true});
        return;
    }
    for (auto span = life->holders.rbegin(); span != life->holders.rend(); ++span) {
        if (span->name == holder) {
            span->most = std::max(span->most, count);
            return;
        }
    }
}

void Lives::drop(Life* life, const std::string& holder, std::uint64_t time) {
    if (life == nullptr) {
        return;
    }
    const auto count = held_.find({static_cast<std::size_t>(life - lives_.data()), holder});
    if (count == held_.end()) {
        return;  // puts what it never took: a finding tells that
    }
    if (--count->second != 0) {
        return;
    }
    held_.erase(count);
    for (auto span = life->holders.rbegin(); span != life->holders.rend(); ++span) {
        if (span->name == holder && span->open) {
            span->end = time;
            span->open = false;
            return;
        }
    }
}

void Lives::on_get(const trace::EventRecord& record) {
    take(IOASIM_LIFE_OF(record, IoasidGet), name(IOASIM_NAME(record, IoasidGet, holder)),
         record.time.ps());
}
void Lives::on_put(const trace::EventRecord& record) {
    drop(IOASIM_LIFE_OF(record, IoasidPut), name(IOASIM_NAME(record, IoasidPut, holder)),
         record.time.ps());
}

void Lives::on_bind(const trace::EventRecord& record) {
    mark(IOASIM_LIFE_OF(record, IoasidBind), record, "BIND");
}
void Lives::on_unbind(const trace::EventRecord& record) {
    mark(IOASIM_LIFE_OF(record, IoasidUnbind), record, "UNBIND");
}
void Lives::on_free(const trace::EventRecord& record) {
    mark(IOASIM_LIFE_OF(record, IoasidFree), record, "FREE");
}
void Lives::on_free_call(const trace::EventRecord& record) {
    if (IOASIM_FIELD(record, IoasidFreeCall, result) == 0) {
        mark(IOASIM_LIFE_OF(record, IoasidFreeCall), record, "ioasid_free");
    }
}

void Lives::on_reclaim(const trace::EventRecord& record) {
    const Key key{IOASIM_U32(record, IoasidReclaim, kernel), IOASIM_U32(record, IoasidReclaim, set),
                  IOASIM_U32(record, IoasidReclaim, ioasid)};
    Life* life = find(key);
    if (life == nullptr) {
        return;
    }
    mark(life, record, "reclaim");
    life->end = record.time.ps();
    life->reclaimed = true;
    for (Life::Span& state : life->states) {
        state.end = state.open ? life->end : state.end;
        state.open = false;
    }
    if (std::get<0>(key) == host_) {
        host_living_.erase(std::get<2>(key));
    }
    living_.erase(key);
}

void Lives::on_kvm_bind(const trace::EventRecord& record) {
    mark(of_host(IOASIM_FIELD(record, KvmBind, ioasid)), record, "KVM translates");
}
void Lives::on_kvm_unbind(const trace::EventRecord& record) {
    mark(of_host(IOASIM_FIELD(record, KvmUnbind, ioasid)), record, "KVM cleared");
}
void Lives::on_entry_set(const trace::EventRecord& record) {
    mark(of_host(IOASIM_FIELD(record, VtdPasidEntrySet, pasid)), record, "PASID entry set");
}
void Lives::on_entry_clear(const trace::EventRecord& record) {
    mark(of_host(IOASIM_FIELD(record, VtdPasidEntryClear, pasid)), record, "PASID entry cleared");
}
void Lives::on_fault(const trace::EventRecord& record) {
    if (Life* life = of_host(IOASIM_FIELD(record, VtdFault, pasid))) {
        ++life->faults;
    }
}

void Lives::on_end(TimePs end) {
    for (Life& life : lives_) {
        life.end = life.reclaimed ? life.end : std::max(end.ps(), life.begin);
        for (std::vector<Life::Span>* spans : {&life.states, &life.holders}) {
            for (Life::Span& span : *spans) {
                span.end = span.open ? std::max(end.ps(), span.begin) : span.end;
            }
        }
    }
}

void Lives::give(RunModel& model) {
    model.lives = std::move(lives_);
    model.lives_left_out = left_out_;
}

}  // namespace ioasim::tools::report
