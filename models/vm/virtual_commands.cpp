#include "models/vm/virtual_commands.hpp"

#include "core/base/bits.hpp"
#include "core/trace/software_events.hpp"
#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {
namespace {

namespace v = vtd::vcmd;

std::uint64_t part_of(std::uint64_t word, std::uint32_t offset, unsigned size) {
    return size == 8 ? word : (word >> (offset % 8 * 8)) & 0xFFFF'FFFFU;
}

void set_part(std::uint64_t& word, std::uint32_t offset, std::uint64_t value, unsigned size) {
    const unsigned low = offset % 8 * 8;
    word = size == 8 ? value : set_bits(word, low + 31, low, value);
}

}  // namespace

VirtualCommands::VirtualCommands(const VirtualCommandConfig& config, os::VmHost& host,
                                 GpasidPool& pool, trace::Recorder& recorder, Probes& probes)
    : config_(config),
      layout_(vtd::virtual_commands(config.early)),
      host_(&host),
      pool_(pool),
      recorder_(recorder),
      probes_(probes) {}

bool VirtualCommands::owns(std::uint32_t offset) const {
    const std::uint32_t word = offset & ~7U;
    const bool extended = !config_.early && word == vtd::reg::kVcmdEo;
    return word == layout_.capability || word == layout_.command || word == layout_.response ||
           extended;
}

std::uint64_t VirtualCommands::read(std::uint32_t offset, unsigned size) const {
    const std::uint32_t word = offset & ~7U;
    if (!config_.offered) {
        return 0;
    }
    if (word == layout_.capability) {
        return part_of(layout_.capabilities, offset, size);
    }
    if (word == layout_.response) {
        return part_of(response_, offset, size);
    }
    return part_of(word == layout_.command ? command_ : operand_, offset, size);
}

void VirtualCommands::write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
                            unsigned size) {
    const std::uint32_t word = offset & ~7U;
    if (!config_.offered && !probes_.has(kCommandsUnasked)) {
        return;
    }
    if (!config_.early && word == vtd::reg::kVcmdEo) {
        set_part(operand_, offset, value, size);
        return;
    }
    if (word != layout_.command || (busy_ && !probes_.has(kCommandOverwritten))) {
        return;
    }
    set_part(command_, offset, value, size);
    if (offset % 8 != 0 || busy_) {
        return;  // the lower half, with the command itself, sets it going
    }
    busy_ = true;
    response_ = v::kInProgress.make(probes_.has(kNeverInProgress) ? 0 : 1);
    const std::uint64_t answer = run(ctx, command_);
    busy_ = probes_.has(kInProgressKept);
    response_ = answer | v::kInProgress.make(busy_ ? 1 : 0);
}

std::uint64_t VirtualCommands::run(ExecContext& ctx, std::uint64_t command) {
    switch (v::kCommand.get(command)) {
        case 0:
            return 0;
        case v::kAllocate:
            return allocate(ctx);
        case v::kFree:
            return free(ctx, static_cast<std::uint32_t>(layout_.operand_pasid.get(command)));
        default:
            break;
    }
    const std::uint64_t status =
        probes_.has(kAnyCommandTaken) ? v::kStatusSuccess : v::kStatusUndefined;
    tell(ctx, "undefined", kInvalidIoasid, status);
    return layout_.status.make(status);
}

std::uint64_t VirtualCommands::refusal() const {
    return probes_.has(kRefusalLost) ? v::kStatusSuccess : layout_.no_pasid;
}

std::uint64_t VirtualCommands::allocate(ExecContext& ctx) {
    const bool refused = probes_.fails(kCommandRefused, config_.vm);
    const auto gpasid = refused ? std::nullopt : pool_.pick([this, &ctx](std::uint32_t candidate) {
        return host_->find_spid(ctx, Spid{candidate}).value() == kInvalidIoasid;
    });
    if (gpasid) {
        const bool own = host_->own_pasid_space();
        const auto id = host_->alloc_ioasid(ctx, own ? *gpasid : config_.pasid_min,
                                            own ? *gpasid : config_.pasid_max);
        if (id) {
            pool_.assign(*gpasid, *id);
            tell(ctx, "alloc_pasid", *gpasid, v::kStatusSuccess);
            const bool other = probes_.has(kResultElsewhere);
            return vtd::virtual_commands(config_.early != other).result_pasid.make(*gpasid);
        }
    }
    tell(ctx, "alloc_pasid", kInvalidIoasid, refusal());
    return layout_.status.make(refusal());
}

std::uint64_t VirtualCommands::free(ExecContext& ctx, std::uint32_t gpasid) {
    auto id = pool_.find(gpasid);
    if (!id && probes_.has(kFreeUnchecked)) {
        id = Ioasid{gpasid};
    }
    if (!id) {
        tell(ctx, "free_pasid", gpasid, refusal());
        return layout_.status.make(refusal());
    }
    static_cast<void>(host_->free_ioasid(ctx, *id));  // always succeeds for an ID of the set
    pool_.release(gpasid);
    tell(ctx, "free_pasid", gpasid, v::kStatusSuccess);
    return layout_.status.make(v::kStatusSuccess);
}

void VirtualCommands::tell(ExecContext& ctx, const char* command, std::uint32_t gpasid,
                           std::uint64_t status) {
    recorder_.emit(ctx.source(),
                   trace::VirtualCommand{recorder_.name(config_.vm), recorder_.name(command),
                                         Pasid{gpasid}, static_cast<std::uint32_t>(status)});
}

}  // namespace ioasim::vm
