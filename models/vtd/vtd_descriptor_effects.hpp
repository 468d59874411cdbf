// What invalidation descriptors do to the caches of the unit (VT-d specification 6.5.2): one
// function a type, and the event that tells of it. The effects on entries are those of
// TranslationCaches.
#pragma once

#include "core/base/defects.hpp"
#include "core/trace/recorder.hpp"
#include "models/vtd/vtd_caches.hpp"
#include "models/vtd/vtd_capabilities.hpp"

namespace ioasim::vtd {

class DescriptorEffects {
public:
    DescriptorEffects(const Capabilities& caps, TranslationCaches& caches, const Probes& probes,
                      trace::Recorder& recorder, SourceId source, trace::Name name)
        : caps_(caps),
          caches_(caches),
          probes_(probes),
          recorder_(recorder),
          source_(source),
          name_(name) {}

    // A descriptor that is neither a wait nor a message to a device. True: older translations may
    // be in use by requests under way, which the next wait has to drain.
    bool apply(const Descriptor& descriptor);

    // A page request drops what the caches know of its page (7.4.1): by PASID and address for the
    // first stage, by domain and address for the others, by domain under nested translation.
    void drop_page(const PasidEntry& entry, Pasid pasid, std::uint64_t address);

private:
    struct Effect {
        const char* kind = "";
        const char* granularity = "";
        std::uint32_t dropped = 0;
        bool pages = false;  // a range of addresses, not everything of its tag
    };
    DomainId domain_of(const Descriptor& d) const;
    unsigned address_mask(const Descriptor& d) const;
    Effect context_cache(const Descriptor& d);
    Effect pasid_cache(const Descriptor& d);
    Effect domain_iotlb(const Descriptor& d);
    Effect pasid_iotlb(const Descriptor& d);

    const Capabilities& caps_;
    TranslationCaches& caches_;
    const Probes& probes_;
    trace::Recorder& recorder_;
    SourceId source_;
    trace::Name name_;
};

}  // namespace ioasim::vtd
