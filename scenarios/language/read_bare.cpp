// Steps of bare programs: numbers, names of components, registers and functions.
#include <algorithm>

#include <fmt/format.h>

#include "core/base/bits.hpp"
#include "core/base/units.hpp"
#include "scenarios/language/compose.hpp"
#include "scenarios/language/read_steps.hpp"

namespace ioasim::scenario {
namespace {

using platform::BareArgSpec;
using platform::BareKind;
using platform::BareStep;
using platform::BareValue;

class BareReader {
public:
    BareReader(Reading& reading, const StepWords& words, const Node& item,
               const platform::BareSpec& spec, const std::string& pointer, MadeNames& made)
        : r_(reading), words_(words), item_(item), spec_(spec), pointer_(pointer), made_(made) {
        step_.kind = spec.kind;
    }

    BareStep read() {
        argument(*item_.get(spec_.key), spec_.subject, spec_.key);
        for (const BareArgSpec& arg : spec_.args) {
            if (const Node* node = item_.get(arg.key)) {
                argument(*node, arg, arg.key);
            }
        }
        together();
        if (!new_table_.empty()) {
            made_.page_tables.push_back(new_table_);
        }
        return std::move(step_);
    }

private:
    void argument(const Node& node, const BareArgSpec& arg, const std::string& key) {
        const std::string at = pointer_join(pointer_, key);
        switch (arg.value) {
            case BareValue::Number:
                step_.numbers[arg.key] = quantity_of(&node, arg.low);
                break;
            case BareValue::Numbers:
                for (const Node& one : items_of(&node)) {
                    step_.lists[arg.key].push_back(quantity_of(&one, 0));
                }
                break;
            case BareValue::Bytes:
                step_.bytes[arg.key] = bytes_of(&node);
                break;
            case BareValue::Flag:
                step_.numbers[arg.key] = boolean_value(&node, false) ? 1 : 0;
                break;
            case BareValue::Time:
                step_.numbers[arg.key] = time_of(&node, TimePs{1}).ps();
                break;
            case BareValue::True:
                if (node.is(Node::Kind::Boolean) && !node.boolean) {
                    r_.report(Code::NotAChoice, node.place, at,
                              fmt::format("{} is true", quoted(key)));
                }
                break;
            case BareValue::Unit:
                unit(node, at);
                step_.names[arg.key] = text_of(&node);
                break;
            case BareValue::Device:
                r_.known(node, at, "test requester", words_.requesters, Code::UnknownComponent);
                step_.names[arg.key] = text_of(&node);
                break;
            case BareValue::AnyDevice:
                r_.known(node, at, "device", words_.devices, Code::UnknownComponent);
                step_.names[arg.key] = text_of(&node);
                break;
            case BareValue::Accelerator:
                r_.known(node, at, "accelerator", words_.accelerators, Code::UnknownComponent);
                step_.names[arg.key] = text_of(&node);
                break;
            case BareValue::Register:
                register_name(node, at);
                step_.names[arg.key] = text_of(&node);
                break;
            case BareValue::ConfigRegister:
                config_name(node, at);
                step_.names[arg.key] = text_of(&node);
                break;
            case BareValue::Function:
                function(node, at, arg.key);
                break;
            case BareValue::NewTable:
                new_table_ = text_of(&node);
                step_.names[arg.key] = new_table_;
                break;
            case BareValue::Table:
                r_.known(node, at, "page table", made_.page_tables, Code::UnknownVariable);
                step_.names[arg.key] = text_of(&node);
                break;
            case BareValue::Site:
                r_.known(node, at, "fault site", fault_sites(), Code::UnknownComponent);
                step_.names[arg.key] = text_of(&node);
                break;
            default:
                step_.names[arg.key] = text_of(&node);
                of_a_process(node, at, arg.value);
        }
    }

    // Names of files and buffers that a process has.
    void of_a_process(const Node& node, const std::string& at, BareValue value) {
        switch (value) {
            case BareValue::NewContainer:
                made_.containers.push_back(text_of(&node));
                break;
            case BareValue::Container:
                r_.known(node, at, "container", made_.containers, Code::UnknownVariable);
                break;
            case BareValue::NewBuffer:
                made_.buffers.push_back(text_of(&node));
                break;
            case BareValue::Buffer:
                r_.known(node, at, "buffer", made_.buffers, Code::UnknownVariable);
                break;
            case BareValue::Group:
                r_.known(node, at, "group", words_.groups, Code::UnknownComponent);
                break;
            default:
                break;
        }
    }

    void unit(const Node& node, const std::string& at) {
        std::vector<std::string> names = words_.iommus;
        const bool registers = spec_.kind == BareKind::MmioRead ||
                               spec_.kind == BareKind::MmioWrite ||
                               spec_.kind == BareKind::MmioPoll;
        if (registers) {
            names.insert(names.end(), words_.devices.begin(), words_.devices.end());
        }
        r_.known(node, at, registers ? "IOMMU or device" : "IOMMU", names, Code::UnknownComponent);
    }

    // The registers of what "of" names, else of the first IOMMU.
    void register_name(const Node& node, const std::string& at) {
        const Node* of = item_.get("of");
        if (of == nullptr && words_.iommus.empty()) {
            r_.report(Code::UnknownComponent, node.place, at, "the platform has no IOMMU");
            return;
        }
        if (!node.is(Node::Kind::String) || node.broken) {
            return;
        }
        const std::string name = text_of(of);
        const bool device = words_.functions.count(name) != 0;
        platform::NamedRegister found;
        const bool accelerator = std::find(words_.accelerators.begin(), words_.accelerators.end(),
                                           name) != words_.accelerators.end();
        const bool known = accelerator ? platform::find_accelerator_register(node.text, found)
                           : device    ? platform::find_requester_register(node.text, found)
                                       : platform::find_unit_register(node.text, found);
        if (!known) {
            const std::vector<std::string> names = accelerator
                                                       ? platform::accelerator_register_names()
                                                   : device ? platform::requester_register_names()
                                                            : platform::unit_register_names();
            r_.report(Code::UnknownField, node.place, at,
                      fmt::format("there is no register {}", quoted(node.text)),
                      nearest(node.text, names).empty()
                          ? "a name of the specification, \"FRCD0.low\", or an offset (\"0x18\")"
                          : suggest(node.text, names));
            return;
        }
        register_access(node, at, found, device);
    }

    // As the hardware takes them: aligned, of 4 or 8 bytes, inside the unit's page or the BAR.
    void register_access(const Node& node, const std::string& at,
                         const platform::NamedRegister& found, bool device) {
        const Node* const size = item_.get("size");
        const std::uint64_t bytes = size != nullptr ? quantity_of(size, 4) : found.size;
        const std::uint64_t limit = platform::register_bytes(device);
        access_size_ = static_cast<unsigned>(bytes);
        if (bytes != 4 && bytes != 8) {
            r_.report(Code::OutOfRange, size->place, pointer_join(pointer_, "size"),
                      "a register access is of 4 or 8 bytes, aligned");
            access_size_ = 0;
        } else if (found.offset % bytes != 0) {
            r_.report(Code::OutOfRange, node.place, at,
                      fmt::format("a register access is of 4 or 8 bytes, aligned: not {} at {:#x}",
                                  bytes, found.offset));
        } else if (found.offset + bytes > limit) {
            r_.report(
                Code::OutOfRange, node.place, at,
                fmt::format("{} ends at {:#x}", device ? "the BAR" : "the unit's page", limit));
        }
    }

    // What is written or compared fits into what is accessed.
    void value_fits() {
        if (step_.kind == BareKind::MemoryPoll) {
            const std::uint64_t bytes = step_.number("size", 4);
            access_size_ = static_cast<unsigned>(bytes);
            if (bytes == 0 || bytes > 8 || (bytes & (bytes - 1)) != 0) {
                r_.report(Code::OutOfRange, item_.get("size")->place,
                          pointer_join(pointer_, "size"), "a load is of 1, 2, 4 or 8 bytes");
                return;
            }
        }
        const bool entry = step_.kind == BareKind::EntryStore || step_.kind == BareKind::EntryCheck;
        const unsigned bytes = entry ? 8 : access_size_;
        if (bytes == 0 || bytes > 8) {
            return;
        }
        const std::uint64_t all = bit_mask(8 * bytes - 1, 0);
        const std::uint64_t counted = all & step_.number("mask", all);
        for (const char* key : {"value", "is"}) {
            const std::uint64_t bits = std::string(key) == "is" ? counted : all;
            if (step_.has(key) && (step_.number(key) & ~bits) != 0) {
                r_.report(Code::OutOfRange, item_.get(key)->place, pointer_join(pointer_, key),
                          bits == all ? fmt::format("the access has {} bytes", bytes)
                                      : fmt::format("{:#x} has bits outside of the mask {:#x}",
                                                    step_.number(key), bits));
            }
        }
    }

    void tables_and_queue() {
        if (step_.kind == BareKind::PageTable && step_.name("stage") == "first" &&
            step_.number("levels", 4) == 3) {
            r_.report(Code::OutOfRange, item_.get("levels")->place,
                      pointer_join(pointer_, "levels"), "a first stage has 4 or 5 levels");
        }
        if (!new_table_.empty() && std::find(made_.page_tables.begin(), made_.page_tables.end(),
                                             new_table_) != made_.page_tables.end()) {
            r_.report(Code::NameTaken, item_.get(spec_.key)->place,
                      pointer_join(pointer_, spec_.key),
                      fmt::format("a second page table {}", quoted(new_table_)));
        }
        const auto words = step_.lists.find("");
        if (step_.kind == BareKind::Queue && words != step_.lists.end() &&
            words->second.size() != 2 && words->second.size() != 4) {
            r_.report(
                Code::ListLength, item_.get(spec_.key)->place, pointer_join(pointer_, spec_.key),
                fmt::format("a descriptor has 2 or 4 quadwords, not {}", words->second.size()));
        }
        const auto ranges = step_.lists.find("ranges");
        if (ranges != step_.lists.end() && ranges->second.size() % 2 != 0) {
            r_.report(Code::ListLength, item_.get("ranges")->place,
                      pointer_join(pointer_, "ranges"), "first and last address of each range");
        }
        const bool of_a_unit = step_.kind == BareKind::Invalidate ||
                               step_.kind == BareKind::Queue || step_.kind == BareKind::Fault ||
                               step_.kind == BareKind::RootTable || step_.kind == BareKind::Context;
        if (of_a_unit && words_.iommus.empty()) {
            r_.report(Code::UnknownComponent, item_.place, pointer_, "the platform has no IOMMU");
        }
    }

    // Accesses are aligned, as a processor makes them.
    void config_name(const Node& node, const std::string& at) {
        if (!node.is(Node::Kind::String) || node.broken) {
            return;
        }
        platform::NamedRegister found;
        if (!platform::find_config_register(node.text, found)) {
            const std::vector<std::string> names = platform::config_register_names();
            r_.report(Code::UnknownField, node.place, at,
                      fmt::format("there is no register {}", quoted(node.text)),
                      nearest(node.text, names).empty()
                          ? "a name of the specification (\"DEVCTL\"), or an offset (\"0x48\")"
                          : suggest(node.text, names));
            return;
        }
        const Node* const size = item_.get("size");
        const std::uint64_t bytes = size != nullptr ? quantity_of(size, 1) : found.size;
        access_size_ = static_cast<unsigned>(bytes);
        if (bytes == 3 || (bytes != 0 && found.offset % bytes != 0)) {
            r_.report(Code::OutOfRange, node.place, at,
                      fmt::format("no access has {} bytes at {:#x}", bytes, found.offset));
        }
    }

    void function(const Node& node, const std::string& at, const std::string& key) {
        const std::string text = text_of(&node);
        const auto named = words_.functions.find(text);
        std::uint64_t rid = 0;
        if (named != words_.functions.end()) {
            rid = named->second.value();
        } else if (node.is(Node::Kind::String) && !parse_rid_text(text, rid)) {
            std::vector<std::string> names = words_.devices;
            const std::string near = nearest(text, names);
            r_.report(Code::UnknownComponent, node.place, at,
                      fmt::format("{} is neither a device nor a requester id", quoted(text)),
                      near.empty() ? "a device's name, or bus:device.function as in \"00:01.0\""
                                   : suggest(text, names));
        }
        step_.numbers[key] = rid;
    }

    // What only makes sense together.
    void together() {
        if (step_.kind == BareKind::Store || step_.kind == BareKind::Check) {
            contents();
        }
        if (step_.kind == BareKind::EntryStore && !step_.has("value") && !step_.has("clear") &&
            !step_.has("set")) {
            missing("\"value\", \"clear\" or \"set\" says what");
        }
        entry_of_one_kind();
        descriptor();
        instruction();
        if (step_.kind == BareKind::Enqueue) {
            submission();
        }
        page_size();
        value_fits();
        tables_and_queue();
        const bool dma = step_.kind == BareKind::Dma || step_.kind == BareKind::DeviceDma;
        if (dma && !step_.has("size") && !step_.has("data")) {
            missing("a transfer needs a \"size\" or \"data\"");
        }
        if (dma && step_.has("size") && step_.has("data") &&
            step_.bytes.at("data").size() != step_.number("size")) {
            r_.report(Code::OutOfRange, item_.get("size")->place, pointer_join(pointer_, "size"),
                      fmt::format("\"data\" has {} bytes", step_.bytes.at("data").size()));
        }
        for (const char* flag : {"privileged", "execute"}) {
            if (step_.has(flag) && !step_.has("pasid")) {
                r_.report(Code::UnknownKey, item_.get(flag)->place, pointer_join(pointer_, flag),
                          fmt::format("without a PASID no request is {}", flag));
            }
        }
    }

    void entry_of_one_kind() {
        if (step_.kind != BareKind::PasidEntry) {
            return;
        }
        const bool pages = step_.has("first") || step_.has("second");
        if (pages == (step_.number("pass_through") != 0) && step_.number("present", 1) != 0) {
            missing("one of \"first\", \"second\", both, or \"pass_through\" says what it does");
        }
    }

    // A descriptor has the fields of its kind and no others.
    void descriptor() {
        const platform::DescriptorSpec* kind = step_.kind == BareKind::Invalidate
                                                   ? platform::descriptor_spec(step_.name(""))
                                                   : nullptr;
        if (kind == nullptr) {
            return;
        }
        const auto listed = [](const std::vector<const char*>& list, const std::string& text) {
            return std::any_of(list.begin(), list.end(),
                               [&text](const char* one) { return text == one; });
        };
        for (const char* key : kind->required) {
            if (!step_.has(key)) {
                missing(fmt::format("a {} descriptor needs {}", quoted(kind->kind), quoted(key)));
            }
        }
        for (const BareArgSpec& arg : spec_.args) {
            const std::string key = arg.key;
            const bool common = key == "of" || key == "or" || key == "hold";
            const bool fits = key == "granularity" ? !kind->granularities.empty()
                                                   : common || listed(kind->keys, key);
            if (step_.has(key) && !fits) {
                r_.report(
                    Code::UnknownKey, item_.get(key)->place, pointer_join(pointer_, key),
                    fmt::format("a {} descriptor has no {}", quoted(kind->kind), quoted(key)));
            } else if (step_.has(key) && key == "granularity" &&
                       !listed(kind->granularities, step_.name(key))) {
                r_.report(Code::NotAChoice, item_.get(key)->place, pointer_join(pointer_, key),
                          fmt::format("no {} descriptor is of granularity {}", quoted(kind->kind),
                                      quoted(step_.name(key))),
                          fmt::format("it is {}", fmt::join(kind->granularities, ", ")));
            }
        }
    }

    // `key` says what the others would say.
    void instead(const char* key, const std::vector<const char*>& others) {
        for (const char* other : others) {
            if (step_.has(key) && step_.has(other)) {
                without(other, fmt::format("{} stands for it", quoted(key)));
            }
        }
    }
    void without(const char* key, const std::string& reason) {
        r_.report(Code::UnknownKey, item_.get(key)->place, pointer_join(pointer_, key), reason);
    }

    void instruction() {
        if (step_.kind == BareKind::Enqueue || step_.kind == BareKind::Descriptor ||
            step_.kind == BareKind::Instruction) {
            instead("opcode", {"op"});
        }
        if (step_.kind != BareKind::Instruction) {
            return;
        }
        const std::string by = step_.name("");
        instead("address", {"wq", "offset"});
        instead("first", {"pasid", "privileged"});
        if (step_.has("address") && step_.number("kernel") == 0) {
            missing("only the kernel has physical addresses: \"kernel\": true");
        }
        for (const char* key : {"pasid", "privileged"}) {
            if (step_.has(key) && by == "enqcmd") {
                without(key, "\"enqcmd\" sends the PASID of IA32_PASID, and never PRIV");
            }
        }
        for (const char* key : {"status", "record_offset"}) {
            if (step_.has(key) && !step_.has("record")) {
                missing(fmt::format("{} is one of a \"record\"", quoted(key)));
            }
        }
        if (by == "movdir64b" && step_.name("expect") == "retry") {
            r_.report(Code::NotAChoice, item_.get("expect")->place,
                      pointer_join(pointer_, "expect"), "a posted store has no answer");
        }
    }

    // Of a bare program: it has what belongs to it, and ends as it can.
    void submission() {
        const std::string by = step_.name("by", "enqcmds");
        const bool store = by == "movdir64b";
        const bool translated = step_.has("low_directory");
        instead("address", {"wq", "portal", "offset"});
        if (by == "enqcmd") {
            instead("ia32_pasid", {"pasid"});
        } else {
            instead("first", {"pasid", "privileged"});
        }
        for (const char* key : {"ia32_pasid", "low_directory", "high_directory"}) {
            if (step_.has(key) && (store || (by == "enqcmds" && key[0] == 'i'))) {
                without(key, fmt::format("{} does not look at it", quoted(by)));
            }
        }
        if (step_.has("high_directory") && !translated) {
            missing("a guest with PASID translation has a \"low_directory\", too");
        }
        const std::string wanted = step_.name("expect", "accepted");
        const bool never = (wanted == "retry" && store) ||
                           (wanted == "entry_fails" && !translated) ||
                           (wanted == "exit72" && !(by == "enqcmd" && translated)) ||
                           (wanted == "exit73" && !(by == "enqcmds" && translated));
        if (never) {
            r_.report(
                Code::NotAChoice, item_.get("expect")->place, pointer_join(pointer_, "expect"),
                fmt::format("{} {} never ends with {}", quoted(by),
                            translated ? "in this guest" : "outside of a guest", quoted(wanted)));
        }
    }

    void page_size() {
        const std::uint64_t page = step_.number("page", kPageSize);
        if (page != 0x1000 && page != 0x20'0000 && page != 0x4000'0000) {
            r_.report(Code::OutOfRange, item_.get("page")->place, pointer_join(pointer_, "page"),
                      "a page has 4KiB, 2MiB or 1GiB");
        }
    }

    void contents() {
        const int kinds = (step_.has("bytes") ? 1 : 0) + (step_.has("words") ? 1 : 0) +
                          (step_.has("fill") ? 1 : 0);
        if (kinds != 1) {
            missing("one of \"bytes\", \"words\" and \"fill\" says what");
        }
        if (step_.has("fill") != step_.has("size")) {
            missing("\"fill\" and \"size\" go together");
        }
    }

    void missing(const std::string& text) {
        r_.report(Code::MissingKey, item_.place, pointer_, text);
    }

    Reading& r_;
    const StepWords& words_;
    const Node& item_;
    const platform::BareSpec& spec_;
    const std::string& pointer_;
    MadeNames& made_;
    std::string new_table_;
    unsigned access_size_ = 0;  // of a register or memory, in bytes
    BareStep step_;
};

}  // namespace

BareStep read_bare_step(Reading& reading, const StepWords& words, const Node& item,
                        const platform::BareSpec& spec, const std::string& pointer,
                        MadeNames& made) {
    return BareReader(reading, words, item, spec, pointer, made).read();
}

}  // namespace ioasim::scenario
