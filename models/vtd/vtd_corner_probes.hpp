// Ways to break a remapping unit that show only in a corner: a cache that must evict, every tag in
// use, a unit that invalidates more than it was asked to. The default machine never gets there.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::vtd {

inline const Defect kEvictedPasidKept{
    "vtd.evicted_pasid_kept", "an IOTLB entry that takes another's place keeps its PASID tag"};
inline const Defect kEvictedDomainKept{
    "vtd.evicted_domain_kept", "an IOTLB entry that takes another's place keeps its domain tag"};
inline const Defect kEvictedPageKept{"vtd.evicted_page_kept",
                                     "an IOTLB entry that takes another's place keeps its page"};
inline const Defect kEvictedPasidEntryKept{
    "vtd.evicted_pasid_entry_kept",
    "a PASID-cache entry that takes another's place keeps its tables"};
inline const Defect kEvictedContextKept{
    "vtd.evicted_context_kept", "a context that takes another's place keeps its PASID directory"};
inline const Defect kEvictedTableKept{
    "vtd.evicted_table_kept",
    "a paging-structure entry that takes another's place keeps its table"};
inline const Defect kFullCacheRevives{
    "vtd.full_cache_revives",
    "a fill that an invalidation overtook is kept when the IOTLB is full"};
inline const Defect kFullTagsPass{"vtd.full_tags_pass",
                                  "with every ITag in use a wait does not look at device TLBs"};
inline const Defect kCoarseForgetsIotlb{
    "vtd.coarse_forgets_iotlb",
    "a unit that drops everything drops contexts and PASIDs, and forgets the IOTLB"};
inline const Defect kSecondStageTagWithoutDomain{
    "vtd.second_stage_tag_without_domain",
    "second-stage paging structures are found whatever domain they belong to"};

inline const Defect kEvictedComesBack{
    "vtd.evicted_comes_back",
    "an IOTLB entry that went by itself comes back when the next one goes"};

}  // namespace ioasim::vtd
