// What kernel threads of a scenario register, queue and lock, as keys and types of the language.
#include "scenarios/language/schema.hpp"
#include "scenarios/language/schema_types.hpp"

namespace ioasim::scenario::types {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000'000;
constexpr std::uint64_t kLastId = 0xFFFFFFFF;  // an ioasid_t; INVALID_IOASID itself

const Type& component(const char* what) {
    return name(what, "_-");
}

}  // namespace

const Type& kernel_code(const Type& step) {
    const Type& steps = list(step);
    const Type& results = choice({"DONE", "OK", "STOP", "BAD"});
    const auto per_event = [](const Type& type, const char* doc) {
        std::vector<Field> fields;
        for (const char* event : {"ALLOC", "FREE", "BIND", "UNBIND"}) {
            fields.push_back({event, &type, false, doc, ""});
        }
        return fields;
    };
    const Type& block = object(
        "a notification block",
        {{"name", &component("the name of a block"), true, "its name", ""},
         {"priority",
          &either("a priority", {&choice({"LAST", "DEVICE", "IOMMU", "CPU"}), &integer(0, 1000)}),
          false, "higher is called earlier: LAST 0, DEVICE 1, IOMMU 2, CPU 3", "\"LAST\""},
         {"cost", &time(0, kSecond), false, "time that each call takes", "\"0ps\""},
         {"on", &object("steps by event", per_event(steps, "what it does then")), false,
          "what it does; the variable \"event\" is the event's ID", "{}"},
         {"returns", &object("results by event", per_event(results, "what it returns then")), false,
          "what it returns (default: DONE); STOP and BAD end the rest of the chain", "{}"}});
    const Type& work = object(
        "deferred work",
        {{"name", &component("the name of work"), true, "its name", ""},
         {"steps", &list(step, 1), true,
          "what it does in the ordered workqueue; \"event\" is the ID that it was queued for",
          ""}});
    const Type& allocator =
        object("a provider of numbers",
               {{"name", &component("the name of an allocator"), true, "its name", ""},
                {"functions", &component("a name"), false,
                 "providers with equal functions share a group (default: its own)", ""},
                {"gives", &list(integer(0, kLastId)), false,
                 "its first numbers, whatever was asked for; then the lowest free ones", "[]"},
                {"cost", &time(0, kSecond), false, "time that each call takes", "\"0ps\""}});
    const Type& lock = object(
        "a lock",
        {{"name", &component("the name of a lock"), true, "its name", ""},
         {"kind", &choice({"spin", "mutex"}), false, "mutex: its waiters sleep", "\"spin\""}});
    return object("kernel code",
                  {{"blocks", &list(block), false, "notification blocks", "[]"},
                   {"works", &list(work), false, "work for the ordered workqueue", "[]"},
                   {"allocators", &list(allocator), false, "custom allocators", "[]"},
                   {"locks", &list(lock), false, "locks of drivers", "[]"}});
}

}  // namespace ioasim::scenario::types
