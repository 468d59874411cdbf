// An event script with the checkers attached, and the findings that came out.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/event_script.hpp"
#include "traces/checkers.hpp"

namespace ioasim::test {

class CheckerHarness : public EventScript {
public:
    explicit CheckerHarness(traces::CheckerOptions options = {})
        : checkers(recorder, std::move(options)) {
        recorder.add_listener(checkers, checkers.categories());
        pool();
        vm("vm1", 100, 900, 1);
        vm("vm2", 100, 800, 2);
    }

    // What the checkers say about everything so far, codes in the order of their findings.
    std::vector<std::string> codes() {
        recorder.flush();
        std::vector<std::string> codes;
        for (const traces::Finding& finding : checkers.findings()) {
            codes.push_back(finding.code);
        }
        return codes;
    }
    // All in one text, for exact comparison: "a b".
    std::string found() {
        std::string text;
        for (const std::string& code : codes()) {
            text += (text.empty() ? "" : " ") + code;
        }
        return text;
    }
    const traces::Finding& first() {
        recorder.flush();
        return checkers.findings().at(0);
    }

    // A life from alloc to reclaim under DMA, in the order of the documented contract.
    void orderly_life(const std::string& vm, std::uint32_t id, std::uint32_t spid) {
        alloc(vm, id);
        get(vm, id, 2, "iommu");
        space(vm, id);
        entry_set(id);
        get(vm, id, 3, "kvm/" + vm);
        bind(vm, id, spid);
        fill("pasid", id, 0);
        fill("iotlb", id);
        free(vm, id, 2);
        unbind(vm, id, spid);
        put(vm, id, 1, "kvm/" + vm);
        entry_clear(id);
        invalidate("pasid_cache", "pasid", id);
        drop("pasid", id, 0);
        invalidate("piotlb", "pasid", id);
        drop("iotlb", id);
        wait_done();
        put(vm, id, 0, "iommu");
        reclaim(vm, id);
    }

    traces::CheckerSet checkers;
};

}  // namespace ioasim::test
