// Which values of CAP and ECAP the model takes.
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "models/vtd/vtd_capabilities.hpp"

namespace ioasim::vtd {
namespace {

struct NamedField {
    const char* name;
    Field field;
    const char* parameter;  // null: the model lacks it
};

constexpr NamedField kCapFields[] = {
    {"ND", cap::kNd, "cap.domain_bits"},
    {"RWBF", cap::kRwbf, "cap.write_buffer_flush"},
    {"PLMR", cap::kPlmr, nullptr},
    {"PHMR", cap::kPhmr, nullptr},
    {"CM", cap::kCm, "cap.caching_mode"},
    {"SAGAW", cap::kSagaw, "cap.second_stage_3_levels, _4_levels and _5_levels"},
    {"MGAW", cap::kMgaw, "cap.guest_address_width"},
    {"ZLR", cap::kZlr, "cap.zero_length_reads"},
    {"FRO", cap::kFro, "cap.fault_record_offset"},
    {"SSLPS", cap::kSslps, "cap.second_stage_2m and cap.second_stage_1g"},
    {"PSI", cap::kPsi, "cap.page_selective"},
    {"NFR", cap::kNfr, "cap.fault_records"},
    {"MAMV", cap::kMamv, "cap.max_address_mask"},
    {"DWD", cap::kDwd, "cap.write_drain"},
    {"DRD", cap::kDrd, "cap.read_drain"},
    {"FS1GP", cap::kFs1gp, "cap.first_stage_1g"},
    {"PI", cap::kPi, nullptr},
    {"FS5LP", cap::kFs5lp, "cap.first_stage_5_levels"},
    {"ECMDS", cap::kEcmds, nullptr},
    {"ESIRTPS", cap::kEsirtps, "cap.flush_on_sirtp"},
    {"ESRTPS", cap::kEsrtps, "cap.flush_on_srtp"},
};

constexpr NamedField kEcapFields[] = {
    {"C", ecap::kC, "cap.coherent"},
    {"QI", ecap::kQi, "cap.queued_invalidation"},
    {"DT", ecap::kDt, "cap.device_tlb"},
    {"IR", ecap::kIr, "cap.interrupt_remapping"},
    {"EIM", ecap::kEim, "cap.x2apic"},
    {"PT", ecap::kPt, "cap.pass_through"},
    {"SC", ecap::kSc, "cap.snoop_control"},
    {"IRO", ecap::kIro, "cap.iotlb_offset"},
    {"MHMV", ecap::kMhmv, "cap.max_handle_mask"},
    {"MTS", ecap::kMts, nullptr},
    {"NEST", ecap::kNest, "cap.nested"},
    {"PRS", ecap::kPrs, "cap.page_requests"},
    {"ERS", ecap::kErs, nullptr},
    {"SRS", ecap::kSrs, "cap.supervisor"},
    {"NWFS", ecap::kNwfs, "cap.no_write_flag"},
    {"EAFS", ecap::kEafs, "cap.extended_accessed"},
    {"PSS", ecap::kPss, "cap.pasid_bits"},
    {"PASID", ecap::kPasid, "cap.pasid"},
    {"DIT", ecap::kDit, "cap.device_tlb_throttle"},
    {"PDS", ecap::kPds, "cap.page_request_drain"},
    {"SMTS", ecap::kSmts, "cap.scalable"},
    {"VCS", ecap::kVcs, nullptr},
    {"SSADS", ecap::kSsads, "cap.second_stage_ad"},
    {"SSTS", ecap::kSsts, "cap.second_stage"},
    {"FSTS", ecap::kFsts, "cap.first_stage"},
    {"SMPWCS", ecap::kSmpwcs, "cap.snooped_walks"},
    {"RPS", ecap::kRps, "cap.rid_pasid"},
    {"TDXCS", ecap::kTdxcs, nullptr},
    {"PMS", ecap::kPms, nullptr},
    {"ADMS", ecap::kAdms, "cap.abort_dma"},
    {"RPRIVS", ecap::kRprivs, "cap.rid_privilege"},
    {"HPTS", ecap::kHpts, nullptr},
    {"PTRS", ecap::kPtrs, "cap.translated_with_pasid"},
    {"SSIRWS", ecap::kSsirws, "cap.second_stage_io_rw"},
    {"SMS", ecap::kSms, "cap.stop_markers"},
    {"HPT1GP", ecap::kHpt1g, nullptr},
    {"RDTS", ecap::kRdts, nullptr},
    {"EIMER", ecap::kEimer, nullptr},
    {"IRREQ", ecap::kIrreq, nullptr},
};

// An ECAP field that means nothing without another.
struct Need {
    const NamedField& field;
    const Field& other;
    const char* other_name;
};

constexpr const NamedField& ecap_field(std::string_view name) {
    for (const NamedField& f : kEcapFields) {
        if (std::string_view(f.name) == name) {
            return f;
        }
    }
    return kEcapFields[0];
}

constexpr Need kNeeds[] = {
    {ecap_field("DT"), ecap::kQi, "QI"},        {ecap_field("IR"), ecap::kQi, "QI"},
    {ecap_field("SMTS"), ecap::kQi, "QI"},      {ecap_field("NEST"), ecap::kFsts, "FSTS"},
    {ecap_field("NEST"), ecap::kSsts, "SSTS"},  {ecap_field("PRS"), ecap::kDt, "DT"},
    {ecap_field("PRS"), ecap::kSmts, "SMTS"},   {ecap_field("EAFS"), ecap::kFsts, "FSTS"},
    {ecap_field("PSS"), ecap::kSmts, "SMTS"},   {ecap_field("EAFS"), ecap::kSmpwcs, "SMPWCS"},
    {ecap_field("PASID"), ecap::kSmts, "SMTS"}, {ecap_field("SSADS"), ecap::kSmpwcs, "SMPWCS"},
    {ecap_field("RPRIVS"), ecap::kSrs, "SRS"},
};

constexpr unsigned kLowestOffset = 0xF0;    // below are registers that every unit has
constexpr unsigned kHighestOffset = 0xE00;  // the virtual command registers

class Checker {
public:
    explicit Checker(const Capabilities& caps) : caps_(caps) {}

    std::vector<std::string> run() {
        fields("CAP", caps_.cap_value, kCapFields, std::size(kCapFields));
        fields("ECAP", caps_.ecap_value, kEcapFields, std::size(kEcapFields));
        widths();
        for (const Need& need : kNeeds) {
            const bool alone = need.field.field.get(caps_.ecap_value) != 0 &&
                               need.other.get(caps_.ecap_value) == 0;
            refuse(alone, "ECAP.{} ({}) needs {}", need.field.name, need.field.parameter,
                   need.other_name);
        }
        refuse(caps_.write_buffer_flush && caps_.scalable,
               "CAP.RWBF (cap.write_buffer_flush) and ECAP.SMTS (cap.scalable) exclude each other");
        const bool drains =
            cap::kDwd.get(caps_.cap_value) != 0 && cap::kDrd.get(caps_.cap_value) != 0;
        refuse(caps_.major() >= 2 && !drains,
               "CAP.DWD and CAP.DRD (cap.write_drain, cap.read_drain) are set from version 2 on");
        places();
        return std::move(problems_);
    }

private:
    template <class... Args>
    void refuse(bool wrong, fmt::format_string<Args...> text, Args&&... args) {
        if (wrong) {
            problems_.push_back(fmt::format(text, std::forward<Args>(args)...));
        }
    }
    void fields(const char* name, std::uint64_t value, const NamedField* list, std::size_t count) {
        std::uint64_t known = 0;
        for (std::size_t i = 0; i < count; ++i) {
            known |= list[i].field.mask();
            refuse(list[i].parameter == nullptr && list[i].field.get(value) != 0,
                   "{}.{} (bit {}) is not part of this model", name, list[i].name,
                   list[i].field.low);
        }
        for (unsigned bit = 0; bit < 64; ++bit) {
            refuse(get_bit(value & ~known, bit), "{} bit {} is reserved", name, bit);
        }
    }
    void widths() {
        const std::uint64_t cap = caps_.cap_value;
        refuse(cap::kNd.get(cap) == 7, "CAP.ND (cap.domain_bits): 111b is reserved");
        refuse((caps_.second_stage_modes & ~0xEU) != 0,
               "CAP.SAGAW: only bits 1, 2 and 3 (3, 4 and 5 levels) exist");
        refuse(cap::kSslps.get(cap) != 0 && cap::kSslps.get(cap) != 1 && cap::kSslps.get(cap) != 3,
               "CAP.SSLPS (cap.second_stage_1g): 1-GiB pages only beside 2-MiB pages");
        refuse(caps_.mgaw < caps_.haw,
               "CAP.MGAW (cap.guest_address_width): {} bits are less than the {} of "
               "cap.host_address_width",
               caps_.mgaw, caps_.haw);
    }
    // The registers that can be moved stay among themselves.
    void places() {
        const unsigned records_end = caps_.fault_offset + caps_.fault_records * 16;
        const unsigned iotlb_end = caps_.iotlb_offset + 16;
        refuse(caps_.fault_offset < kLowestOffset || records_end > kHighestOffset,
               "CAP.FRO and CAP.NFR (cap.fault_record_offset, cap.fault_records): {} "
               "records do not fit at {:#x}",
               caps_.fault_records, caps_.fault_offset);
        refuse(caps_.iotlb_offset < kLowestOffset || iotlb_end > kHighestOffset,
               "ECAP.IRO (cap.iotlb_offset): no registers can be at {:#x}", caps_.iotlb_offset);
        refuse(caps_.iotlb_offset < records_end && caps_.fault_offset < iotlb_end,
               "CAP.FRO and ECAP.IRO (cap.fault_record_offset, cap.iotlb_offset) overlap");
    }

    const Capabilities& caps_;
    std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> capability_problems(const VtdParams& params) {
    const Capabilities caps = make_capabilities(params);
    return Checker(caps).run();
}

}  // namespace ioasim::vtd
