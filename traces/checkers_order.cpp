// Order: notification blocks by descending priority, ordered work in queueing order and one at a
// time, translation off before the PASID entry goes, no submission after KVM finished UNBIND, none
// to a dedicated workqueue that the host took from a VM and calls quiet, and no such workqueue set
// to an ID behind its UNBIND.
#include <algorithm>
#include <deque>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/checkers.hpp"

namespace ioasim::traces {
namespace {

class OrderChecker final : public Checker {
public:
    explicit OrderChecker(const CheckerContext& context)
        : Checker(context),
          queued_(c_.recorder.name("queued").value()),
          start_(c_.recorder.name("start").value()),
          done_(c_.recorder.name("done").value()),
          cancelled_(c_.recorder.name("cancelled").value()),
          begin_(c_.recorder.name("begin").value()) {}
    const char* name() const override { return "order"; }
    void add_handlers(HandlerTable& table) override {
        using Self = OrderChecker;
        on<Self, trace::IoasidAlloc, &Self::on_sent<trace::IoasidAlloc>>(table);
        on<Self, trace::IoasidBind, &Self::on_sent<trace::IoasidBind>>(table);
        on<Self, trace::IoasidUnbind, &Self::on_sent<trace::IoasidUnbind>>(table);
        on<Self, trace::IoasidFree, &Self::on_sent<trace::IoasidFree>>(table);
        on<Self, trace::IoasidHandler, &Self::on_handler>(table);
        on<Self, trace::IoasidWork, &Self::on_work>(table);
        on<Self, trace::IoasidReclaim, &Self::on_reclaim>(table);
        on<Self, trace::IommuReset, &Self::on_reset>(table);
        on<Self, trace::VtdPasidEntrySet, &Self::on_entry_set>(table);
        on<Self, trace::VtdPasidEntryClear, &Self::on_entry_clear>(table);
        on<Self, trace::CpuEnqcmd, &Self::on_enqcmd>(table);
        on<Self, trace::VmMigration, &Self::on_migration>(table);
        on<Self, trace::KvmTableWrite, &Self::on_table_write>(table);
        on<Self, trace::KvmUnbind, &Self::on_kvm_unbind>(table);
        on<Self, trace::VdevQuiet, &Self::on_queue_quiet>(table);
        on<Self, trace::VdevQueue, &Self::on_queue_set>(table);
        on<Self, trace::DsaWqState, &Self::on_wq_state>(table);
        on<Self, trace::DsaEnqueue, &Self::on_enqueue>(table);
    }

private:
    // The notification that a kernel delivers: one at a time, under the allocator lock.
    struct Notification {
        std::uint64_t id = 0;  // kind and ID
        std::uint32_t chain = 0;
        std::uint32_t priority = 0;
        bool any = false;
        std::vector<std::uint32_t> called;  // blocks, by name
    };

    template <class Event>
    void on_sent(const trace::EventRecord& record) {
        constexpr std::size_t kKernel = field_index(Event::kFieldList, "kernel");
        notifications_[as_u32(record.values[kKernel])].any = false;
    }

    void on_handler(const trace::EventRecord& record) {
        Notification& now = notifications_[IOASIM_FIELD(record, IoasidHandler, kernel)];
        const std::uint64_t id = pair_key(IOASIM_U32(record, IoasidHandler, notification),
                                          IOASIM_U32(record, IoasidHandler, ioasid));
        const std::uint32_t block = IOASIM_U32(record, IoasidHandler, block);
        const std::uint32_t chain = IOASIM_U32(record, IoasidHandler, chain);
        const std::uint32_t priority = IOASIM_U32(record, IoasidHandler, priority);
        bool again = false;  // the same block once more: an explicit notify sent it anew
        for (const std::uint32_t called : now.called) {
            again = again || called == block;
        }
        if (!now.any || now.id != id || again) {
            now.id = id;
            now.any = true;
            now.called.clear();
        } else if (priority > now.priority && (c_.options.spec_order || chain == now.chain)) {
            const auto kind = IOASIM_FIELD(record, IoasidHandler, notification);
            c_.sink.report_id(
                "order.priority", record, IOASIM_ID_SPACE(c_.facts, record, IoasidHandler),
                IOASIM_U32(record, IoasidHandler, ioasid),
                fmt::format("{}: {} of priority {} was called after {} of priority {}",
                            kind < std::size(trace::kIoasidNotificationLabels)
                                ? trace::kIoasidNotificationLabels[kind]
                                : "?",
                            c_.sink.name(block), priority, c_.sink.name(now.called.back()),
                            now.priority));
        }
        now.chain = chain;
        now.priority = priority;
        now.called.push_back(block);
    }

    struct Item {
        std::uint32_t work;
        std::uint32_t ioasid;
        bool operator==(const Item& other) const {
            return work == other.work && ioasid == other.ioasid;
        }
    };
    struct WorkQueue {
        std::deque<Item> waiting;
        Item running{};
        bool busy = false;
    };

    void on_work(const trace::EventRecord& record) {
        WorkQueue& queue = work_[IOASIM_FIELD(record, IoasidWork, kernel)];
        const Item item{IOASIM_U32(record, IoasidWork, work),
                        IOASIM_U32(record, IoasidWork, ioasid)};
        const std::uint32_t phase = IOASIM_U32(record, IoasidWork, phase);
        if (phase == queued_) {
            queue.waiting.push_back(item);
        } else if (phase == start_) {
            start_work(record, queue, item);
        } else if (phase == done_) {
            queue.busy = false;
        } else if (phase == cancelled_) {
            remove(queue.waiting, item);
        }
    }

    void start_work(const trace::EventRecord& record, WorkQueue& queue, const Item& item) {
        const auto complain = [&](const std::string& text) {
            c_.sink.report_id("order.work", record, IOASIM_U32(record, IoasidWork, kernel),
                              item.ioasid, text);
        };
        if (queue.busy) {
            complain(fmt::format("work {} starts while {} runs", c_.sink.name(item.work),
                                 c_.sink.name(queue.running.work)));
        }
        if (!queue.waiting.empty() && !(queue.waiting.front() == item)) {
            complain(fmt::format("work {} starts although {} for ID {} was queued before it",
                                 c_.sink.name(item.work), c_.sink.name(queue.waiting.front().work),
                                 queue.waiting.front().ioasid));
        }
        remove(queue.waiting, item);
        queue.busy = true;
        queue.running = item;
    }

    static void remove(std::deque<Item>& items, const Item& item) {
        for (auto at = items.begin(); at != items.end(); ++at) {
            if (*at == item) {
                items.erase(at);
                return;
            }
        }
    }

    // Before a function is reset its PASIDs are blocked, and stay attached
    // (iommu_dev_reset_prepare): that no processor submits for them is not asked for. What the
    // resetting task clears is meant. It counts as there until it is set again; what "done" did not
    // set was detached meanwhile, and what stays blocked stays attached, whatever else the task
    // resets then, until somebody resets the same function again.
    void on_reset(const trace::EventRecord& record) {
        if (c_.facts.from_guest(record)) {
            return;
        }
        const std::uint32_t phase = IOASIM_U32(record, IommuReset, phase);
        const std::uint32_t device = IOASIM_U32(record, IommuReset, device);
        if (phase == begin_) {
            resetting_[record.source] = device;
            return;
        }
        resetting_.erase(record.source);
        if (phase == done_) {
            drop_blocked([&](const Blocked& one) { return one.device == device; });
        }
    }

    void on_reclaim(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_U32(record, IoasidReclaim, kernel);
        const std::uint32_t pasid = IOASIM_U32(record, IoasidReclaim, ioasid);
        drop_blocked(
            [&](const Blocked& one) { return one.kernel == kernel && one.pasid == pasid; });
    }

    void on_entry_set(const trace::EventRecord& record) {
        if (!blocked_.empty() && !c_.facts.from_guest(record)) {
            blocked_.erase(entry_of<trace::VtdPasidEntrySet>(record));
        }
    }

    // An entry that a reset took out for a while: of whom, and of which function.
    struct Blocked {
        std::uint32_t kernel;
        std::uint32_t pasid;
        std::uint32_t device;
    };

    template <class Event>
    static std::uint64_t entry_of(const trace::EventRecord& record) {
        constexpr std::size_t kIommu = field_index(Event::kFieldList, "iommu");
        constexpr std::size_t kRid = field_index(Event::kFieldList, "rid");
        constexpr std::size_t kPasid = field_index(Event::kFieldList, "pasid");
        return entry_key(as_u32(record.values[kIommu]), as_u32(record.values[kRid]),
                         as_u32(record.values[kPasid]));
    }

    template <class Which>
    void drop_blocked(const Which& which) {
        for (auto at = blocked_.begin(); at != blocked_.end();) {
            at = which(at->second) ? blocked_.erase(at) : std::next(at);
        }
    }

    // With a PASID entry in a table, or one that comes back behind a reset.
    bool attached(const IdFacts& id, std::uint32_t kernel, std::uint32_t pasid) const {
        return id.entries != 0 ||
               std::any_of(blocked_.begin(), blocked_.end(), [&](const auto& one) {
                   return one.second.kernel == kernel && one.second.pasid == pasid;
               });
    }

    // Facts are up to date here: `entries` tells of the entries that are left. While one of several
    // devices is left, faults of the others are legal.
    void on_entry_clear(const trace::EventRecord& record) {
        if (!c_.options.spec_order || c_.facts.from_guest(record)) {
            return;
        }
        const std::uint32_t pasid = IOASIM_U32(record, VtdPasidEntryClear, pasid);
        const std::uint32_t kernel =
            c_.facts.host_of(IOASIM_U32(record, VtdPasidEntryClear, iommu));
        const auto reset = resetting_.find(record.source);
        if (reset != resetting_.end()) {
            if (!c_.facts.has_own_numbers(IOASIM_U32(record, VtdPasidEntryClear, rid))) {
                blocked_[entry_of<trace::VtdPasidEntryClear>(record)] = {kernel, pasid,
                                                                         reset->second};
            }
            return;
        }
        const IdFacts* id = c_.facts.hardware_id(kernel, pasid);
        if (id != nullptr && id->live && !attached(*id, kernel, pasid) &&
            (id->translations != 0 || id->kvm_bound)) {
            c_.sink.report_id("order.entry_before_cpu", record, kernel, pasid,
                              "its PASID entry was cleared while a VM's processors still translate "
                              "to it: submissions of running vCPUs turn into faults");
        }
    }

    // From KVM's UNBIND on no vCPU of that VM may send the ID, until the VM gets it again.
    void on_kvm_unbind(const trace::EventRecord& record) {
        set_quiet(IOASIM_U32(record, KvmUnbind, vm), IOASIM_U32(record, KvmUnbind, ioasid), true);
    }

    void on_table_write(const trace::EventRecord& record) {
        const std::uint64_t value = IOASIM_FIELD(record, KvmTableWrite, value);
        if ((value >> 31U & 1U) != 0) {
            set_quiet(IOASIM_U32(record, KvmTableWrite, vm), as_u32(value & 0xFFFFFU), false);
        }
    }

    void set_quiet(std::uint32_t vm, std::uint32_t id, bool quiet) {
        bool& now = quiet_[pair_key(vm, id)];
        any_quiet_ += (quiet ? 1U : 0U) - (now ? 1U : 0U);
        now = quiet;
    }

    // A virtual machine that moves: from the end of the drain until its vCPUs go on, nothing that
    // a guest submits may reach a device of the host that it leaves.
    void on_migration(const trace::EventRecord& record) {
        const auto phase =
            static_cast<trace::MigrationPhase>(IOASIM_FIELD(record, VmMigration, phase));
        const std::uint32_t vm = IOASIM_U32(record, VmMigration, vm);
        if (phase == trace::MigrationPhase::Drained) {
            drained_[vm] = 1;
        } else if (phase == trace::MigrationPhase::Resumed ||
                   phase == trace::MigrationPhase::Cancelled) {
            drained_.erase(vm);
        }
    }

    void on_enqcmd(const trace::EventRecord& record) {
        if (any_quiet_ == 0 && drained_.empty()) {
            return;
        }
        const auto outcome =
            static_cast<trace::EnqcmdOutcome>(IOASIM_FIELD(record, CpuEnqcmd, outcome));
        if (outcome != trace::EnqcmdOutcome::Accepted && outcome != trace::EnqcmdOutcome::Retry) {
            return;
        }
        const std::uint32_t vm = c_.facts.guest_of_name(IOASIM_U32(record, CpuEnqcmd, cpu));
        const std::uint32_t guest = vm != 0 ? vm : c_.facts.guest_of(record.source);
        const std::uint32_t pasid = IOASIM_U32(record, CpuEnqcmd, pasid);
        if (guest != 0 && drained_.find(guest) != nullptr &&
            outcome == trace::EnqcmdOutcome::Accepted) {
            c_.sink.report_id("order.submit_after_drain", record, c_.facts.host_of(guest), pasid,
                              fmt::format("a vCPU of {} sent it to a device that had been drained "
                                          "for the move to another host",
                                          c_.sink.name(guest)));
        }
        const bool* quiet = guest == 0 ? nullptr : quiet_.find(pair_key(guest, pasid));
        if (quiet != nullptr && *quiet) {
            c_.sink.report_id("order.submit_after_unbind", record, c_.facts.host_of(guest), pasid,
                              fmt::format("a vCPU of {} sent it to a device after KVM had finished "
                                          "UNBIND",
                                          c_.sink.name(guest)));
        }
    }

    // Behind the last PASID entry nobody takes the queue away any more: UNBIND was sent.
    void on_queue_set(const trace::EventRecord& record) {
        if (!c_.options.spec_order || IOASIM_FIELD(record, VdevQueue, on) == 0) {
            return;
        }
        const std::uint32_t kernel = c_.facts.host_of(IOASIM_U32(record, VdevQueue, vm));
        const std::uint32_t pasid = IOASIM_U32(record, VdevQueue, ioasid);
        const IdFacts* id = c_.facts.hardware_id(kernel, pasid);
        if (id != nullptr && id->live && !attached(*id, kernel, pasid)) {
            c_.sink.report_id(
                "order.queue_after_unbind", record, kernel, pasid,
                fmt::format("{}/{} was set to it for {} although its last PASID entry had gone",
                            c_.sink.name(IOASIM_U32(record, VdevQueue, device)),
                            c_.sink.name(IOASIM_U32(record, VdevQueue, wq)),
                            c_.sink.name(IOASIM_U32(record, VdevQueue, vm))));
        }
    }

    // Accepted or not: who sent it still could.
    void on_queue_quiet(const trace::EventRecord& record) {
        quiet_queues_[pair_key(IOASIM_U32(record, VdevQuiet, device),
                               IOASIM_U32(record, VdevQuiet, wq))] =
            IOASIM_U32(record, VdevQuiet, vm);
    }

    void on_wq_state(const trace::EventRecord& record) {
        if (!quiet_queues_.empty() && IOASIM_FIELD(record, DsaWqState, enabled) != 0) {
            quiet_queues_.erase(pair_key(IOASIM_U32(record, DsaWqState, device),
                                         IOASIM_U32(record, DsaWqState, wq)));
        }
    }

    void on_enqueue(const trace::EventRecord& record) {
        if (quiet_queues_.empty()) {
            return;
        }
        const std::uint32_t* vm = quiet_queues_.find(
            pair_key(IOASIM_U32(record, DsaEnqueue, device), IOASIM_U32(record, DsaEnqueue, wq)));
        if (vm != nullptr) {
            c_.sink.report(
                "order.submit_after_quiet", record,
                c_.sink.name(IOASIM_U32(record, DsaEnqueue, device)),
                fmt::format("a descriptor reached {}/{} after the host had taken the "
                            "workqueue from {}",
                            c_.sink.name(IOASIM_U32(record, DsaEnqueue, device)),
                            c_.sink.name(IOASIM_U32(record, DsaEnqueue, wq)), c_.sink.name(*vm)));
        }
    }

    std::uint32_t queued_;
    std::uint32_t start_;
    std::uint32_t done_;
    std::uint32_t cancelled_;
    std::uint32_t begin_;
    std::map<SourceId, std::uint32_t> resetting_;  // tasks that reset a function, and which
    std::map<std::uint64_t, Blocked> blocked_;     // by entry_key
    FlatMap<Notification> notifications_;          // by kernel
    FlatMap<WorkQueue> work_;                      // by kernel
    PagedMap<bool> quiet_;                         // (vm, ID)
    std::uint64_t any_quiet_ = 0;                  // how many of these
    FlatMap<std::uint32_t> drained_;               // VMs that move
    FlatMap<std::uint32_t> quiet_queues_;          // (device, workqueue) -> the VM that had it
};

}  // namespace

std::unique_ptr<Checker> make_order_checker(const CheckerContext& context) {
    return std::make_unique<OrderChecker>(context);
}

}  // namespace ioasim::traces
