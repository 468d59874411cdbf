// Isolation: what a device reads or writes belongs to the address space that the PASID of its
// descriptor stood for when the descriptor was accepted. Judged on host addresses where the request
// reached memory, whatever tables and caches said.
#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "traces/checkers.hpp"
#include "traces/event_text.hpp"
#include "traces/owner_map.hpp"

namespace ioasim::traces {
namespace {

constexpr std::uint64_t kInterruptBase = 0xFEE0'0000;  // writes there are interrupt messages
constexpr std::uint64_t kInterruptEnd = 0xFEF0'0000;

class IsolationChecker final : public Checker {
public:
    using Checker::Checker;
    const char* name() const override { return "isolation"; }
    void add_handlers(HandlerTable& table) override {
        on<IsolationChecker, trace::MemoryOwner, &IsolationChecker::on_owner>(table);
        on<IsolationChecker, trace::PasidSpace, &IsolationChecker::on_space>(table);
        on<IsolationChecker, trace::DsaAccess, &IsolationChecker::on_device_access>(table);
        on<IsolationChecker, trace::MemoryAccess, &IsolationChecker::on_access>(table);
    }

private:
    struct Change {
        std::uint64_t seq;
        std::uint32_t owner;
    };
    struct Space {
        std::uint64_t since = 0;  // sequence number
        std::uint32_t owner = 0;  // now; 0: none
        bool changed = false;     // it had other owners: `before_`
    };

    void on_owner(const trace::EventRecord& record) {
        owners_.assign(IOASIM_FIELD(record, MemoryOwner, address),
                       IOASIM_FIELD(record, MemoryOwner, bytes),
                       IOASIM_U32(record, MemoryOwner, owner));
    }

    void on_space(const trace::EventRecord& record) {
        if (c_.facts.from_guest(record)) {
            return;
        }
        any_space_ = true;
        const std::uint64_t key =
            pair_key(IOASIM_U32(record, PasidSpace, rid), IOASIM_U32(record, PasidSpace, pasid));
        Space& space = spaces_[key];
        if (space.since != 0) {
            std::vector<Change>& before = before_[key];
            if (before.size() >= kRemembered) {
                before.erase(before.begin());
            }
            before.push_back({space.since, space.owner});
            space.changed = true;
        }
        space.owner = IOASIM_U32(record, PasidSpace, owner);
        space.since = record.seq + 1;  // 0 stays free for "never told"
    }

    void on_device_access(const trace::EventRecord& record) {
        device_of_[IOASIM_FIELD(record, DsaAccess, rid)] = IOASIM_U32(record, DsaAccess, device);
    }

    // The space that the request stood for when its descriptor was accepted; without a descriptor,
    // the present one, or the last one while its translations are being flushed.
    std::uint32_t expected(std::uint64_t key, const Space& space,
                           const trace::EventRecord& record) {
        std::uint64_t when = ~std::uint64_t{0};
        const std::uint64_t descriptor = IOASIM_FIELD(record, MemoryAccess, descriptor);
        if (descriptor != 0) {
            const std::uint32_t* device = device_of_.find(IOASIM_FIELD(record, MemoryAccess, rid));
            const std::uint64_t* accepted =
                device == nullptr ? nullptr
                                  : c_.facts.accepted.find(pair_key(*device, as_u32(descriptor)));
            if (accepted != nullptr) {
                when = *accepted + 1;
            }
        }
        std::uint32_t owner = space.since <= when ? space.owner : 0;
        const std::vector<Change>* before = space.changed ? before_.find(key) : nullptr;
        for (std::size_t i = before == nullptr ? 0 : before->size(); owner == 0 && i-- > 0;) {
            if ((*before)[i].seq <= when) {
                owner = (*before)[i].owner;
            }
        }
        // Accepted before the PASID stood for anything: the space that it got then.
        return owner != 0 ? owner : space.owner;
    }

    void on_access(const trace::EventRecord& record) {
        const std::uint64_t address = IOASIM_FIELD(record, MemoryAccess, address);
        if (address >= kInterruptBase && address < kInterruptEnd) {
            return;
        }
        const std::uint32_t pasid = IOASIM_U32(record, MemoryAccess, pasid);
        const std::uint64_t key = pair_key(IOASIM_U32(record, MemoryAccess, rid), pasid);
        const Space* space = spaces_.find(key);
        const std::uint32_t wanted = space == nullptr ? 0 : expected(key, *space, record);
        if (wanted == 0) {
            // Requests without PASID are judged only where their space was told.
            if (pasid != kNoId && (c_.options.spaces_told || any_space_)) {
                complain("isolation.no_space", record,
                         "reached memory, but its PASID stands for no address space");
            }
            return;
        }
        const std::uint64_t end = address + IOASIM_FIELD(record, MemoryAccess, length);
        for (std::uint64_t at = address; at < end;) {
            const auto [owner, next] = owners_.find(at);
            if (owner == OwnerMap::kNobody) {
                complain(
                    "isolation.unowned_memory", record,
                    fmt::format("address space {} reached memory at 0x{:x} that belongs to nobody",
                                c_.sink.name(wanted), at));
                return;
            }
            const bool write = IOASIM_FIELD(record, MemoryAccess, write) != 0;
            if (owner != wanted && !may_reach(wanted, owner, write)) {
                complain("isolation.foreign_memory", record,
                         fmt::format("address space {} reached memory of {} at 0x{:x}",
                                     c_.sink.name(wanted), c_.sink.name(owner), at));
                return;
            }
            at = next;
        }
    }

    // Beyond equality: a kernel's own space covers its processes ("host" reaches "host/app"), and a
    // process inside a VM is backed by the VM's memory ("vm1/…" reaches "vm1"): the host does not
    // keep the processes of a guest apart. Pages that processes share since a fork ("a|b") may be
    // read by each of them and written by none.
    bool may_reach(std::uint32_t space, std::uint32_t owner, bool write) {
        std::uint32_t& memo = reach_memo_[2 * pair_key(space, owner) + (write ? 1 : 0)];
        if (memo == 0) {
            const std::string space_text = c_.sink.name(space);
            const std::string owner_text = c_.sink.name(owner);
            const auto inside = [](const std::string& inner, const std::string& outer) {
                return inner.size() > outer.size() && inner.compare(0, outer.size(), outer) == 0 &&
                       inner[outer.size()] == '/';
            };
            const bool fine = inside(owner_text, space_text) ||
                              (!c_.facts.is_host(owner) && inside(space_text, owner_text)) ||
                              (!write && shares(owner_text, space_text));
            memo = fine ? 2 : 1;
        }
        return memo == 2;
    }

    static bool shares(const std::string& owners, const std::string& space) {
        return owners.find('|') != std::string::npos &&
               ('|' + owners + '|').find('|' + space + '|') != std::string::npos;
    }

    void complain(const char* code, const trace::EventRecord& record, const std::string& what) {
        const std::uint32_t pasid = IOASIM_U32(record, MemoryAccess, pasid);
        const std::string text = fmt::format(
            "{} of function {}, descriptor {}: {}",
            IOASIM_FIELD(record, MemoryAccess, write) != 0 ? "a write" : "a read",
            format_rid(static_cast<std::uint16_t>(IOASIM_FIELD(record, MemoryAccess, rid))),
            IOASIM_FIELD(record, MemoryAccess, descriptor), what);
        if (pasid == kNoId) {
            c_.sink.report(code, record, "request without PASID", text);
        } else {
            c_.sink.report_id(code, record,
                              c_.facts.host_of_function(IOASIM_FIELD(record, MemoryAccess, rid)),
                              pasid, text);
        }
    }

    static constexpr std::size_t kRemembered = 16;  // former spaces of one PASID
    OwnerMap owners_;
    PagedMap<Space> spaces_;               // (rid, pasid)
    FlatMap<std::vector<Change>> before_;  // the same: older owners, oldest first
    bool any_space_ = false;               // was told
    FlatMap<std::uint32_t> device_of_;     // rid -> device
    FlatMap<std::uint32_t> reach_memo_;
};

}  // namespace

std::unique_ptr<Checker> make_isolation_checker(const CheckerContext& context) {
    return std::make_unique<IsolationChecker>(context);
}

}  // namespace ioasim::traces
