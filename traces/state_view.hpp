// The event stream folded into state, and questions about it by path. Final-state expectations, the
// `query` verb and reports ask nothing else.
//
// Grammar:  path    := part { "." part }
//           part    := name [ "(" argument { "," argument } ")" ]
//           name    := letters, digits, '_', '-', '/'            argument := anything but ',' and
//           ')'
// Capital words below stand for names of the run, N for a number, RID for "00:02.0".
//
//   KERNEL.available  KERNEL.total  KERNEL.live                  pool of IDs
//   KERNEL.ioasid(N).state|refs|set|spid|holders                 an ID; FREE when it is in the pool
//   KERNEL.ioasid(N).holder(NAME)                                references of one holder
//   KERNEL.set(NAME).live|quota|exists                           a set
//   KERNEL.set(NAME).ioasid(N).state|refs                        an ID of a private set
//   VM.alive   VM.vmcs_pasid(N)                                  translation entry of a guest PASID
//   CPU.pasid  CPU.pasid_valid                                   IA32_PASID
//   IOMMU.pasid_entries  IOMMU.pasid_entry(RID,N)                present entries
//   IOMMU.cached(N)                                              cached entries of a PASID
//   IOMMU.faults  IOMMU.faults.recorded|suppressed  IOMMU.prq.head|tail
//   DEVICE.WQ.occupancy|enabled|shared|pasid|size
//   DEVICE.descriptors.accepted|retries|ended|completed|failed|aborted|lost|in_flight
//   DEVICE.descriptor(N).ended|status|how   DEVICE.faults
//   pasid_space(RID,N).owner  memory(ADDRESS).owner
//   process(NAME).alive|cause  program(NAME).steps|last
//   lock(NAME).acquired|contended|waited|longest|held
//   findings  findings(CODE)  hazards  run.reason  run.time
//
// Values as text: counts decimal, "none" for an Id without value, "0x800000C9" (capital digits),
// "true"/"false", texts as they are, times in picoseconds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/trace/recorder.hpp"

namespace ioasim::traces {

class Facts;

struct StateValue {
    enum class Kind : std::uint8_t { Count, Id, Hex, Bool, Text, Time };
    Kind kind = Kind::Count;
    std::uint64_t number = 0;
    std::string words;
    std::string text() const;
    std::string json() const;
};

struct StateAnswer {
    std::optional<StateValue> value;
    std::string error;              // why there is no value
    std::vector<std::string> near;  // names or forms that may have been meant
    std::string problem() const;    // error and near names in one line
};

class StateView final : public trace::Listener {
public:
    // `facts`: those of checkers that listen before this does, so that they are kept once.
    explicit StateView(trace::Recorder& recorder, Facts* facts = nullptr);
    ~StateView() override;
    StateView(const StateView&) = delete;
    StateView& operator=(const StateView&) = delete;

    void on_event(const trace::EventRecord& record) override;
    void add_handlers(const trace::EventInfo& info, std::vector<trace::Handler>& handlers) override;
    void on_end(TimePs end) override;
    std::uint32_t categories() const;

    // What the platform has although no event told of it: a unit that never had an entry, a machine
    // that did not start.
    void add_iommu(const std::string& name);
    void add_vm(const std::string& name);
    StateAnswer query(const std::string& path) const;
    // For messages: what there is to ask about ("host", "vm1", "dsa0", …).
    std::vector<std::string> components() const;

    struct Form {
        std::string path;  // "KERNEL.ioasid(N).state"
        std::string meaning;
    };
    static std::vector<Form> forms();
    // Whether a path can be asked at all, before any run. Empty: yes. Else what is wrong with it.
    static std::string check_path(const std::string& path);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ioasim::traces
