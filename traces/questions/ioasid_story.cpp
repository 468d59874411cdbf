// The life of an IOASID: from the pool into the hands of KVM, VDCM, IOMMU and devices, and back.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/ioasid_events.hpp"
#include "traces/questions/ioasid_tale.hpp"
#include "traces/questions/stories.hpp"

namespace ioasim::traces {

namespace {

// Up to the next life of the number. Sets with numbers of their own may use the same one meanwhile:
// theirs are other lives, beside it.
std::size_t end_of_life(const EventLog& log, std::size_t begin) {
    const std::uint64_t id = LOG_FIELD(log, begin, IoasidAlloc, ioasid);
    const std::uint64_t kernel = LOG_FIELD(log, begin, IoasidAlloc, kernel);
    const std::uint64_t set = LOG_FIELD(log, begin, IoasidAlloc, set);
    bool reclaimed = false;
    for (std::size_t i = begin + 1; i < log.size(); ++i) {
        if (log.is<trace::IoasidReclaim>(i)) {
            reclaimed = reclaimed || (LOG_FIELD(log, i, IoasidReclaim, ioasid) == id &&
                                      LOG_FIELD(log, i, IoasidReclaim, kernel) == kernel &&
                                      LOG_FIELD(log, i, IoasidReclaim, set) == set);
        } else if (log.is<trace::IoasidAlloc>(i) && LOG_FIELD(log, i, IoasidAlloc, ioasid) == id &&
                   LOG_FIELD(log, i, IoasidAlloc, kernel) == kernel &&
                   (reclaimed || LOG_FIELD(log, i, IoasidAlloc, set) == set)) {
            return i;
        }
    }
    return log.size();
}

}  // namespace

QuestionError ioasid_story(const Scene& scene, const Wanted& wanted, Story& out) {
    const EventLog& log = scene.log();
    // By kernel: where its lives begin.
    std::map<std::string, std::vector<std::size_t>> lives;
    for (std::size_t i = 0; i < log.size(); ++i) {
        if (log.is<trace::IoasidAlloc>(i) &&
            LOG_FIELD(log, i, IoasidAlloc, ioasid) == wanted.number) {
            lives[LOG_TEXT(log, i, IoasidAlloc, kernel)].push_back(i);
        }
    }
    std::vector<std::string> kernels;
    for (const auto& [kernel, starts] : lives) {
        kernels.push_back(kernel);
    }
    if (kernels.empty()) {
        return {fmt::format("no IOASID {} was allocated", wanted.number),
                "without a number, `ioasim trace explain` lists what there is"};
    }
    std::string kernel = wanted.kernel;
    if (kernel.empty()) {
        const auto host = std::find_if(kernels.begin(), kernels.end(),
                                       [&](const std::string& k) { return !scene.is_vm(k); });
        kernel = host != kernels.end() ? *host : kernels.front();
        if (host == kernels.end() && kernels.size() > 1) {
            return {fmt::format("{} kernels have an IOASID {}", kernels.size(), wanted.number),
                    "--kernel says which: " + quoted_list(kernels)};
        }
    }
    const auto found = lives.find(kernel);
    if (found == lives.end()) {
        return {fmt::format("kernel {} allocated no IOASID {}", quoted(kernel), wanted.number),
                suggest(kernel, kernels)};
    }
    const std::vector<std::size_t>& starts = found->second;
    const std::uint64_t life = wanted.life.value_or(starts.size());
    if (life == 0 || life > starts.size()) {
        return {fmt::format("IOASID {} has {}", wanted.number, plural(starts.size(), "life")),
                "--life counts them from 1"};
    }
    const std::size_t begin = starts[life - 1];
    const std::size_t end = end_of_life(log, begin);
    out.title = fmt::format("IOASID {} of {}, set {}", wanted.number, kernel,
                            LOG_TEXT(log, begin, IoasidAlloc, set));
    if (starts.size() > 1) {
        out.title += fmt::format(", life {} of {}", life, starts.size());
    }
    IoasidTale(scene, kernel, wanted.number, begin, end).tell(out);
    return {};
}

}  // namespace ioasim::traces
