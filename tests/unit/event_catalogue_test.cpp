#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "core/trace/catalogue.hpp"
#include "core/trace/run_events.hpp"

using namespace ioasim;
using namespace ioasim::trace;

namespace {

enum class Colour : std::uint8_t { Red, Green };
inline constexpr const char* kColourLabels[] = {"red", "green"};
constexpr Labels labels_of(Colour) {
    return {kColourLabels, 2};
}

struct Everything {
    static constexpr EventName kName{"test.everything", Category::Run, "One field of each type."};
    std::uint32_t count = 0;
    Ioasid id;
    Iova address;
    Hex raw;
    Rid rid;
    bool flag = false;
    TimePs time;
    Errno error = Errno::Ok;
    Name text;
    Colour colour = Colour::Red;
    DomainId domain;
    IOASIM_FIELDS(count, id, address, raw, rid, flag, time, error, text, colour, domain)
};

std::set<std::string> events_in_headers() {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(IOASIM_SOURCE_DIR "/core/trace")) {
        const std::string path = entry.path().string();
        if (path.find("_events.hpp") == std::string::npos) {
            continue;
        }
        std::ifstream file(path);
        std::stringstream text;
        text << file.rdbuf();
        const std::string source = text.str();
        const std::regex name(R"re(EventName kName\{\s*"([a-z0-9_.]+)")re");
        for (std::sregex_iterator it(source.begin(), source.end(), name), end; it != end; ++it) {
            names.insert((*it)[1]);
        }
    }
    REQUIRE(names.size() > 20);
    return names;
}

}  // namespace

TEST_CASE("event: fields take name, order and type from the struct") {
    const EventInfo& info = info_of<Everything>();
    CHECK(info.name == "test.everything");
    REQUIRE(info.fields.size() == 11);
    CHECK(info.fields[0].name == "count");
    CHECK(info.fields[0].type == FieldType::Count);
    CHECK(info.fields[1].type == FieldType::Id);
    CHECK(info.fields[2].type == FieldType::Hex);
    CHECK(info.fields[3].type == FieldType::Hex);
    CHECK(info.fields[4].type == FieldType::Rid);
    CHECK(info.fields[5].type == FieldType::Bool);
    CHECK(info.fields[6].type == FieldType::Time);
    CHECK(info.fields[7].type == FieldType::Error);
    CHECK(info.fields[8].type == FieldType::Text);
    CHECK(info.fields[9].type == FieldType::Enum);
    CHECK(std::string(info.fields[9].labels[1]) == "green");
    CHECK(info.fields[10].name == "domain");
    CHECK(info.field("error") == 7);
    CHECK(info.field("nothing") == info.fields.size());
}

TEST_CASE("event: values are packed in the order of the fields") {
    Everything event;
    event.count = 5;
    event.id = Ioasid{201};
    event.address = Iova{0xABC000};
    event.raw = Hex{~std::uint64_t{0}};
    event.rid = Rid{0x0100};
    event.flag = true;
    event.time = 3_ns;
    event.error = Errno::Ebusy;
    event.text = Name{4};
    event.colour = Colour::Green;
    event.domain = DomainId{77};
    EventRecord record;
    pack_fields(event, record);
    const std::uint64_t expected[] = {5, 201, 0xABC000, ~std::uint64_t{0}, 0x0100, 1, 3000, 16,
                                      4, 1,   77};
    for (std::size_t i = 0; i < std::size(expected); ++i) {
        CAPTURE(i);
        CHECK(record.values.at(i) == expected[i]);
    }
}

TEST_CASE("catalogue: holds every event that a header declares, and no other") {
    const std::set<std::string> declared = events_in_headers();
    std::set<std::string> listed;
    for (const EventInfo* info : catalogue()) {
        listed.insert(info->name);
    }
    for (const std::string& name : declared) {
        CAPTURE(name);
        CHECK(listed.count(name) == 1);
    }
    for (const std::string& name : listed) {
        CAPTURE(name);
        CHECK(declared.count(name) == 1);
    }
}

TEST_CASE("catalogue: every event has a meaning and distinct fields, and stands once, in order") {
    const auto& all = catalogue();
    for (std::size_t i = 0; i < all.size(); ++i) {
        CAPTURE(all[i]->name);
        CHECK_FALSE(all[i]->meaning.empty());
        if (i > 0) {
            CHECK(all[i - 1]->name < all[i]->name);
        }
        std::set<std::string> fields;
        for (const FieldInfo& field : all[i]->fields) {
            CHECK(fields.insert(field.name).second);
        }
    }
}

TEST_CASE("catalogue: an event is found by its name") {
    CHECK(find_event("run.start") == &info_of<RunStart>());
    CHECK(find_event("run.never") == nullptr);
}

TEST_CASE("catalogue: every category has a name of its own") {
    std::set<std::string_view> names;
    for (unsigned i = 0; i < static_cast<unsigned>(Category::kCount); ++i) {
        CHECK(names.insert(category_name(static_cast<Category>(i))).second);
    }
}
