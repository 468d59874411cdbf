// The steps of bare programs and of VFIO users as keys and types of the language.
#include <deque>
#include <map>

#include "models/platform/bare_step.hpp"
#include "scenarios/language/schema.hpp"
#include "scenarios/language/schema_types.hpp"

namespace ioasim::scenario {
namespace {

using platform::BareArgSpec;
using platform::BareValue;
using types::make;
using Kind = Type::Kind;

const Type& type_of(const BareArgSpec& arg) {
    constexpr std::uint64_t kLongestTime = 1'000'000'000'000'000;  // 1000 s
    switch (arg.value) {
        case BareValue::Number: {
            Type& t = make(Kind::Quantity, "a number (12, \"0x1000\", \"4KiB\")");
            t.low = arg.low;
            t.high = arg.high;
            return t;
        }
        case BareValue::Numbers: {
            Type& t = make(Kind::List, "a list");
            t.element = &make(Kind::Quantity, "a number (12, \"0x1000\", \"4KiB\")");
            t.low = 1;
            t.high = 65536;
            return t;
        }
        case BareValue::Bytes:
            return make(Kind::Bytes, "bytes in hexadecimal (\"00ff10\")");
        case BareValue::Flag:
        case BareValue::True:
            return make(Kind::Boolean, "true or false");
        case BareValue::Choice: {
            Type& t = make(Kind::Choice, "a string");
            t.choices.assign(arg.choices.begin(), arg.choices.end());
            return t;
        }
        case BareValue::Time: {
            Type& t = make(Kind::Time, "a time (\"12us\")");
            t.low = 1;
            t.high = kLongestTime;
            return t;
        }
        case BareValue::Text:
        case BareValue::Unit:
        case BareValue::Device:
        case BareValue::AnyDevice:
        case BareValue::Accelerator:
        case BareValue::Register:
        case BareValue::ConfigRegister:
        case BareValue::Function:
        case BareValue::NewTable:
        case BareValue::Table:
        case BareValue::NewContainer:
        case BareValue::Container:
        case BareValue::NewBuffer:
        case BareValue::Buffer:
        case BareValue::Mapping:
        case BareValue::Variable:
        case BareValue::Group:
        case BareValue::Site: {
            Type& t = make(Kind::Text, "a name");
            t.low = 1;
            return t;
        }
    }
    return make(Kind::Any, "a value");
}

}  // namespace

std::vector<Case> bare_cases() {
    std::vector<Case> cases;
    for (const platform::BareSpec& spec : platform::bare_specs()) {
        static const std::map<platform::StepFamily, const char*> kWhose{
            {platform::StepFamily::Bare, "bare program: "},
            {platform::StepFamily::Process, "host process: "},
            {platform::StepFamily::Machine, "bare program, process: "},
            {platform::StepFamily::Registers, "bare program, guest: "},
            {platform::StepFamily::Guest, "guest: "},
            {platform::StepFamily::User, "process of the host, guest: "}};
        Case one{
            spec.key, &type_of(spec.subject), kWhose.at(spec.family) + std::string(spec.doc), {}};
        for (const BareArgSpec& arg : spec.args) {
            one.options.push_back({arg.key, &type_of(arg), arg.required, arg.doc, arg.initial});
        }
        cases.push_back(std::move(one));
    }
    return cases;
}

}  // namespace ioasim::scenario
