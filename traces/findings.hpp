// Findings: what checkers report, and the recent events of an ID that led there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "traces/facts.hpp"

namespace ioasim::traces {

struct Finding {
    std::string code;                 // "references.leak"; explained by explain.hpp
    std::string who;                  // ID, descriptor, component
    std::string text;                 // what is wrong, in words
    TimePs time;                      // of the event that showed it
    std::uint64_t seq = 0;            // of that event
    std::vector<std::string> events;  // the last relevant events of the ID, oldest first
};

// Keeps the last control events of all IDs in one ring; each ID knows its newest one, each event
// the one before it. Old events are overwritten, so an ID that was quiet for long may have none
// left.
class History {
public:
    History(trace::Recorder& recorder, Facts& facts);
    void add_handlers(HandlerTable& table);
    std::vector<std::string> of(std::uint32_t kernel, std::uint32_t id) const;

private:
    // An event in a line of the host's cache: its fields in as many words as their types need.
    static constexpr std::size_t kWords = 10;
    using Words = std::array<std::uint32_t, kWords>;
    struct Kind {
        const trace::EventInfo& (*info)();
        void (*unpack)(const Words& words, trace::EventRecord& record);
    };
    struct alignas(64) Kept {
        const Kind* kind = nullptr;
        TimePs time;
        SourceId source;
        std::uint32_t previous = 0;  // number of the ID's event before this one; 0: none
        Words words{};
    };
    // Room for the event; null when it is about no ID.
    Kept* keep(const trace::EventRecord& record, std::uint32_t kernel, std::uint32_t id);
    template <class Event>
    void add(HandlerTable& table);
    template <class Event>
    static void handle(void* self, const trace::EventRecord& record);

    static constexpr std::size_t kEvents = 8192;  // in the ring
    static constexpr std::size_t kShown = 12;     // of one ID
    trace::Recorder& recorder_;
    Facts& facts_;
    std::vector<Kept> ring_;
    std::uint32_t count_ = 0;  // number of the newest event, from 1
};

class FindingSink {
public:
    FindingSink(trace::Recorder& recorder, History& history);

    // Emits run.finding and keeps the finding. `record` is the event that showed it.
    void report(const char* code, const trace::EventRecord& record, std::string who,
                std::string text);
    // With the events of an ID.
    void report_id(const char* code, const trace::EventRecord& record, std::uint32_t kernel,
                   std::uint32_t id, std::string text);
    // At the end of the run.
    void report_end(const char* code, TimePs end, std::string who, std::string text,
                    std::vector<std::string> lines = {});
    void report_end_id(const char* code, TimePs end, std::uint32_t kernel, std::uint32_t id,
                       std::string text);

    // The first kKept of them; counts tells of all.
    const std::vector<Finding>& findings() const { return findings_; }
    const std::map<std::string, std::uint64_t>& counts() const { return counts_; }
    std::uint64_t total() const { return total_; }
    std::string name(std::uint32_t interned) const;
    std::string id_name(std::uint32_t kernel, std::uint32_t id) const;  // "host.ioasid(201)"

private:
    void add(Finding finding);

    static constexpr std::size_t kKept = 1000;
    static constexpr std::uint64_t kEmittedPerCode = 1000;
    trace::Recorder& recorder_;
    History& history_;
    SourceId source_;
    std::vector<Finding> findings_;
    std::map<std::string, std::uint64_t> counts_;
    std::uint64_t total_ = 0;
};

}  // namespace ioasim::traces
