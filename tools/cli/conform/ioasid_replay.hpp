// One recorded file on one core: performs an operation and says what it did, in the words of the
// recording. Comparing is left to the caller.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/ioasid/ioasid.hpp"

namespace ioasim::tools {

class IoasidReplay {
public:
    // Throws RecordingError when the header is not one of this format.
    explicit IoasidReplay(const nlohmann::json& header);
    ~IoasidReplay();

    // Names of all operations.
    static const std::vector<std::string>& operations();

    // False: the operation is unknown. Throws RecordingError for a malformed one, runtime_error for
    // one that cannot be done here, because something came out differently before. `line` is told
    // when a set is used after its end.
    bool perform(const nlohmann::json& op, std::size_t line, nlohmann::json& got);

private:
    class Block;
    class Provider;
    friend class Block;
    friend class Provider;

    bool dispatch_capacity(const std::string& name, const nlohmann::json& op, nlohmann::json& got);
    bool dispatch_sets(const std::string& name, const nlohmann::json& op, nlohmann::json& got);
    bool dispatch_ids(const std::string& name, const nlohmann::json& op, nlohmann::json& got);
    bool dispatch_lookups(const std::string& name, const nlohmann::json& op, nlohmann::json& got);
    bool dispatch_attach(const std::string& name, const nlohmann::json& op, nlohmann::json& got);
    bool dispatch_notifiers(const std::string& name, const nlohmann::json& op, nlohmann::json& got);
    bool dispatch_allocators(const std::string& name, const nlohmann::json& op,
                             nlohmann::json& got);
    void alloc_many(const nlohmann::json& op, nlohmann::json& got);
    void find(const nlohmann::json& op, nlohmann::json& got);
    void for_each(const nlohmann::json& op, nlohmann::json& got);

    void snapshot(nlohmann::json& got) const;
    nlohmann::json snapshot_set(const IoasidSet& set) const;
    nlohmann::json snapshot_ids() const;
    nlohmann::json snapshot_allocators() const;
    nlohmann::json after(Ioasid id) const;
    nlohmann::json number_of(const IoasidSet* set) const;

    void read_allocators(const nlohmann::json& infos);
    void read_notifiers(const nlohmann::json& infos);
    IoasidSet* set_of(const nlohmann::json& op) const;
    Block& block_of(const nlohmann::json& op);
    void remember(IoasidSet* set);
    void note_gone(nlohmann::json& got);
    void note_recorded(const std::string& name, const nlohmann::json& op, std::size_t line);

    bool managed_ = true;
    bool reference_counts_ = true;
    bool tells_marked_ = false;
    IoasidParams params_;
    LockMonitor monitor_;
    ImmediateContext ctx_;
    trace::Recorder recorder_;
    Probes probes_;
    std::unique_ptr<IoasidCore> core_;
    trace::Name holder_;
    std::vector<IoasidSet*> sets_;  // by number - 1
    std::vector<bool> gone_;
    std::uint64_t recorded_sets_ = 0;             // made so far, as the recording says
    std::map<std::uint64_t, std::size_t> ended_;  // in which line the recording says so
    std::map<const IoasidSet*, std::uint32_t> numbers_;
    std::map<std::string, std::unique_ptr<Block>> blocks_;
    std::map<std::string, std::unique_ptr<Provider>> providers_;

    std::unique_ptr<nlohmann::json> events_;    // of the operation under way
    std::unique_ptr<nlohmann::json> provided_;  // calls into providers
    std::vector<std::uint32_t> answers_;        // recorded results of provider allocations
    std::size_t next_answer_ = 0;
};

}  // namespace ioasim::tools
