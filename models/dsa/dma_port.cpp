#include "models/dsa/dma_port.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/sim/module.hpp"
#include "core/trace/device_events.hpp"
#include "models/dsa/dsa_probes.hpp"

namespace ioasim::dsa {

DmaPort::DmaPort(const DeviceShared& shared)
    : shared_(shared), free_buffers_(shared.params.read_buffers), tags_(shared.params.read_tags) {
    for (std::size_t i = 0; i < tags_.size(); ++i) {
        free_tags_.push_back(static_cast<std::uint32_t>(i));
    }
}

void DmaPort::set_groups(const std::vector<GroupBuffers>& groups) {
    SIM_CHECK(outstanding_ == 0, "groups change with {} reads outstanding", outstanding_);
    groups_.clear();
    for (const GroupBuffers& group : groups) {
        // An operation with two sources reads from both at once: less than two would be nothing.
        groups_.push_back({group.reserved, std::max(group.allowed, 2U), 0});
    }
}

std::uint32_t DmaPort::max_read(std::uint32_t group, std::uint32_t parts) const {
    const DsaParams& p = shared_.params;
    const std::uint64_t buffers =
        shared_.probes.has(kReadBufferLimitIgnored) ? p.read_buffers : groups_.at(group).allowed;
    return static_cast<std::uint32_t>(
        std::min({p.max_read_request, buffers / parts * p.read_buffer_bytes,
                  std::uint64_t{shared_.function.view().max_read_request}}));
}

bool DmaPort::can_read(std::uint32_t group, std::uint32_t bytes, std::uint32_t parts) const {
    const std::uint64_t wanted = buffers_of(bytes) * parts;
    if (parts > free_tags_.size()) {
        return false;
    }
    if (shared_.probes.has(kReadBufferLimitIgnored)) {
        return wanted <= free_buffers_;
    }
    std::uint64_t kept = 0;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
        const Group& other = groups_[g];
        kept += g != group && other.used < other.reserved ? other.reserved - other.used : 0;
    }
    const Group& own = groups_.at(group);
    return own.used + wanted <= own.allowed && wanted + kept <= free_buffers_;
}

pcie::Tlp DmaPort::request(pcie::TlpKind kind, const Issuer& issuer, const Way& way,
                           std::uint32_t length) const {
    pcie::Tlp tlp;
    tlp.kind = kind;
    tlp.requester = shared_.config.rid;
    tlp.at = way.at;
    if (way.at == pcie::AddressType::Untranslated) {  // else the translation has taken their place
        tlp.pasid = issuer.pasid;
        tlp.privileged = issuer.privileged;
    }
    tlp.address = way.address;
    tlp.length = length;
    tlp.descriptor = issuer.descriptor;
    return tlp;
}

void DmaPort::read(TimePs now, const Issuer& issuer, std::uint64_t address, const Way& way,
                   const ReadOwner& owner, trace::Name purpose) {
    SIM_CHECK(buffers_of(owner.length) <= free_buffers_, "read of {} bytes with {} buffers",
              owner.length, free_buffers_);
    SIM_CHECK(owner.length <= bytes_to_page_end(address), "read across a page at {:#x}", address);
    const std::uint32_t tag = free_tags_.front();
    free_tags_.pop_front();
    tags_[tag].owner = owner;
    tags_[tag].owner->group = issuer.group;
    tags_[tag].translated = way.at == pcie::AddressType::Translated;
    tags_[tag].pasid = issuer.pasid;
    tags_[tag].address = address;
    deadlines_.push_back({now + shared_.params.completion_timeout, tag, ++tags_[tag].use});
    free_buffers_ -= buffers_of(owner.length);
    groups_.at(issuer.group).used += buffers_of(owner.length);
    ++outstanding_;
    pcie::Tlp tlp = request(pcie::TlpKind::MemRead, issuer, way, owner.length);
    tlp.tag = tag;
    shared_.emit(trace::DsaAccess{shared_.names.device, issuer.descriptor, shared_.config.rid,
                                  traced_pasid(issuer.pasid), Iova{address}, owner.length, false,
                                  purpose});
    shared_.fabric.send(now, std::move(tlp));
}

bool DmaPort::late(std::uint32_t tag) {
    if (tag >= tags_.size() || !tags_[tag].given_up) {
        return false;
    }
    shared_.probes.hit(kLateCompletion);
    free(tag);
    return true;
}

// In turn: of a completion that comes twice the second one finds nobody.
void DmaPort::free(std::uint32_t tag) {
    tags_[tag].given_up = false;
    if (shared_.probes.has(kTagUsedAtOnce)) {
        free_tags_.push_front(tag);
    } else {
        free_tags_.push_back(tag);
    }
}

void DmaPort::quarantine(TimePs now, std::uint32_t tag) {
    tags_[tag].given_up = true;
    if (!shared_.probes.has(kTagsLost)) {
        quarantine_.push_back({now + shared_.params.tag_quarantine, tag, tags_[tag].use});
    }
}

bool DmaPort::end_quarantine(TimePs now) {
    bool any = false;
    for (; !quarantine_.empty() && quarantine_.front().at <= now; quarantine_.pop_front()) {
        const Deadline& end = quarantine_.front();
        if (tags_[end.tag].given_up && tags_[end.tag].use == end.use) {
            free(end.tag);
            any = true;
        }
    }
    return any;
}

std::optional<ReadOwner> DmaPort::take(std::uint32_t tag) {
    if (tag >= tags_.size() || !tags_[tag].owner) {
        return std::nullopt;
    }
    const std::optional<ReadOwner> owner = std::exchange(tags_[tag].owner, std::nullopt);
    free(tag);
    ended(*owner);
    return owner;
}

std::optional<DmaPort::Overdue> DmaPort::give_up(TimePs now) {
    if (deadlines_.empty() || deadlines_.front().at > now) {
        return std::nullopt;
    }
    const std::uint32_t tag = deadlines_.front().tag;
    const std::optional<ReadOwner> owner = std::exchange(tags_[tag].owner, std::nullopt);
    quarantine(now, tag);
    shared_.probes.hit(kTimedOut);
    ended(*owner);
    return Overdue{*owner, tag};
}

std::optional<TimePs> DmaPort::next_deadline() const {
    std::optional<TimePs> next;
    if (!deadlines_.empty()) {
        next = deadlines_.front().at;
    }
    // Who reads from two sources needs two.
    if (!quarantine_.empty() && free_tags_.size() < 2) {
        next = sim::earliest(next, quarantine_.front().at);
    }
    return next;
}

void DmaPort::ended(const ReadOwner& owner) {
    free_buffers_ += buffers_of(owner.length);
    groups_.at(owner.group).used -= buffers_of(owner.length);
    --outstanding_;
    forget_answered();
}

void DmaPort::forget_answered() {
    while (!deadlines_.empty()) {
        const Tag& tag = tags_[deadlines_.front().tag];
        if (tag.owner && tag.use == deadlines_.front().use) {
            return;
        }
        deadlines_.pop_front();
    }
}

TimePs DmaPort::write(TimePs now, const Issuer& issuer, std::uint64_t address, const Way& way,
                      std::vector<std::uint8_t> data, trace::Name purpose, pcie::CacheHint hint) {
    const std::uint64_t payload =
        std::min<std::uint64_t>(shared_.params.max_payload, shared_.function.view().max_payload);
    TimePs free_at = now;
    std::size_t done = 0;
    while (done < data.size()) {
        const std::uint64_t at = address + done;
        const std::uint32_t to_page_end = bytes_to_page_end(at);
        const std::uint64_t wanted = std::min<std::uint64_t>(data.size() - done, payload);
        const auto length =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, to_page_end));
        if (length < wanted) {
            shared_.probes.hit(kPageSplit);
        }
        pcie::Tlp tlp =
            request(pcie::TlpKind::MemWrite, issuer, {way.at, way.address + done}, length);
        tlp.hint = hint;
        if (length == data.size()) {
            tlp.data = std::move(data);
            data.clear();
        } else {
            const auto first = data.begin() + static_cast<std::ptrdiff_t>(done);
            tlp.data.assign(first, first + length);
        }
        done += length;
        shared_.emit(trace::DsaAccess{shared_.names.device, issuer.descriptor, shared_.config.rid,
                                      traced_pasid(issuer.pasid), Iova{at}, length, true, purpose});
        free_at = shared_.fabric.send(now, std::move(tlp));
    }
    return free_at;
}

void DmaPort::reset(TimePs now) {
    for (std::size_t i = 0; i < tags_.size(); ++i) {
        if (std::exchange(tags_[i].owner, std::nullopt)) {
            quarantine(now, static_cast<std::uint32_t>(i));
        }
    }
    for (Group& group : groups_) {
        group.used = 0;
    }
    free_buffers_ = shared_.params.read_buffers;
    outstanding_ = 0;
    deadlines_.clear();
}

}  // namespace ioasim::dsa
