// What takes part in a trace: its machines, hosts and devices, and which column of a chart a thread
// or a holder of references belongs to.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "traces/questions/causes.hpp"
#include "traces/questions/event_log.hpp"
#include "traces/questions/story.hpp"

namespace ioasim::traces {

class Scene {
public:
    explicit Scene(const EventLog& log);

    const EventLog& log() const { return log_; }
    const Causes& causes() const { return causes_; }
    const std::set<std::string>& vms() const { return vms_; }
    const std::set<std::string>& hosts() const { return hosts_; }
    const std::vector<std::string>& devices() const { return devices_; }

    bool is_vm(const std::string& name) const { return vms_.count(name) != 0; }
    // The kernel whose software emitted the event: a VM's name, or a host's.
    std::string kernel_of(std::size_t event) const;
    // The host kernel that the hardware of the event belongs to; empty where there are several and
    // nothing tells.
    std::string host_of(std::size_t event) const;
    // The machine that the thread of the event belongs to, its VMM included; empty: none.
    std::string machine_of(std::size_t event) const;
    // Name of the device with this requester id; the id itself when nothing tells it.
    std::string device_of(std::uint64_t rid) const;
    // PASIDs of this function are numbers of a VM's own space.
    bool has_own_numbers(std::uint64_t rid) const { return own_numbers_.count(rid) != 0; }

    Role role_of(std::size_t event) const;
    // Of a holder of references or a notification block: "kvm/vm1", "iommu", "vdcm/vm1/dsa0".
    static Role role_of_party(const std::string& name);

    Moment moment(std::size_t event, std::string text) const;

private:
    void look(std::size_t event);
    // That serves the machine by then.
    std::string host_of_vm(const std::string& vm, std::size_t event) const;
    std::string only_host() const;
    void add_device(const std::string& name);

    const EventLog& log_;
    Causes causes_;
    std::set<std::string> vms_;
    std::set<std::string> hosts_;
    std::vector<std::string> devices_;
    std::set<std::string> units_;
    std::map<std::string, std::string> part_hosts_;  // where there are several hosts
    std::map<std::string, std::map<std::size_t, std::string>> served_;  // vm: from an event on
    std::map<std::uint64_t, std::string> functions_;
    std::set<std::uint64_t> own_numbers_;
};

}  // namespace ioasim::traces
