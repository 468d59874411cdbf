// What firmware tells of a device, as keys and types of the language.
#include "scenarios/language/schema.hpp"
#include "scenarios/language/schema_types.hpp"

namespace ioasim::scenario {
namespace {

using types::make;
using Kind = Type::Kind;

const Type& region_type() {
    const Type& address = make(Kind::Quantity, "a number (12, \"0x1000\", \"4KiB\")");
    Type& kinds = make(Kind::Choice, "a string");
    kinds.choices = {"direct", "direct-relaxable", "reserved", "msi", "software-msi"};
    Type& region = make(Kind::Object, "a region");
    region.fields = {{"first", &address, true, "its first address", ""},
                     {"last", &address, true, "its last address", ""},
                     {"type", &kinds, true, "what it is, in the words of sysfs", ""}};
    return region;
}

}  // namespace

const Type& firmware_type() {
    Type& regions = make(Kind::List, "a list");
    regions.element = &region_type();
    regions.high = 64;
    Type& bits = make(Kind::Integer, "an integer");
    bits.low = 12;
    bits.high = 64;
    Type& firmware = make(Kind::Object, "what firmware says of a device");
    firmware.fields = {{"regions", &regions, false,
                        "I/O virtual addresses that it needs (RMRR) or that are taken", "[]"},
                       {"address_bits", &bits, false,
                        "bits of a DMA address that come as far as the IOMMU (_DMA, IORT)", "64"}};
    return firmware;
}

}  // namespace ioasim::scenario
