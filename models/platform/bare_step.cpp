#include "models/platform/bare_step.hpp"

#include <algorithm>
#include <charconv>

#include "core/base/check.hpp"
#include "models/platform/bare_accelerator.hpp"
#include "models/platform/fault_user.hpp"
#include "models/platform/instruction_user.hpp"
#include "models/platform/iommu_user.hpp"
#include "models/platform/iova_user.hpp"
#include "models/platform/vfio_user.hpp"

namespace ioasim::platform {
namespace {

using V = BareValue;

constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr std::uint64_t kLongest = 0x8000;  // of one operation of a requester

BareArgSpec subject(V value, const char* doc, std::vector<const char*> choices = {}) {
    return {"", value, true, doc, "", std::move(choices)};
}

const BareArgSpec kTimeout{"timeout", V::Time, false, "how long at most (-ETIMEDOUT)", "\"10ms\""};
const BareArgSpec kOf{"of", V::Unit, false,
                      "the IOMMU or device whose registers are meant (default: the first IOMMU)"};
const BareArgSpec kRegisterSize{
    "size", V::Number, false, "bytes: 4 or 8 (default: the register's own, 4 at an offset)",
    "",     {},        4,     8};
const BareArgSpec kFunctionOf{"of", V::AnyDevice, true, "the device whose register is meant"};
const BareArgSpec kConfigSize{
    "size", V::Number, false, "bytes: 1, 2 or 4 (default: the register's own)", "", {}, 1, 4};
const BareArgSpec kMask{"mask", V::Number, false, "the bits that count (default: all)"};
const BareArgSpec kIs{"is", V::Number, true, "what they must be"};
const BareArgSpec kExpect{"expect",
                          V::Choice,
                          false,
                          "how it ends; \"blocked\": ur or ca of a read, no effect of a write",
                          "\"ok\"",
                          {"ok", "blocked", "ur", "ca", "timeout", "refused", "no_translation",
                           "page_invalid", "page_failure", "stopped", "poisoned", "any"}};
const BareArgSpec kData{"data", V::Bytes, false, "write: the bytes; read: what must have come", ""};

std::vector<BareArgSpec> contents(bool check) {
    return {{"bytes", V::Bytes, false, check ? "must be these bytes" : "these bytes"},
            {"words", V::Numbers, false,
             check ? "must be these 64-bit words" : "these 64-bit words, little endian"},
            {"fill",
             V::Number,
             false,
             check ? "every byte must be this one, over \"size\"" : "this byte, over \"size\"",
             "",
             {},
             0,
             255},
            {"size", V::Number, false, "bytes that \"fill\" covers", "", {}, 1, 1ULL << 26U}};
}

std::vector<BareArgSpec> dma_args() {
    return {
        {"by", V::Device, true, "the test requester"},
        {"iova", V::Number, true, "first address"},
        {"size", V::Number, false, "bytes (default: those of \"data\")", "", {}, 1, kLongest},
        kData,
        {"pasid", V::Number, false, "sent with this PASID (default: without)", "", {}, 0, 0xFFFFF},
        {"privileged", V::Flag, false, "with PASID: privileged mode requested", "false"},
        {"execute", V::Flag, false, "with PASID: execute requested", "false"},
        {"no_snoop", V::Flag, false, "no-snoop attribute", "false"},
        {"relaxed", V::Flag, false, "relaxed ordering attribute", "false"},
        {"id_ordering", V::Flag, false, "identity-based ordering attribute", "false"},
        {"poisoned", V::Flag, false, "write: the data is marked as wrong", "false"},
        {"into",
         V::Choice,
         false,
         "write: where the data is asked to end up",
         "\"any\"",
         {"any", "cache", "memory"}},
        {"translated", V::Flag, false, "the address is said to be translated", "false"},
        {"ats", V::Flag, false,
         "as its configuration lets it: through its device TLB, with page requests", "false"},
        {"rid", V::Function, false, "sent in somebody else's name"},
        {"async", V::Flag, false, "goes on at once; \"dma_wait\" waits for the end", "false"},
        kExpect,
        kTimeout};
}

const BareArgSpec kPresent{"present", V::Flag, false, "P", "true"};
const BareArgSpec kFaultDisable{"fault_disable", V::Flag, false, "FPD", "false"};
const BareArgSpec kOrWords{"or", V::Numbers, false,
                           "bits set beside, a number for each quadword from the first on"};
const BareArgSpec kAddress{"address", V::Number, true, "first input address"};
const BareArgSpec kPage{"page", V::Number, false, "4KiB, 2MiB or 1GiB", "\"4KiB\""};
const BareArgSpec kLevel{"level", V::Number, true, "1 is the table of 4-KiB leaves", "", {}, 1, 5};
const BareArgSpec kDid{"did", V::Number, false, "domain id", "0", {}, 0, 0xFFFF};
const BareArgSpec kPasid{"pasid", V::Number, false, "PASID", "", {}, 0, 0xFFFFF};
const BareArgSpec kBy{"by", V::Function, false, "a device, or a requester id"};
const BareArgSpec kByWhom{"by", V::Function, true, "a device, or a requester id"};
const BareArgSpec kHold{"hold", V::Flag, false, "the tail stays: a later one moves it", "false"};

std::vector<BareArgSpec> map_args() {
    return {kAddress,
            {"to", V::Number, true, "first output address"},
            {"size", V::Number, false, "bytes (default: one page)", "", {}, 1},
            kPage,
            {"access", V::Choice, false, "what is allowed", "\"rw\"", {"rw", "r", "w", "none"}},
            {"user", V::Flag, false, "first stage: user requests too", "true"},
            {"accessed", V::Flag, false, "A set already", "false"},
            {"dirty", V::Flag, false, "D set already", "false"},
            {"snoop", V::Flag, false, "second stage: SNP", "false"},
            {"or", V::Number, false, "bits set beside"}};
}

std::vector<BareArgSpec> context_args() {
    return {{"of", V::Unit, false, "the IOMMU (default: the device's, else the first)"},
            {"type", V::Choice, false, "legacy mode", "\"second\"", {"second", "pass_through"}},
            {"table", V::Table, false, "legacy mode: the second-stage table"},
            {"levels", V::Number, false, "legacy mode: AW (default: the table's)", "", {}, 2, 6},
            kDid,
            {"device_tlb", V::Flag, false, "DTE; legacy mode: translation type 01", "false"},
            {"pasids", V::Flag, false, "PASIDE", "false"},
            {"page_requests", V::Flag, false, "PRE", "false"},
            {"translated_pasids", V::Flag, false, "EPTR", "false"},
            {"directory_size",
             V::Number,
             false,
             "PDTS: the directory has 2^(n+7) entries; makes a new directory",
             "0",
             {},
             0,
             7},
            {"rid_pasid", V::Number, false, "PASID of requests without one", "0", {}, 0, 0xFFFFF},
            {"rid_privileged", V::Flag, false, "requests without PASID are privileged", "false"},
            kFaultDisable,
            kPresent,
            kOrWords};
}

std::vector<BareArgSpec> pasid_args() {
    return {kByWhom,
            {"first", V::Table, false, "first-stage table"},
            {"second", V::Table, false, "second-stage table; with \"first\": nested"},
            {"pass_through", V::Flag, false, "output is input", "false"},
            kDid,
            {"accessed_dirty", V::Flag, false, "SSADE", "false"},
            {"snooped_walks", V::Flag, false, "PWSNP", "false"},
            {"snooped_pages", V::Flag, false, "PGSNP", "false"},
            {"supervisor", V::Flag, false, "SRE", "false"},
            {"write_protect", V::Flag, false, "WPE", "false"},
            {"extended_accessed", V::Flag, false, "EAFE", "false"},
            kFaultDisable,
            kPresent,
            kOrWords};
}

std::vector<BareArgSpec> invalidate_args() {
    return {kOf,
            {"granularity",
             V::Choice,
             false,
             "as far as the kind has it (default: the widest)",
             "",
             {"global", "domain", "device", "pasid", "page"}},
            kDid,
            kPasid,
            kBy,
            {"address", V::Number, false, "of pages", "0"},
            {"address_mask", V::Number, false, "AM: 2^n pages", "0", {}, 0, 63},
            {"leaf_only", V::Flag, false, "IH", "false"},
            {"size_bit", V::Flag, false, "device TLBs: S", "false"},
            {"global", V::Flag, false, "device TLBs with PASID: G", "false"},
            {"function_mask", V::Number, false, "context cache: FM", "0", {}, 0, 3},
            {"status", V::Number, false, "wait: writes \"data\" there"},
            {"data", V::Number, false, "wait: what it writes", "0", {}, 0, 0xFFFFFFFF},
            {"interrupt", V::Flag, false, "wait: IF", "false"},
            {"fence", V::Flag, false, "wait: FN", "false"},
            {"page_drain", V::Flag, false, "wait: PD", "false"},
            {"group", V::Number, false, "page response: PRGI", "0", {}, 0, 511},
            {"code",
             V::Choice,
             false,
             "page response",
             "\"success\"",
             {"success", "invalid", "failure"}},
            kOrWords,
            kHold};
}

std::vector<BareArgSpec> enable_args() {
    return {{"queue", V::Flag, false, "makes an invalidation queue and switches it on", "true"},
            {"queue_size", V::Number, false, "4 KiB * 2^n", "0", {}, 0, 7},
            {"wide", V::Flag, false, "256-bit descriptors (default: in scalable mode)"},
            {"root", V::Flag, false, "sets the root table, drops all caches", "true"},
            {"page_requests",
             V::Number,
             false,
             "makes a page-request queue of 4 KiB * 2^n",
             "",
             {},
             0,
             7},
            {"translation", V::Flag, false, "switches translation on", "true"},
            kTimeout};
}

std::vector<BareSpec> builder_specs() {
    return {
        {"tables",
         BareKind::Tables,
         subject(V::Number, "where tables come from"),
         {{"size", V::Number, true, "bytes of this region", "", {}, 1}},
         "the memory that the steps below take tables from (default: 16 MiB at 16 MiB)"},
        {"page_table",
         BareKind::PageTable,
         subject(V::NewTable, "its name"),
         {{"stage", V::Choice, true, "its format", "", {"first", "second"}},
          {"levels", V::Number, false, "levels", "4", {}, 3, 5},
          {"inside", V::Table, false,
           "the second-stage table of the guest that it lies in, at guest addresses equal to host "
           "ones"}},
         "an empty page table"},
        {"map", BareKind::Map, subject(V::Table, "a page table"), map_args(), "maps pages"},
        {"unmap",
         BareKind::Unmap,
         subject(V::Table, "a page table"),
         {kAddress, {"size", V::Number, false, "bytes (default: one page)", "", {}, 1}, kPage},
         "clears the entries of pages"},
        {"entry_store",
         BareKind::EntryStore,
         subject(V::Table, "a page table"),
         {kAddress,
          kLevel,
          {"value", V::Number, false, "the entry (default: what is there)"},
          {"clear", V::Number, false, "bits cleared in it"},
          {"set", V::Number, false, "bits set in it"}},
         "writes one entry"},
        {"entry_check",
         BareKind::EntryCheck,
         subject(V::Table, "a page table"),
         {kAddress, kLevel, kIs, kMask},
         "one entry must be so"},
        {"root_table",
         BareKind::RootTable,
         subject(V::Choice, "its mode", {"scalable", "legacy"}),
         {{"of", V::Unit, false, "the IOMMU (default: the first)"}},
         "an empty root table"},
        {"context", BareKind::Context, subject(V::Function, "a device, or a requester id"),
         context_args(), "writes a function's context entry"},
        {"pasid_directory",
         BareKind::PasidDirectory,
         subject(V::Number, "a PASID"),
         {kByWhom, kFaultDisable, kPresent, kOrWords},
         "writes the directory entry that leads to a PASID"},
        {"pasid_entry", BareKind::PasidEntry, subject(V::Number, "a PASID"), pasid_args(),
         "writes an entry of a function's PASID table"},
        {"iommu_enable", BareKind::Enable, subject(V::Unit, "the IOMMU"), enable_args(),
         "switches on what there is: queue, root table, translation"},
        {"iommu_disable",
         BareKind::Disable,
         subject(V::Unit, "the IOMMU"),
         {{"queue", V::Flag, false, "the invalidation queue too", "false"}, kTimeout},
         "switches translation off"},
        {"invalidate", BareKind::Invalidate,
         subject(V::Choice, "the kind of descriptor",
                 {"context_cache", "pasid_cache", "iotlb", "pasid_iotlb", "device_tlb",
                  "pasid_device_tlb", "page_response", "wait"}),
         invalidate_args(), "queues a descriptor"},
        {"queue",
         BareKind::Queue,
         subject(V::Numbers, "its quadwords"),
         {kOf, kHold},
         "queues a descriptor as it is told"},
        {"sync",
         BareKind::Sync,
         subject(V::Unit, "the IOMMU"),
         {kTimeout},
         "queues a wait with status, until the status is there"},
        {"fault",
         BareKind::Fault,
         subject(V::Number, "its reason"),
         {kByWhom,
          {"address", V::Number, false, "in the page recorded (default: any)"},
          kPasid,
          {"type",
           V::Choice,
           false,
           "of the request (default: any)",
           "",
           {"read", "write", "atomic", "page_request"}},
          {"execute", V::Flag, false, "EXE of the record (default: any)"},
          {"privileged", V::Flag, false, "PRIV of the record (default: any)"},
          {"at",
           V::Choice,
           false,
           "AT of the record (default: any)",
           "",
           {"untranslated", "translation_request", "translated"}},
          kOf},
         "the fault record that FSTS points to must be so; it is cleared"},
        {"no_fault", BareKind::NoFault, subject(V::Unit, "the IOMMU"), {}, "no fault is recorded"},
        {"interrupt",
         BareKind::Interrupt,
         subject(V::Number, "the message's address"),
         {{"data", V::Number, true, "the message's data"},
          {"count", V::Number, false, "so many, not counted before; 0: none, once all is idle",
           "1"},
          kTimeout},
         "waits for messages that were sent to the CPUs"},
    };
}

}  // namespace

const std::vector<BareSpec>& bare_specs() {
    static const std::vector<BareSpec> specs = [] {
        std::vector<BareSpec> all{
            {"store", BareKind::Store, subject(V::Number, "where"), contents(false),
             "writes memory"},
            {"check", BareKind::Check, subject(V::Number, "where"), contents(true),
             "memory must hold this"},
            {"memory_poll",
             BareKind::MemoryPoll,
             subject(V::Number, "where"),
             {kIs,
              kMask,
              {"size", V::Number, false, "bytes: 1, 2, 4 or 8", "4", {}, 1, 8},
              kTimeout},
             "reads memory until it is so"},
            {"flush",
             BareKind::Flush,
             subject(V::Number, "where"),
             {{"size",
               V::Number,
               false,
               "bytes; every line that they touch",
               "1",
               {},
               1,
               1ULL << 30U}},
             "CLFLUSHOPT: lines leave the caches"},
            {"wbinvd",
             BareKind::Wbinvd,
             subject(V::True, "true"),
             {},
             "WBINVD: modified lines of this processor's caches go to memory, all leave them"},
            {"run_on",
             BareKind::RunOn,
             subject(V::Number, "a processor"),
             {},
             "the program goes on on this processor"},
            {"mmio_write",
             BareKind::MmioWrite,
             subject(V::Register, "a register by name, or an offset"),
             {{"value", V::Number, true, "what is written"}, kRegisterSize, kOf},
             "writes a register"},
            {"mmio_read",
             BareKind::MmioRead,
             subject(V::Register, "a register by name, or an offset"),
             {kIs, kMask, kRegisterSize, kOf},
             "a register must be so"},
            {"mmio_poll",
             BareKind::MmioPoll,
             subject(V::Register, "a register by name, or an offset"),
             {kIs, kMask, kRegisterSize, kOf, kTimeout},
             "reads a register until it is so"},
            {"config_write",
             BareKind::ConfigWrite,
             subject(V::ConfigRegister, "a register of configuration space by name, or an offset"),
             {{"value", V::Number, true, "what is written"}, kConfigSize, kFunctionOf},
             "writes configuration space"},
            {"config_read",
             BareKind::ConfigRead,
             subject(V::ConfigRegister, "a register of configuration space by name, or an offset"),
             {kIs, kMask, kConfigSize, kFunctionOf},
             "a register of configuration space must be so"},
            {"config_poll",
             BareKind::ConfigPoll,
             subject(V::ConfigRegister, "a register of configuration space by name, or an offset"),
             {kIs, kMask, kConfigSize, kFunctionOf, kTimeout},
             "reads it until it is so"},
            {"dma", BareKind::Dma, subject(V::Choice, "its direction", {"read", "write"}),
             dma_args(), "a test requester accesses memory"},
            {"dma_wait",
             BareKind::DmaWait,
             subject(V::Device, "the test requester"),
             {kExpect, kData, kTimeout},
             "until its operation has ended"},
            {"settle",
             BareKind::Settle,
             subject(V::True, "true"),
             {},
             "until the hardware has nothing left to do"},
            {"poison",
             BareKind::Poison,
             subject(V::Number, "where"),
             {{"size",
               V::Number,
               false,
               "bytes; every line of 64 bytes that they touch",
               "1",
               {},
               1,
               1ULL << 26U}},
             "memory gets an error that cannot be corrected"},
            {"fail",
             BareKind::Fail,
             subject(V::Site, "a fault site"),
             {},
             "the next operation that comes by this fault site fails there"},
        };
        // A step is named by the first of these keys that it has: "interrupt" comes after the steps
        // that take it as an argument.
        for (BareSpec& spec : accelerator_specs()) {
            all.push_back(std::move(spec));
        }
        for (BareSpec& spec : builder_specs()) {
            all.push_back(std::move(spec));
        }
        for (BareSpec& spec : vfio_specs()) {
            all.push_back(std::move(spec));
        }
        for (BareSpec& spec : iommu_user_specs()) {
            all.push_back(std::move(spec));
        }
        for (BareSpec& spec : fault_user_specs()) {
            all.push_back(std::move(spec));
        }
        for (BareSpec& spec : iova_user_specs()) {
            all.push_back(std::move(spec));
        }
        for (BareSpec& spec : instruction_specs()) {
            all.push_back(std::move(spec));
        }
        for (BareSpec& spec : all) {
            const BareKind kind = spec.kind;
            if (kind == BareKind::Store || kind == BareKind::Check || kind == BareKind::Wbinvd ||
                kind == BareKind::RunOn) {
                spec.family = StepFamily::Machine;
            }
            if (kind == BareKind::MmioWrite || kind == BareKind::MmioRead ||
                kind == BareKind::MmioPoll) {
                spec.family = StepFamily::Registers;
            }
        }
        return all;
    }();
    return specs;
}

const DescriptorSpec* descriptor_spec(const std::string& kind) {
    static const std::vector<DescriptorSpec> specs{
        {"context_cache", {"global", "domain", "device"}, {"did", "by", "function_mask"}, {}},
        {"pasid_cache", {"global", "domain", "pasid"}, {"did", "pasid"}, {}},
        {"iotlb",
         {"global", "domain", "page"},
         {"did", "address", "address_mask", "leaf_only"},
         {}},
        {"pasid_iotlb",
         {"pasid", "page"},
         {"did", "pasid", "address", "address_mask", "leaf_only"},
         {"pasid"}},
        {"device_tlb", {}, {"by", "address", "size_bit"}, {"by"}},
        {"pasid_device_tlb", {}, {"by", "pasid", "address", "size_bit", "global"}, {"by", "pasid"}},
        {"page_response", {}, {"by", "pasid", "group", "code"}, {"by"}},
        {"wait", {}, {"status", "data", "interrupt", "fence", "page_drain"}, {}},
    };
    const auto found = std::find_if(specs.begin(), specs.end(),
                                    [&kind](const DescriptorSpec& s) { return s.kind == kind; });
    return found == specs.end() ? nullptr : &*found;
}

std::vector<std::uint8_t> contents_of(const BareStep& step) {
    const auto bytes = step.bytes.find("bytes");
    if (bytes != step.bytes.end()) {
        return bytes->second;
    }
    std::vector<std::uint8_t> out;
    const auto words = step.lists.find("words");
    if (words != step.lists.end()) {
        for (const std::uint64_t word : words->second) {
            for (unsigned i = 0; i < 8; ++i) {
                out.push_back(static_cast<std::uint8_t>(word >> (8 * i)));
            }
        }
        return out;
    }
    out.assign(static_cast<std::size_t>(step.number("size")),
               static_cast<std::uint8_t>(step.number("fill")));
    return out;
}

const BareSpec& bare_spec(BareKind kind) {
    const auto& specs = bare_specs();
    const auto found = std::find_if(specs.begin(), specs.end(),
                                    [kind](const BareSpec& s) { return s.kind == kind; });
    SIM_CHECK(found != specs.end(), "no bare step of kind {}", static_cast<int>(kind));
    return *found;
}

}  // namespace ioasim::platform
