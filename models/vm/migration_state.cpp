#include "models/vm/migration_state.hpp"

#include <cstring>

namespace ioasim::vm {
namespace {

class Writer {
public:
    void number(std::uint64_t value) {
        for (unsigned byte = 0; byte < sizeof(value); ++byte) {
            bytes.push_back(static_cast<std::uint8_t>(value >> (8 * byte)));
        }
    }
    template <class List>
    void numbers(const List& list) {
        number(list.size());
        for (const auto value : list) {
            number(value);
        }
    }
    std::vector<std::uint8_t> bytes;
};

class Reader {
public:
    explicit Reader(const std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
    std::uint64_t number() {
        std::uint64_t value = 0;
        if (!has(sizeof(value))) {
            return 0;
        }
        for (unsigned byte = 0; byte < sizeof(value); ++byte) {
            value |= std::uint64_t{bytes_[at_++]} << (8 * byte);
        }
        return value;
    }
    // A length that the rest cannot hold is none.
    std::uint64_t length(std::size_t item_bytes) {
        const std::uint64_t count = number();
        fine_ = fine_ && count <= (bytes_.size() - at_) / item_bytes;
        return fine_ ? count : 0;
    }
    template <class List>
    void numbers(List& list) {
        for (std::uint64_t left = length(sizeof(std::uint64_t)); left > 0; --left) {
            list.push_back(static_cast<typename List::value_type>(number()));
        }
    }
    void copy(void* out, std::size_t size) {
        if (has(size)) {
            std::memcpy(out, &bytes_[at_], size);
            at_ += size;
        }
    }
    bool complete() const { return fine_ && at_ == bytes_.size(); }

private:
    bool has(std::size_t size) {
        fine_ = fine_ && bytes_.size() - at_ >= size;
        return fine_;
    }

    const std::vector<std::uint8_t>& bytes_;
    std::size_t at_ = 0;
    bool fine_ = true;
};

// number, device, queue, guest PASID, descriptor
constexpr std::size_t kSubmissionBytes = 4 * sizeof(std::uint64_t) + sizeof(cpu::Descriptor64);

}  // namespace

std::vector<std::uint8_t> encode(const MigrationState& state) {
    Writer out;
    out.numbers(state.registers);
    out.number(state.root_table);
    out.number(state.next_gpasid);
    out.numbers(state.returned);
    out.numbers(state.gpasids);
    out.number(state.submissions.size());
    for (const KeptSubmission& kept : state.submissions) {
        out.number(kept.number);
        out.number(kept.device);
        out.number(kept.queue);
        out.number(kept.gpasid);
        out.bytes.insert(out.bytes.end(), kept.descriptor.begin(), kept.descriptor.end());
    }
    return std::move(out.bytes);
}

Result<MigrationState> decode(const std::vector<std::uint8_t>& bytes) {
    Reader in{bytes};
    MigrationState state;
    in.numbers(state.registers);
    state.root_table = in.number();
    state.next_gpasid = static_cast<std::uint32_t>(in.number());
    in.numbers(state.returned);
    in.numbers(state.gpasids);
    for (std::uint64_t left = in.length(kSubmissionBytes); left > 0; --left) {
        KeptSubmission kept;
        kept.number = in.number();
        kept.device = static_cast<std::uint32_t>(in.number());
        kept.queue = static_cast<std::uint32_t>(in.number());
        kept.gpasid = static_cast<std::uint32_t>(in.number());
        in.copy(kept.descriptor.data(), kept.descriptor.size());
        state.submissions.push_back(kept);
    }
    if (!in.complete()) {
        return Errno::Einval;
    }
    return state;
}

}  // namespace ioasim::vm
