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
#include "models/dsa/function.hpp"
#include "models/pcie/pcie_if.hpp"

namespace ioasim::dsa {

// Which entry of the batch that an engine works on.
struct BatchPlace {
    std::uint32_t engine = 0;
    std::uint32_t index = 0;
};

struct Work {
    Descriptor descriptor;
    std::optional<BatchPlace> batch;  // an entry: number, queue and PASID are those of the batch
    std::uint64_t number = 0;         // of this device, from 1
    std::uint32_t wq = 0;
    std::uint32_t group = 0;     // known when it is dispatched
    std::optional<Pasid> pasid;  // none: requests carry the requester id alone
    bool privileged = false;
    // Of its workqueue when it was accepted.
    std::uint32_t max_transfer_shift = 0;
    std::uint32_t max_batch_shift = 0;
    bool block_on_fault = false;
    bool ats = true;  // of its workqueue too; page requests likewise
    bool prs = true;
    bool stored_messages = false;   // its interrupt handle is one of interrupt message storage
    bool may_be_privileged = true;  // privileged mode of PASIDs was enabled when it was accepted
    std::uint64_t operations = ~std::uint64_t{0};  // bit N: opcode N is allowed

    TimePs accepted;
    TimePs ready;  // the arbiter sees it from here on

    bool allows(std::uint8_t opcode) const { return opcode < 64 && get_bit(operations, opcode); }
    bool is_batch() const { return descriptor.opcode == static_cast<std::uint8_t>(Opcode::Batch); }
};

constexpr Pasid traced_pasid(const std::optional<Pasid>& pasid) {
    return pasid ? *pasid : Pasid{kInvalidIoasid};
}

// An address as it stands in a request.
struct Way {
    pcie::AddressType at = pcie::AddressType::Untranslated;
    std::uint64_t address = 0;
};

// Where transactions leave the device.
class Fabric {
public:
    virtual ~Fabric() = default;
    // Returns when the way out is free for the next one, if nothing waits for credits.
    virtual TimePs send(TimePs now, pcie::Tlp tlp) = 0;
    // Writes wait for credits of the link: engines stop making more of them.
    virtual bool held_back() const { return false; }
    // What waits for credits of the link, completions excepted, is dropped and returned.
    virtual std::vector<pcie::Tlp> drop_requests(TimePs now) {
        static_cast<void>(now);
        return {};
    }
};

// Interned names and the emitting source.
struct TraceNames {
    TraceNames(trace::Recorder& recorder, const DsaConfig& config);
    trace::Name device;
    std::vector<trace::Name> wqs;
    std::vector<trace::Name> engines;
    std::vector<trace::Name> ops;  // by opcode
    trace::Name source, destination, completion, list, readback;
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
    const Function& function;

    template <class E>
    void emit(const E& event) const {
        recorder.emit(event_source, event);
    }
};

}  // namespace ioasim::dsa
