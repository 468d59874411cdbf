// An accepted descriptor on its way through workqueue and engine, and what all parts of a device
// share: parameters, the way to the fabric, the names in events.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/time.hpp"
#include "core/trace/recorder.hpp"
#include "models/dsa/dsa_config.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/dsa/dsa_params.hpp"
#include "models/pcie/pcie_if.hpp"

namespace ioasim::dsa {

struct Work {
    Descriptor descriptor;
    std::uint64_t number = 0;  // of this device, from 1
    std::uint32_t wq = 0;
    std::optional<Pasid> pasid;  // none: requests carry the requester id alone
    bool privileged = false;
    std::uint32_t max_transfer_shift = 0;  // of its workqueue
    TimePs accepted;
    TimePs ready;  // the arbiter sees it from here on
};

constexpr Pasid traced_pasid(const std::optional<Pasid>& pasid) {
    return pasid ? *pasid : Pasid{kInvalidIoasid};
}

// Where transactions leave the device.
class Fabric {
public:
    virtual ~Fabric() = default;
    // Returns when the way out is free for the next one, if nothing waits for credits.
    virtual TimePs send(TimePs now, pcie::Tlp tlp) = 0;
    // Writes wait for credits of the link: engines stop making more of them.
    virtual bool held_back() const { return false; }
};

// Interned names and the emitting source.
struct TraceNames {
    TraceNames(trace::Recorder& recorder, const DsaConfig& config);
    trace::Name device;
    std::vector<trace::Name> wqs;
    std::vector<trace::Name> engines;
    std::vector<trace::Name> ops;  // by opcode
    trace::Name source, destination, completion;
    trace::Name record, none, lost, abort;
};

struct DeviceShared {
    const DsaParams& params;
    const DsaConfig& config;
    Fabric& fabric;
    Probes& probes;
    trace::Recorder& recorder;
    SourceId event_source;
    const TraceNames& names;

    template <class E>
    void emit(const E& event) const {
        recorder.emit(event_source, event);
    }
};

}  // namespace ioasim::dsa
