// How engines reach memory: read requests with tags and read buffers, posted writes, both split at
// 4-KiB pages and at the sizes the link allows. Plain C++.
//
// An untranslated request carries requester id and PASID, and the IOMMU translates. A read that the
// IOMMU blocks comes back as an error; a blocked posted write vanishes and the device never knows.
// A translated request has an address that the translator brought, and no PASID.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "models/dsa/work.hpp"

namespace ioasim::dsa {

// The address fields of a descriptor.
enum class Field : std::uint8_t { Source, Destination, Third, Record, List };

// Which part of which operation a read belongs to.
constexpr std::uint32_t kWordPart = 2;  // `chunk` counts single words
constexpr std::uint32_t kListPart = 3;  // a batch's list; `slot` means nothing
struct ReadOwner {
    std::uint32_t engine = 0;
    std::uint32_t slot = 0;
    std::uint64_t chunk = 0;
    std::uint32_t part = 0;  // 0 first source, 1 second source, or a constant above
    std::uint32_t length = 0;
    std::uint32_t group = 0;  // filled in by the port
};

// Whose request it is. `pasid` is a copy, since a defect may send another one than the work's.
struct Issuer {
    std::uint64_t descriptor = 0;
    std::optional<Pasid> pasid;
    bool privileged = false;
    std::uint32_t group = 0;  // whose read buffers it takes
    bool ats = true;          // its workqueue lets it translate, and ask for pages
    bool prs = true;
    bool block = false;  // source and destination wait for their pages
};

constexpr std::uint32_t bytes_to_page_end(std::uint64_t address) {
    return static_cast<std::uint32_t>(kPageSize - address % kPageSize);
}

class DmaPort {
public:
    explicit DmaPort(const DeviceShared& shared);

    // What the groups reserve and are allowed to use; nothing is outstanding.
    void set_groups(const std::vector<GroupBuffers>& groups);
    // The largest read of which `parts` fit into the group's read buffers together.
    std::uint32_t max_read(std::uint32_t group, std::uint32_t parts = 1) const;
    // The group may use so many more, and they are free beside what other groups have reserved.
    bool can_read(std::uint32_t group, std::uint32_t bytes, std::uint32_t parts = 1) const;
    // At most max_read() bytes inside one page; can_read() holds. `way` is where `address` leads.
    void read(TimePs now, const Issuer& issuer, std::uint64_t address, const Way& way,
              const ReadOwner& owner, trace::Name purpose);
    // A completion that was given up came after all: its tag is free again.
    bool late(std::uint32_t tag);
    // The owner of a completion; its buffers are free again. None: nobody waits for this tag.
    std::optional<ReadOwner> take(std::uint32_t tag);
    // A read whose completion is overdue, and whose it is. Its buffers are free again; its tag only
    // after a quarantine, so that a late completion is not mistaken for another.
    struct Overdue {
        ReadOwner owner;
        std::uint32_t tag = 0;
    };
    std::optional<Overdue> give_up(TimePs now);
    // Frees the tags whose quarantine is over; true if there were any.
    bool end_quarantine(TimePs now);
    // When a read is overdue, or a tag is free again that may be missed.
    std::optional<TimePs> next_deadline() const;

    // Split into payloads; translated writes are inside one page. Returns when the way out is free
    // again.
    TimePs write(TimePs now, const Issuer& issuer, std::uint64_t address, const Way& way,
                 std::vector<std::uint8_t> data, trace::Name purpose,
                 pcie::CacheHint hint = pcie::CacheHint::None);
    std::uint32_t outstanding() const { return outstanding_; }
    // Of the reads under way that left with translated addresses: tag, PASID, first and last byte.
    template <class Visit>
    void each_translated(Visit visit) const {
        for (std::size_t tag = 0; tag < tags_.size(); ++tag) {
            const Tag& t = tags_[tag];
            if (t.owner && t.translated) {
                visit(static_cast<std::uint32_t>(tag), t.pasid, t.address,
                      t.address + t.owner->length - 1);
            }
        }
    }
    // A function-level reset: nobody waits for completions that are still to come.
    void reset(TimePs now);
    // The read of this tag did not leave, there will be no completion.
    void never_sent(std::uint32_t tag) { late(tag); }

private:
    std::uint64_t buffers_of(std::uint32_t bytes) const {
        return (bytes + shared_.params.read_buffer_bytes - 1) / shared_.params.read_buffer_bytes;
    }
    pcie::Tlp request(pcie::TlpKind kind, const Issuer& issuer, const Way& way,
                      std::uint32_t length) const;

    const DeviceShared& shared_;
    struct Group {
        std::uint64_t reserved = 0;
        std::uint64_t allowed = 0;
        std::uint64_t used = 0;
    };
    std::vector<Group> groups_;
    std::uint64_t free_buffers_;
    std::uint32_t outstanding_ = 0;
    struct Tag {
        std::optional<ReadOwner> owner;
        bool given_up = false;
        std::uint64_t use = 0;  // counts reads
        bool translated = false;
        std::optional<Pasid> pasid;
        std::uint64_t address = 0;
    };
    struct Deadline {
        TimePs at;
        std::uint32_t tag = 0;
        std::uint64_t use = 0;
    };
    // Its buffers are free again.
    void ended(const ReadOwner& owner);
    void forget_answered();
    void free(std::uint32_t tag);
    void quarantine(TimePs now, std::uint32_t tag);

    std::vector<Tag> tags_;
    std::deque<std::uint32_t> free_tags_;  // the first one is taken next
    std::deque<Deadline> deadlines_;       // the first one is of a read that is outstanding
    std::deque<Deadline> quarantine_;      // of tags that were given up
};

}  // namespace ioasim::dsa
