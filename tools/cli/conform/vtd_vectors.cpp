#include "tools/cli/conform/vtd_vectors.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "scenarios/language/schema.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;
using scenario::Diagnostics;
using scenario::Field;
using scenario::Node;
using scenario::Place;
using scenario::Type;
using Kind = scenario::Type::Kind;

constexpr const char* kUnit = "iommu0";
constexpr const char* kFormat = "vtd-bench/1";

Type& make(Kind kind, std::string what, std::uint64_t low = 0,
           std::uint64_t high = ~std::uint64_t{0}) {
    static std::deque<Type> all;
    all.emplace_back();
    all.back().kind = kind;
    all.back().what = std::move(what);
    all.back().low = low;
    all.back().high = high;
    return all.back();
}
const Type& quantity(std::uint64_t high = ~std::uint64_t{0}) {
    return make(Kind::Quantity, "a number (\"0x1000\")", 0, high);
}
const Type& text() {
    return make(Kind::Text, "a string", 1);
}
const Type& choice(std::vector<std::string> choices) {
    Type& t = make(Kind::Choice, "a string");
    t.choices = std::move(choices);
    return t;
}

Type object(std::string what, std::vector<Field> fields) {
    Type t;
    t.kind = Kind::Object;
    t.what = std::move(what);
    t.fields = std::move(fields);
    return t;
}

const Type& header_type() {
    static const Type t =
        object("a header",
               {{"format", &choice({kFormat}), true, "the format", ""},
                {"name", &text(), true, "names the file", ""},
                {"purpose", &text(), true, "its question", ""},
                {"source", &text(), false, "what was recorded", ""},
                {"cap", &quantity(), true, "capability register", ""},
                {"ecap", &quantity(), true, "extended capability register", ""},
                {"ver", &quantity(0xFF), true, "version register", ""},
                {"haw", &make(Kind::Integer, "an integer", 32, 52), true, "host address width", ""},
                {"ram", &quantity(), true, "bytes of memory", ""},
                {"notes", &make(Kind::Any, "a list"), false, "remarks", ""}});
    return t;
}

const std::map<std::string, Type>& operation_types() {
    constexpr std::uint64_t kLongest = 200;
    static const Field op{"op", &text(), true, "what it is", ""};
    static const Type& bytes = make(Kind::Bytes, "bytes in hexadecimal");
    static const Type& size = make(Kind::Integer, "4 or 8", 4, 8);
    static const std::map<std::string, Type> types{
        {"mem", object("a memory write", {op,
                                          {"addr", &quantity(), true, "where", ""},
                                          {"data", &bytes, true, "what", ""}})},
        {"mem_check", object("a memory check", {op,
                                                {"addr", &quantity(), true, "where", ""},
                                                {"data", &bytes, true, "what", ""}})},
        {"mmio_write", object("a register write", {op,
                                                   {"off", &quantity(0xFFF), true, "which", ""},
                                                   {"size", &size, true, "bytes", ""},
                                                   {"value", &quantity(), true, "what", ""}})},
        {"mmio_read", object("a register check", {op,
                                                  {"off", &quantity(0xFFF), true, "which", ""},
                                                  {"size", &size, true, "bytes", ""},
                                                  {"mask", &quantity(), true, "what counts", ""},
                                                  {"expect", &quantity(), true, "what", ""}})},
        {"dma", object("a request",
                       {op,
                        {"dir", &choice({"read", "write"}), true, "its direction", ""},
                        {"rid", &quantity(0xFFFF), true, "requester id", ""},
                        {"pasid", &make(Kind::Any, "null or a PASID"), false, "PASID", ""},
                        {"iova", &quantity(), true, "where", ""},
                        {"len", &make(Kind::Integer, "an integer", 1, kLongest), true, "bytes", ""},
                        {"data", &bytes, true, "what", ""},
                        {"expect", &choice({"ok", "blocked"}), true, "how it ends", ""}})}};
    return types;
}

std::uint64_t number_of(const Node* node) {
    bool out_of_range = false;
    return node->is(Node::Kind::Number) ? parse_integer_text(node->text, out_of_range).value
                                        : parse_quantity_text(node->text).value;
}

class Translator {
public:
    Translator(scenario::SourceSet& sources, Diagnostics& diagnostics, VtdVectors& out)
        : sources_(sources), diagnostics_(diagnostics), out_(out) {}

    bool run() {
        const std::string& text = sources_.text(out_.file);
        std::size_t begin = 0;
        std::size_t line = 0;
        while (begin < text.size()) {
            const std::size_t end = std::min(text.find('\n', begin), text.size());
            if (text.find_first_not_of(" \t\r", begin) < end) {
                one_line(begin, end, line++);
            }
            begin = end + 1;
        }
        if (line == 0) {
            report(Code::EmptyFile, {out_.file, 0, 0}, "the file holds no header");
        } else if (line == 1) {
            report(Code::Truncated, {out_.file, 0, 0}, "the file holds no operation");
        }
        if (!diagnostics_.has_errors()) {
            compose();
        }
        return !diagnostics_.has_errors();
    }

private:
    void report(Code code, const Place& place, std::string text, std::string help = {}) {
        diagnostics_.add({code, place, std::move(text), std::move(help), {}, false});
    }

    void one_line(std::size_t begin, std::size_t end, std::size_t line) {
        Node node;
        if (!parse_json_part(out_.file, begin, end, sources_, diagnostics_, node)) {
            return;
        }
        if (line == 0) {
            scenario::validate(node, header_type(), "", diagnostics_);
            header_ = std::move(node);
            return;
        }
        const Node* op = node.get("op");
        if (op == nullptr || !op->is(Node::Kind::String)) {
            report(Code::MissingKey, node.place, "an operation needs the key \"op\"");
            return;
        }
        const auto type = operation_types().find(op->text);
        if (type == operation_types().end()) {
            std::vector<std::string> names;
            for (const auto& [name, known] : operation_types()) {
                names.push_back(name);
            }
            report(Code::NotAChoice, op->place,
                   fmt::format("there is no operation {}", quoted(op->text)),
                   suggest(op->text, names));
            return;
        }
        const std::size_t before = diagnostics_.error_count();
        scenario::validate(node, type->second, "", diagnostics_);
        if (diagnostics_.error_count() == before) {
            operation(node, op->text);
        }
    }

    void operation(const Node& node, const std::string& op) {
        ++out_.operations;
        out_.checks += op == "mem" || op == "mmio_write" ? 0 : 1;
        if (op == "dma") {
            dma(node);
        } else if (op == "mem" || op == "mem_check") {
            Node step = Node::object(node.place);
            step.set(op == "mem" ? "store" : "check", *node.get("addr"));
            step.set("bytes", *node.get("data"));
            steps_.items.push_back(std::move(step));
        } else {
            mmio(node, op == "mmio_write");
        }
    }

    void mmio(const Node& node, bool write) {
        const std::uint64_t offset = number_of(node.get("off"));
        const std::uint64_t size = number_of(node.get("size"));
        if ((size != 4 && size != 8) || offset % size != 0) {
            report(Code::OutOfRange, node.get("off")->place,
                   fmt::format("registers are accessed as 4 or 8 aligned bytes, not {} at {:#x}",
                               size, offset));
            return;
        }
        Node step = Node::object(node.place);
        step.set(write ? "mmio_write" : "mmio_read",
                 Node::string(fmt::format("{:#x}", offset), node.get("off")->place));
        if (write) {
            step.set("value", *node.get("value"));
        } else {
            if ((number_of(node.get("expect")) & ~number_of(node.get("mask"))) != 0) {
                report(Code::OutOfRange, node.get("expect")->place,
                       "\"expect\" has bits that \"mask\" leaves out");
                return;
            }
            step.set("is", *node.get("expect"));
            step.set("mask", *node.get("mask"));
        }
        step.set("size", *node.get("size"));
        steps_.items.push_back(std::move(step));
    }

    void dma(const Node& node) {
        const std::string& data = node.get("data")->text;
        const std::uint64_t length = number_of(node.get("len"));
        const bool nothing_comes =
            node.get("dir")->text == "read" && node.get("expect")->text == "blocked";
        if (data.size() != (nothing_comes ? 0 : 2 * length)) {
            report(Code::OutOfRange, node.get("data")->place,
                   fmt::format("{} bytes of data for a request of {}", data.size() / 2, length));
            return;
        }
        const auto rid = static_cast<std::uint16_t>(number_of(node.get("rid")));
        functions_.insert(rid);
        Node step = Node::object(node.place);
        step.set("dma", *node.get("dir"));
        step.set("by", Node::string(function_name(rid), node.get("rid")->place));
        step.set("iova", *node.get("iova"));
        step.set("size", *node.get("len"));
        if (!nothing_comes) {
            step.set("data", *node.get("data"));
        }
        if (const Node* pasid = node.get("pasid");
            pasid != nullptr && !pasid->is(Node::Kind::Null)) {
            step.set("pasid", *pasid);
        }
        step.set("expect", *node.get("expect"));
        steps_.items.push_back(std::move(step));
    }

    static std::string function_name(std::uint16_t rid) { return fmt::format("rid{:04x}", rid); }

    // Everything at the place of the header, what it does not say itself.
    void compose() {
        const Place at = header_.place;
        out_.name = header_.get("name")->text;
        Node& s = out_.scenario;
        s = Node::object(at);
        s.set("version", Node::number(1, at));
        s.set("name", *header_.get("name"));
        s.set("purpose", *header_.get("purpose"));
        Node platform = Node::object(at);
        platform.set("cpus", Node::number(1, at));
        Node unit = Node::object(at);
        unit.set("name", Node::string(kUnit, at));
        Node units = Node::array(at);
        units.items.push_back(std::move(unit));
        platform.set("iommus", std::move(units));
        Node devices = Node::array(at);
        for (const std::uint16_t rid : functions_) {
            Node device = Node::object(at);
            device.set("name", Node::string(function_name(rid), at));
            device.set("kind", Node::string("requester", at));
            device.set("iommu", Node::string(kUnit, at));
            device.set("rid", Node::string(fmt::format("{:#06x}", rid), at));
            devices.items.push_back(std::move(device));
        }
        platform.set("devices", std::move(devices));
        platform.set("params", parameters());
        s.set("platform", std::move(platform));
        Node program = Node::object(at);
        program.set("on", Node::string("bare", at));
        program.set("process", Node::string("recording", at));
        program.set("settle", Node::boolean_of(true, at));
        program.set("go_on", Node::boolean_of(true, at));
        program.set("steps", std::move(steps_));
        Node programs = Node::array(at);
        programs.items.push_back(std::move(program));
        s.set("programs", std::move(programs));
        Node ends = Node::object(at);
        ends.set("ends", Node::string("idle", at));
        Node expect = Node::array(at);
        expect.items.push_back(std::move(ends));
        s.set("expect", std::move(expect));
        Node run = Node::object(at);
        run.set("limit", Node::string("1s", at));
        s.set("run", std::move(run));
    }

    Node parameters() const {
        const auto bits = [this](const char* key) {
            const Node* node = header_.get(key);
            return Node::string(fmt::format("{:#x}", number_of(node)), node->place);
        };
        Node params = Node::object(header_.place);
        params.set(fmt::format("{}.version", kUnit),
                   Node::number(number_of(header_.get("ver")), header_.get("ver")->place));
        params.set(fmt::format("{}.cap.raw", kUnit), bits("cap"));
        params.set(fmt::format("{}.ecap.raw", kUnit), bits("ecap"));
        params.set(fmt::format("{}.cap.host_address_width", kUnit), *header_.get("haw"));
        const Place ram = header_.get("ram")->place;
        params.set("memory.low_bytes", Node::string(size_text(number_of(header_.get("ram"))), ram));
        params.set("memory.high_bytes", Node::string("0B", ram));
        return params;
    }

    scenario::SourceSet& sources_;
    Diagnostics& diagnostics_;
    VtdVectors& out_;
    Node header_;
    Node steps_ = Node::array();
    std::set<std::uint16_t> functions_;
};

}  // namespace

bool read_vtd_vectors(const std::string& path, scenario::SourceSet& sources,
                      scenario::Diagnostics& diagnostics, VtdVectors& out) {
    out.file = scenario::read_text_file(path, sources, diagnostics);
    return out.file != 0 && Translator(sources, diagnostics, out).run();
}

}  // namespace ioasim::tools
