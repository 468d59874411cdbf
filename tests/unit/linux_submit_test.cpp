#include <doctest/doctest.h>

#include "models/linux/user_submit.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

// A bound process, and a device that executes each accepted descriptor at once.
struct Submitter {
    Submitter()
        : process(host.process("host/app")),
          id(*host.kernel->sva().alloc(host.ctx, process, 1, 1000)),
          queue(*host.kernel, process) {
        bound = host.kernel->sva().bind(host.ctx, process, host.dsa0(), id);
        host.machine.on_enqcmd = [this](const cpu::CpuState&, Hpa portal,
                                        const cpu::Descriptor64& bytes) {
            return serve(portal, bytes);
        };
        request.device = &host.dsa0();
        request.opcode = static_cast<std::uint8_t>(dsa::Opcode::Memmove);
        request.size = 6000;
        request.pattern = 17;
    }
    cpu::EnqResult serve(Hpa portal, const cpu::Descriptor64& bytes) {
        portals.push_back(portal);
        if ((host.machine.ia32_pasid & cpu::kIa32PasidValid) == 0) {
            return {cpu::EnqOutcome::GeneralProtection, Pasid{}};
        }
        if (refusals > 0) {
            --refusals;
            return {cpu::EnqOutcome::Retry, Pasid{}};
        }
        descriptors.push_back(dsa::decode_descriptor(bytes));
        if (!silent) {
            const auto pa = process.mm.translate(host.ctx, descriptors.back().record, true);
            dsa::CompletionRecord record;
            record.status = status;
            const dsa::RecordBytes image = dsa::encode(record);
            host.machine.poke(*pa, image.data(), image.size());
        }
        return {cpu::EnqOutcome::Accepted, Pasid{id.value()}};
    }

    Host host;
    Process& process;
    Ioasid id;
    UserQueue queue;
    Errno bound = Errno::Ok;
    SubmitRequest request;
    SubmitReport report;
    int refusals = 0;
    bool silent = false;
    dsa::Status status = dsa::Status::Success;
    std::vector<Hpa> portals;
    std::vector<dsa::Descriptor> descriptors;
};

TEST_CASE(
    "submit: the first ENQCMD faults, the kernel loads IA32_PASID, the instruction runs again") {
    Submitter s;
    CHECK(s.host.machine.ia32_pasid == 0);
    REQUIRE(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Ok);
    CHECK(s.host.machine.ia32_pasid == (cpu::kIa32PasidValid | s.id.value()));
    CHECK(s.portals.size() == 2);
    CHECK(s.host.log.count("cpu.pasid") == 1);
}

// Tells whose time was spent when somebody may have interrupted it.
class InterruptedContext final : public ExecContext {
public:
    explicit InterruptedContext(LockMonitor& monitor, MachinePort& port)
        : ExecContext(Persona{"host/app", SourceId{}, &port, nullptr}, monitor) {}
    TimePs now() const override { return now_; }
    void spend(TimePs cost) override {
        now_ += cost;
        if (!inside_instruction()) {
            (in_user_access() ? of_user : of_others) += 1;
        }
    }
    int of_user = 0;
    int of_others = 0;

private:
    bool block(bool, TimePs deadline) override {
        now_ = deadline;
        return false;
    }
    void make_ready(ExecContext&) override {}
    std::size_t choose(const Choice&) override { return 0; }
    TimePs now_;
};

TEST_CASE("submit: what interrupts a poll of the completion record is no access of the user's") {
    Submitter s;
    s.silent = true;
    s.request.wait = false;
    REQUIRE(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Ok);
    InterruptedContext polls{s.host.monitor, s.host.machine};
    CHECK(s.queue.wait_all(polls, 1_us, s.report) == Errno::Etimedout);
    CHECK(polls.of_others > 1);
    CHECK(polls.of_user == 0);
}

TEST_CASE("submit: a process without PASID gets a signal") {
    Submitter s;
    s.process.pasid.reset();  // an mm that was never bound
    CHECK(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Efault);
    CHECK(s.report.submitted == 0);
}

TEST_CASE("submit: the portal is the queue's limited page, the record 32-byte aligned") {
    Submitter s;
    REQUIRE(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Ok);
    CHECK(s.portals.back() == Hpa{kPortals0 + 0x1000});
    REQUIRE(s.descriptors.size() == 1);
    CHECK(s.descriptors[0].record % 32 == 0);
    CHECK(s.descriptors[0].size == 6000);
    CHECK(s.descriptors[0].source == s.report.source);
    CHECK(s.descriptors[0].flags == 0xC);  // record address valid, record requested
}

TEST_CASE("submit: source bytes follow the pattern and differ from page to page") {
    Submitter s;
    REQUIRE(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Ok);
    std::vector<std::uint8_t> bytes(6000);
    REQUIRE(s.process.mm.read(s.host.ctx, s.report.source, bytes.data(), bytes.size()) ==
            Errno::Ok);
    CHECK(bytes[0] == 17);
    CHECK(bytes[5999] == UserQueue::source_byte(17, 5999));
    CHECK(bytes[0] != bytes[4096]);
}

TEST_CASE("submit: refusals are retried with growing pauses, up to the bound") {
    Submitter s;
    s.refusals = 5;
    REQUIRE(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Ok);
    CHECK(s.report.retries == 5);
    s.refusals = 1'000'000;
    CHECK(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Eagain);
    CHECK(s.report.retries == 5 + s.host.kernel->params().enqcmd_retries);
}

TEST_CASE("submit: more descriptors than the window go through it") {
    Submitter s;
    s.request.count = 3 * s.host.kernel->params().submit_window + 1;
    s.request.wait = false;
    REQUIRE(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Ok);
    CHECK(s.report.submitted == s.request.count);
    CHECK(s.queue.outstanding() <= s.host.kernel->params().submit_window);
    REQUIRE(s.queue.wait_all(s.host.ctx, TimePs{}, s.report) == Errno::Ok);
    CHECK(s.report.completed == s.request.count);
}

TEST_CASE("submit: a completion that does not come is given up, and its record never reused") {
    Submitter s;
    s.silent = true;
    CHECK(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Etimedout);
    const std::uint64_t lost = s.descriptors[0].record;
    s.silent = false;
    CHECK(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Ok);
    CHECK(s.descriptors[1].record / kPageSize != lost / kPageSize);
}

TEST_CASE("submit: a failed completion is -EIO with its status") {
    Submitter s;
    s.status = dsa::Status::PageFault;
    CHECK(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Eio);
    CHECK(s.report.failed == 1);
    CHECK(s.report.first_failure == 3);
}

TEST_CASE("submit: a killed process stops") {
    Submitter s;
    s.silent = true;
    s.request.wait = false;
    REQUIRE(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Ok);
    s.host.kernel->power_off();
    CHECK(s.queue.wait_all(s.host.ctx, TimePs{}, s.report) == Errno::Eintr);
}

TEST_CASE("submit: a host process may not load a PASID that it is not bound to") {
    Submitter s;
    s.request.pasid = Pasid{77};
    CHECK(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Eperm);
    CHECK(s.host.machine.submissions == 0);
}

TEST_CASE("submit: an unknown queue is refused") {
    Submitter s;
    s.request.queue = 3;
    CHECK(s.queue.submit(s.host.ctx, s.request, s.report) == Errno::Enodev);
}

}  // namespace
}  // namespace ioasim::os::test
