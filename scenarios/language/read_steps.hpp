// Steps: what programs, notification blocks and deferred work do.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "scenarios/language/reading.hpp"

namespace ioasim::scenario {

// Where steps run decides which there are and whose variables they see.
enum class StepPlace : std::uint8_t {
    HostProcess,
    KernelThread,
    Vmm,
    Vcpu,
    Script,  // a notification block or deferred work
    Bare,    // a CPU without a kernel
};

// Every name that steps may use.
struct StepWords {
    std::string profile;
    std::vector<std::string> vms;
    std::vector<std::string> hosts;
    std::vector<std::string> devices;
    std::vector<std::string> iommus;
    std::vector<std::string> requesters;
    std::vector<std::string> accelerators;
    std::map<std::string, Rid> functions;  // of devices by name
    std::vector<std::string> groups;       // of devices
    std::vector<std::string> workqueues;   // "dsa0/wq0"
    std::vector<std::string> sets;
    std::vector<std::string> blocks;
    std::vector<std::string> works;
    std::vector<std::string> allocators;
    std::vector<std::string> locks;
    std::vector<std::string> programs;  // full names
    std::vector<std::string> mms;       // address spaces that somebody has
    std::set<std::string> globals;      // variables of kernel code
};

// Looks through the document for sets and variables that kernel code makes, in any order.
void collect_kernel_names(const Node& document, StepWords& words);

// What a process knows: of its own steps, and of its parent's before a fork.
struct ProcessNames {
    std::set<std::string> variables;
    std::vector<std::string> mappings;
};

// `known`: names that steps may use from the start; those that they make are added.
std::vector<platform::Step> read_steps(Reading& reading, const StepWords& words, const Node* list,
                                       const std::string& pointer, StepPlace place,
                                       ProcessNames* known = nullptr);

// Whether the parent that a program names stands before it.
bool knows_parent(Reading& reading, const Node& parent, const std::string& pointer, StepPlace place,
                  const platform::ProgramConfig& child,
                  const std::vector<platform::ProgramConfig>& before);
// Each fork has its child, and each child its fork.
void check_forks(Reading& reading, std::vector<platform::ProgramConfig>& programs);

// Names of all fault sites.
std::vector<std::string> fault_sites();

// What earlier steps of a program made and named.
struct MadeNames {
    std::vector<std::string> page_tables;
    std::vector<std::string> containers;
    std::vector<std::string> buffers;
};

// The arguments of a step of a bare program or of a VFIO user; what it makes goes into `made`.
platform::BareStep read_bare_step(Reading& reading, const StepWords& words, const Node& item,
                                  const platform::BareSpec& spec, const std::string& pointer,
                                  MadeNames& made);

// Kernel code may ask for an empty range (min above max).
platform::PasidRange read_range(Reading& reading, const Node* node, const std::string& pointer,
                                bool may_be_empty = false);

// Faults from outside; programs and names are read before.
std::vector<platform::InjectionConfig> read_injections(Reading& reading, const StepWords& words,
                                                       const platform::PlatformConfig& config);

// The blocks, works, allocators and locks of the document; their names go into `words`, their
// steps are read after all names are known.
void read_kernel_names(Reading& reading, StepWords& words);
platform::KernelCodeConfig read_kernel_code(Reading& reading, const StepWords& words);

}  // namespace ioasim::scenario
