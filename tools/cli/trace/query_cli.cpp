// ioasim trace query: which events, and what they say.
#include <CLI/CLI.hpp>

#include "tools/cli/cli_parts.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/trace/filter_options.hpp"
#include "tools/cli/trace/trace_cli.hpp"
#include "tools/cli/trace/trace_input.hpp"

namespace ioasim::tools {
namespace {

// Standard output in blocks; a reader who went away ends the query.
class OutputStream final : public traces::ByteSink {
public:
    void write(std::string_view bytes) override {
        size_ += bytes.size();
        buffer_.append(bytes);
        constexpr std::size_t kBlock = 64 * 1024;
        if (buffer_.size() >= kBlock) {
            flush();
        }
    }
    void flush() override {
        open_ = open_ && print_out(buffer_);
        buffer_.clear();
    }
    bool fits(std::size_t, std::uint64_t) override { return true; }
    std::uint64_t size() const override { return size_; }
    void close() override { flush(); }
    const std::string& error() const override { return error_; }
    bool open() const { return open_; }

private:
    std::uint64_t size_ = 0;
    std::string buffer_;
    std::string error_;
    bool open_ = true;
};

struct Options {
    InputOptions input;
    traces::QueryOptions query;
    std::string format = "text";
    std::uint64_t limit = 0;
    std::uint64_t last = 0;
};

int trace_query(Options& options) {
    end_at_signal();
    traces::QueryOptions& o = options.query;
    o.format = options.format == "json"  ? traces::RowFormat::Json
               : options.format == "csv" ? traces::RowFormat::Csv
                                         : traces::RowFormat::Text;
    o.last = options.last != 0;
    if (options.limit != 0 || o.last) {
        o.limit = o.last ? options.last : options.limit;
    }
    if (!o.by.empty() && !o.count) {
        return refuse({"--by says by what --count counts", "give both"});
    }
    if (o.count && o.by.empty() && o.limit) {
        return refuse({"--count counts all that fits: --limit and --last choose among rows",
                       "--by FIELD makes rows of it"});
    }
    if (o.count && o.by.empty() && o.format == traces::RowFormat::Csv) {
        return refuse(
            {"--count is one number, --format csv is a table", "--by FIELD makes rows of it"});
    }
    if (o.count && (o.last || !o.fields.empty())) {
        return refuse({fmt::format("--count shows no event, {} chooses what is shown of events",
                                   o.last ? "--last" : "--fields"),
                       "leave one of them out"});
    }
    OutputStream out;
    std::unique_ptr<traces::Query> query;
    InputReader reader;
    traces::QuestionError problem;
    reader.begin = [&](const trace::Recorder& recorder) -> trace::Listener* {
        query = std::make_unique<traces::Query>(recorder, out);
        problem = query->begin(o);
        return problem ? nullptr : query.get();
    };
    reader.finished = [&] { return query->finished() || !out.open(); };
    traces::JsonlHeader header;
    const int code = read_input(options.input, reader, header);
    out.flush();
    return problem ? refuse(problem) : code;
}

}  // namespace

void add_trace_query(CLI::App& trace, std::function<int()>& verb) {
    const auto options = std::make_shared<Options>();
    Options& o = *options;
    CLI::App& query = *trace.add_subcommand("query", "the events of a trace that are asked for");
    query
        .add_option("TRACE", o.input.file,
                    "a trace (.jsonl, .jsonl.gz), the folder of a run's results, or a scenario, "
                    "which is run for it")
        ->required();
    filter_options(query, o.query.filter);
    constexpr std::uint64_t kMost = 1'000'000'000'000;
    auto* limit = number_option(query, "--limit", o.limit, "no more than the first N", 1, kMost);
    number_option(query, "--last", o.last, "only the last N", 1, kMost)->excludes(limit);
    query.add_flag("--count", o.query.count, "only how many");
    query.add_option("--by", o.query.by, "with --count: for each value of a field, most first")
        ->type_name("FIELD");
    query.add_option("--fields", o.query.fields, "only these: time,event,ioasid,refs")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->take_all()
        ->type_name("A,B");
    query.add_option("--format", o.format, "text, json (a line an event) or csv")
        ->check(CLI::IsMember({"text", "json", "csv"}));
    input_options(query, o.input);
    query.footer(R"(Examples:
  ioasim trace query out/two-vms-1 --id 202 --event 'ioasid.*'
  ioasim trace query events.jsonl --from 80us --to 84.2us --source 'host/*'
  ioasim trace query x.json --event dsa.complete --where 'status!=1' --limit 5
  ioasim trace query x.json --event ioasid.put --fields time,ioasid,holder,refs --format csv
  ioasim trace query x.json --count --by event

Conditions of several options must all hold; of one option given several times (--event, --source,
--id) any. A field that an event does not have is no match.)");
    query.callback([options, &verb] { verb = [options] { return trace_query(*options); }; });
}

}  // namespace ioasim::tools
