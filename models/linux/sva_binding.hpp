// One live PASID of one address space: the domain that group slots lead to (an SVA domain, or guest
// page tables), and the work items of its end. Which devices it is attached to stands in the PASID
// arrays of their groups and nowhere else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/ioasid/ioasid.hpp"
#include "models/linux/attach_handle.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/sva.hpp"

namespace ioasim::os {

// An mm_struct that its process has left by exec, while bindings hold it.
struct LeftMm {
    std::uint32_t count = 0;
    IoasidSet* set = nullptr;
    std::vector<Ioasid> ids;
};

struct SvaBinding final : PasidDomain, std::enable_shared_from_this<SvaBinding> {
    enum class State : std::uint8_t { Live, Unbinding, Dead };

    // A work item that may run until the ordered workqueue says it is done with it.
    template <void (Sva::*kStep)(ExecContext&, SvaBinding&), const std::string& kName>
    class Work final : public WorkItem {
    public:
        explicit Work(SvaBinding& binding) : WorkItem(binding.id), binding_(binding) {}
        const std::string& name() const override { return kName; }
        void run(ExecContext& ctx) override {
            running_ = true;
            (binding_.sva.*kStep)(ctx, binding_);
        }
        void finished() override {
            running_ = false;
            binding_.sva.drop_retired();  // may end this object
        }
        bool idle() const { return !pending() && !running_; }

    private:
        bool running_ = false;
        SvaBinding& binding_;
    };
    static const std::string kFreeWork;
    static const std::string kTeardownWork;

    SvaBinding(Sva& owner, DomainType kind, Ioasid ioasid, IoasidSet* owner_set,
               trace::Name address_space);

    Errno set_dev_pasid(ExecContext& ctx, Device& device, Pasid /*pasid*/) override {
        return sva.set_entry(ctx, *this, device);
    }
    bool ending() const override { return released || state != State::Live; }
    // Where those sleep who wait for its end.
    WaitQueue& end_of(const Kernel& kernel);
    bool idle() const { return free_work.idle() && teardown_work.idle(); }

    Sva& sva;
    Ioasid id;
    Spid spid = kNoSpid;
    IoasidSet* set;
    std::uint64_t first_stage = 0;  // machine physical, or guest physical
    const SecondStage* stage2 = nullptr;
    Errno result = Errno::Ok;
    State state = State::Live;
    bool spid_attached = false;
    bool fpd = false;
    UnfinishedPasids::Unfinished unfinished;   // the number is not to be used again before
    std::shared_ptr<LeftMm> left_mm;           // null: the process still has the mm
    std::unique_ptr<WaitQueue> waits_for_end;  // made by who waits: there may be a million bindings
    Work<&Sva::on_free_work, kFreeWork> free_work;              // W1
    Work<&Sva::on_teardown_work, kTeardownWork> teardown_work;  // W3
};

class IommuBlock final : public NotifierBlock {
public:
    explicit IommuBlock(Sva& sva) : NotifierBlock("iommu", kPriorityIommu), sva_(sva) {}
    NotifyResult handle(ExecContext& ctx, const NotifierPayload& payload) override;

private:
    Sva& sva_;
};

}  // namespace ioasim::os
