// An IOASID core in zero time with everything it tells written down as text.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "core/ioasid/ioasid.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim::test {

// Lines that a failed check can print.
class Lines : public std::vector<std::string> {
public:
    using std::vector<std::string>::vector;
    friend std::ostream& operator<<(std::ostream& out, const Lines& lines) {
        for (const std::string& line : lines) {
            out << "\n      " << line;
        }
        return out;
    }
};

inline TimePs no_time() {
    return TimePs{};
}

// Events as "name field=value ...", without the kernel.
class IoasidLog final : public trace::Listener {
public:
    explicit IoasidLog(const trace::Recorder& recorder) : recorder_(recorder) {}
    void on_event(const trace::EventRecord& record) override {
        std::string line = record.info->name;
        for (std::size_t i = 0; i < record.info->fields.size(); ++i) {
            const trace::FieldInfo& field = record.info->fields[i];
            if (field.name != "kernel" && field.name != "took") {
                line += " " + field.name + "=" + text(field, record.values[i]);
            }
        }
        lines.push_back(line);
    }
    std::vector<std::string> lines;

private:
    std::string text(const trace::FieldInfo& field, std::uint64_t value) const {
        switch (field.type) {
            case trace::FieldType::Text:
                return recorder_.names().text(trace::Name{static_cast<std::uint32_t>(value)});
            case trace::FieldType::Enum:
                return field.labels[value];
            case trace::FieldType::Error:
                return std::string(errno_name(static_cast<Errno>(value)));
            case trace::FieldType::Id:
                return value == kInvalidIoasid ? "none" : std::to_string(value);
            default:
                return std::to_string(value);
        }
    }
    const trace::Recorder& recorder_;
};

// Writes "block:EVENT id/spid" into a shared list, then does what the test wants.
class LoggingBlock final : public NotifierBlock {
public:
    using Action = std::function<NotifyResult(ExecContext&, const NotifierPayload&)>;
    LoggingBlock(Lines& calls, const std::string& name, int priority, Action action = {})
        : NotifierBlock(name, priority), calls_(calls), action_(std::move(action)) {}
    NotifyResult handle(ExecContext& ctx, const NotifierPayload& p) override {
        std::string call = name() + ":" +
                           trace::kIoasidNotificationLabels[static_cast<int>(p.event)] + " " +
                           std::to_string(p.id.value());
        if (p.spid != kNoSpid) {
            call += "/" + std::to_string(p.spid.value());
        }
        calls_.push_back(call);
        return action_ ? action_(ctx, p) : NotifyResult::Ok;
    }

private:
    Lines& calls_;
    Action action_;
};

struct IoasidHarness {
    explicit IoasidHarness(Profile profile = Profile::Spec,
                           const IoasidParams& params = IoasidParams::zero_time())
        : IoasidHarness(Switches::preset(profile), params) {}
    explicit IoasidHarness(const Switches& switches,
                           const IoasidParams& params = IoasidParams::zero_time())
        : recorder(no_time),
          source(recorder.source("test")),
          log(recorder),
          ctx(monitor),
          core("host", params, switches, recorder, probes),
          me(core.holder("me")) {
        recorder.add_listener(log, trace::kAllCategories);
        monitor.on_hazard = [this](const Hazard& hazard) { hazards.push_back(hazard); };
    }

    IoasidSet* mm_set(SetToken mm, std::uint32_t quota = 100) {
        return core.set_alloc(ctx, mm, quota, SetType::Mm, "mm" + std::to_string(mm)).value();
    }
    Ioasid alloc(IoasidSet* set, std::uint32_t min = 1, std::uint32_t max = 0xFFFFF,
                 void* data = nullptr) {
        return core.alloc(ctx, set, Ioasid{min}, Ioasid{max}, data);
    }
    Errno get(IoasidSet* set, Ioasid id) { return core.get(ctx, set, id, me); }
    bool put(IoasidSet* set, Ioasid id) { return core.put(ctx, set, id, me); }
    // Lines told since the last call that start with one of the prefixes.
    Lines told(const std::vector<std::string>& prefixes) {
        recorder.flush();
        Lines found;
        for (const std::string& line : log.lines) {
            for (const std::string& prefix : prefixes) {
                if (line.rfind(prefix, 0) == 0) {
                    found.push_back(line);
                }
            }
        }
        log.lines.clear();
        return found;
    }

    LockMonitor monitor;
    std::vector<Hazard> hazards;  // of locks and sleeping, as the monitor sees them
    Probes probes;
    trace::Recorder recorder;
    SourceId source;
    IoasidLog log;
    ImmediateContext ctx;
    IoasidCore core;
    trace::Name me;
    Lines calls;
};

}  // namespace ioasim::test
