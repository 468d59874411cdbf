#include "tools/cli/points/experiments.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <new>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "models/platform/experiment_patterns.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/points/figures.hpp"
#include "tools/cli/run_command.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/version.hpp"
#include "traces/replacement.hpp"
#include "traces/trace_file.hpp"

namespace ioasim::tools {
namespace {

using platform::Experiment;
using platform::Measurement;

// What a process sends for each measurement, a line: operations, bytes, elapsed, count, latency,
// problem.
struct Figures {
    double rate = 0;
    double throughput = 0;
    double latency = 0;
    double bytes = 0;
    double elapsed_ns = 0;
    double count = 0;
    std::string problem;
};

constexpr rlim_t kMostSeconds = 3600;  // of the processor, for an experiment
constexpr char kLost = '!';            // a line that tells of an output, not of a measurement
constexpr int kGraceMs = 3000;         // after a signal, to close a trace
constexpr int kLookMs = 200;

struct Run {
    std::vector<Experiment> series;
    std::string name;  // for its trace
    std::vector<Figures> figures;
    std::string problem;
    std::string lost;       // why its trace is not there
    bool finished = false;  // false: a signal came before
};

std::string to_line(const Measurement& m, const Experiment& e) {
    return fmt::format("{} {} {} {} {} {}\t{}\n", m.operations, m.bytes,
                       static_cast<double>(m.elapsed.ps()) / 1e3, m.count, latency_ns(m, e),
                       rate_mops(m), m.problem);
}

Figures from_line(const std::string& line) {
    Figures f;
    double operations = 0;
    std::sscanf(line.c_str(), "%lf %lf %lf %lf %lf %lf", &operations, &f.bytes, &f.elapsed_ns,
                &f.count, &f.latency, &f.rate);
    f.throughput = f.bytes / f.elapsed_ns;
    const std::size_t tab = line.find('\t');
    f.problem = tab == std::string::npos ? "no result" : line.substr(tab + 1);
    return f;
}

std::string one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

// The trace of an experiment, where one is wanted.
class ExperimentTrace {
public:
    ExperimentTrace(const std::string& trace, const std::string& name)
        : path_(trace.empty() ? trace : with_cell(trace, name)) {}

    void listen(sim::Simulation& sim) {
        if (path_.empty()) {
            return;
        }
        traces::TraceContext context;
        context.header.version = kVersion;
        place_ = std::make_unique<traces::Replacement>(path_);
        file_ = traces::open_trace(sim.recorder(), place_->written(), context);
        sim.recorder().add_listener(*file_, file_->categories());
    }
    void close() {
        if (file_) {
            file_->close();
            lost_ = place_->finish(file_->error());
        }
    }
    // Why it did not reach the disk; empty: it did.
    const std::string& lost() const { return lost_; }

private:
    std::string path_;
    std::string lost_;
    std::unique_ptr<traces::Replacement> place_;
    std::unique_ptr<traces::TraceFile> file_;
};

// What the process of an experiment sends.
std::string carried_out(const Run& run, const ExperimentOptions& options) {
    ExperimentTrace trace(options.trace, run.name);
    std::string out;
    const auto failed = [&](std::string problem) {
        Measurement m;
        m.problem = one_line(std::move(problem));
        out = to_line(m, run.series.front());
    };
    try {
        const auto params = options.params.find(run.series.front().topology);
        const auto results = platform::carry_out(
            run.series,
            params == options.params.end() ? platform::ExperimentParams{} : params->second,
            [&](sim::Simulation& sim) { trace.listen(sim); }, [&] { trace.close(); });
        for (std::size_t i = 0; i < results.size(); ++i) {
            out += to_line(results[i], run.series[std::min(i, run.series.size() - 1)]);
        }
    } catch (const ModelBug& bug) {
        failed(fmt::format("internal error, please report: {}", bug.what()));
    } catch (const std::bad_alloc&) {
        failed("the experiment needs more memory of the host than it may take");
    } catch (const std::exception& error) {
        failed(error.what());
    }
    if (signal_seen() != 0) {
        out.clear();  // whatever was measured so far is no result
    }
    return trace.lost().empty() ? out : out + kLost + one_line(trace.lost()) + "\n";
}

[[noreturn]] void child(const Run& run, const ExperimentOptions& options, int fd, pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        _exit(1);
    }
    // Whatever a file asks for ends.
    const rlimit most{kMostSeconds, kMostSeconds + 60};
    ::setrlimit(RLIMIT_CPU, &most);
    const std::string text = carried_out(run, options);
    std::size_t at = 0;
    while (at < text.size()) {
        const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
        if (n < 0 && errno != EINTR) {
            break;
        }
        at += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    ::close(fd);
    _exit(0);
}

struct Child {
    pid_t pid = 0;
    int fd = -1;
    Run* run = nullptr;
    std::string text;
};

void finish(Child& child) {
    ::close(child.fd);
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    std::size_t at = 0;
    while (at < child.text.size()) {
        const std::size_t end = std::min(child.text.find('\n', at), child.text.size());
        if (child.text[at] == kLost) {
            child.run->lost = child.text.substr(at + 1, end - at - 1);
        } else {
            child.run->figures.push_back(from_line(child.text.substr(at, end - at)));
        }
        at = end + 1;
    }
    child.run->finished = !child.run->figures.empty() || signal_seen() == 0;
    if (child.run->figures.empty()) {
        child.run->problem =
            WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU
                ? "it takes more than an hour of processor time"
            : WIFSIGNALED(status)
                ? fmt::format("the simulator crashed (signal {})", WTERMSIG(status))
                : "the simulator ended without a result";
    }
}

bool start(Run& run, const ExperimentOptions& options, std::deque<Child>& children) {
    int ends[2];
    const pid_t parent = ::getpid();
    if (::pipe(ends) != 0) {
        run.problem = fmt::format("cannot make a pipe: {}", std::strerror(errno));
        return false;
    }
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::close(ends[0]);
        child(run, options, ends[1], parent);
    }
    ::close(ends[1]);
    if (pid < 0) {
        ::close(ends[0]);
        run.problem = fmt::format("cannot start a process: {}", std::strerror(errno));
        return false;
    }
    children.push_back({pid, ends[0], &run, {}});
    return true;
}

// Waits until one of the children has ended, or a while.
void collect(std::deque<Child>& children) {
    std::vector<struct pollfd> entries;
    for (const Child& one : children) {
        entries.push_back({one.fd, POLLIN, 0});
    }
    ::poll(entries.data(), entries.size(), kLookMs);
    char buffer[4096];
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if ((entries[i].revents & (POLLIN | POLLHUP)) == 0) {
            continue;
        }
        const ssize_t n = ::read(entries[i].fd, buffer, sizeof buffer);
        if (n > 0) {
            children[i].text.append(buffer, static_cast<std::size_t>(n));
        } else if (n == 0 || errno != EINTR) {
            finish(children[i]);
            children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
            return;
        }
    }
}

// The experiments under way end at the next instant, with whole traces; who does not is ended.
void stop(std::deque<Child>& children) {
    for (const Child& one : children) {
        ::kill(one.pid, signal_seen());
    }
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::milliseconds(kGraceMs);
    while (!children.empty() && Clock::now() < end) {
        collect(children);
    }
    for (Child& one : children) {
        ::kill(one.pid, SIGKILL);
        finish(one);
    }
}

void run_all(std::deque<Run>& runs, const ExperimentOptions& options) {
    std::deque<Child> children;
    std::size_t next = 0;
    while (signal_seen() == 0 && (next < runs.size() || !children.empty())) {
        if (next < runs.size() && children.size() < options.processes) {
            Run& run = runs[next++];
            run.finished = !start(run, options, children);
            continue;
        }
        collect(children);
    }
    stop(children);
}

// Where the values of a point come from.
struct Place {
    Run* run = nullptr;
    std::size_t index = 0;
};

class Planner {
public:
    Place place(const Experiment& e, const std::string& text, const Point& point,
                std::size_t index) {
        if (e.sequence) {  // the values of a point are one run
            Run*& run = by_text_["sequence " + point.id];
            if (run == nullptr) {
                run = add(e, point.id);
            } else if (index >= run->series.size()) {
                run->series.push_back(e);
            }
            return {run, index};
        }
        Run*& run = by_text_[text];
        if (run == nullptr) {
            run = add(e, fmt::format("{}-{}", point.id, index));
        }
        // Of several clients each has a result; a baseline has one.
        return {run, point.by_client && e.pattern == "shared" ? point.values[index].client : 0};
    }
    std::deque<Run>& runs() { return runs_; }
    const std::deque<Run>& runs() const { return runs_; }

private:
    Run* add(const Experiment& e, std::string name) {
        runs_.push_back({{e}, std::move(name), {}, {}, {}, false});
        return &runs_.back();
    }
    std::deque<Run> runs_;
    std::map<std::string, Run*> by_text_;
};

struct Planned {
    Place value, second, baseline;
};

const Figures* figures_of(const Place& place, std::string& problem) {
    if (place.run == nullptr) {
        return nullptr;
    }
    if (place.index >= place.run->figures.size()) {
        problem = place.run->problem.empty() ? "no result" : place.run->problem;
        if (!place.run->figures.empty() && !place.run->figures.front().problem.empty()) {
            problem = place.run->figures.front().problem;
        }
        return nullptr;
    }
    const Figures& f = place.run->figures[place.index];
    if (!f.problem.empty()) {
        problem = f.problem;
        return nullptr;
    }
    return &f;
}

std::optional<double> value_of(const Point& point, const Planned& planned, std::string& problem) {
    const Figures* const f = figures_of(planned.value, problem);
    if (f == nullptr) {
        return std::nullopt;
    }
    if (planned.baseline.run != nullptr) {
        const Figures* const b = figures_of(planned.baseline, problem);
        if (b == nullptr) {
            return std::nullopt;
        }
        const double mine = point.of_latency ? f->latency : f->throughput;
        const double other = point.of_latency ? b->latency : b->throughput;
        return point.difference ? mine - other : mine / other;
    }
    switch (point.metric) {
        case Metric::RateMops:
            return f->rate;
        case Metric::ThroughputGbps:
            return f->throughput;
        case Metric::Count:
            return f->count;
        case Metric::MarginalGbps: {
            const Figures* const s = figures_of(planned.second, problem);
            if (s == nullptr) {
                return std::nullopt;
            }
            return (static_cast<double>(planned.second.run->series.front().size_bytes) -
                    static_cast<double>(planned.value.run->series.front().size_bytes)) /
                   (s->latency - f->latency);
        }
        default:
            return f->latency;
    }
}

// Why the platforms that there are cannot carry an experiment out; empty: they can.
std::string no_pattern(const Place& place) {
    return place.run == nullptr ? std::string() : platform::no_pattern(place.run->series.front());
}

Scalar scalar_of(const Point& point, std::size_t index, const Planned& planned) {
    Scalar scalar;
    scalar.x = point.values[index].x;
    for (const Place* const place : {&planned.value, &planned.second, &planned.baseline}) {
        const std::string why = no_pattern(*place);
        if (!why.empty()) {
            scalar.not_carried_out = true;
            scalar.problem = why;
            return scalar;
        }
    }
    scalar.simulated = value_of(point, planned, scalar.problem);
    if (scalar.simulated && !std::isfinite(*scalar.simulated)) {
        scalar.simulated.reset();
        scalar.problem = "the pattern gives no such value";
    }
    return scalar;
}

bool finished(const Planned& planned) {
    const auto ended = [](const Place& place) {
        return place.run == nullptr || place.run->finished;
    };
    return ended(planned.value) && ended(planned.second) && ended(planned.baseline);
}

}  // namespace

struct ExperimentPlan::Parts {
    std::vector<const Point*> points;
    Planner planner;
    std::vector<std::vector<Planned>> plan;  // of each point, for each value
};

ExperimentPlan::ExperimentPlan(const std::vector<const Point*>& points)
    : parts_(std::make_unique<Parts>()) {
    parts_->points = points;
    Planner& planner = parts_->planner;
    for (const Point* point : points) {
        parts_->plan.emplace_back();
        for (std::size_t i = 0; i < point->values.size(); ++i) {
            const PointValue& value = point->values[i];
            Planned planned;
            planned.value = planner.place(value.experiment, value.text, *point, i);
            if (value.second) {
                planned.second = planner.place(*value.second, value.second_text, *point, i);
            }
            if (value.baseline) {
                planned.baseline = planner.place(*value.baseline, value.baseline_text, *point, i);
            }
            parts_->plan.back().push_back(planned);
        }
    }
}

ExperimentPlan::ExperimentPlan(ExperimentPlan&&) noexcept = default;
ExperimentPlan::~ExperimentPlan() = default;

std::vector<std::string> ExperimentPlan::traces(const std::string& trace) const {
    std::vector<std::string> files;
    for (const Run& run : parts_->planner.runs()) {
        if (!trace.empty()) {
            files.push_back(with_cell(trace, run.name));
        }
    }
    return files;
}

CarriedOut ExperimentPlan::carry_out(const ExperimentOptions& options) {
    run_all(parts_->planner.runs(), options);
    CarriedOut out;
    for (const Run& run : parts_->planner.runs()) {
        if (!run.lost.empty()) {
            out.not_written.push_back(run.lost);
        }
    }
    for (std::size_t p = 0; p < parts_->points.size(); ++p) {
        PointResult result;
        result.point = parts_->points[p];
        for (std::size_t i = 0; i < parts_->plan[p].size(); ++i) {
            const Planned& planned = parts_->plan[p][i];
            result.finished = result.finished && finished(planned);
            result.scalars.push_back(scalar_of(*result.point, i, planned));
        }
        out.results.push_back(std::move(result));
    }
    return out;
}

}  // namespace ioasim::tools
