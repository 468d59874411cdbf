// The part "kernel" of a scenario: notification blocks, deferred work, providers of numbers, locks.
#include <algorithm>
#include <iterator>

#include "core/base/units.hpp"
#include "scenarios/language/compose.hpp"
#include "scenarios/language/read_steps.hpp"
#include "scenarios/language/step_places.hpp"

namespace ioasim::scenario {

void read_kernel_names(Reading& reading, StepWords& words) {
    const Node* kernel = reading.root.get("kernel");
    words.locks.emplace_back("allocator");
    if (kernel == nullptr) {
        return;
    }
    const auto names = [kernel](const char* key, std::vector<std::string>& out) {
        const std::vector<std::string> found = item_names(kernel->get(key));
        out.insert(out.end(), found.begin(), found.end());
    };
    names("blocks", words.blocks);
    names("works", words.works);
    names("allocators", words.allocators);
    names("locks", words.locks);
}

namespace {

int priority_of(const Node* node) {
    if (node == nullptr) {
        return 0;
    }
    if (node->is(Node::Kind::Number)) {
        return static_cast<int>(integer_of(node, 0));
    }
    const char* const names[] = {"LAST", "DEVICE", "IOMMU", "CPU"};
    const auto* const found = std::find(std::begin(names), std::end(names), text_of(node));
    return static_cast<int>(found - std::begin(names)) % 4;
}

platform::BlockConfig read_block(Reading& reading, const StepWords& words, const Node& item,
                                 const std::string& pointer) {
    platform::BlockConfig block;
    block.name = text_of(item.get("name"));
    block.priority = priority_of(item.get("priority"));
    block.cost = time_of(item.get("cost"), TimePs{});
    if (const Node* on = item.get("on")) {
        for (const auto& member : on->members) {
            block.on[member.key] = read_steps(reading, words, &member.value,
                                              pointer + "/on/" + member.key, StepPlace::Script);
        }
    }
    if (const Node* returns = item.get("returns")) {
        for (const auto& member : returns->members) {
            block.returns[member.key] = text_of(&member.value);
        }
    }
    return block;
}

}  // namespace

platform::KernelCodeConfig read_kernel_code(Reading& reading, const StepWords& words) {
    platform::KernelCodeConfig code;
    const Node* kernel = reading.root.get("kernel");
    if (kernel == nullptr) {
        return code;
    }
    std::size_t index = 0;
    for (const Node& item : items_of(kernel->get("blocks"))) {
        code.blocks.push_back(
            read_block(reading, words, item, pointer_join("/kernel/blocks", index++)));
    }
    index = 0;
    for (const Node& item : items_of(kernel->get("works"))) {
        code.works.push_back(
            {text_of(item.get("name")),
             read_steps(reading, words, item.get("steps"),
                        pointer_join("/kernel/works", index++) + "/steps", StepPlace::Script)});
    }
    for (const Node& item : items_of(kernel->get("allocators"))) {
        platform::AllocatorConfig allocator;
        allocator.name = text_of(item.get("name"));
        allocator.functions = text_of(item.get("functions"), allocator.name);
        allocator.cost = time_of(item.get("cost"), TimePs{});
        for (const Node& number : items_of(item.get("gives"))) {
            allocator.gives.push_back(static_cast<std::uint32_t>(integer_of(&number, 0)));
        }
        code.allocators.push_back(std::move(allocator));
    }
    for (const Node& item : items_of(kernel->get("locks"))) {
        code.locks.push_back({text_of(item.get("name")), text_of(item.get("kind")) == "mutex"});
    }
    return code;
}

}  // namespace ioasim::scenario
