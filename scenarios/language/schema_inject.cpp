// Injections as keys and types of the language: what starts them, and the parameters of all kinds
// of the platform's catalogue.
#include "models/platform/injections.hpp"
#include "scenarios/language/schema.hpp"
#include "scenarios/language/schema_types.hpp"

namespace ioasim::scenario {
namespace {

using namespace types;
using Kind = Type::Kind;

constexpr std::uint64_t kDay = 24 * 3600 * 1'000'000'000'000;
constexpr std::uint64_t kMost = 1'000'000'000;

const Type& value_type(platform::InjectValue value) {
    using V = platform::InjectValue;
    switch (value) {
        case V::Time:
            return time(0, kDay);
        case V::Number:
            return integer(0, kNoLimit);
        case V::Size:
            return size(0, kNoLimit);
        case V::Address:
            return make(Kind::Quantity, "a number (12, \"0x1000\", \"4KiB\")");
        case V::Text:
            return text("a name", 1);
    }
    return text();
}

const Type& make_injection_type() {
    const Type& event = text("the name of an event", 1);
    const Type& nth = integer(1, kMost);
    const Type& when =
        object("an event", {{"event", &event, true, "name, as in `ioasim trace catalogue`", ""},
                            {"where", &map(any("a value of this field")), false,
                             "fields and their values, as in expectations", "{}"},
                            {"nth", &nth, false, "the how-manieth of them", "1"}});
    std::vector<Field> fields{
        {"fault", &text("a kind of injection (\"dsa0.hang\")", 1), true,
         "what happens, and to whom: `ioasim inject list`", ""},
        {"at", &time(0, kDay), false, "when it happens, or its fault site is armed", ""},
        {"when", &when, false, "the event behind which it happens, or its fault site is armed", ""},
        {"nth", &nth, false, "of a fault site: the how-manieth call from then on", "1"},
        {"chance", &text("a chance (\"1/1000\")", 3), false,
         "instead of the n-th: each call of the fault site, or each event, by chance", ""},
        {"stream", &name("the name of a stream", "_-."), false,
         "of random numbers that the chance is drawn from", "\"inject\""},
        {"count", &integer(1, kMost), false,
         "so often, of events or calls (with a chance at a fault site: at most, without limit by "
         "default)",
         "1"}};
    for (const platform::InjectParam& param : platform::inject_params()) {
        fields.push_back({param.key, &value_type(param.value), false, param.doc, ""});
    }
    Type& t = make(Kind::Object, "an injection");
    t.fields = std::move(fields);
    t.definition = "injection";
    return t;
}

}  // namespace

const Type& injection_type() {
    static const Type& t = make_injection_type();
    return t;
}

}  // namespace ioasim::scenario
