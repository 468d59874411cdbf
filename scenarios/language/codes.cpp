// What `ioasim explain` knows about each message. Codes are never reused and never change meaning.
#include <charconv>

#include <fmt/format.h>

#include "scenarios/language/diagnostics.hpp"

namespace ioasim::scenario {

const std::vector<CodeInfo>& code_table() {
    static const std::vector<CodeInfo> table{
        {Code::CannotOpen, "a file cannot be opened",
         "The path does not exist or may not be read. Paths on the command line start at the "
         "current folder; a path in \"extends\" starts at the folder of the file that names it.",
         "ioasim run scenarios/quickstart/two_vm.json   (the file is two_vms.json)"},
        {Code::NotAFile, "not a regular file",
         "A folder, pipe or device was named where a scenario file is wanted. To run a folder, let "
         "the shell list its files.",
         "ioasim run scenarios/quickstart      ->  ioasim run scenarios/quickstart/*.json"},
        {Code::EmptyFile, "the file is empty",
         "A scenario holds at least version, name and purpose.",
         R"({"version": 1, "name": "nothing", "purpose": "starts and ends"})"},
        {Code::TooLarge, "the file is too large",
         "Scenario files are limited to 4 MiB and 400,000 values; a larger one is refused before "
         "it "
         "is read. Large systems are described with params and matrix.",
         "a trace given to `ioasim run` by mistake"},
        {Code::NotText, "the file is not UTF-8 text",
         "Scenario files are UTF-8. UTF-16 files come from some editors, binary ones from "
         "mistakes.",
         "ioasim run a.out"},
        {Code::ByteOrderMark, "the file begins with a byte order mark",
         "JSON text begins with its first character. Editors call the right setting \"UTF-8\" or "
         "\"UTF-8 without BOM\".",
         "\\xEF\\xBB\\xBF{ ... }"},
        {Code::Syntax, "the text is not JSON",
         "The place shown is the first character that cannot stand there. Often the mistake is "
         "just "
         "before: a missing comma, quote or bracket.",
         R"({"cpus": 4 "name": "x"}   ->  {"cpus": 4, "name": "x"})"},
        {Code::TrailingComma, "a comma after the last item",
         "JSON has no comma before a closing bracket.", R"(["D12", "D41",]   ->  ["D12", "D41"])"},
        {Code::TooDeep, "too many levels of nesting",
         "At most 64 levels. A scenario needs fewer than ten.", "[[[[ ..."},
        {Code::Truncated, "the file ends too early",
         "A bracket or quote that was opened is never closed. The message names the innermost one; "
         "the one that is really missing may be further out.",
         R"({"version": 1, "vms": [)"},
        {Code::DuplicateKey, "a key appears twice",
         "An object has each key once; most readers silently take the last one, this one does not.",
         R"({"seed": 1, "seed": 2})"},
        {Code::BadString, "a broken string",
         "Strings end on the line they begin on; control characters and line breaks are escaped.",
         R"("two
lines"   ->  "two\nlines")"},
        {Code::BadNumber, "not a JSON number",
         "Numbers are written as JSON has them: no plus sign, no zeros in front, no hexadecimal, "
         "no "
         "unit. Values with a unit are strings.",
         R"({"size": 4KiB}   ->  {"size": "4KiB"})"},
        {Code::BadComment, "not a comment of this language",
         "Comments run from // to the end of the line.", "# two guests   ->  // two guests"},
        {Code::TextAfterEnd, "text after the document", "One file holds one object.",
         R"({"version": 1} {"version": 1})"},
        {Code::DamagedData, "compressed data is damaged",
         "A .gz file does not hold what its checksum says. `gzip -t FILE` sees the same; get the "
         "file again.",
         "a recording that was transferred as text"},
        {Code::UnknownKey, "an unknown key",
         "Keys that nobody reads are mistakes. `ioasim schema` and scenarios/README.md list them.",
         R"({"qota": 100}   ->  {"quota": 100})"},
        {Code::MissingKey, "a key is missing", "The object shown cannot do without this key.",
         R"({"bind": "A"}   ->  {"bind": "A", "device": "dsa0"})"},
        {Code::WrongType, "a value of the wrong type",
         "Integers are numbers without quotes; times and sizes are strings with a unit.",
         R"({"limit": 10}   ->  {"limit": "10ms"})"},
        {Code::OneOf, "a step or expectation without or with two kinds",
         "One key names the kind (\"alloc\", \"bind\" ...; \"event\", \"final\" ...). There is "
         "exactly "
         "one.",
         R"({"alloc": "A", "bind": "A"}   ->  {"alloc": "A"}, {"bind": "A", "device": "dsa0"})"},
        {Code::ListLength, "a list with too few or too many items",
         "The message tells how many there may be.", R"({"workqueues": []})"},
        {Code::Version, "an unknown version of the language", "This program reads version 1.",
         R"({"version": 2})"},
        {Code::OutOfRange, "a value out of range",
         "The message tells the range; for parameters of models, `ioasim params` lists it with its "
         "source.",
         R"({"priority": 16}   ->  1..15)"},
        {Code::NotInteger, "not an integer",
         "All numbers of the language are whole. Fractions of time are written with a smaller "
         "unit.",
         R"({"count": 1.5}, {"count": 1e3}   ->  {"count": 1000})"},
        {Code::BadTime, "not a time",
         "A number and a unit without space: ps, ns, us, ms, s, h. Simulated time has whole "
         "picoseconds.",
         R"("12"   ->  "12us";  "0.5ps" is no whole number of picoseconds)"},
        {Code::BadSize, "not a size", "A number and a unit without space: B, KiB, MiB, GiB, TiB.",
         R"("4KB"   ->  "4KiB")"},
        {Code::BadBandwidth, "not a bandwidth",
         "A number and a unit without space: MB/s or GB/s (decimal).", R"("16G"   ->  "16GB/s")"},
        {Code::NotAChoice, "not one of the values", "The message lists the values.",
         R"({"mode": "sharde"}   ->  {"mode": "shared"})"},
        {Code::BadName, "not a name",
         "Names are 1 to 64 letters, digits and a few other characters, and begin with a letter or "
         "digit: they appear in file names and waveforms.",
         R"({"name": "my vm"}   ->  {"name": "my-vm"})"},
        {Code::NameTaken, "a name is used twice",
         "Components of one kind need different names; a component is not named like a kind of "
         "component (\"iommu\", \"kernel\", \"host\").",
         R"({"vms": [{"name": "vm1"}, {"name": "vm1"}]})"},
        {Code::BadErrno, "not an error number", "Linux's names, with or without the minus sign.",
         R"({"error": "ENOSPACE"}   ->  {"error": "ENOSPC"})"},
        {Code::MinAboveMax, "an empty range", "min must not be larger than max.",
         R"({"min": 199, "max": 101})"},
        {Code::BadFieldValue, "a value that this field of the event cannot have",
         "Counts and IDs are numbers, times strings with a unit, addresses \"0x...\", errors names "
         "(\"EBUSY\"), states one of their labels. `ioasim explain EVENT` lists the fields.",
         R"({"event": "ioasid.state", "where": {"to": "FREED"}}   ->  "FREE")"},
        {Code::UnknownComponent, "no component of this name",
         "A device, IOMMU, workqueue, virtual machine or set is named that the scenario does not "
         "have.",
         R"({"device": "dsa1"} when only "dsa0" exists)"},
        {Code::UnknownVariable, "a variable that was not set",
         "A variable is set by \"alloc\" or \"find\" in an earlier step of the same program. IDs "
         "of "
         "other programs are written as numbers.",
         R"([{"free": "A"}]   ->  [{"alloc": "A"}, {"free": "A"}])"},
        {Code::UnknownDefect, "no seeded defect of this name",
         "`ioasim explain defects` lists all.", R"({"defects": ["vtd.skip"]})"},
        {Code::UnknownFinding, "no checker or finding of this name",
         "`ioasim explain checkers` lists all.", R"({"finding": "isolation.reed"})"},
        {Code::UnknownEvent, "no event of this name", "`ioasim trace catalogue` lists all.",
         R"({"event": "ioasid.unbnd"}   ->  "ioasid.unbind")"},
        {Code::UnknownField, "the event has no field of this name",
         "`ioasim explain EVENT` lists the fields.",
         R"({"event": "ioasid.put", "where": {"id": 201}}   ->  {"ioasid": 201})"},
        {Code::UnknownParameter, "no parameter of this name",
         "The name is COMPONENT.PATH. COMPONENT is an instance of the scenario (\"iommu0\", "
         "\"dsa0\", \"vm1\", \"host\") or a kind (\"iommu\"), which means all instances. "
         "`ioasim params` lists the paths.",
         R"({"iommu0.iotlb.entry": 64}   ->  {"iommu0.iotlb.entries": 64})"},
        {Code::UnknownStep, "no such program or step",
         "A program's full name is ON/PROCESS; steps are counted from 0.",
         R"({"step": "vm1/vcpu0/app[9]", "errno": "0"} when it has 5 steps)"},
        {Code::UnknownFault, "no injection of this kind",
         "`ioasim inject list` shows all kinds. Their last word stands behind what is befallen; "
         "the whole name is enough where there is only one, or for a fault site that is to fail "
         "wherever it is passed. Mistakes of programs are written as steps, broken mechanisms as "
         "\"defects\".",
         R"({"at": "12us", "fault": "dsa0.hnag"}   ->  {"at": "12us", "fault": "dsa0.hang"})"},
        {Code::BadStatePath, "not a path into the final state",
         "A path names an object of the state and one of its values.",
         R"x({"final": "host.ioasid(201)"}   ->  "host.ioasid(201).state")x"},
        {Code::BadTrigger, "an injection that nothing starts, or two things do",
         "An injection happens \"at\" a time or \"when\" an event comes (its \"nth\", or each by "
         "\"chance\"). A fault site may do without: it counts its calls from the start, or draws a "
         "\"chance\" for each.",
         R"({"fault": "vm1.kill"}   ->  {"at": "12us", "fault": "vm1.kill"})"},
        {Code::BadBase, "a base that extends itself",
         "A file cannot, directly or by way of others, extend itself; at most 16 bases follow each "
         "other.",
         R"(a.jsonc: {"extends": "b.jsonc"}   b.jsonc: {"extends": "a.jsonc"})"},
        {Code::BaseName, "a base must end in .jsonc",
         "Every .json file under scenarios/ can be run alone; a base cannot, so it is named "
         ".jsonc.",
         R"({"extends": "base.json"}   ->  {"extends": "base.jsonc"})"},
        {Code::UnknownParam, "no parameter of this name",
         "${NAME} stands for a parameter declared in \"params\". $$ is a dollar sign.",
         R"({"count": "${n}"} needs {"params": {"n": {"type": "integer", "default": 2}}})"},
        {Code::BadParam, "a parameter whose value does not fit its declaration",
         "Default, --set and matrix values have the declared type and lie in the declared range.",
         R"({"n": {"type": "integer", "max": 8, "default": 9}})"},
        {Code::BadMatrix, "a matrix without meaning",
         "The product of all axes minus the excluded cells has 1 to 10,000 cells; \"when\" and "
         "\"exclude\" name axes of the matrix and values on them.",
         R"({"matrix": {"over": {"n": [1, 2]}, "cells": [{"when": {"n": 3}, ...}]}})"},
        {Code::BadSetPath, "a path that leads nowhere",
         "Paths of --set and of matrix axes: KEY.KEY, KEY[2].KEY, KEY[NAME].KEY, a parameter of "
         "the scenario, a parameter of a model (iommu0.iotlb.entries), or ioasid.profile.",
         "--set vms[3].quota=5 when there are two   ->  --set vms[vm1].quota=5"},
        {Code::BadSet, "--set wants PATH=VALUE",
         "VALUE is JSON where it is JSON, else text. Quote it for the shell.",
         "--set run.limit   ->  --set run.limit=20ms"},
        {Code::CannotFail, "nothing is expected",
         "The run is still judged: every step must have its result, nothing may hang, and no "
         "checker may find anything. Say what the scenario is about in \"expect\".",
         R"({"expect": [{"event": "ioasid.unbind", "count": 1}]})"},
        {Code::NoCheckers, "an expectation that needs checkers",
         "\"invariants\" and \"finding\" are judged by the checkers; with --no-checkers nobody "
         "would.",
         R"(--no-checkers with {"expect": [{"invariants": "hold"}]})"},
        {Code::BadOrder, "steps in an order that cannot be",
         "No step of a program runs after \"exit\".", R"([{"exit": true}, {"sleep": "1us"}])"},
        {Code::Platform, "the platform cannot be built like this",
         "The parts are well-formed, but do not fit together; the message says why.",
         "guest PASIDs outside of what the guest's vIOMMU supports; a \"bare\" program, which owns "
         "the machine, beside a kernel's"},
        {Code::Usage, "the command line is wrong", "`ioasim VERB --help` shows what a verb takes.",
         "ioasim run --sed 3   ->  ioasim run --seed 3"},
        {Code::OutputExists, "a file would be overwritten",
         "Nothing is overwritten unless --force is given.",
         "ioasim run x.json --trace a.vcd   (a.vcd exists)"},
        {Code::CannotWrite, "results cannot be written",
         "Either the folder does not exist or may not be written: found before anything runs (exit "
         "code 2). Or the disk filled up meanwhile: whatever else can be written is, the summary "
         "tells the verdict and what is missing, and the run does not count as passed (exit code "
         "3).",
         "--out /proc/x"},
    };
    return table;
}

std::string code_name(Code code) {
    return fmt::format("E{:04}", static_cast<unsigned>(code));
}

const CodeInfo* find_code(std::string_view name) {
    if (!name.empty() && (name.front() == 'E' || name.front() == 'e')) {
        name.remove_prefix(1);
    }
    unsigned number = 0;
    const auto result = std::from_chars(name.data(), name.data() + name.size(), number);
    if (name.empty() || result.ec != std::errc() || result.ptr != name.data() + name.size()) {
        return nullptr;
    }
    for (const CodeInfo& info : code_table()) {
        if (static_cast<unsigned>(info.code) == number) {
            return &info;
        }
    }
    return nullptr;
}

}  // namespace ioasim::scenario
