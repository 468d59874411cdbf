#include "tools/cli/topology/topology.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "core/base/words.hpp"

namespace ioasim::tools {

using platform::DeviceConfig;
using platform::PlatformConfig;
using platform::ProgramConfig;
using platform::Step;
using platform::StepKind;
using platform::VmConfig;

namespace {

void join(std::string& out, const std::string& fact) {
    out += (out.empty() ? "" : ", ") + fact;
}

std::string rid_text(Rid rid) {
    const unsigned value = rid.value();
    return fmt::format("{:02x}:{:02x}.{:x}", value >> 8U, (value >> 3U) & 0x1FU, value & 7U);
}

class Builder {
public:
    Builder(const PlatformConfig& config, const std::string& title) : config_(config) {
        out_.title = title;
    }

    Topology build() {
        for (const std::string& host : config_.without_kernel() ? std::vector<std::string>{"host"}
                                                                : platform::host_names(config_)) {
            out_.parts.push_back(host_part(host));
        }
        for (const ProgramConfig& program : config_.programs) {
            uses_of(program);
        }
        return std::move(out_);
    }

private:
    Part host_part(const std::string& host) {
        const bool first = out_.parts.empty();
        Part part{"host", host, host, ""};
        if (first) {
            join(part.facts, plural(config_.cpus, "processor"));
            if (config_.without_kernel()) {
                join(part.facts, "no kernel");
            } else {
                join(part.facts, fmt::format("IOASID core {}, {} IDs", config_.ioasid_profile,
                                             config_.ioasid_capacity));
            }
        }
        for (const platform::IommuConfig& iommu : config_.iommus) {
            if (iommu.host == host || config_.without_kernel()) {
                part.parts.push_back(iommu_part(iommu));
            }
        }
        for (const VmConfig& vm : config_.vms) {
            if (vm.host == host) {
                part.parts.push_back(vm_part(vm));
            }
        }
        if (first) {
            kernel_code(part);
        }
        programs_on(host, part);
        programs_on(host + "/kernel", part);
        if (first) {
            programs_on(platform::kBare, part);
        }
        return part;
    }

    Part iommu_part(const platform::IommuConfig& iommu) {
        Part part{"iommu", iommu.name, iommu.name, fmt::format("node {}", iommu.node)};
        for (std::size_t i = 0; i < config_.devices.size(); ++i) {
            const DeviceConfig& device = config_.devices[i];
            if (device.iommu == iommu.name) {
                Part port{"root port", "port of " + device.name, device.name + ".port",
                          fmt::format("link {0}.up, {0}.down", device.name)};
                if (device.address_bits < 64) {
                    join(port.facts, fmt::format("{} address bits", device.address_bits));
                }
                port.parts.push_back(device_part(device, i));
                part.parts.push_back(std::move(port));
            }
        }
        return part;
    }

    static Part device_part(const DeviceConfig& device, std::size_t index) {
        const bool dsa = device.kind == platform::DeviceKind::Dsa;
        Part part{"device", device.name, device.name,
                  fmt::format("{}, {}", rid_text(platform::rid_of(device, index)),
                              dsa ? "DSA" : "requester")};
        if (device.ats) {
            join(part.facts, "ATS");
        }
        if (!device.group.empty()) {
            join(part.facts, "IOMMU group " + device.group);
        }
        if (!device.grouped) {
            join(part.facts, "no IOMMU group");
        }
        if (dsa && !device.workqueues.empty()) {
            Part group{"group", "group0", device.name + ".group0", ""};
            for (const platform::WorkqueueConfig& wq : device.workqueues) {
                Part queue{"workqueue", wq.name, device.name + "/" + wq.name,
                           fmt::format("{}, {}", wq.shared ? "shared" : "dedicated",
                                       wq.size == 1 ? std::string("1 entry")
                                                    : fmt::format("{} entries", wq.size))};
                if (wq.shared && wq.threshold != 0 && wq.threshold != wq.size) {
                    join(queue.facts, fmt::format("threshold {}", wq.threshold));
                }
                join(queue.facts, fmt::format("priority {}", wq.priority));
                group.parts.push_back(std::move(queue));
            }
            for (std::uint32_t e = 0; e < device.engines; ++e) {
                group.parts.push_back({"engine", fmt::format("engine{}", e),
                                       fmt::format("{}.engine{}", device.name, e), ""});
            }
            part.parts.push_back(std::move(group));
        }
        return part;
    }

    Part vm_part(const VmConfig& vm) {
        Part part{"vm", vm.name, vm.name,
                  fmt::format("{} of memory, quota {}, guest PASIDs {} to {}, host IDs {} to {}",
                              size_text(vm.memory_bytes), vm.quota, vm.gpasids.min, vm.gpasids.max,
                              vm.pasids.min, vm.pasids.max)};
        for (const platform::MdevConfig& mdev : vm.mdevs) {
            const std::string id = vm.name + "." + mdev.name;
            part.parts.push_back({"virtual device", mdev.name, id, ""});
            out_.uses.push_back({id, mdev.device + "/" + mdev.workqueue, "is"});
        }
        for (const std::string& function : vm.functions) {
            out_.uses.push_back({vm.name, function, "has"});
        }
        for (std::uint32_t v = 0; v < vm.vcpus; ++v) {
            const std::string name = fmt::format("vcpu{}", v);
            Part vcpu{"vcpu", name, vm.name + "/" + name, ""};
            programs_on(vcpu.id, vcpu);
            part.parts.push_back(std::move(vcpu));
        }
        Part vmm{"vmm", "vmm", vm.name + "/vmm", ""};
        programs_on(vmm.id, vmm);
        if (!vmm.parts.empty()) {
            part.parts.push_back(std::move(vmm));
        }
        return part;
    }

    void kernel_code(Part& host) {
        const platform::KernelCodeConfig& code = config_.kernel;
        for (const auto& block : code.blocks) {
            host.parts.push_back({"notification block", block.name, "kernel." + block.name,
                                  fmt::format("priority {}", block.priority)});
        }
        for (const auto& work : code.works) {
            host.parts.push_back({"ordered work", work.name, "kernel." + work.name,
                                  plural(work.steps.size(), "step")});
        }
        for (const auto& allocator : code.allocators) {
            host.parts.push_back({"allocator", allocator.name, "kernel." + allocator.name, ""});
        }
        for (const auto& lock : code.locks) {
            host.parts.push_back(
                {lock.sleeps ? "mutex" : "spinlock", lock.name, "kernel." + lock.name, ""});
        }
    }

    void programs_on(const std::string& on, Part& where) {
        for (const ProgramConfig& program : config_.programs) {
            if (program.on == on) {
                Part part{"program", program.process, program.on + "/" + program.process,
                          plural(program.steps.size(), "step")};
                if (program.start != TimePs{}) {
                    join(part.facts, "from " + format_time(program.start));
                }
                where.parts.push_back(std::move(part));
            }
        }
    }

    // What the steps of a program name: each once.
    void uses_of(const ProgramConfig& program) {
        std::set<std::pair<std::string, std::string>> seen;
        const std::string id = program.on + "/" + program.process;
        for (const Step& step : program.steps) {
            std::string how;
            std::string to = step.device;
            switch (step.kind) {
                case StepKind::Bind:
                    how = "binds";
                    break;
                case StepKind::Submit:
                    how = "submits";
                    to += "/" + step.workqueue;
                    break;
                case StepKind::Open:
                    how = "opens";
                    to += "/" + step.workqueue;
                    break;
                case StepKind::Unplug:
                    how = "unplugs";
                    break;
                case StepKind::Kill:
                    how = "kills";
                    to = step.target;
                    break;
                case StepKind::Migrate:
                    how = "migrates to";
                    to = step.target;
                    break;
                default:
                    continue;
            }
            to = in_guest(program.on, to);
            if (!to.empty() && to != "/" && seen.emplace(how, to).second) {
                out_.uses.push_back({id, to, how});
            }
        }
    }
    // A virtual device is known in its guest only: its queue is the parent's.
    std::string in_guest(const std::string& on, const std::string& name) const {
        for (const VmConfig& vm : config_.vms) {
            if (on.compare(0, vm.name.size() + 1, vm.name + "/") != 0) {
                continue;
            }
            for (const platform::MdevConfig& mdev : vm.mdevs) {
                if (name.substr(0, name.find('/')) == mdev.name) {
                    return vm.name + "." + mdev.name;
                }
            }
        }
        return name;
    }

    const PlatformConfig& config_;
    Topology out_;
};

// --- text ---------------------------------------------------------------------------------------

void tree(const std::vector<Part>& parts, const std::string& before,
          const std::map<std::string, std::string>& uses, std::string& out) {
    for (const Part& part : parts) {
        const bool last = &part == &parts.back();
        const auto found = uses.find(part.id);
        out += fmt::format("{}{}{} {}{}{}\n", before, last ? "`- " : "|- ", part.kind, part.name,
                           part.facts.empty() ? "" : ": " + part.facts,
                           found == uses.end() ? "" : "; " + found->second);
        tree(part.parts, before + (last ? "   " : "|  "), uses, out);
    }
}

// --- dot ----------------------------------------------------------------------------------------

std::string dot_quote(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + "\"";
}

const char* colour_of(const std::string& kind) {
    static const std::map<std::string, const char*> kColours = {
        {"host", "#f4f6f8"},   {"iommu", "#fff3d6"},   {"root port", "#fbf7ec"},
        {"device", "#e3f0df"}, {"group", "#f2f8f0"},   {"workqueue", "#cfe6c8"},
        {"engine", "#dfeedb"}, {"vm", "#e1ecf8"},      {"vcpu", "#f0f6fc"},
        {"vmm", "#f0f6fc"},    {"program", "#ffffff"}, {"virtual device", "#cfe6c8"}};
    const auto found = kColours.find(kind);
    return found == kColours.end() ? "#eeeeee" : found->second;
}

class DotWriter {
public:
    std::string write(const Topology& topology) {
        out_ =
            "digraph topology {\n"
            "  graph [compound=true, rankdir=LR, fontname=\"Helvetica\", labeljust=l, label=" +
            dot_quote(topology.title) +
            "];\n"
            "  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=10];\n"
            "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"];\n";
        for (const Part& part : topology.parts) {
            add(part, "  ");
        }
        // One edge for all that one does with the other.
        std::vector<Use> edges;
        for (const Use& use : topology.uses) {
            const auto same = std::find_if(edges.begin(), edges.end(), [&use](const Use& e) {
                return e.from == use.from && e.to == use.to;
            });
            if (same == edges.end()) {
                edges.push_back(use);
            } else {
                same->how += ", " + use.how;
            }
        }
        for (const Use& use : edges) {
            edge(use);
        }
        return out_ + "}\n";
    }

private:
    static std::string label(const Part& part) {
        const std::string name = part.kind == "root port" ? part.name : part.kind + " " + part.name;
        std::string text = dot_quote(name + (part.facts.empty() ? "" : "\n" + part.facts));
        for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) {
            text.replace(at, 1, "\\n");
        }
        return text;
    }
    void add(const Part& part, const std::string& indent) {
        anchors_[part.id] = part.id;
        if (part.parts.empty()) {
            out_ += fmt::format("{}{} [label={}, fillcolor=\"{}\"];\n", indent, dot_quote(part.id),
                                label(part), colour_of(part.kind));
            return;
        }
        out_ += fmt::format(
            "{0}subgraph {1} {{\n{0}  label={2}; style=\"rounded,filled\"; fillcolor=\"{3}\"; "
            "color=\"#888888\"; fontsize=11;\n",
            indent, dot_quote("cluster_" + part.id), label(part), colour_of(part.kind));
        for (const Part& child : part.parts) {
            parents_[child.id] = part.id;
            add(child, indent + "  ");
        }
        // Edges need a node; those of a whole cluster end at its border.
        anchors_[part.id] = anchors_[part.parts.front().id];
        clusters_.insert(part.id);
        out_ += indent + "}\n";
    }
    // An edge ends at the border of a cluster, unless it comes from inside of it.
    bool is_border(const std::string& cluster, const std::string& other) const {
        if (clusters_.count(cluster) == 0) {
            return false;
        }
        for (auto at = parents_.find(other); at != parents_.end(); at = parents_.find(at->second)) {
            if (at->second == cluster) {
                return false;
            }
        }
        return true;
    }
    void edge(const Use& use) {
        const auto from = anchors_.find(use.from);
        const auto to = anchors_.find(use.to);
        if (from == anchors_.end() || to == anchors_.end()) {
            return;  // what the scenario names and does not build
        }
        std::string ends;
        ends += is_border(use.from, use.to) ? ", ltail=" + dot_quote("cluster_" + use.from) : "";
        ends += is_border(use.to, use.from) ? ", lhead=" + dot_quote("cluster_" + use.to) : "";
        out_ += fmt::format("  {} -> {} [label={}{}];\n", dot_quote(from->second),
                            dot_quote(to->second), dot_quote(use.how), ends);
    }

    std::string out_;
    std::map<std::string, std::string> anchors_;  // id -> the node that edges end at
    std::map<std::string, std::string> parents_;
    std::set<std::string> clusters_;
};

}  // namespace

Topology topology_of(const PlatformConfig& config, const std::string& title) {
    return Builder(config, title).build();
}

std::string topology_text(const Topology& topology) {
    std::map<std::string, std::string> uses;
    for (const Use& use : topology.uses) {
        std::string& line = uses[use.from];
        line += (line.empty() ? "" : ", ") + use.how + " " + use.to;
    }
    std::string out = topology.title + "\n";
    tree(topology.parts, "", uses, out);
    return out;
}

std::string topology_dot(const Topology& topology) {
    return DotWriter().write(topology);
}

}  // namespace ioasim::tools
