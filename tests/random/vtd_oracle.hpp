// A plain translation of requests: the tables read as bytes, no caches, no flags set, no fault
// codes; only whether a request may pass, and where to. Written from the VT-d specification's
// chapters 3 and 9 alone; shares nothing with the unit's own walk.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace ioasim::test {

struct OracleRequest {
    std::uint16_t rid = 0;
    std::optional<std::uint32_t> pasid;
    std::uint64_t address = 0;
    bool write = false;
    bool privileged = false;
};

class VtdOracle {
public:
    using Word = std::uint64_t;
    // The aligned quadword at a host address.
    using Read = std::function<Word(Word)>;

    VtdOracle(Read read, unsigned host_bits, unsigned guest_bits)
        : read_(std::move(read)), host_bits_(host_bits), guest_bits_(guest_bits) {}

    // The host address, nothing when the request is blocked.
    std::optional<Word> translate(Word root_register, const OracleRequest& r) const {
        const Word mode = (root_register >> 10U) & 3U;
        const Word root = root_register & ~Word{0xFFF};
        const std::optional<Space> space = mode == 1   ? scalable(root, r)
                                           : mode == 0 ? legacy(root, r)
                                                       : std::nullopt;
        if (!space) {
            return std::nullopt;
        }
        const std::optional<Word> out = in_space(*space, r);
        return out && (*out >> 20U) == 0xFEE ? std::nullopt : out;
    }

private:
    struct Space {
        unsigned type = 0;
        Word first = 0;
        unsigned first_levels = 4;
        Word second = 0;
        unsigned second_levels = 4;
        bool second_flags = false;  // SSADE
        bool protect = false;       // WPE
        bool privileged = false;
    };
    struct Second {
        Word address = 0;
        bool read = false;
        bool write = false;
    };

    std::optional<Space> legacy(Word root, const OracleRequest& r) const {
        const Word entry = read_(root + (r.rid >> 8U) * Word{16});
        if (r.pasid || (entry & 1U) == 0) {
            return std::nullopt;
        }
        const Word context = (entry & ~Word{0xFFF}) + (r.rid & 0xFFU) * Word{16};
        const Word low = read_(context);
        if ((low & 1U) == 0) {
            return std::nullopt;
        }
        Space space;
        space.type = ((low >> 2U) & 3U) == 2 ? 4 : 2;
        space.second = low & ~Word{0xFFF};
        space.second_levels = (static_cast<unsigned>(read_(context + 8)) & 7U) + 2;
        return space;
    }

    std::optional<Space> scalable(Word root, const OracleRequest& r) const {
        const Word bus = r.rid >> 8U;
        const Word function = r.rid & 0xFFU;
        const Word half = read_(root + bus * 16 + (function >= 128 ? 8 : 0));
        if ((half & 1U) == 0) {
            return std::nullopt;
        }
        const Word context = (half & ~Word{0xFFF}) + (function % 128) * 32;
        const Word low = read_(context);
        const Word rid_pasid = read_(context + 8) & 0xFFFFFU;
        if ((low & 1U) == 0) {
            return std::nullopt;
        }
        const Word most = (Word{1} << (((low >> 9U) & 7U) + 13)) - 1;
        if (r.pasid && ((low & 8U) == 0 || *r.pasid > most || *r.pasid == rid_pasid)) {
            return std::nullopt;
        }
        const Word pasid = r.pasid ? *r.pasid : rid_pasid;
        const Word directory = read_((low & ~Word{0xFFF}) + (pasid >> 6U) * 8);
        if ((directory & 1U) == 0) {
            return std::nullopt;
        }
        return entry((directory & ~Word{0xFFF}) + (pasid & 63U) * 64, r);
    }

    std::optional<Space> entry(Word at, const OracleRequest& r) const {
        const Word q0 = read_(at);
        const Word q2 = read_(at + 16);
        if ((q0 & 1U) == 0) {
            return std::nullopt;
        }
        Space space;
        space.type = static_cast<unsigned>(q0 >> 6U) & 7U;
        space.second = q0 & ~Word{0xFFF};
        space.second_levels = (static_cast<unsigned>(q0 >> 2U) & 7U) + 2;
        space.second_flags = ((q0 >> 9U) & 1U) != 0;
        space.first = q2 & ~Word{0xFFF};
        space.first_levels = 4 + (static_cast<unsigned>(q2 >> 2U) & 3U);
        space.protect = ((q2 >> 4U) & 1U) != 0;
        space.privileged = r.privileged && r.pasid;
        if (space.privileged && (q2 & 1U) == 0) {
            return std::nullopt;
        }
        return space;
    }

    std::optional<Word> in_space(const Space& s, const OracleRequest& r) const {
        switch (s.type) {
            case 1:
            case 3:
                return first_stage(s, r);
            case 2: {
                if ((r.address >> second_width(s)) != 0) {
                    return std::nullopt;
                }
                const std::optional<Second> found = second_stage(s, r.address);
                const bool may = found && (r.write ? found->write : found->read);
                return may ? std::optional<Word>{found->address} : std::nullopt;
            }
            case 4:
                return (r.address >> host_bits_) == 0 ? std::optional<Word>{r.address}
                                                      : std::nullopt;
            default:
                return std::nullopt;
        }
    }

    unsigned second_width(const Space& s) const {
        const unsigned table = 12 + 9 * s.second_levels;
        return table < guest_bits_ ? table : guest_bits_;
    }
    bool too_high(Word entry) const { return ((entry & kAddress) >> host_bits_) != 0; }

    std::optional<Second> second_stage(const Space& s, Word address) const {
        Second out{0, true, true};
        Word table = s.second;
        for (unsigned level = s.second_levels;; --level) {
            const unsigned shift = 3 + 9 * level;
            const Word e = read_(table + ((address >> shift) & 511U) * 8);
            out.read = out.read && (e & 1U) != 0;
            out.write = out.write && (e & 2U) != 0;
            if ((!out.read && !out.write) || too_high(e)) {
                return std::nullopt;
            }
            const bool large = level > 1 && (e & 0x80U) != 0;
            if (level > 1 && !large) {
                table = e & kAddress;
                continue;
            }
            const Word inside = (Word{1} << shift) - 1;
            if (level > 3 || (large && (e & inside & kAddress) != 0)) {
                return std::nullopt;
            }
            out.address = (e & kAddress & ~inside) | (address & inside);
            return out;
        }
    }

    // Where an entry of the first stage lies, and whether its flags may be set.
    std::optional<Second> entry_place(const Space& s, Word address) const {
        if (s.type == 1) {
            return Second{address, true, true};
        }
        std::optional<Second> found = second_stage(s, address);
        if (!found || !found->read || (s.second_flags && !found->write)) {
            return std::nullopt;
        }
        return found;
    }

    std::optional<Word> first_stage(const Space& s, const OracleRequest& r) const {
        const unsigned width = 12 + 9 * s.first_levels;
        const Word sign = r.address >> (width - 1);
        if (sign != 0 && sign != (~Word{0} >> (width - 1))) {
            return std::nullopt;
        }
        bool user = true;
        bool writable = true;
        Word table = s.first;
        for (unsigned level = s.first_levels;; --level) {
            const unsigned shift = 3 + 9 * level;
            const std::optional<Second> place =
                entry_place(s, table + ((r.address >> shift) & 511U) * 8);
            if (!place) {
                return std::nullopt;
            }
            const Word e = read_(place->address);
            if ((e & 1U) == 0 || too_high(e)) {
                return std::nullopt;
            }
            if (s.type == 3 && ((e & kAddress) >> second_width(s)) != 0) {
                return std::nullopt;
            }
            user = user && (e & 4U) != 0;
            writable = writable && (e & 2U) != 0;
            const bool large = level > 1 && (e & 0x80U) != 0;
            if (level > 1 && !large) {
                if ((e & 0x20U) == 0 && !place->write) {
                    return std::nullopt;  // accessed cannot be set
                }
                table = e & kAddress;
                continue;
            }
            const Word inside = (Word{1} << shift) - 1;
            if (level > 3 || (large && (e & inside & kAddress & ~Word{0x1000}) != 0)) {
                return std::nullopt;
            }
            return first_stage_leaf(s, r, e, inside, user, writable, place->write);
        }
    }

    std::optional<Word> first_stage_leaf(const Space& s, const OracleRequest& r, Word e,
                                         Word inside, bool user, bool writable,
                                         bool place_writable) const {
        const bool may_write = writable || (s.privileged && !s.protect);
        if ((!s.privileged && !user) || (r.write && !may_write)) {
            return std::nullopt;
        }
        const Word flags = 0x20U | (r.write ? 0x40U : 0U);
        Word out = (e & kAddress & ~inside) | (r.address & inside);
        if (s.type == 3) {
            const std::optional<Second> found = second_stage(s, out);
            if (!found || !(r.write ? found->write : found->read)) {
                return std::nullopt;
            }
            out = found->address;
        }
        return (e & flags) != flags && !place_writable ? std::nullopt : std::optional<Word>{out};
    }

    static constexpr Word kAddress = 0x000F'FFFF'FFFF'F000;
    Read read_;
    unsigned host_bits_;
    unsigned guest_bits_;
};

}  // namespace ioasim::test
