#include "models/platform/translation_load.hpp"

#include <cstring>

#include "core/sim/simulation.hpp"
#include "models/memory/memory_module.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/vtd/iommu.hpp"

namespace ioasim::platform {
namespace {

constexpr Rid kDevice{0x0108};
constexpr Pasid kPasid{5};
constexpr std::uint64_t kPages = 64;
constexpr std::uint32_t kReadBytes = 64;
// When the registers are written, one after the other, and the reads begin.
constexpr TimePs kRegisterStep{20'000'000};
constexpr TimePs kStart{100'000'000};
// Tables and data, where guest addresses are host addresses.
constexpr std::uint64_t kTables = 0x10'0000;
constexpr std::uint64_t kData = 0x40'0000;
constexpr std::uint64_t kFirstAddress = 0x7F00'0000'0000;
constexpr unsigned kLevels = 4;
// Root, context, directory, PASID entry; a nested walk of 4 by 4 levels (3.7 of the specification).
constexpr unsigned kColdReads = 4 + kLevels * (kLevels + 1) + kLevels;

vtd::VtdParams params_of(TranslationLoad::Kind kind) {
    vtd::VtdParams params = vtd::vtd_param_table().defaults();
    if (kind == TranslationLoad::Kind::ColdNestedWalks) {
        params.context_entries = params.pasid_entries = params.iotlb_entries = 0;
        params.first_stage_entries = params.second_stage_entries = 0;
    }
    return params;
}

// Brings the unit up by its registers, then reads.
class Reader final : public sim::Module {
public:
    Reader(sim::Simulation& sim, unsigned in_flight, std::uint64_t reads)
        : Module(sim, "reader"), in_flight_(in_flight), reads_(reads) {}

    void advance(TimePs now) override {
        if (!started_ && now >= kStart) {
            started_ = true;
            for (unsigned i = 0; i < in_flight_; ++i) {
                read(now + TimePs{i * std::uint64_t{997} % 100'000});
            }
        }
        while (inbox.due(now)) {
            succeeded_ += inbox.pop().message.status == pcie::CplStatus::Success ? 1 : 0;
            if (asked_ < reads_) {
                read(now);
            }
        }
    }
    std::optional<TimePs> next_wakeup() const override {
        return started_ ? inbox.next() : std::optional<TimePs>{kStart};
    }
    std::uint64_t succeeded() const { return succeeded_; }

    sim::Inbox<pcie::Tlp> inbox{*this, 4096};
    sim::Link<pcie::Tlp> out{sim::LinkParams{}};

private:
    void read(TimePs at) {
        pcie::Tlp tlp;
        tlp.requester = kDevice;
        tlp.pasid = kPasid;
        tlp.tag = static_cast<std::uint32_t>(asked_);
        tlp.address = kFirstAddress + (asked_ % kPages) * kPageSize;
        tlp.length = kReadBytes;
        ++asked_;
        out.send(at, std::move(tlp));
    }
    unsigned in_flight_;
    std::uint64_t reads_;
    std::uint64_t asked_ = 0;
    std::uint64_t succeeded_ = 0;
    bool started_ = false;
};

// Nested tables with accessed and dirty set, so that walks only read.
class Tables {
public:
    explicit Tables(memory::SparseMemory& bytes) : bytes_(bytes) {
        vtd::PasidEntry entry;
        entry.present = true;
        entry.pgtt = vtd::TranslationType::Nested;
        entry.did = DomainId{3};
        entry.pwsnp = true;
        entry.aw = vtd::kAddressWidth48;
        entry.second_stage = Hpa{page()};
        second_ = entry.second_stage.value();
        entry.first_stage = guest_page();
        for (std::uint64_t i = 0; i < kPages; ++i) {
            map_first(entry.first_stage, kFirstAddress + i * kPageSize, kData + i * kPageSize);
            map_second(kData + i * kPageSize);
        }
        vtd::ContextEntry context;
        context.present = true;
        context.paside = true;
        context.directory = Hpa{page()};
        const std::uint64_t pasids = page();
        store(context.directory.value(),
              vtd::encode(vtd::DirectoryEntry{true, false, Hpa{pasids}}));
        write(vtd::pasid_entry_address(Hpa{pasids}, kPasid), vtd::encode(entry));
        root_ = page();
        const std::uint64_t contexts = page();
        store(vtd::root_entry_address(Hpa{root_}, kDevice).value(), contexts | 1U);
        write(vtd::context_entry_address(Hpa{contexts}, kDevice), vtd::encode(context));
    }
    Hpa root() const { return Hpa{root_}; }

private:
    std::uint64_t page() {
        next_ += kPageSize;
        return next_ - kPageSize;
    }
    std::uint64_t guest_page() {
        const std::uint64_t at = page();
        map_second(at);
        return at;
    }
    std::uint64_t load(std::uint64_t at) const {
        std::uint64_t value = 0;
        bytes_.read(Hpa{at}, &value, sizeof value);
        return value;
    }
    void store(std::uint64_t at, std::uint64_t value) {
        bytes_.write(Hpa{at}, &value, sizeof value);
    }
    template <class Quadwords>
    void write(Hpa at, const Quadwords& q) {
        bytes_.write(at, q.data(), sizeof q);
    }
    void map_second(std::uint64_t page_address) {
        std::uint64_t table = second_;
        for (unsigned level = kLevels; level > 1; --level) {
            const std::uint64_t slot = table + vtd::page_table_offset(page_address, level);
            if (load(slot) == 0) {
                store(slot, vtd::ss::table(Hpa{page()}));
            }
            table = load(slot) & vtd::kPageTableAddress;
        }
        store(table + vtd::page_table_offset(page_address, 1),
              vtd::ss::leaf(Hpa{page_address}, true, true));
    }
    void map_first(std::uint64_t table, std::uint64_t address, std::uint64_t target) {
        for (unsigned level = kLevels; level > 1; --level) {
            const std::uint64_t slot = table + vtd::page_table_offset(address, level);
            if (load(slot) == 0) {
                store(slot, vtd::fs::table(guest_page()) | vtd::fs::kAccessed);
            }
            table = load(slot) & vtd::kPageTableAddress;
        }
        store(table + vtd::page_table_offset(address, 1),
              vtd::fs::leaf(target, true, true) | vtd::fs::kAccessed | vtd::fs::kDirty);
    }

    memory::SparseMemory& bytes_;
    std::uint64_t next_ = kTables;
    std::uint64_t second_ = 0;
    std::uint64_t root_ = 0;
};

sim::SimulationOptions options() {
    sim::SimulationOptions o;
    o.limit = TimePs::max() - TimePs{1};
    o.activations_per_instant = ~std::uint64_t{0};
    return o;
}

}  // namespace

struct TranslationLoad::Parts {
    Parts(Kind kind, unsigned in_flight, std::uint64_t reads)
        : sim(options()),
          memory(sim, "memory", memory::memory_param_table().defaults()),
          iommu(sim, "iommu0", params_of(kind)),
          reader(sim, in_flight, reads),
          tables(memory.bytes()) {
        const std::uint32_t client = memory.add_client();
        iommu.memory().bind(memory.inbox(), client);
        memory.responses(client).bind(iommu.memory_inbox(), 0);
        iommu.fabric().bind(reader.inbox, 0);
        reader.out.bind(iommu.inbox(), vtd::Iommu::kRequestPort);
        register_write(kRegisterStep, vtd::reg::kRtaddr,
                       vtd::rtaddr::make(tables.root(), vtd::TableMode::Scalable), 8);
        register_write(kRegisterStep * 2, vtd::reg::kGcmd, vtd::gcmd::kSrtp, 4);
        register_write(kRegisterStep * 3, vtd::reg::kGcmd, vtd::gcmd::kTe, 4);
    }
    void register_write(TimePs at, std::uint32_t offset, std::uint64_t value, std::uint32_t size) {
        pcie::Tlp tlp;
        tlp.kind = pcie::TlpKind::MemWrite;
        tlp.address = vtd::kDefaultRegisterBase + offset;
        tlp.length = size;
        tlp.data.resize(size);
        std::memcpy(tlp.data.data(), &value, size);
        iommu.inbox().deliver(TimePs{}, at, vtd::Iommu::kRegisterPort, std::move(tlp));
    }

    sim::Simulation sim;
    memory::MemoryModule memory;
    vtd::Iommu iommu;
    Reader reader;
    Tables tables;
};

TranslationLoad::TranslationLoad(Kind kind, unsigned in_flight, std::uint64_t reads)
    : parts_(std::make_unique<Parts>(kind, in_flight, reads)) {}

TranslationLoad::~TranslationLoad() = default;

std::uint64_t TranslationLoad::run() {
    parts_->sim.run();
    return parts_->reader.succeeded();
}

std::uint64_t TranslationLoad::messages() const {
    Parts& p = *parts_;
    return p.reader.out.sent() + p.iommu.memory().sent() + p.memory.responses(0).sent() +
           p.iommu.fabric().sent();
}

unsigned TranslationLoad::messages_needed(Kind kind) {
    constexpr unsigned kHit = 4;
    return kind == Kind::IotlbHits ? kHit : kHit + 2 * kColdReads;
}

}  // namespace ioasim::platform
