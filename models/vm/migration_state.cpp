#include "models/vm/migration_state.hpp"

#include <array>
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

// A virtual device: registers as their encodings, queues as WQCFG.
void write(Writer& out, const os::VirtualDeviceState& device) {
    out.number(device.command);
    out.number(device.pasid_control);
    out.number(device.ats_control);
    out.number(device.pri_control);
    out.number(static_cast<std::uint64_t>(device.state));
    out.number(dsa::encode(device.status));
    for (const std::uint64_t quadword : dsa::encode(device.error)) {
        out.number(quadword);
    }
    out.number(device.gencfg);
    out.number(device.genctrl);
    out.number(device.intcause);
    out.number(device.queues.size());
    for (const os::VirtualQueueState& queue : device.queues) {
        out.number(queue.shared ? 1 : 0);
        out.number(queue.enabled ? 1 : 0);
        for (const std::uint32_t dword : dsa::encode(queue.config)) {
            out.number(dword);
        }
    }
    out.number(device.trapped.size());
    for (const os::TrappedDescriptor& trapped : device.trapped) {
        out.number(trapped.queue);
        out.number(trapped.gpasid);
        out.bytes.insert(out.bytes.end(), trapped.bytes.begin(), trapped.bytes.end());
    }
}

os::VirtualDeviceState read_device(Reader& in) {
    os::VirtualDeviceState device;
    device.command = static_cast<std::uint16_t>(in.number());
    device.pasid_control = static_cast<std::uint16_t>(in.number());
    device.ats_control = static_cast<std::uint16_t>(in.number());
    device.pri_control = static_cast<std::uint16_t>(in.number());
    device.state = static_cast<dsa::DeviceState>(in.number());
    device.status = dsa::decode_cmdsts(static_cast<std::uint32_t>(in.number()));
    std::array<std::uint64_t, 4> error{};
    for (std::uint64_t& quadword : error) {
        quadword = in.number();
    }
    device.error = dsa::decode_swerr(error);
    device.gencfg = static_cast<std::uint32_t>(in.number());
    device.genctrl = static_cast<std::uint32_t>(in.number());
    device.intcause = static_cast<std::uint32_t>(in.number());
    for (std::uint64_t left = in.length(sizeof(std::uint64_t)); left > 0; --left) {
        os::VirtualQueueState queue;
        queue.shared = in.number() != 0;
        queue.enabled = in.number() != 0;
        dsa::WqcfgDwords config{};
        for (std::uint32_t& dword : config) {
            dword = static_cast<std::uint32_t>(in.number());
        }
        queue.config = dsa::decode_wqcfg(config);
        device.queues.push_back(queue);
    }
    for (std::uint64_t left = in.length(sizeof(dsa::DescriptorBytes)); left > 0; --left) {
        os::TrappedDescriptor trapped;
        trapped.queue = static_cast<std::uint32_t>(in.number());
        trapped.gpasid = static_cast<std::uint32_t>(in.number());
        in.copy(trapped.bytes.data(), trapped.bytes.size());
        device.trapped.push_back(trapped);
    }
    return device;
}

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
    out.number(state.devices.size());
    for (const os::VirtualDeviceState& device : state.devices) {
        write(out, device);
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
    for (std::uint64_t left = in.length(sizeof(std::uint64_t)); left > 0; --left) {
        state.devices.push_back(read_device(in));
    }
    if (!in.complete()) {
        return Errno::Einval;
    }
    return state;
}

}  // namespace ioasim::vm
