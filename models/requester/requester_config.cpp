#include "models/requester/requester_config.hpp"

#include "models/pcie/ats_layout.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::requester {
namespace {

using namespace pcie::config;

// A test function: base class FFh, "does not fit in any defined class" (PCI code and id
// assignment).
constexpr std::uint16_t kVendorId = 0x5251;
constexpr std::uint16_t kDeviceId = 0x0001;
constexpr std::uint32_t kClassCode = 0xFF'0000;

pcie::ConfigAbilities abilities_of(const RequesterParams& params) {
    pcie::ConfigAbilities a;
    a.vendor = kVendorId;
    a.device = kDeviceId;
    a.class_code = kClassCode;
    a.bar0_bytes = kBar0Bytes;
    a.max_payload = params.max_payload;
    a.ats = true;
    a.invalidate_queue_depth = pcie::kItagCount;
    a.global_invalidate = params.atc_global;
    a.pasid = true;
    a.pasid_width = static_cast<std::uint32_t>(params.pasid_width);
    a.pasid_execute = true;
    a.pasid_privileged = true;
    a.page_requests = true;
    a.page_request_capacity = static_cast<std::uint32_t>(params.page_capacity);
    return a;
}

}  // namespace

FunctionConfig::FunctionConfig(const RequesterParams& params, std::uint64_t bar0)
    : params_(params), space_(abilities_of(params)) {
    write(kBar0, static_cast<std::uint32_t>(bar0), 4);
    write(kBar0 + 4, static_cast<std::uint32_t>(bar0 >> 32U), 4);
    write(kDevCtl,
          kRelaxedOrder | kNoSnoopEnable | size_code(params.max_payload) << kMaxPayloadShift |
              size_code(params.max_read_request) << kMaxReadShift,
          2);
    write(kCommand, kMemorySpace | kBusMaster, 2);
}

pcie::ConfigOrders FunctionConfig::write(std::uint32_t offset, std::uint32_t value, unsigned size) {
    const pcie::ConfigOrders orders = space_.write(offset, value, size);
    view_ = space_.view();
    return orders;
}

std::optional<TimePs> FunctionConfig::completion_timeout() const {
    if (view_.timeout_disabled) {
        return std::nullopt;
    }
    const auto chosen = pcie::completion_timeout_of(view_.timeout_code);
    return chosen ? chosen : std::optional<TimePs>{params_.completion_timeout};
}

void FunctionConfig::set_pending(bool pending) {
    space_.set_status(kDevSta, kTransactionsPending, pending);
}

void FunctionConfig::begin_reset(TimePs now) {
    reset_until_ = now + params_.reset_time;
    space_.reset();
    view_ = space_.view();
}

}  // namespace ioasim::requester
