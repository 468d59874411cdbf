#include "models/platform/bare_step.hpp"

#include <algorithm>
#include <charconv>

#include "core/base/check.hpp"

namespace ioasim::platform {
namespace {

using V = BareValue;

constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr std::uint64_t kLongest = 4096;  // of one operation of a requester

BareArgSpec subject(V value, const char* doc, std::vector<const char*> choices = {}) {
    return {"", value, true, doc, "", std::move(choices)};
}

const BareArgSpec kTimeout{"timeout", V::Time, false, "how long at most (-ETIMEDOUT)", "\"10ms\""};
const BareArgSpec kOf{"of", V::Unit, false,
                      "the IOMMU or device whose registers are meant (default: the first IOMMU)"};
const BareArgSpec kRegisterSize{
    "size", V::Number, false, "bytes: 4 or 8 (default: the register's own, 4 at an offset)",
    "",     {},        4,     8};
const BareArgSpec kMask{"mask", V::Number, false, "the bits that count (default: all)"};
const BareArgSpec kIs{"is", V::Number, true, "what they must be"};
const BareArgSpec kExpect{
    "expect", V::Choice,
    false,    "how it ends; \"blocked\": ur or ca of a read, no effect of a write",
    "\"ok\"", {"ok", "blocked", "ur", "ca", "timeout", "refused", "poisoned", "any"}};
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
        {"translated", V::Flag, false, "the address is said to be translated", "false"},
        {"rid", V::Function, false, "sent in somebody else's name"},
        {"async", V::Flag, false, "goes on at once; \"dma_wait\" waits for the end", "false"},
        kExpect,
        kTimeout};
}

}  // namespace

const std::vector<BareSpec>& bare_specs() {
    static const std::vector<BareSpec> specs{
        {"store", BareKind::Store, subject(V::Number, "where"), contents(false), "writes memory"},
        {"check", BareKind::Check, subject(V::Number, "where"), contents(true),
         "memory must hold this"},
        {"memory_poll",
         BareKind::MemoryPoll,
         subject(V::Number, "where"),
         {kIs, kMask, {"size", V::Number, false, "bytes: 1, 2, 4 or 8", "4", {}, 1, 8}, kTimeout},
         "reads memory until it is so"},
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
        {"dma", BareKind::Dma, subject(V::Choice, "its direction", {"read", "write"}), dma_args(),
         "a test requester accesses memory"},
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
    return specs;
}

const BareSpec& bare_spec(BareKind kind) {
    const auto& specs = bare_specs();
    const auto found = std::find_if(specs.begin(), specs.end(),
                                    [kind](const BareSpec& s) { return s.kind == kind; });
    SIM_CHECK(found != specs.end(), "no bare step of kind {}", static_cast<int>(kind));
    return *found;
}

}  // namespace ioasim::platform
