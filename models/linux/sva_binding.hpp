// One live PASID of one address space: the domain that group slots lead to (an SVA domain, or guest
// page tables), and the work items of its end. Which devices it is attached to stands in the PASID
// arrays of their groups and nowhere else.
#pragma once

#include <memory>
#include <string>

#include "core/ioasid/ioasid.hpp"
#include "models/linux/attach_handle.hpp"
#include "models/linux/sva.hpp"

namespace ioasim::os {

struct SvaBinding : PasidDomain, std::enable_shared_from_this<SvaBinding> {
    enum class State : std::uint8_t { Live, Unbinding, Dead };

    // A work item that may run until the ordered workqueue says it is done with it.
    class Work final : public WorkItem {
    public:
        using Step = void (Sva::*)(ExecContext&, SvaBinding&);
        Work(const std::string& name, Ioasid id, Sva& sva, SvaBinding& binding, Step step)
            : WorkItem(name, id), sva_(sva), binding_(binding), step_(step) {}
        void run(ExecContext& ctx) override {
            running_ = true;
            (sva_.*step_)(ctx, binding_);
        }
        void finished() override {
            running_ = false;
            sva_.drop_retired();  // may end this object
        }
        bool idle() const { return !pending() && !running_; }

    private:
        Sva& sva_;
        SvaBinding& binding_;
        Step step_;
        bool running_ = false;
    };

    SvaBinding(Sva& sva, DomainType kind, Ioasid ioasid, IoasidSet* owner_set, std::string owner);

    // Where those sleep who wait for its end.
    WaitQueue& end_of(const Kernel& kernel);
    bool idle() const { return free_work.idle() && teardown_work.idle(); }

    Ioasid id;
    IoasidSet* set;
    Spid spid = kNoSpid;
    bool spid_attached = false;
    std::uint64_t first_stage = 0;  // machine physical, or guest physical
    const SecondStage* stage2 = nullptr;
    State state = State::Live;
    bool fpd = false;
    Errno result = Errno::Ok;
    std::unique_ptr<WaitQueue> waits_for_end;  // made by who waits: there may be a million bindings
    Work free_work;                            // W1
    Work teardown_work;                        // W3
};

class IommuBlock final : public NotifierBlock {
public:
    explicit IommuBlock(Sva& sva) : NotifierBlock("iommu", kPriorityIommu), sva_(sva) {}
    NotifyResult handle(ExecContext& ctx, const NotifierPayload& payload) override;

private:
    Sva& sva_;
};

}  // namespace ioasim::os
