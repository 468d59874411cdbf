// Kinds of injections that are a guest which means harm, or falls over.
#include "models/platform/inject_catalogue.hpp"

namespace ioasim::platform {
namespace {

using T = InjectTarget;
using W = InjectWay;
using V = InjectValue;

constexpr std::uint64_t kLastPasid = 0xFFFFF;
constexpr std::uint64_t kManyTimes = 1000;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

InjectParam vcpu() {
    return {"vcpu", V::Number, 0, 63, "0", "virtual CPU that it happens on, when that one is free"};
}

InjectParam queue() {
    return {"queue", V::Text, 0, 0, "", "workqueue (\"dsa0/wq0\")"};
}

InjectParam device() {
    return {"device", V::Text, 0, 0, "", "the device, as the guest calls it"};
}

}  // namespace

std::vector<InjectKind> guest_kinds() {
    return {
        {"vm.panic",
         T::Machine,
         "The kernel of a guest stops where it is.",
         "Its programs do not run on; whoever manages the machine resets or kills it, and "
         "then every ID comes back.",
         "kernel/panic.c",
         "inject/machine_ends.json",
         W::Steps,
         nullptr,
         {vcpu()},
         "${target}/vcpu${vcpu}",
         R"([{"panic": true}])"},
        {"vm.foreign_pasid",
         T::Machine,
         "A program in a guest submits under a guest PASID that it was never given.",
         "PASID translation of the processor finds nothing: VM exit, the VMM refuses, #GP in the "
         "guest; no device hears of it.",
         "SDM 26.5.1 (PASID translation), exit reasons 72 and 73",
         "inject/foreign_pasid.json",
         W::Steps,
         nullptr,
         {vcpu(), queue(), {"pasid", V::Number, 0, kLastPasid, "", "the number that it tries"}},
         "${target}/vcpu${vcpu}",
         R"([{"submit": {"to": "${queue}", "pasid": "${pasid}", "op": "noop"}}])",
         "submit"},
        {"vm.double_free",
         T::Machine,
         "A guest gives the same PASID back twice.",
         "Its own kernel refuses the second call; nobody else's ID is touched.",
         "VT-d 10.4.44 (VCMD)",
         "inject/guest_misuses_ids.json",
         W::Steps,
         nullptr,
         {vcpu()},
         "${target}/vcpu${vcpu}",
         R"([{"alloc": "A"}, {"free": "A"}, {"free": "A"}])",
         "free"},
        {"vm.foreign_free",
         T::Machine,
         "A guest gives back a PASID that it was never given.",
         "Its own kernel refuses; nobody else's ID is touched.",
         "VT-d 10.4.44 (VCMD)",
         "inject/guest_misuses_ids.json",
         W::Steps,
         nullptr,
         {vcpu(), {"pasid", V::Number, 0, kLastPasid, "", "the number that it tries"}},
         "${target}/vcpu${vcpu}",
         R"([{"free": "${pasid}"}])",
         "free"},
        {"vm.spid_storm",
         T::Machine,
         "A guest takes PASIDs until it gets no more and gives them back, again and again.",
         "Its quota bounds it; the other machines' calls wait for the core's lock at most as "
         "long as one call takes.",
         "quota of an ioasid_set",
         "inject/spid_storm.json",
         W::Steps,
         nullptr,
         {vcpu(), {"times", V::Number, 1, kManyTimes, "20", "PASIDs that it asks for"}},
         "${target}/vcpu${vcpu}",
         R"([{"$repeat": {"as": "i", "count": "${times}"}, "alloc": "S${i}"},
             {"$repeat": {"as": "i", "count": "${times}"}, "free": "S${i}"}])",
         "alloc"},
        {"vm.submit_flood",
         T::Machine,
         "A guest submits as fast as it can, without waiting for what it submitted.",
         "A shared queue answers retry; the other machines' work goes through all the same.",
         "DSA specification 3.2",
         "inject/submit_flood.json",
         W::Steps,
         nullptr,
         {vcpu(),
          queue(),
          device(),
          {"times", V::Number, 1, kManyTimes, "100", "descriptors that it submits"}},
         "${target}/vcpu${vcpu}",
         R"([{"alloc": "A"}, {"bind": "A", "device": "${device}"},
             {"submit": {"to": "${queue}", "pasid": "A", "size": "4KiB", "count": "${times}"}},
             {"unbind": "A", "device": "${device}"}, {"free": "A"}])",
         "submit"},
        {"vm.forged_addresses",
         T::Machine,
         "A guest has the device copy from memory that it has unmapped.",
         "The device's requests fault; the completion record tells, no byte is moved.",
         "VT-d 7.1.3",
         "inject/forged_addresses.json",
         W::Steps,
         nullptr,
         {vcpu(), queue(), device()},
         "${target}/vcpu${vcpu}",
         R"([{"alloc": "A"}, {"mmap": "gone", "size": "4KiB"}, {"munmap": "gone"},
             {"bind": "A", "device": "${device}"},
             {"submit": {"to": "${queue}", "pasid": "A", "source": "gone", "size": "4KiB"}},
             {"unbind": "A", "device": "${device}"}, {"free": "A"}])",
         "submit"},
        {"vm.submit_after_unbind",
         T::Machine,
         "A guest goes on submitting under a PASID that it has unbound.",
         "Nothing stands behind the guest PASID any more: #GP, and no device hears of it.",
         "SDM 26.5.1",
         "inject/stale_pasid.json",
         W::Steps,
         nullptr,
         {vcpu(), queue(), device()},
         "${target}/vcpu${vcpu}",
         R"([{"alloc": "A"}, {"bind": "A", "device": "${device}"},
             {"submit": {"to": "${queue}", "pasid": "A", "op": "noop"}},
             {"unbind": "A", "device": "${device}"},
             {"submit": {"to": "${queue}", "pasid": "A", "op": "noop"}}, {"free": "A"}])",
         "submit"},
        {"vm.page_request_flood",
         T::Machine,
         "A guest has the device ask for as many pages as it can, one descriptor a page.",
         "Credits bound what is under way; the other machines' page requests are answered all "
         "the same.",
         "PCIe 10.5.2.4",
         "inject/page_request_flood.json",
         W::Steps,
         nullptr,
         {vcpu(),
          queue(),
          device(),
          {"times", V::Number, 1, kManyTimes, "100", "pages that it asks for"}},
         "${target}/vcpu${vcpu}",
         R"([{"alloc": "A"}, {"bind": "A", "device": "${device}"},
             {"$repeat": {"as": "i", "count": "${times}"}, "mmap": "p${i}", "size": "4KiB",
              "populate": false},
             {"$repeat": {"as": "i", "count": "${times}"}, "submit": {"to": "${queue}",
              "pasid": "A", "destination": "p${i}", "size": "4KiB", "block_on_fault": true,
              "wait": false}},
             {"wait": "completions"}, {"unbind": "A", "device": "${device}"}, {"free": "A"}])",
         "submit"},
        {"vm.raw_command",
         T::Machine,
         "A guest writes a command to its virtual IOMMU past its own kernel.",
         "What does not exist, or names what is not its own, is answered with an error status; "
         "nothing else happens.",
         "VT-d 10.4.44 (VCMD)",
         "inject/guest_misuses_ids.json",
         W::Steps,
         nullptr,
         {vcpu(), {"command", V::Address, 1, kAll, "0xff", "what it writes to VCMD"}},
         "${target}/vcpu${vcpu}",
         R"([{"mmio_write": "VCMD", "value": "${command}", "size": 8}])",
         "mmio_write"},
    };
}

}  // namespace ioasim::platform
