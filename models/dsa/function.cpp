#include "models/dsa/function.hpp"

#include "models/pcie/ats_layout.hpp"

namespace ioasim::dsa {
namespace {

using namespace pcie::config;

// A DSA of a Sapphire Rapids processor; base system peripheral, other.
constexpr std::uint16_t kVendorId = 0x8086;
constexpr std::uint16_t kDeviceId = 0x0B25;
constexpr std::uint32_t kClassCode = 0x08'8000;
constexpr std::uint32_t kPasidBits = 20;

pcie::ConfigAbilities abilities_of(const DsaParams& params, const DsaConfig& config) {
    pcie::ConfigAbilities a;
    a.vendor = kVendorId;
    a.device = kDeviceId;
    a.class_code = kClassCode;
    a.bar0_bytes = config.bar0.size != 0 ? config.bar0.size : a.bar0_bytes;
    a.bar2_bytes = config.bar2.size;
    a.max_payload = params.max_payload;
    a.ats = true;
    a.invalidate_queue_depth = pcie::kItagCount;
    a.global_invalidate = true;
    a.pasid = true;
    a.pasid_width = kPasidBits;
    a.pasid_privileged = true;
    a.page_requests = true;
    a.page_request_capacity = static_cast<std::uint32_t>(params.page_capacity);
    return a;
}

}  // namespace

Function::Function(const DsaParams& params, const DsaConfig& config)
    : bar0_(config.bar0.base), bar2_(config.bar2.base), space_(abilities_of(params, config)) {
    for (const auto& [offset, base] : {std::pair{kBar0, bar0_}, std::pair{kBar2, bar2_}}) {
        write(offset, static_cast<std::uint32_t>(base), 4);
        write(offset + 4, static_cast<std::uint32_t>(base >> 32U), 4);
    }
    write(kDevCtl,
          kRelaxedOrder | kNoSnoopEnable | size_code(params.max_payload) << kMaxPayloadShift |
              size_code(params.max_read_request) << kMaxReadShift,
          2);
    write(kCommand, kMemorySpace | kBusMaster, 2);
}

pcie::ConfigOrders Function::write(std::uint32_t offset, std::uint32_t value, unsigned size) {
    const pcie::ConfigOrders orders = space_.write(offset, value, size);
    view_ = space_.view();
    return orders;
}

void Function::begin_reset(TimePs until) {
    reset_until_ = until;
    space_.reset();
    view_ = space_.view();
}

}  // namespace ioasim::dsa
