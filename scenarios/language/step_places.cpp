#include "scenarios/language/step_places.hpp"

namespace ioasim::scenario {

using platform::StepKind;

const char* place_text(StepPlace place) {
    switch (place) {
        case StepPlace::HostProcess:
            return "a process of the host";
        case StepPlace::KernelThread:
            return "a kernel thread";
        case StepPlace::Vmm:
            return "a VMM";
        case StepPlace::Vcpu:
            return "a program in a guest";
        case StepPlace::Script:
            return "a block or work of the kernel";
        case StepPlace::Bare:
            return "a bare program";
    }
    return "?";
}

bool exists_in(StepKind kind, StepPlace place) {
    if (place == StepPlace::Bare) {
        return kind == StepKind::Bare || kind == StepKind::Sleep || kind == StepKind::Spend ||
               kind == StepKind::Exit;
    }
    switch (kind) {
        case StepKind::Bare:
            return false;
        case StepKind::Bind:
        case StepKind::Unbind:
        case StepKind::Submit:
        case StepKind::Wait:
        case StepKind::Mmap:
        case StepKind::Munmap:
        case StepKind::Machine:
            return place == StepPlace::HostProcess || place == StepPlace::Vcpu;
        case StepKind::Exit:
            return place != StepPlace::Script;
        case StepKind::Fork:
        case StepKind::Thread:
        case StepKind::Exec:
            return place == StepPlace::HostProcess;
        case StepKind::Kill:
        case StepKind::Hang:
            return place != StepPlace::Script && place != StepPlace::Vcpu;
        case StepKind::Migrate:
            return place == StepPlace::Vmm;
        case StepKind::Mdev:
            return place == StepPlace::Vmm || place == StepPlace::HostProcess;
        case StepKind::Unplug:
        case StepKind::VmReset:
            return place == StepPlace::Vmm;
        case StepKind::Command:
        case StepKind::QueuePasid:
        case StepKind::Panic:
            return place == StepPlace::Vcpu;
        case StepKind::Open:
        case StepKind::Close:
            return place == StepPlace::HostProcess || place == StepPlace::Vcpu;
        case StepKind::User:
            return place == StepPlace::HostProcess || place == StepPlace::Vcpu;
        case StepKind::Call:
            return place != StepPlace::Vcpu;
        default:
            return true;
    }
}

bool exists_in(platform::StepFamily family, StepPlace place) {
    using Family = platform::StepFamily;
    switch (family) {
        case Family::Bare:
            return place == StepPlace::Bare;
        case Family::Process:
            return place == StepPlace::HostProcess;
        case Family::Machine:
            return place == StepPlace::Bare || place == StepPlace::HostProcess ||
                   place == StepPlace::Vcpu;
        case Family::Registers:
            return place == StepPlace::Bare || place == StepPlace::Vcpu;
        case Family::Guest:
            return place == StepPlace::Vcpu;
        case Family::User:
            return place == StepPlace::HostProcess || place == StepPlace::Vcpu;
    }
    return false;
}

}  // namespace ioasim::scenario
