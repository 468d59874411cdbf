#include "models/linux/iommu_driver.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/trace/device_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/lock_unless.hpp"
#include "models/linux/page_request_service.hpp"
#include "models/pcie/config_layout.hpp"

namespace ioasim::os {
namespace {

namespace reg = vtd::reg;

// Of the entry that requests without PASID go by (RID_PASID of the context entries).
constexpr Pasid kRidPasid{0};
constexpr Pasid kNoPasid{kInvalidIoasid};  // in events

bool uses_second_stage(const vtd::PasidEntry& entry) {
    return entry.pgtt == vtd::TranslationType::SecondStage ||
           entry.pgtt == vtd::TranslationType::Nested;
}

}  // namespace

IommuDriver::IommuDriver(Kernel& kernel, std::string name, std::uint64_t registers)
    : kernel_(kernel),
      name_(std::move(name)),
      registers_(registers),
      lock_(SimLock::Kind::Spin, name_ + "/table_lock"),
      page_answers_(name_ + "/page_answers"),
      queue_(kernel, name_, registers) {}

IommuDriver::~IommuDriver() = default;

std::uint64_t IommuDriver::read(ExecContext& ctx, std::uint32_t offset, unsigned size) {
    return ctx.mmio_read(registers_ + offset, size);
}

void IommuDriver::write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
                        unsigned size) {
    ctx.mmio_write(registers_ + offset, value, size);
}

// --- bring-up -----------------------------------------------------------------------------------

Errno IommuDriver::command(ExecContext& ctx, std::uint32_t bit, bool on, std::uint32_t status) {
    const auto state =
        static_cast<std::uint32_t>(read(ctx, reg::kGsts, 4)) & vtd::gcmd::kStickyMask;
    write(ctx, reg::kGcmd, on ? state | bit : state & ~bit, 4);
    const TimePs deadline = ctx.now() + kernel_.params().iommu_timeout;
    while (((read(ctx, reg::kGsts, 4) & status) != 0) != on) {
        if (ctx.now() >= deadline) {
            return Errno::Etimedout;
        }
        ctx.spend(kernel_.params().iommu_poll);
    }
    return Errno::Ok;
}

Errno IommuDriver::probe(ExecContext& ctx, bool scalable) {
    Frame frame{ctx, "iommu_probe"};
    scalable_ = scalable;
    cap_ = read(ctx, reg::kCap, 8);
    ecap_ = read(ctx, reg::kEcap, 8);
    const bool usable = vtd::ecap::kQi.get(ecap_) != 0 && vtd::ecap::kSmts.get(ecap_) != 0 &&
                        vtd::ecap::kPasid.get(ecap_) != 0 && vtd::ecap::kFsts.get(ecap_) != 0;
    if (!usable) {
        return Errno::Enodev;
    }
    const auto root = kernel_.alloc_pages(ctx);
    if (!root) {
        return root.error();
    }
    root_ = *root;
    Errno error = queue_.prepare(ctx);
    if (error == Errno::Ok) {
        error = command(ctx, vtd::gcmd::kQie, true, vtd::gcmd::kQie);
    }
    if (error == Errno::Ok) {
        error = set_root_table(ctx);
    }
    if (error == Errno::Ok && scalable_ && vtd::ecap::kPrs.get(ecap_) != 0) {
        page_requests_ = std::make_unique<PageRequestService>(kernel_, *this);
        error = page_requests_->start(ctx);
    }
    if (error == Errno::Ok) {
        error = command(ctx, vtd::gcmd::kTe, true, vtd::gcmd::kTe);
    }
    ready_ = error == Errno::Ok;
    return error;
}

Errno IommuDriver::set_root_table(ExecContext& ctx) {
    write(ctx, reg::kRtaddr,
          vtd::rtaddr::make(Hpa{root_},
                            scalable_ ? vtd::TableMode::Scalable : vtd::TableMode::Legacy),
          8);
    const Errno error = command(ctx, vtd::gcmd::kSrtp, true, vtd::gcmd::kSrtp);
    if (error != Errno::Ok || vtd::cap::kEsrtps.get(cap_) != 0) {
        return error;  // with ESRTPS the unit flushed its caches itself
    }
    return flush_everything(ctx);
}

Errno IommuDriver::flush_everything(ExecContext& ctx) {
    // Each with a wait of its own, as Linux does; the order alone would hold within one submission.
    for (const vtd::Descriptor& descriptor :
         {vtd::context_cache_invalidate(vtd::ContextGranularity::Global),
          vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Global),
          vtd::iotlb_invalidate(vtd::IotlbGranularity::Global)}) {
        const Errno error = queue_.submit(ctx, {descriptor});
        if (error != Errno::Ok) {
            return error;
        }
    }
    return Errno::Ok;
}

// --- context entries ----------------------------------------------------------------------------

unsigned IommuDriver::pasid_bits() const {
    return std::min(20U, static_cast<unsigned>(vtd::ecap::kPss.get(ecap_)) + 1);
}

Result<std::uint64_t> IommuDriver::context_entry(ExecContext& ctx, Rid rid) {
    const std::uint64_t half =
        vtd::root_entry_address(Hpa{root_}, rid).value() + (vtd::uses_upper_table(rid) ? 8 : 0);
    std::uint64_t entry = ctx.load(half, 8);
    if ((entry & 1U) == 0) {
        const auto page = kernel_.alloc_pages(ctx);
        if (!page) {
            return page.error();
        }
        entry = *page | 1U;
        ctx.store(half, entry, 8);
    }
    return vtd::context_entry_address(Hpa{entry & vtd::kTableAddress}, rid).value();
}

Errno IommuDriver::attach(ExecContext& ctx, Device& device) {
    SIM_CHECK(ready_, "{} attached to {} before it was probed", device.name(), name_);
    if (!scalable_) {
        return attach_legacy(ctx, device);
    }
    const unsigned bits = std::max(13U, pasid_bits());
    const std::uint64_t bytes = (std::uint64_t{1} << (bits - 6)) * vtd::kDirectoryEntryBytes;
    const auto directory = kernel_.alloc_pages(ctx, std::max<std::uint64_t>(1, bytes / kPageSize));
    if (!directory) {
        return directory.error();
    }
    LockGuard guard{ctx, lock_};
    const auto address = context_entry(ctx, device.rid());
    if (!address) {
        return address.error();
    }
    vtd::ContextEntry entry;
    entry.present = true;
    entry.dte = device.ats();
    entry.pre = device.ats() && page_requests_ != nullptr;
    entry.paside = true;
    entry.pdts = static_cast<std::uint8_t>(bits - 13);
    entry.directory = Hpa{*directory};
    const vtd::ContextQwords words = vtd::encode(entry);
    for (std::size_t i = words.size(); i-- > 0;) {
        ctx.store(*address + i * 8, words.at(i), 8);  // the quadword with P is the last
    }
    directories_[device.rid().value()] = *directory;
    if (caching_mode()) {
        const Errno error =
            queue_.submit(ctx, {vtd::context_cache_invalidate(vtd::ContextGranularity::Device,
                                                              DomainId{0}, device.rid()),
                                vtd::iotlb_invalidate(vtd::IotlbGranularity::Domain, DomainId{0})});
        if (error != Errno::Ok) {
            return error;
        }
    }
    enable_device(ctx, device);
    return Errno::Ok;
}

// PASIDs first: their controls are locked while ATS is enabled (PCI Express 10.5.1.3). Then page
// requests, reset beforehand, and ATS last, as Linux's iommu_enable_pci_caps.
void IommuDriver::enable_device(ExecContext& ctx, Device& device) {
    namespace config = pcie::config;
    const std::uint64_t configuration = device.setup().configuration;
    if (configuration == 0) {
        // Assigned: the host has enabled what the function has.
        device.set_page_requests(device.ats() && page_requests_ != nullptr);
        return;
    }
    const std::uint64_t capability = ctx.mmio_read(configuration + config::kPasidCap, 2);
    device.set_pasid_bits(static_cast<unsigned>(vtd::Field{12, 8}.get(capability)));
    if (scalable_ && device.max_pasids() != 0) {
        ctx.mmio_write(configuration + config::kPasidCtl, config::kPasidEnable, 2);
    }
    if (!device.ats()) {
        return;
    }
    if (page_requests_ != nullptr) {
        page_requests_->switch_on(ctx, device);
    }
    ctx.mmio_write(configuration + config::kAtsCtl, config::kAtsEnable, 2);
}

// --- PASID entries ------------------------------------------------------------------------------

Result<std::uint64_t> IommuDriver::entry_address(ExecContext& ctx, const Device& device,
                                                 Pasid pasid, bool allocate) {
    const auto directory = directories_.find(device.rid().value());
    if (directory == directories_.end()) {
        return Errno::Enodev;
    }
    if (pasid.value() >> pasid_bits() != 0) {
        return Errno::Einval;
    }
    const std::uint64_t slot = vtd::directory_entry_address(Hpa{directory->second}, pasid).value();
    vtd::DirectoryEntry entry = vtd::decode_directory(ctx.load(slot, 8));
    if (!entry.present) {
        if (!allocate) {
            return Errno::Enoent;
        }
        const auto page = kernel_.alloc_pages(ctx);
        if (!page) {
            return page.error();
        }
        entry.present = true;
        entry.table = Hpa{*page};
        ctx.store(slot, vtd::encode(entry), 8);
    }
    return vtd::pasid_entry_address(entry.table, pasid).value();
}

Result<vtd::PasidEntry> IommuDriver::read_entry(ExecContext& ctx, const Device& device,
                                                Pasid pasid) {
    const auto address = entry_address(ctx, device, pasid, false);
    if (!address) {
        return address.error();
    }
    vtd::PasidQwords words{};
    ctx.read_bytes(*address, words.data(), sizeof(words));
    return vtd::decode_pasid_entry(words);
}

void IommuDriver::tell_entry(ExecContext& ctx, const Device& device, Pasid pasid,
                             const vtd::PasidEntry& entry) {
    if (kernel_.is_guest()) {
        kernel_.emit(ctx, trace::GuestPasidEntry{kernel_.intern(kernel_.name()), device.rid(),
                                                 pasid, entry.present});
    } else if (entry.present) {
        kernel_.emit(ctx,
                     trace::VtdPasidEntrySet{kernel_.intern(name_), device.rid(), pasid, entry.did,
                                             static_cast<std::uint32_t>(entry.pgtt)});
    } else {
        kernel_.emit(
            ctx, trace::VtdPasidEntryClear{kernel_.intern(name_), device.rid(), pasid, entry.fpd});
    }
}

void IommuDriver::tell_space(ExecContext& ctx, const Device& device, Pasid pasid,
                             const std::string& space) {
    if (!kernel_.is_guest()) {  // a guest's numbers mean nothing on the real bus
        kernel_.emit(ctx, trace::PasidSpace{device.rid(), pasid == kRidPasid ? kNoPasid : pasid,
                                            kernel_.intern(space)});
    }
}

Errno IommuDriver::install(ExecContext& ctx, const Device& device, Pasid pasid,
                           const vtd::PasidEntry& entry, const std::string& space) {
    Frame frame{ctx, "pasid_entry_set"};
    {
        const LockUnless guard{ctx, lock_, kernel_.probes(), kTableUnlocked};
        const auto address = entry_address(ctx, device, pasid, true);
        if (!address) {
            return address.error();
        }
        const vtd::PasidQwords words = vtd::encode(entry);
        if ((ctx.load(*address, 8) & vtd::pasid_entry::kP.mask()) != 0) {
            vtd::PasidQwords known{};
            ctx.read_bytes(*address, known.data(), sizeof(known));
            return used_by_others(device, pasid) && known == words ? Errno::Ok : Errno::Ebusy;
        }
        for (std::size_t i = 3; i-- > 1;) {
            ctx.store(*address + i * 8, words.at(i), 8);
        }
        for (const Device* each : sharing(device)) {
            tell_space(ctx, *each, pasid, space);
        }
        ctx.store(*address, words[0], 8);
        for (const Device* each : sharing(device)) {
            tell_entry(ctx, *each, pasid, entry);
        }
    }
    return caching_mode() ? flush_new_entry(ctx, pasid, entry.did) : Errno::Ok;
}

Errno IommuDriver::flush_new_entry(ExecContext& ctx, Pasid pasid, DomainId did) {
    return queue_.submit(
        ctx, {vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Pasid, did, pasid),
              vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Pasid, did, pasid)});
}

Errno IommuDriver::set_first_stage(ExecContext& ctx, const Device& device, Pasid pasid,
                                   std::uint64_t page_table, const std::string& space) {
    if (pasid == kRidPasid) {
        return Errno::Einval;
    }
    vtd::PasidEntry entry;
    entry.present = true;
    // Means nothing to the first stage, but is reserved in a unit without a second one.
    entry.aw = vtd::ecap::kSsts.get(ecap_) != 0 ? vtd::kAddressWidth48 : 0;
    entry.pgtt = vtd::TranslationType::FirstStage;
    entry.did = kFirstStageDid;
    entry.pwsnp = vtd::ecap::kSmpwcs.get(ecap_) != 0;
    entry.first_stage = page_table;
    return install(ctx, device, pasid, entry, space);
}

Errno IommuDriver::set_nested(ExecContext& ctx, const Device& device, Pasid pasid, Gpa page_table,
                              const SecondStage& stage2, const std::string& space) {
    if (vtd::ecap::kNest.get(ecap_) == 0 || stage2.root == 0 || pasid == kRidPasid) {
        return Errno::Einval;
    }
    if (!knows(stage2.did)) {
        return Errno::Enospc;  // more domains than the unit can tell apart
    }
    vtd::PasidEntry entry;
    entry.present = true;
    entry.aw = vtd::kAddressWidth48;
    entry.pgtt = vtd::TranslationType::Nested;
    entry.second_stage = Hpa{stage2.root};
    entry.did = stage2.did;
    entry.pwsnp = vtd::ecap::kSmpwcs.get(ecap_) != 0;
    entry.first_stage = page_table.value();
    return install(ctx, device, pasid, entry, space);
}

Errno IommuDriver::set_second_stage(ExecContext& ctx, const Device& device, Pasid pasid,
                                    const SecondStage& stage, const std::string& space) {
    if (!knows(stage.did)) {
        return Errno::Enospc;
    }
    vtd::PasidEntry entry;
    entry.present = true;
    entry.aw = stage.aw;
    entry.pgtt = vtd::TranslationType::SecondStage;
    entry.second_stage = Hpa{stage.root};
    entry.did = stage.did;
    entry.pwsnp = vtd::ecap::kSmpwcs.get(ecap_) != 0;
    return install(ctx, device, pasid, entry, space);
}

bool IommuDriver::knows(DomainId did) const {
    const unsigned bits = 4 + 2 * static_cast<unsigned>(vtd::cap::kNd.get(cap_));
    return did.value() >> bits == 0;
}

SecondStageFormat IommuDriver::second_stage_format() const {
    const std::uint64_t widths = vtd::cap::kSagaw.get(cap_);
    for (const std::uint8_t aw :
         {vtd::kAddressWidth57, vtd::kAddressWidth48, vtd::kAddressWidth39}) {
        if ((widths >> aw & 1U) != 0 && vtd::ecap::kSsts.get(ecap_) != 0) {
            const unsigned taken = static_cast<unsigned>(vtd::cap::kMgaw.get(cap_)) + 1;
            return {2U + aw, aw, bit_mask(std::min(30U + 9U * aw, taken) - 1, 0)};
        }
    }
    return {};
}

Errno IommuDriver::set_second_stage(ExecContext& ctx, const Device& device,
                                    const SecondStage& stage2, const std::string& space) {
    if (!knows(stage2.did)) {
        return Errno::Enospc;
    }
    vtd::PasidEntry entry;
    entry.present = true;
    entry.aw = second_stage_format().aw;
    entry.pgtt = vtd::TranslationType::SecondStage;
    entry.second_stage = Hpa{stage2.root};
    entry.did = stage2.did;
    entry.pwsnp = vtd::ecap::kSmpwcs.get(ecap_) != 0;
    return install(ctx, device, kRidPasid, entry, space);
}

Errno IommuDriver::clear_second_stage(ExecContext& ctx, const Device& device) {
    return teardown(ctx, device, kRidPasid, false);
}

Errno IommuDriver::flush_second_stage(ExecContext& ctx, DomainId did, const IovaRange& range,
                                      const std::vector<Device*>& devices) {
    // The smallest aligned block of 2^mask pages that holds the range.
    const std::uint64_t first = range.first / kPageSize;
    const std::uint64_t last = range.last / kPageSize;
    unsigned mask = 0;
    while (first >> mask != last >> mask) {
        ++mask;
    }
    const bool by_pages = vtd::cap::kPsi.get(cap_) != 0 && mask <= vtd::cap::kMamv.get(cap_);
    std::vector<vtd::Descriptor> descriptors{
        by_pages ? vtd::iotlb_invalidate(vtd::IotlbGranularity::Page, did,
                                         (first >> mask << mask) * kPageSize, mask)
                 : vtd::iotlb_invalidate(vtd::IotlbGranularity::Domain, did)};
    for (const Device* device : devices) {
        if (device->has_tlb() && &device->iommu() == this) {
            descriptors.push_back(
                vtd::device_tlb_invalidate(device->rid(), vtd::kWholeAddressSpace, true));
        }
    }
    return queue_.submit(ctx, descriptors);
}

Errno IommuDriver::flush_device_tlb(ExecContext& ctx, const Device& device, Pasid pasid) {
    if (device.disconnected()) {
        return Errno::Ok;
    }
    return queue_.submit(ctx, {vtd::pasid_device_tlb_invalidate(device.rid(), pasid,
                                                                vtd::kWholeAddressSpace, true)});
}

Errno IommuDriver::teardown(ExecContext& ctx, const Device& device, Pasid pasid, bool fpd,
                            TableLock hold) {
    Frame frame{ctx, "pasid_entry_teardown"};
    if (used_by_others(device, pasid)) {
        const Errno flushed = flush_pasid(ctx, device, pasid);
        const Errno drained = drain_page_requests(ctx, device, pasid);
        return flushed != Errno::Ok ? flushed : drained;
    }
    std::optional<LockGuard> guard{std::in_place, ctx, lock_};
    const Errno cleared = clear_entry(ctx, device, pasid, fpd, hold, guard);
    if (cleared == Errno::Enoent && !forget_disabled(ctx, device, pasid, fpd)) {
        return cleared;
    }
    if (hold == TableLock::ForTables) {
        guard.reset();
    }
    const Errno drained = drain_page_requests(ctx, device, pasid);
    if (cleared == Errno::Enoent) {
        return drained;
    }
    for (const Device* each : sharing(device)) {
        tell_space(ctx, *each, pasid, "");
    }
    return cleared != Errno::Ok ? cleared : drained;
}

// An entry that exit_mm disabled (disable_entry) is told from one that nobody made by its FPD.
bool IommuDriver::forget_disabled(ExecContext& ctx, const Device& device, Pasid pasid, bool fpd) {
    const auto address = entry_address(ctx, device, pasid, false);
    if (!address || vtd::pasid_entry::kFpd.get(ctx.load(*address, 8)) == 0) {
        return false;
    }
    ctx.store(*address, vtd::pasid_entry::kFpd.make(fpd ? 1 : 0), 8);
    return true;
}

Errno IommuDriver::disable_entry(ExecContext& ctx, const Device& device, Pasid pasid) {
    Frame frame{ctx, "pasid_entry_disable"};
    const bool fpd = !kernel_.probes().has(kReleaseWithoutFpd);
    std::optional<LockGuard> guard{std::in_place, ctx, lock_};
    const Errno error = clear_entry(ctx, device, pasid, fpd, TableLock::ForTables, guard);
    if (error != Errno::Enoent) {
        tell_space(ctx, device, pasid, "");
        return error;
    }
    // Not present already, while the function is being reset: what it still asks for fails in
    // silence all the same.
    const auto address = entry_address(ctx, device, pasid, false);
    if (!address) {
        return error;
    }
    ctx.store(*address, vtd::pasid_entry::kFpd.make(fpd ? 1 : 0), 8);
    return Errno::Ok;
}

// With `guard` held; without Throughout it is let go while caches are flushed.
Errno IommuDriver::clear_entry(ExecContext& ctx, const Device& device, Pasid pasid, bool fpd,
                               TableLock hold, std::optional<LockGuard>& guard) {
    const auto address = entry_address(ctx, device, pasid, false);
    if (!address) {
        return address.error();
    }
    vtd::PasidQwords words{};
    ctx.read_bytes(*address, words.data(), sizeof(words));
    const vtd::PasidEntry old = vtd::decode_pasid_entry(words);
    if (!old.present) {
        return Errno::Enoent;
    }
    vtd::PasidEntry gone = old;
    gone.present = false;
    gone.fpd = fpd;
    ctx.store(*address, vtd::encode(gone)[0], 8);
    for (const Device* each : sharing(device)) {
        tell_entry(ctx, *each, pasid, gone);
    }
    if (hold == TableLock::ForTables) {
        guard.reset();
    }
    const Errno flushed = flush_after_clear(ctx, device, pasid, old);
    if (hold == TableLock::ForTables) {
        guard.emplace(ctx, lock_);
    }
    for (std::size_t i = 3; i-- > 1;) {
        ctx.store(*address + i * 8, 0, 8);
    }
    ctx.store(*address, vtd::pasid_entry::kFpd.make(fpd ? 1 : 0), 8);
    return flushed;
}

Errno IommuDriver::flush_after_clear(ExecContext& ctx, const Device& device, Pasid pasid,
                                     const vtd::PasidEntry& old) {
    // The specification's order: PASID cache, IOTLB, device TLB, wait.
    std::vector<vtd::Descriptor> descriptors;
    if (!kernel_.probes().has(kNoPasidCacheInvalidation)) {
        descriptors.push_back(
            vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Pasid, old.did, pasid));
    }
    if (!kernel_.probes().has(kSkipIotlbInvalidation)) {
        descriptors.push_back(
            uses_second_stage(old)
                ? vtd::iotlb_invalidate(vtd::IotlbGranularity::Domain, old.did)
                : vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Pasid, old.did, pasid));
    }
    for (const Device* each : sharing(device)) {
        if (!each->has_tlb()) {
            continue;
        }
        descriptors.push_back(
            pasid == kRidPasid
                ? vtd::device_tlb_invalidate(each->rid(), vtd::kWholeAddressSpace, true)
                : vtd::pasid_device_tlb_invalidate(each->rid(), pasid, vtd::kWholeAddressSpace,
                                                   true));
    }
    return queue_.submit(ctx, descriptors);
}

Errno IommuDriver::drain_page_requests(ExecContext& ctx, const Device& device, Pasid pasid) {
    if (ctx.atomic()) {
        // Waits asleep for the answers of the function, so whoever calls it must be able to sleep.
        static_cast<void>(ctx.wait_until(page_answers_, ctx.now() + kernel_.params().iommu_poll));
    }
    if (page_requests_ != nullptr && device.page_requests()) {
        return page_requests_->drain(ctx, device, pasid);
    }
    // The function asks for no pages, so nothing can wait in the page-request queue: a fence
    // behind all earlier invalidations is what remains of the drain sequence (VT-d 7.10).
    return queue_.submit(ctx, {vtd::wait_barrier()});
}

// The smallest naturally aligned block of pages that holds the range, as a power of two.
Errno IommuDriver::flush_range(ExecContext& ctx, const Device& device, Pasid pasid,
                               std::uint64_t address, std::uint64_t bytes) {
    const std::uint64_t first = address / kPageSize;
    const std::uint64_t last = (address + bytes - 1) / kPageSize;
    unsigned mask = 0;
    while (first >> mask != last >> mask) {
        ++mask;
    }
    const bool by_page = vtd::cap::kPsi.get(cap_) != 0 && mask <= vtd::cap::kMamv.get(cap_);
    if (!by_page) {
        return flush_pasid(ctx, device, pasid);
    }
    const std::uint64_t base = (first >> mask << mask) * kPageSize;
    std::vector<vtd::Descriptor> descriptors{vtd::pasid_iotlb_invalidate(
        vtd::PasidIotlbGranularity::Page, kFirstStageDid, pasid, base, mask)};
    if (device.has_tlb()) {
        const std::uint64_t ones =
            mask == 0 ? 0 : ((std::uint64_t{1} << (mask - 1)) - 1) * kPageSize;
        descriptors.push_back(
            vtd::pasid_device_tlb_invalidate(device.rid(), pasid, base | ones, mask != 0));
    }
    return queue_.submit(ctx, descriptors);
}

Errno IommuDriver::flush_pasid(ExecContext& ctx, const Device& device, Pasid pasid) {
    const auto entry = read_entry(ctx, device, pasid);
    if (!entry) {
        return entry.error();
    }
    if (!(*entry).present) {
        return Errno::Enoent;
    }
    std::vector<vtd::Descriptor> descriptors{
        vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Pasid, (*entry).did, pasid)};
    if (device.has_tlb()) {
        descriptors.push_back(
            vtd::pasid_device_tlb_invalidate(device.rid(), pasid, vtd::kWholeAddressSpace, true));
    }
    return queue_.submit(ctx, descriptors);
}

}  // namespace ioasim::os
