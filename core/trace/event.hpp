// The shape of events. An event is a struct with a stable name, a category, one line of meaning and
// named fields; what it means to tools is derived from the struct, so that no second list can
// drift.
//
//   struct IoasidPut {
//       static constexpr EventName kName{"ioasid.put", Category::Ioasid, "A reference was
//       dropped."}; Name kernel; Ioasid ioasid; std::uint32_t refs; IOASIM_FIELDS(kernel, ioasid,
//       refs)
//   };
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/base/types.hpp"

namespace ioasim::trace {

enum class Category : std::uint8_t {
    Run,       // start, end, findings, declared pools
    Ioasid,    // the IOASID core
    Software,  // drivers, KVM, VDCM, processes
    Lock,
    Sched,  // which task runs on which CPU
    Cpu,    // instructions with effects outside the CPU
    Vm,     // entries, exits, virtual devices
    Pcie,
    Vtd,
    VtdWalk,  // each memory read of each walk: many events
    Dsa,
    Memory,  // page ownership and device accesses
    kCount
};
constexpr std::uint32_t category_bit(Category c) {
    return 1U << static_cast<unsigned>(c);
}
constexpr std::uint32_t kAllCategories = (1U << static_cast<unsigned>(Category::kCount)) - 1;
std::string_view category_name(Category category);

// An interned string of the run: names of components, tasks, sets.
using Name = StrongId<struct NameTag, std::uint32_t>;

struct EventName {
    const char* name;
    Category category;
    const char* meaning;
};

enum class FieldType : std::uint8_t { Count, Id, Hex, Rid, Bool, Time, Error, Text, Enum };

struct FieldInfo {
    std::string name;
    FieldType type;
    const char* const* labels = nullptr;  // Enum only, indexed by value
    std::size_t label_count = 0;
};

constexpr std::size_t kMaxFields = 12;

struct EventInfo {
    std::string name;
    Category category;
    std::string meaning;
    std::vector<FieldInfo> fields;
    std::uint32_t number = 0;  // of the type in this process, from 0: for tables, never for output
    // Index of a field, or fields.size().
    std::size_t field(std::string_view field_name) const;
};

// One event as everybody downstream sees it. Values are packed by field type: Id with
// 0xFFFFFFFF means none, Error holds the positive number, Time picoseconds.
struct EventRecord {
    const EventInfo* info = nullptr;
    TimePs time;
    std::uint64_t seq = 0;
    SourceId source;
    std::array<std::uint64_t, kMaxFields> values{};
};

// An enum that appears in events tells its labels: overload next to the enum
//   inline constexpr const char* kFooLabels[] = {...};
//   constexpr Labels labels_of(Foo) { return {kFooLabels, std::size(kFooLabels)}; }
struct Labels {
    const char* const* text;
    std::size_t count;
};

template <class T, class = void>
struct FieldTraits;

template <class T>
struct FieldTraits<T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>> {
    static FieldInfo info() { return {{}, FieldType::Count}; }
    static std::uint64_t pack(T v) { return static_cast<std::uint64_t>(v); }
};
template <>
struct FieldTraits<bool> {
    static FieldInfo info() { return {{}, FieldType::Bool}; }
    static std::uint64_t pack(bool v) { return v ? 1 : 0; }
};
template <class Tag>
struct FieldTraits<StrongId<Tag, std::uint32_t>> {
    static FieldInfo info() { return {{}, FieldType::Id}; }
    static std::uint64_t pack(StrongId<Tag, std::uint32_t> v) { return v.value(); }
};
template <>
struct FieldTraits<Name> {
    static FieldInfo info() { return {{}, FieldType::Text}; }
    static std::uint64_t pack(Name v) { return v.value(); }
};
template <>
struct FieldTraits<DomainId> {
    static FieldInfo info() { return {{}, FieldType::Count}; }
    static std::uint64_t pack(DomainId v) { return v.value(); }
};
template <>
struct FieldTraits<Rid> {
    static FieldInfo info() { return {{}, FieldType::Rid}; }
    static std::uint64_t pack(Rid v) { return v.value(); }
};
template <class Tag>
struct FieldTraits<Address<Tag>> {
    static FieldInfo info() { return {{}, FieldType::Hex}; }
    static std::uint64_t pack(Address<Tag> v) { return v.value(); }
};
// A raw 64-bit value that reads best in hexadecimal: register contents, table entries.
struct Hex {
    std::uint64_t value = 0;
};
template <>
struct FieldTraits<Hex> {
    static FieldInfo info() { return {{}, FieldType::Hex}; }
    static std::uint64_t pack(Hex v) { return v.value; }
};
template <>
struct FieldTraits<TimePs> {
    static FieldInfo info() { return {{}, FieldType::Time}; }
    static std::uint64_t pack(TimePs v) { return v.ps(); }
};
template <>
struct FieldTraits<Errno> {
    static FieldInfo info() { return {{}, FieldType::Error}; }
    static std::uint64_t pack(Errno v) { return static_cast<std::uint64_t>(v); }
};
template <class T>
struct FieldTraits<T, std::enable_if_t<std::is_enum_v<T>>> {
    static FieldInfo info() {
        const Labels labels = labels_of(T{});
        return {{}, FieldType::Enum, labels.text, labels.count};
    }
    static std::uint64_t pack(T v) { return static_cast<std::uint64_t>(v); }
};

EventInfo make_event_info(const EventName& name, std::string_view field_list,
                          std::vector<FieldInfo> fields);

template <class E>
[[gnu::noinline]] const EventInfo& made_info() {
    static const EventInfo info = std::apply(
        [](const auto&... field) {
            return make_event_info(E::kName, E::kFieldList,
                                   {FieldTraits<std::decay_t<decltype(field)>>::info()...});
        },
        E{}.field_tuple());
    return info;
}

// The description of an event type, made once. Every event asks for it: a look, and no call.
template <class E>
const EventInfo& info_of() {
    static const EventInfo* info = nullptr;
    if (info == nullptr) {
        info = &made_info<E>();
    }
    return *info;
}

template <class E>
void pack_fields(const E& event, EventRecord& record) {
    std::apply(
        [&record](const auto&... field) {
            static_assert(sizeof...(field) <= kMaxFields, "too many fields");
            std::size_t i = 0;
            ((record.values[i++] = FieldTraits<std::decay_t<decltype(field)>>::pack(field)), ...);
        },
        event.field_tuple());
}

}  // namespace ioasim::trace

#define IOASIM_FIELDS(...)                                       \
    static constexpr std::string_view kFieldList = #__VA_ARGS__; \
    auto field_tuple() const {                                   \
        return std::tie(__VA_ARGS__);                            \
    }
