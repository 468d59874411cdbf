// Registers by the names that their specifications give them.
#include <charconv>
#include <cstring>

#include "models/dsa/dsa_layout.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/platform/bare_step.hpp"
#include "models/requester/requester_layout.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::platform {
namespace {

using Base = NamedRegister::Base;

struct Entry {
    const char* name;
    NamedRegister where;
};

const std::vector<Entry>& unit_map() {
    using namespace vtd::reg;
    static const std::vector<Entry> map{
        {"VER", {kVer}},
        {"CAP", {kCap, 8}},
        {"ECAP", {kEcap, 8}},
        {"GCMD", {kGcmd}},
        {"GSTS", {kGsts}},
        {"RTADDR", {kRtaddr, 8}},
        {"CCMD", {kCcmd, 8}},
        {"FSTS", {kFsts}},
        {"FECTL", {kFectl}},
        {"FEDATA", {kFedata}},
        {"FEADDR", {kFeaddr}},
        {"FEUADDR", {kFeuaddr}},
        {"PMEN", {kPmen}},
        {"IQH", {kIqh, 8}},
        {"IQT", {kIqt, 8}},
        {"IQA", {kIqa, 8}},
        {"ICS", {kIcs}},
        {"IECTL", {kIectl}},
        {"IEDATA", {kIedata}},
        {"IEADDR", {kIeaddr}},
        {"IEUADDR", {kIeuaddr}},
        {"IQERCD", {kIqercd, 8}},
        {"IRTA", {kIrta, 8}},
        {"PQH", {kPqh, 8}},
        {"PQT", {kPqt, 8}},
        {"PQA", {kPqa, 8}},
        {"PRS", {kPrs}},
        {"PECTL", {kPectl}},
        {"PEDATA", {kPedata}},
        {"PEADDR", {kPeaddr}},
        {"PEUADDR", {kPeuaddr}},
        {"IVA", {0, 8, Base::Iotlb}},
        {"IOTLB", {8, 8, Base::Iotlb}},
        {"VCMD", {kVcmd, 8}},
        {"VCMD_EO", {kVcmdEo, 8}},
        {"VCRSP", {kVcrsp, 8}},
        {"VCCAP", {kVccap, 8}},
    };
    return map;
}

const std::vector<Entry>& requester_map() {
    using namespace requester::reg;
    static const std::vector<Entry> map{
        {"ID", {kId}},
        {"ADDRESS", {kAddress, 8}},
        {"LENGTH", {kLength}},
        {"PASID", {kPasid}},
        {"REQUEST", {kRequest}},
        {"REQUESTER", {kRequester}},
        {"GO", {kGo}},
        {"STATUS", {kStatus}},
        {"MOVED", {kMoved}},
        {"NUMBER", {kNumber}},
        {"FAILED", {kFailed, 8}},
        {"INTERRUPT_ADDRESS", {kInterruptAddress, 8}},
        {"INTERRUPT_DATA", {kInterruptData}},
        {"INTERRUPT_CONTROL", {kInterruptControl}},
        {"MESSAGE_HEADER", {kMessageHeader, 8}},
        {"MESSAGE_SEND", {kMessageSend}},
        {"MESSAGE_COUNT", {kMessageCount}},
        {"MESSAGE_HEAD", {kMessageHead}},
        {"MESSAGE_DROP", {kMessageDrop}},
        {"MESSAGE_BODY", {kMessageBody, 8}},
        {"MISBEHAVE", {kMisbehave}},
        {"ANSWER_DELAY", {kAnswerDelay}},
        {"STOP", {kStop}},
        {"TRANSLATIONS", {kTranslations}},
        {"PAGES_OUTSTANDING", {kPagesOutstanding}},
        {"DATA", {kData}},
        {"TRAFFIC_BASE", {kTrafficBase, 8}},
        {"TRAFFIC_WINDOW", {kTrafficWindow, 8}},
        {"TRAFFIC_SEED", {kTrafficSeed, 8}},
        {"TRAFFIC_BLOCK", {kTrafficBlock}},
        {"TRAFFIC_COUNT", {kTrafficCount}},
        {"TRAFFIC_IGNORED", {kTrafficIgnored}},
        {"TRAFFIC_OUTSTANDING", {kTrafficOutstanding}},
        {"TRAFFIC_CONTROL", {kTrafficControl}},
        {"TRAFFIC_LISTED", {kTrafficListed}},
        {"TRAFFIC_GO", {kTrafficGo}},
        {"TRAFFIC_STATUS", {kTrafficStatus}},
        {"TRAFFIC_ENDED", {kTrafficEnded}},
        {"TRAFFIC_FAILED", {kTrafficFailed}},
        {"TRAFFIC_ELAPSED", {kTrafficElapsed, 8}},
        {"TRAFFIC_SUM", {kTrafficSum, 8}},
        {"TRAFFIC_SHORTEST", {kTrafficShortest, 8}},
        {"TRAFFIC_LONGEST", {kTrafficLongest, 8}},
        {"TRAFFIC_JOURNALED", {kTrafficJournaled}},
        {"JOURNAL", {kJournal}},
    };
    return map;
}

const std::vector<Entry>& accelerator_map() {
    using namespace dsa::reg;
    static const std::vector<Entry> map{
        {"VERSION", {kVersion}},
        {"GENCAP", {kGencap, 8}},
        {"WQCAP", {kWqcap, 8}},
        {"GRPCAP", {kGrpcap, 8}},
        {"ENGCAP", {kEngcap, 8}},
        {"OPCAP", {kOpcap, 8}},
        {"OFFSETS", {kOffsets, 8}},
        {"GENCFG", {kGencfg}},
        {"GENCTRL", {kGenctrl}},
        {"GENSTS", {kGensts}},
        {"INTCAUSE", {kIntcause}},
        {"CMD", {kCmd}},
        {"CMDSTS", {kCmdsts}},
        {"CMDCAP", {kCmdcap}},
        {"SWERR", {kSwerr, 8}},
        {"SWERR.index", {kSwerr + 8, 8}},
        {"SWERR.address", {kSwerr + 16, 8}},
        {"EVLCFG.base", {kEvlcfg, 8}},
        {"EVLCFG.size", {kEvlcfg + 8, 8}},
        {"EVLSTATUS", {kEvlstatus, 8}},
        {"PERFCAP", {kPerfmon + dsa::perf::kCapabilities, 8}},
        {"PERFRST", {kPerfmon + dsa::perf::kReset}},
        {"PERFFRZ", {kPerfmon + dsa::perf::kFreeze}},
        {"OVFSTATUS", {kPerfmon + dsa::perf::kOverflow, 8}},
        {"EVNTCAP2", {kPerfmon + dsa::perf::event_capability(dsa::perf::Category::Translation), 8}},
        {"CNTRCFG0", {kPerfmon + dsa::perf::counter_config(0), 8}},
        {"CNTRCFG1", {kPerfmon + dsa::perf::counter_config(1), 8}},
        {"CNTRDATA0", {kPerfmon + dsa::perf::counter_data(0), 8}},
        {"CNTRDATA1", {kPerfmon + dsa::perf::counter_data(1), 8}},
    };
    return map;
}

const std::vector<Entry>& config_map() {
    using namespace pcie::config;
    static const std::vector<Entry> map{
        {"VENDOR", {kVendor, 2}},
        {"DEVICE", {kDevice, 2}},
        {"COMMAND", {kCommand, 2}},
        {"STATUS", {kStatus, 2}},
        {"REVISION", {kRevision, 1}},
        {"HEADER_TYPE", {kHeaderType, 1}},
        {"BAR0", {kBar0}},
        {"BAR1", {kBar0 + 4}},
        {"BAR2", {kBar2}},
        {"BAR3", {kBar2 + 4}},
        {"CAPABILITIES", {kCapabilityPointer, 1}},
        {"INTERRUPT_LINE", {kInterruptLine, 1}},
        {"EXPRESS", {kExpress}},
        {"DEVCAP", {kDevCap}},
        {"DEVCTL", {kDevCtl, 2}},
        {"DEVSTA", {kDevSta, 2}},
        {"DEVCAP2", {kDevCap2}},
        {"DEVCTL2", {kDevCtl2, 2}},
        {"ATS", {kAts}},
        {"ATS_CAP", {kAtsCap, 2}},
        {"ATS_CTL", {kAtsCtl, 2}},
        {"PASID", {kPasid}},
        {"PASID_CAP", {kPasidCap, 2}},
        {"PASID_CTL", {kPasidCtl, 2}},
        {"PRI", {kPri}},
        {"PRI_CTL", {kPriCtl, 2}},
        {"PRI_STATUS", {kPriStatus, 2}},
        {"PRI_CAPACITY", {kPriCapacity}},
        {"PRI_ALLOCATION", {kPriAllocation}},
    };
    return map;
}

bool find(const std::vector<Entry>& map, const std::string& name, NamedRegister& out) {
    for (const Entry& entry : map) {
        if (name == entry.name) {
            out = entry.where;
            return true;
        }
    }
    if (name.size() > 2 && (name.compare(0, 2, "0x") == 0 || name.compare(0, 2, "0X") == 0)) {
        out = {};
        const char* end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data() + 2, end, out.offset, 16);
        return parsed.ec == std::errc() && parsed.ptr == end;
    }
    return false;
}

std::vector<std::string> names(const std::vector<Entry>& map) {
    std::vector<std::string> out;
    for (const Entry& entry : map) {
        out.emplace_back(entry.name);
    }
    return out;
}

}  // namespace

bool find_unit_register(const std::string& name, NamedRegister& out) {
    constexpr const char* kRecord = "FRCD";
    constexpr std::uint32_t kRecordBytes = 16;
    if (name.compare(0, std::strlen(kRecord), kRecord) != 0) {
        return find(unit_map(), name, out);
    }
    // "FRCD0.low", "FRCD0.high"
    std::uint32_t number = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + std::strlen(kRecord), end, number);
    const std::string half(parsed.ptr, end);
    if (parsed.ec != std::errc() || number > 255 || (half != ".low" && half != ".high")) {
        return false;
    }
    out = {number * kRecordBytes + (half == ".high" ? 8U : 0U), 8, Base::Fault};
    return true;
}

std::uint64_t register_bytes(bool device) {
    return device ? requester::kBar0Bytes : vtd::kRegisterBytes;
}

bool find_requester_register(const std::string& name, NamedRegister& out) {
    return find(requester_map(), name, out);
}

bool find_accelerator_register(const std::string& name, NamedRegister& out) {
    return find(accelerator_map(), name, out);
}

bool find_config_register(const std::string& name, NamedRegister& out) {
    return find(config_map(), name, out) && out.offset < pcie::kConfigBytes &&
           out.offset + out.size <= pcie::kConfigBytes;
}

std::vector<std::string> config_register_names() {
    return names(config_map());
}

std::vector<std::string> unit_register_names() {
    std::vector<std::string> all = names(unit_map());
    all.emplace_back("FRCD0.low");
    all.emplace_back("FRCD0.high");
    return all;
}

std::vector<std::string> accelerator_register_names() {
    return names(accelerator_map());
}

std::vector<std::string> requester_register_names() {
    return names(requester_map());
}

}  // namespace ioasim::platform
