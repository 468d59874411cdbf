#include "scenarios/language/repeat.hpp"

#include <array>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "scenarios/language/compose.hpp"
#include "scenarios/language/schema.hpp"

namespace ioasim::scenario {

const Type& repeat_type() {
    static const auto made = [] {
        Type name;
        name.kind = Type::Kind::Name;
        name.what = "an index";
        name.charset = "_";
        Type count;
        count.kind = Type::Kind::Integer;
        count.what = "a number";
        count.high = kMaxCopies;
        return std::array<Type, 2>{name, count};
    }();
    static const Type t = [] {
        Type repetition;
        repetition.kind = Type::Kind::Object;
        repetition.what = "a repetition";
        repetition.fields = {
            {"as", &made[0], true, "${NAME} in the item is the number of the copy", ""},
            {"count", &made[1], true, "how many copies", ""},
            {"from", &made[1], false, "the first number", "0"}};
        return repetition;
    }();
    return t;
}

namespace {

struct Count {
    std::string name;
    std::uint64_t from = 0;
    std::uint64_t count = 0;
};

class Reader {
public:
    Reader(const std::map<std::string, Node>& values, Diagnostics& diagnostics)
        : values_(values), diagnostics_(diagnostics) {}

    bool read(const Node& node, const std::string& pointer, Count& out) {
        Node own = node;
        substitute(own, values_, pointer, diagnostics_);
        if (own.broken) {
            return false;
        }
        const std::size_t before = diagnostics_.error_count();
        validate(own, repeat_type(), pointer, diagnostics_);
        if (diagnostics_.error_count() != before) {
            return false;
        }
        out.name = own.get("as")->text;
        out.count = number(own.get("count"));
        out.from = number(own.get("from"));
        if (values_.count(out.name) != 0) {
            diagnostics_.add(
                {Code::NameTaken, own.get("as")->place,
                 fmt::format("{} is a parameter or an index already", quoted(out.name)), "",
                 pointer_join(pointer, "as"), false});
            return false;
        }
        return true;
    }

private:
    static std::uint64_t number(const Node* node) {
        bool range = false;
        return node == nullptr ? 0 : parse_integer_text(node->text, range).value;
    }
    const std::map<std::string, Node>& values_;
    Diagnostics& diagnostics_;
};

}  // namespace

std::vector<Indices> copies_of(const Node& item, const std::map<std::string, Node>& values,
                               const std::string& pointer, Diagnostics& diagnostics) {
    const Node& repeat = *item.get(kRepeat);
    const std::string at = pointer_join(pointer, kRepeat);
    std::vector<const Node*> nodes;
    if (repeat.is(Node::Kind::Array)) {
        for (const Node& one : repeat.items) {
            nodes.push_back(&one);
        }
    } else {
        nodes.push_back(&repeat);
    }
    std::vector<Indices> copies(1);
    Reader reader(values, diagnostics);
    for (const Node* node : nodes) {
        Count count;
        if (!reader.read(*node, at, count)) {
            return {};
        }
        if (copies.size() * count.count > kMaxCopies) {
            diagnostics.add({Code::OutOfRange, node->place,
                             fmt::format("more than {} copies", kMaxCopies), "", at, false});
            return {};
        }
        std::vector<Indices> more;
        for (const Indices& copy : copies) {
            for (std::uint64_t i = 0; i < count.count; ++i) {
                more.push_back(copy);
                more.back().emplace(count.name, Node::number(count.from + i, node->place));
            }
        }
        copies = std::move(more);
    }
    return copies;
}

}  // namespace ioasim::scenario
