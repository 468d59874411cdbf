// Injections: faults that a scenario brings in from outside. One catalogue names every kind, where
// it acts and what is to be expected of it; the scenario language, its schema and `ioasim inject`
// read it, the Injector (injector.hpp) delivers.
//
// A fault acts through the part that it befalls: at a fault site of a model (a call or message that
// goes wrong), as steps of a program (somebody kills, resets, attacks), as an error in a line of
// memory, or as something that happens to a processor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/trace/event.hpp"
#include "core/trace/recorder.hpp"

namespace ioasim::platform {

struct PlatformConfig;

// What a kind befalls: what may stand before the dot of "dsa0.hang".
enum class InjectTarget : std::uint8_t {
    Anywhere,       // nothing to choose
    Function,       // a PCIe function: an accelerator or test requester
    Accelerator,    //
    Slot,           // an accelerator in a slot, from which it can be pulled
    Unit,           // a remapping unit
    Machine,        // a virtual machine
    VirtualDevice,  // of a virtual machine, by its name in the guest
    Process,        // of the host: "host/app"
    Block,          // who is notified and holds references: "kvm/vm1", "vdcm/vm1/dsa0", a block
};
const char* target_text(InjectTarget target);  // "an accelerator"

enum class InjectWay : std::uint8_t { Site, Steps, Memory, Pull };

enum class InjectValue : std::uint8_t { Time, Number, Size, Address, Text };

// What a kind wants to know beside its target. The same key means the same in all kinds.
struct InjectParam {
    const char* key;
    InjectValue value;
    std::uint64_t low;
    std::uint64_t high;
    const char* initial;  // as JSON text; empty: it must be given
    const char* doc;
};

struct InjectKind {
    // "dsa.hang". The last word stands behind a target: "dsa0.hang".
    std::string_view name;
    InjectTarget target;
    std::string_view effect;    // what happens
    std::string_view noticed;   // who notices, and what right software and hardware do then
    std::string_view source;    // where real systems have it
    std::string_view scenario;  // that shows it, under scenarios/
    InjectWay way = InjectWay::Site;
    const FaultSite* site = nullptr;  // Site: of its extent, params[0] tells
    std::vector<InjectParam> params{};
    // Steps: where they run and what they are, as in a scenario; ${target}, ${vm} (of a virtual
    // device) and the parameters stand for their values.
    std::string_view on{};
    std::string_view steps{};
    // Steps: the name of the one that is the fault; the first of that name. Those before it prepare
    // and have to succeed, and what the software of the victim answers to it is its own affair.
    // Empty: the first step, and whoever it befalls has to be there (found_nobody).
    std::string_view act{};
    bool counted = false;  // what that step returns is how many it befell

    std::string_view word() const { return name.substr(name.find('.') + 1); }
};

// All kinds, by name.
const std::vector<InjectKind>& inject_kinds();
const InjectKind* find_inject_kind(std::string_view name);
// Every parameter of any kind, once a key.
const std::vector<InjectParam>& inject_params();

// Names of the configuration that a kind may befall.
std::vector<std::string> inject_targets(InjectTarget target, const PlatformConfig& config);

struct InjectFault {
    const InjectKind* kind = nullptr;
    std::string target;  // empty: any (a fault site), or there is nothing to choose
};
// What "dsa0.hang" or "dsa.hang" means there; no kind, and why, when it means nothing.
struct InjectMeaning {
    InjectFault fault;
    std::string problem;
    std::vector<std::string> choices;  // what could have been meant
};
InjectMeaning read_fault(std::string_view text, const PlatformConfig& config);

// Everything that can befall a system of this configuration: each kind with each target. Fault
// sites stand there once, for all instances.
std::vector<InjectFault> inject_applicable(const PlatformConfig& config);

// A step that was to bring in a fault found its victim gone, or was refused before anything
// happened; `kind.act` says whose refusals count.
bool found_nobody(const InjectKind& kind, Errno result, std::uint64_t value);

// Events that start an injection or are counted for it.
struct InjectEvent {
    const trace::EventInfo* event = nullptr;
    std::function<bool(const trace::EventRecord&, const trace::NameTable&)> matches;
};

}  // namespace ioasim::platform
