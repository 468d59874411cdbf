// The names that steps of a document make before any of them is read.
#include "scenarios/language/read_steps.hpp"

namespace ioasim::scenario {
namespace {

using platform::CallSpec;
using platform::CallSubject;

void collect_from(const Node* list, bool kernel, StepWords& words) {
    for (const Node& item : items_of(list)) {
        for (const CallSpec& spec : platform::call_specs()) {
            const Node* subject = item.get(spec.key);
            if (subject == nullptr) {
                continue;
            }
            if (spec.subject == CallSubject::NewSet) {
                words.sets.push_back(text_of(subject));
            }
            if (spec.subject == CallSubject::Mm && spec.kind != platform::CallKind::MmExit &&
                spec.kind != platform::CallKind::MmGrab &&
                spec.kind != platform::CallKind::MmDrop) {
                words.mms.push_back(text_of(subject));
            }
            // Who makes a set, opens the file or asks for an ID has an address space, or means one.
            const bool has = spec.kind == platform::CallKind::SetAlloc ||
                             spec.kind == platform::CallKind::DevOpen ||
                             spec.kind == platform::CallKind::GetIfOwned;
            if (const Node* mm = item.get("mm"); mm != nullptr && has) {
                words.mms.push_back(text_of(mm));
            }
            if (spec.subject == CallSubject::NewId && kernel) {
                words.globals.insert(text_of(subject));
            }
        }
        if (const Node* variable = item.get("alloc"); variable != nullptr && kernel) {
            words.globals.insert(text_of(variable));
        }
    }
}

}  // namespace

std::vector<std::string> fault_sites() {
    std::vector<std::string> names;
    for (const Declaration* site : Declaration::all(Declaration::Kind::FaultSite)) {
        names.emplace_back(site->name());
    }
    return names;
}

void collect_kernel_names(const Node& document, StepWords& words) {
    for (const Node& program : items_of(document.get("programs"))) {
        const std::string on = text_of(program.get("on"));
        collect_from(program.get("steps"), on == "host/kernel", words);
        const std::string name = on + "/" + text_of(program.get("process"));
        words.programs.push_back(name);
        if (on == "host" || on == "host/kernel") {
            const std::string mm = text_of(program.get("mm"));
            words.sets.push_back("dev/" + (mm.empty() ? name : mm));
            words.sets.push_back(name);
            words.mms.push_back(mm.empty() ? name : mm);
        }
    }
    const Node* kernel = document.get("kernel");
    if (kernel == nullptr) {
        return;
    }
    for (const Node& work : items_of(kernel->get("works"))) {
        collect_from(work.get("steps"), true, words);
    }
    for (const Node& block : items_of(kernel->get("blocks"))) {
        if (const Node* on = block.get("on")) {
            for (const auto& member : on->members) {
                collect_from(&member.value, true, words);
            }
        }
    }
}

}  // namespace ioasim::scenario
