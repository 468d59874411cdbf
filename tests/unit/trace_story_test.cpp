// Causes and stories: from a stream told by hand to the sentences that name who and why.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "core/trace/run_events.hpp"
#include "core/trace/sva_events.hpp"
#include "tests/support/event_script.hpp"
#include "traces/questions/stories.hpp"

using namespace ioasim;
using test::EventScript;

namespace {

struct Told : EventScript {
    Told() : follower(recorder, log.recorder(), log) {
        recorder.add_listener(follower, trace::kAllCategories);
    }
    void step_done(const std::string& program, std::uint32_t index, const std::string& what,
                   TimePs took, const std::string& source, Errno result = Errno::Ok) {
        emit(trace::StepResult{name(program), index, name(what), result, 0, took}, source);
    }
    void work(const std::string& item, const std::string& phase, const std::string& source) {
        emit(trace::IoasidWork{kernel(), name(item), Ioasid{202}, name(phase)}, source);
    }
    void call(trace::IoasidNotification what, const std::string& block, const std::string& source) {
        emit(trace::IoasidHandler{kernel(), name("vm2"), Ioasid{202}, what, name(block), 2,
                                  name("set")},
             source);
    }
    void returned(const std::string& block, const std::string& source) {
        emit(trace::IoasidHandlerDone{kernel(), Ioasid{202}, name(block), false, 50_ns}, source);
    }
    // An ID that a VMM frees while KVM and the IOMMU hold it; who lets go in the end?
    void free_in_use(bool kvm_lets_go) {
        pool();
        vm("vm2", 10, 990);
        at(1'000_ns);
        alloc("vm2", 202);
        get("vm2", 202, 2, "iommu");
        entry_set(202);
        emit(trace::IoasidBind{kernel(), name("vm2"), Ioasid{202}, Spid{101}});
        call(trace::IoasidNotification::Bind, "kvm/vm2", "host/task");
        emit(trace::IoasidGet{kernel(), name("vm2"), Ioasid{202}, 3, name("kvm/vm2")});
        returned("kvm/vm2", "host/task");
        at(81'000_ns);
        const std::string vmm = "vm2/vmm/app";
        emit(trace::IoasidFreeCall{kernel(), name("vm2"), Ioasid{202}, Errno::Ok}, vmm);
        emit(trace::IoasidPut{kernel(), name("vm2"), Ioasid{202}, 2, name("owner")}, vmm);
        emit(trace::IoasidStateChange{kernel(), name("vm2"), Ioasid{202},
                                      trace::IoasidState::Active, trace::IoasidState::FreePending},
             vmm);
        emit(trace::IoasidFree{kernel(), name("vm2"), Ioasid{202}, Spid{101}}, vmm);
        call(trace::IoasidNotification::Free, "iommu", vmm);
        work("iommu.free", "queued", vmm);
        returned("iommu", vmm);
        step_done(vmm, 3, "free", 100_ns, vmm);
        at(82'000_ns);
        const std::string worker = "host/ioasid_wq";
        work("iommu.free", "start", worker);
        if (kvm_lets_go) {
            emit(trace::IoasidUnbind{kernel(), name("vm2"), Ioasid{202}, Spid{101}}, worker);
            call(trace::IoasidNotification::Unbind, "kvm/vm2", worker);
            emit(trace::IoasidPut{kernel(), name("vm2"), Ioasid{202}, 1, name("kvm/vm2")}, worker);
            returned("kvm/vm2", worker);
        }
        emit(trace::VtdPasidEntryClear{iommu(), Rid{kRid}, Pasid{202}, true}, worker);
        emit(trace::IommuDetach{name("dsa0"), Pasid{202}, name("nested"), name("vm2"), 0}, worker);
        emit(trace::IoasidPut{kernel(), name("vm2"), Ioasid{202}, kvm_lets_go ? 0U : 1U,
                              name("iommu")},
             worker);
        if (kvm_lets_go) {
            emit(
                trace::IoasidStateChange{kernel(), name("vm2"), Ioasid{202},
                                         trace::IoasidState::FreePending, trace::IoasidState::Free},
                worker);
            emit(trace::IoasidReclaim{kernel(), name("vm2"), Ioasid{202}, 0}, worker);
        }
        work("iommu.free", "done", worker);
        emit(trace::RunEnd{name("idle")});
        finish();
    }
    traces::Story story(traces::QuestionError (*teller)(const traces::Scene&, const traces::Wanted&,
                                                        traces::Story&),
                        const traces::Wanted& wanted) {
        const traces::Scene scene(log);
        traces::Story out;
        const traces::QuestionError error = teller(scene, wanted, out);
        CHECK_MESSAGE(!error, error.text);
        return out;
    }
    traces::Story life() {
        traces::Wanted wanted;
        wanted.number = 202;
        return story(&traces::ioasid_story, wanted);
    }
    traces::EventLog log;
    traces::Follower follower;
};

const traces::Moment* find(const traces::Story& story, const std::string& text) {
    const auto found = std::find_if(
        story.moments.begin(), story.moments.end(),
        [&](const traces::Moment& m) { return m.text.find(text) != std::string::npos; });
    return found == story.moments.end() ? nullptr : &*found;
}

bool says(const std::vector<std::string>& lines, const std::string& text) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.find(text) != std::string::npos;
    });
}

}  // namespace

TEST_CASE("causes: deferred work goes back to the call that queued it, and to its step") {
    Told t;
    t.free_in_use(true);
    const traces::Causes causes(t.log);
    std::size_t put = 0;
    std::size_t clear = 0;
    for (std::size_t i = 0; i < t.log.size(); ++i) {
        if (t.log.is<trace::IoasidPut>(i) && t.log.field_text(i, "holder") == "kvm/vm2") {
            put = i;
        }
        clear = t.log.is<trace::VtdPasidEntryClear>(i) ? i : clear;
    }
    CHECK(causes.because(put) ==
          "UNBIND at 82.001 us, from iommu.free (queued at 81.005 us), because of FREE at "
          "81.003 us by vm2/vmm/app step 3 (free)");
    CHECK(causes.because(clear) ==
          "from iommu.free (queued at 81.005 us), because of FREE at 81.003 us by vm2/vmm/app "
          "step 3 (free)");
    CHECK(causes.root(put) == "vm2/vmm/app step 3 (free)");
    CHECK(t.log.info(causes.step_of(put)).name == "program.step");
}

TEST_CASE("causes: what a vCPU's thread does on an exit is done for its guest's step") {
    Told t;
    t.emit(trace::VmCreate{t.name("vm1"), 4096});
    t.at(1'000_ns);
    t.emit(trace::VmExit{t.name("vm1/vcpu0"), t.name("mmio")}, "vm1/vcpu0");
    t.alloc("vm1", 201);
    t.emit(trace::IoasidAlloc{t.kernel(), t.name("vm1"), Ioasid{202}, 2}, "host/vm1-vcpu0");
    t.emit(trace::VirtualCommand{t.name("vm1"), t.name("alloc_pasid"), Pasid{101}, 0},
           "host/vm1-vcpu0");
    t.emit(trace::VmEntry{t.name("vm1/vcpu0")}, "vm1/vcpu0");
    t.emit(trace::IoasidAlloc{t.kernel(), t.name("vm1"), Ioasid{203}, 3}, "host/vm1-vcpu0");
    t.step_done("vm1/vcpu0/app", 0, "alloc", 50_ns, "vm1/vcpu0");
    t.finish();
    const traces::Causes causes(t.log);
    std::vector<std::string> because;
    for (std::size_t i = 0; i < t.log.size(); ++i) {
        if (t.log.is<trace::IoasidAlloc>(i)) {
            because.push_back(causes.because(i));
        }
    }
    REQUIRE(because.size() == 3);
    CHECK(because[0].empty());  // of another thread
    CHECK(because[1] == "by command alloc_pasid of vm1/vcpu0 in vm1/vcpu0/app step 0 (alloc)");
    CHECK(because[2].empty());  // behind the entry
}

TEST_CASE("causes: behind the last step of a thread come the ends of its process and machine") {
    Told t;
    t.at(1'000_ns);
    t.step_done("host/app", 0, "bind", 100_ns, "host/app");
    t.emit(trace::IoasidFreeCall{t.kernel(), t.name("app"), Ioasid{1}, Errno::Ok}, "host/app");
    t.emit(trace::ProcessExit{t.name("host/app"), t.name("killed")}, "host/app");
    t.finish();
    const traces::Causes causes(t.log);
    CHECK(causes.because(1) == "by host/app exit (killed)");
    CHECK(causes.because(0) == "by host/app step 0 (bind)");
}

TEST_CASE("story of an ID: who held it when, and who held it to the last and why") {
    Told t;
    t.free_in_use(true);
    const traces::Story story = t.life();
    CHECK(says(story.answers,
               "back in the pool at 82.009 us, 1.009 us after it was freed: iommu "
               "held it to the last, dropped from iommu.free"));
    REQUIRE(story.holdings.size() == 3);
    CHECK(story.holdings[0].holder == "owner");
    CHECK(story.holdings[0].to == 81'001_ns);
    CHECK(story.holdings[2].holder == "kvm/vm2");
    CHECK(story.holdings[2].from == 1'007_ns);
    CHECK(story.holdings[2].to == 82'003_ns);
    std::string way;
    for (const traces::StateChange& change : story.states) {
        way += change.from + ">" + change.to + " ";
    }
    CHECK(way == "FREE>IDLE IDLE>ACTIVE ACTIVE>FREE_PENDING FREE_PENDING>FREE ");
    const traces::Moment* const freed = find(story, "freed by its owner");
    REQUIRE(freed != nullptr);
    CHECK(freed->why == "by vm2/vmm/app step 3 (free)");
}

TEST_CASE("story of an ID: who was never asked to let go is named") {
    Told t;
    t.free_in_use(false);
    const traces::Story story = t.life();
    CHECK(says(story.answers,
               "freed at 81.000 us, and never came back: held by kvm/vm2 since "
               "1.007 us"));
    CHECK(says(story.answers, "kvm/vm2 was never called for UNBIND"));
    REQUIRE(story.holdings.size() == 3);
    CHECK_FALSE(story.holdings[2].to);
    CHECK(story_text(story).find("! kvm/vm2") != std::string::npos);
}

TEST_CASE("story of an ID: a life of many, and none") {
    Told t;
    t.alloc("vm1", 202);
    t.free("vm1", 202, 0);
    t.alloc("vm1", 202);
    t.finish();
    CHECK(t.life().title == "IOASID 202 of host, set vm1, life 2 of 2");
    traces::Wanted wanted;
    wanted.number = 202;
    wanted.life = 1;
    CHECK(says(t.story(&traces::ioasid_story, wanted).answers, "back in the pool"));
    const traces::Scene scene(t.log);
    traces::Story out;
    wanted.life = 3;
    CHECK(ioasid_story(scene, wanted, out));
    wanted.number = 7;
    CHECK(ioasid_story(scene, wanted, out).text == "no IOASID 7 was allocated");
}

TEST_CASE("chart: 72 columns of printable ASCII, whatever the names") {
    Told t;
    t.free_in_use(true);
    traces::Story story = t.life();
    story.title = "a title with \xC3\xA4 and " + std::string(100, 'x');
    story.moments.front().label = std::string(200, 'y');
    story.device = "a_device_with_a_long_name";
    std::istringstream lines(story_chart(story));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        CHECK(line.size() <= 72);
        CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    }
    CHECK(count > story.moments.size() / 2);
}

TEST_CASE("chart: an arrow goes from who calls to who is called") {
    traces::Story story;
    story.title = "two messages";
    traces::Moment m;
    m.time = 12'345'600_ps;
    m.from = traces::Role::Core;
    m.to = traces::Role::Kvm;
    m.label = "BIND";
    story.moments.push_back(m);
    std::swap(m.from, m.to);
    m.label = "get (2)";
    story.moments.push_back(m);
    CHECK(story_chart(story) ==
          "two messages\n"
          "\n"
          "    time us      KVM         IOASID\n"
          "                  |             |\n"
          "    12.346        |<---BIND-----|\n"
          "    12.346        |---get (2)-->|\n"
          "                  |             |\n");
}

TEST_CASE("states: edges that a life took are numbered, in ASCII of 72 columns and in SVG") {
    Told t;
    t.free_in_use(true);
    const traces::Story story = t.life();
    const std::string ascii = story_states(story);
    CHECK(ascii.find("|======1=======>|") != std::string::npos);  // FREE to IDLE
    CHECK(ascii.find("|======2=======>|") != std::string::npos);  // IDLE to ACTIVE
    CHECK(ascii.find("|<..............|") != std::string::npos);  // the way back was not gone
    CHECK(ascii.find("3  81.002 us  ACTIVE -> FREE_PENDING") != std::string::npos);
    std::istringstream lines(ascii);
    for (std::string line; std::getline(lines, line);) {
        CHECK(line.size() <= 72);
    }
    const std::string svg = story_svg(story);
    CHECK(svg.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\"", 0) == 0);
    CHECK(svg.find("FREE_PENDING") != std::string::npos);
    // What no ID may do is told beside the picture.
    traces::Story wrong;
    wrong.states.push_back({1_us, "ACTIVE", "FREE", ""});
    CHECK(story_states(wrong).find("! 1.000 us  ACTIVE -> FREE: no way of an ID") !=
          std::string::npos);
}

TEST_CASE("situation: who holds an ID at a time, and what waits") {
    Told t;
    t.free_in_use(true);
    const traces::Scene scene(t.log);
    const std::string text = situation_text(scene, 81'500_ns);
    CHECK(text.find(
              "! host.ioasid(202)  FREE_PENDING since 81.002 us, by vm2/vmm/app step 3 (free)") !=
          std::string::npos);
    CHECK(text.find("kvm/vm2              since       1.007 us") != std::string::npos);
    CHECK(text.find(
              "iommu.free of host.ioasid(202): waits in the ordered workqueue since 81.005 us") !=
          std::string::npos);
    CHECK(situation_text(scene, 500_ns).find("no IOASID is allocated") != std::string::npos);
}

TEST_CASE("story of a descriptor: submission, queue, engine, data, end, each with its time") {
    Told t;
    const trace::Name dsa = t.name("dsa0");
    t.pool();
    t.at(100_ns);
    t.emit(trace::DsaEnqueue{dsa, t.name("wq0"), Pasid{202}, false, 8, 0}, "dsa0");
    t.at(200_ns);
    t.emit(trace::DsaEnqueue{dsa, t.name("wq0"), Pasid{202}, true, 3, 7}, "dsa0");
    t.at(250_ns);
    t.emit(trace::CpuEnqcmd{t.name("cpu0"), Hpa{0x1000}, Pasid{101}, Pasid{202},
                            trace::EnqcmdOutcome::Accepted, 150_ns, 7},
           "host/app");
    t.at(300_ns);
    t.emit(trace::DsaDispatch{dsa, t.name("wq0"), t.name("engine0"), 7, Pasid{202},
                              t.name("memmove"), 2},
           "dsa0");
    t.at(400_ns);
    t.emit(trace::DsaAccess{dsa, 7, Rid{Told::kRid}, Pasid{202}, Iova{0x5000}, 64, false,
                            t.name("source")},
           "dsa0");
    t.emit(trace::VtdRequest{t.iommu(), Rid{Told::kRid}, Pasid{202}, Iova{0x5000}, 64, false, 7},
           "iommu0");
    t.emit(trace::VtdFault{t.iommu(), Rid{Told::kRid}, Pasid{202}, Iova{0x5000}, trace::Hex{0x59},
                           false, false, true, 7},
           "iommu0");
    t.at(600_ns);
    t.emit(trace::DsaComplete{dsa, t.name("wq0"), 7, Pasid{202}, 3, t.name("record"), 0, 400_ns},
           "dsa0");
    t.finish();
    traces::Wanted wanted;
    wanted.number = 7;
    const traces::Story story = t.story(&traces::descriptor_story, wanted);
    CHECK(says(story.answers, "failed (status 0x3) 400 ns after it was accepted"));
    CHECK(says(story.answers, "no driver ever made a PASID entry for PASID 202"));
    REQUIRE(find(story, "PASID 101 translated to 202, after 1 attempt") != nullptr);
    CHECK(find(story, "PASID 101 translated to 202")->time == 100_ns);
    CHECK(find(story, "is blocked: reason 0x59") != nullptr);
    REQUIRE(!story.durations.empty());
    CHECK(story.durations[0].time == 400_ns);
    // The same event is the first fault of the trace.
    wanted.number = 1;
    CHECK(says(t.story(&traces::fault_story, wanted).answers, "reads 0x5000 with PASID 202"));
}
