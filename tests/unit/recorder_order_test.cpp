#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/trace/recorder.hpp"
#include "core/trace/run_events.hpp"
#include "tests/support/lines.hpp"

using namespace ioasim;
using namespace ioasim::trace;
using ioasim::test::Lines;

namespace {

TimePs g_now;
TimePs clock_of_test() {
    return g_now;
}

// Writes each event as "time source seed" into a list.
class Log final : public Listener {
public:
    explicit Log(const Recorder& recorder) : recorder_(recorder) { g_now = TimePs{}; }
    void on_event(const EventRecord& record) override {
        lines.push_back(fmt::format("{} {} {}", record.time.ps(),
                                    recorder_.source_name(record.source), record.values[0]));
        seqs.push_back(record.seq);
        if (then) {
            then(record);
        }
    }
    void on_end(TimePs end) override { ended = end; }
    std::vector<std::string> lines;
    std::vector<std::uint64_t> seqs;
    std::function<void(const EventRecord&)> then;
    TimePs ended;

private:
    const Recorder& recorder_;
};

}  // namespace

TEST_CASE("recorder: hardware of one instant comes sorted by source name, whatever ran first") {
    Recorder recorder{&clock_of_test};
    Log log{recorder};
    recorder.add_listener(log, kAllCategories);
    const SourceId late = recorder.source("zeta");
    const SourceId early = recorder.source("alpha");
    recorder.emit(late, RunStart{1});
    recorder.emit(early, RunStart{2});
    recorder.emit(late, RunStart{3});
    recorder.flush();
    CHECK(log.lines == Lines{"0 alpha 2", "0 zeta 1", "0 zeta 3"});
    CHECK(log.seqs == std::vector<std::uint64_t>{0, 1, 2});
}

TEST_CASE("recorder: software of one instant follows hardware, in the order it ran") {
    Recorder recorder{&clock_of_test};
    Log log{recorder};
    recorder.add_listener(log, kAllCategories);
    const SourceId task_z = recorder.source("z-task");
    const SourceId task_a = recorder.source("a-task");
    const SourceId device = recorder.source("m-device");
    recorder.begin_software();
    recorder.emit(task_z, RunStart{1});
    recorder.emit(task_a, RunStart{2});
    recorder.emit(task_z, RunStart{3});
    recorder.begin_hardware();
    recorder.emit(device, RunStart{4});
    recorder.flush();
    CHECK(log.lines == Lines{"0 m-device 4", "0 z-task 1", "0 a-task 2", "0 z-task 3"});
}

TEST_CASE("recorder: an instant is released when time has moved on, not before") {
    Recorder recorder{&clock_of_test};
    Log log{recorder};
    recorder.add_listener(log, kAllCategories);
    const SourceId source = recorder.source("a");
    recorder.emit(source, RunStart{1});
    CHECK(log.lines.empty());
    g_now = TimePs{5};
    recorder.emit(source, RunStart{2});
    CHECK(log.lines == Lines{"0 a 1"});
    recorder.finish(TimePs{9});
    CHECK(log.lines == Lines{"0 a 1", "5 a 2"});
    CHECK(log.ended == TimePs{9});
}

TEST_CASE("recorder: bystander sources change nothing, wherever they are registered") {
    const auto run = [](int bystanders_before, int bystanders_after) {
        Recorder recorder{&clock_of_test};
        Log log{recorder};
        recorder.add_listener(log, kAllCategories);
        for (int i = 0; i < bystanders_before; ++i) {
            recorder.source(fmt::format("by{}", i));
        }
        const SourceId c = recorder.source("c");
        recorder.emit(c, RunStart{1});
        for (int i = 0; i < bystanders_after; ++i) {
            recorder.source(fmt::format("zz{}", i));
        }
        const SourceId a = recorder.source("a");
        recorder.emit(a, RunStart{2});
        g_now = TimePs{1};
        recorder.emit(c, RunStart{3});
        recorder.emit(recorder.source("b"), RunStart{4});
        recorder.finish(g_now);
        return log.lines;
    };
    const Lines plain = run(0, 0);
    CHECK(plain == Lines{"0 a 2", "0 c 1", "1 b 4", "1 c 3"});
    CHECK(run(3, 0) == plain);
    CHECK(run(0, 3) == plain);
    CHECK(run(2, 5) == plain);
}

TEST_CASE("recorder: a listener gets the categories that it asked for") {
    Recorder recorder{&clock_of_test};
    Log run{recorder};
    Log lock{recorder};
    recorder.add_listener(run, category_bit(Category::Run));
    recorder.add_listener(lock, category_bit(Category::Lock));
    const SourceId source = recorder.source("a");
    recorder.emit(source, RunStart{1});
    recorder.emit(source, LockRelease{recorder.name("l"), recorder.name("o")});
    recorder.emit(source, SchedRun{});
    recorder.flush();
    CHECK(run.lines.size() == 1);
    CHECK(lock.lines.size() == 1);
    CHECK(recorder.released() == 3);
}

// A listener that answers the event 1 with an event of somebody else.
struct Answering {
    Recorder recorder{&clock_of_test};
    Log log{recorder};
    SourceId source = recorder.source("a");

    Answering() {
        recorder.add_listener(log, kAllCategories);
        log.then = [this, checker = recorder.source("checker")](const EventRecord& record) {
            if (record.values[0] == 1) {
                recorder.emit(checker, RunStart{100});
            }
        };
    }
};

TEST_CASE("recorder: what a listener makes somebody emit comes after the batch it saw") {
    Answering a;
    a.recorder.emit(a.source, RunStart{1});
    a.recorder.emit(a.source, RunStart{2});
    a.recorder.finish(TimePs{});
    CHECK(a.log.lines == Lines{"0 a 1", "0 a 2", "0 checker 100"});
}

TEST_CASE("recorder: it belongs to the instant that the listener was told of") {
    Answering a;
    a.recorder.emit(a.source, RunStart{1});
    g_now = TimePs{7};
    a.recorder.emit(a.source, RunStart{2});
    a.recorder.finish(g_now);
    CHECK(a.log.lines == Lines{"0 a 1", "0 checker 100", "7 a 2"});
    CHECK(a.log.seqs == std::vector<std::uint64_t>{0, 1, 2});
}

TEST_CASE("recorder: an event's number does not depend on who else listens") {
    const auto numbers = [](std::uint32_t more) {
        Recorder recorder{&clock_of_test};
        Log log{recorder};
        Log other{recorder};
        recorder.add_listener(log, category_bit(Category::Lock));
        if (more != 0) {
            recorder.add_listener(other, more);
        }
        const SourceId source = recorder.source("a");
        recorder.emit(source, SchedRun{});
        recorder.emit(recorder.source("b"), RunStart{1});
        recorder.emit(source, LockRelease{recorder.name("l"), recorder.name("o")});
        g_now = TimePs{1};
        recorder.emit(source, SchedIdle{});
        recorder.emit(source, LockRelease{recorder.name("l"), recorder.name("o")});
        recorder.finish(g_now);
        CHECK(recorder.released() == 5);
        return log.seqs;
    };
    CHECK(numbers(0) == std::vector<std::uint64_t>{1, 4});
    CHECK(numbers(category_bit(Category::Run)) == std::vector<std::uint64_t>{1, 4});
    CHECK(numbers(kAllCategories) == std::vector<std::uint64_t>{1, 4});
}

TEST_CASE("recorder: findings of a checker's last look reach the listeners") {
    class LastLook final : public Listener {
    public:
        explicit LastLook(Recorder& recorder) : recorder_(recorder) {}
        void on_event(const EventRecord&) override {}
        void on_end(TimePs) override { recorder_.emit(recorder_.source("c"), RunStart{7}); }

    private:
        Recorder& recorder_;
    };
    Recorder recorder{&clock_of_test};
    LastLook checker{recorder};
    Log log{recorder};
    recorder.add_listener(checker, kAllCategories);
    recorder.add_listener(log, kAllCategories);
    recorder.finish(TimePs{});
    CHECK(log.lines == Lines{"0 c 7"});
}

TEST_CASE("names: the same text is the same name, and nothing else is") {
    NameTable names;
    const Name vm1 = names.intern("vm1");
    const Name vm2 = names.intern("vm2");
    CHECK(vm1 == names.intern("vm1"));
    CHECK(vm1 != vm2);
    CHECK(names.text(vm2) == "vm2");
    CHECK_THROWS_AS(names.text(Name{999}), ModelBug);
}

TEST_CASE("names: the default name is the empty text") {
    NameTable names;
    CHECK(names.intern("").value() == Name{}.value());
    CHECK(names.text(Name{}).empty());
    CHECK(names.intern("x") != Name{});
}
