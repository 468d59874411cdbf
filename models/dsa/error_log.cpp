#include "models/dsa/error_log.hpp"

#include <utility>

#include "core/trace/dsa_events.hpp"
#include "models/dsa/dsa_probes.hpp"

namespace ioasim::dsa {

namespace {

constexpr std::size_t kHeaderBytes = 32;

std::array<std::uint8_t, kLogEntryBytes> encode(const LoggedError& logged, bool batches) {
    const SoftwareError& e = logged.error;
    std::uint64_t q0 = 0;
    q0 = set_bit(q0, 2, e.descriptor_valid);
    q0 = set_bit(q0, 3, e.wq_valid);
    q0 = set_bit(q0, 4, e.batch);
    q0 = set_bit(q0, 5, e.write);
    q0 = set_bit(q0, 6, e.privileged);
    q0 = set_bit(q0, 7, true);  // the error's own information is there
    q0 = set_bits(q0, 15, 8, e.error);
    q0 = set_bits(q0, 23, 16, e.wq);
    q0 = set_bits(q0, 31, 24, batches ? logged.batch : 0);
    q0 = set_bits(q0, 39, 32, e.opcode);
    q0 = set_bits(q0, 59, 40, e.pasid);
    std::uint64_t q1 = e.batch_index;
    if (e.error == static_cast<std::uint8_t>(Status::InvalidFlags)) {
        q1 = set_bits(q1, 63, 32, e.invalid_flags);
    } else {
        q1 = set_bits(q1, 47, 32, logged.interrupt_handle);
        q1 = set_bit(q1, 48, logged.wanted_interrupt);
        q1 = set_bit(q1, 49, logged.stored_message);
        q1 = set_bit(q1, 50, logged.wanted_record);
        q1 = set_bit(q1, 51, batches && logged.first_of_batch);
    }
    std::array<std::uint8_t, kLogEntryBytes> bytes{};
    put_le(bytes, 0, 8, q0);
    put_le(bytes, 8, 8, q1);
    put_le(bytes, 16, 8, e.address);
    for (std::size_t i = 0; i < logged.record.size(); ++i) {
        bytes[kHeaderBytes + i] = logged.record[i];
    }
    return bytes;
}

}  // namespace

void ErrorLog::reset() {
    reset_configuration();
    restart();
}

void ErrorLog::reset_configuration() {
    config_ = {};
    held_.clear();
}

void ErrorLog::restart() {
    head_ = tail_ = 0;
    pending_ = false;
    held_.clear();
}

std::uint32_t ErrorLog::read(std::uint64_t offset) const {
    if (offset < reg::kEvlstatus) {
        const std::uint64_t q = config_[(offset - reg::kEvlcfg) / 8];
        return static_cast<std::uint32_t>(offset % 8 == 0 ? q : q >> 32U);
    }
    return offset % 8 == 0 ? head_ : tail_ | (pending_ ? 1U << (kEvlstatusPending - 32) : 0U);
}

void ErrorLog::write(std::uint64_t offset, std::uint32_t value, bool configurable) {
    if (offset >= reg::kEvlstatus) {
        if (offset % 8 == 0) {
            head_ = value & 0xFFFFU;
        } else if (get_bit(value, kEvlstatusPending - 32)) {
            pending_ = false;
        }
        return;
    }
    if (!configurable) {
        shared_.probes.hit(kConfigIgnored);
        return;
    }
    std::uint64_t& q = config_[(offset - reg::kEvlcfg) / 8];
    q = offset % 8 == 0 ? set_bits(q, 31, 0, value) : set_bits(q, 63, 32, value);
}

std::uint32_t ErrorLog::after_tail() const {
    return tail_ + 1 >= config().entries ? 0 : tail_ + 1;
}

bool ErrorLog::full() const {
    return after_tail() == head_ && !shared_.probes.has(kLogNeverFull);
}

bool ErrorLog::append(TimePs now, const LoggedError& logged) {
    if (!full()) {
        put(now, logged);
        return true;
    }
    shared_.probes.hit(kLogFull);
    if (!shared_.probes.has(kLogDrops)) {
        held_.push_back(logged);
    } else {
        shared_.emit(trace::DsaLog{shared_.names.device, tail_, logged.error.error, logged.number,
                                   Pasid{logged.error.pasid}, true});
    }
    return false;
}

bool ErrorLog::catch_up(TimePs now) {
    const bool any = !held_.empty() && !full();
    while (!held_.empty() && !full()) {
        put(now, held_.front());
        held_.pop_front();
    }
    return any;
}

bool ErrorLog::raise() {
    return !std::exchange(pending_, true);
}

void ErrorLog::put(TimePs now, const LoggedError& logged) {
    const EventLogConfig where = config();
    shared_.emit(trace::DsaLog{
        shared_.names.device, tail_, logged.error.error, logged.number,
        logged.error.descriptor_valid ? Pasid{logged.error.pasid} : Pasid{kInvalidIoasid}, false});
    const auto bytes = encode(logged, !shared_.probes.has(kBatchUnnamed));
    pcie::Tlp tlp;
    tlp.kind = pcie::TlpKind::MemWrite;
    tlp.requester = shared_.config.rid;
    if (where.pasid_enable) {
        tlp.pasid = Pasid{where.pasid};
        tlp.privileged = where.privileged;
    }
    tlp.address = where.base + tail_ * kLogEntryBytes;
    tlp.length = static_cast<std::uint32_t>(bytes.size());
    tlp.data.assign(bytes.begin(), bytes.end());
    shared_.fabric.send(now, std::move(tlp));
    tail_ = after_tail();
}

}  // namespace ioasim::dsa
