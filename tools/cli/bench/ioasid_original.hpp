// How long the original V4 code of the patch series of February 2021 takes, measured by itself in
// user space: gcc 12.2 -O2, one thread on one CPU of an AMD EPYC guest, locks uncontended, grace
// periods batched inside the loop, no charging and no messages; medians of five processes, in
// nanoseconds. Sets are untyped, numbers come from 1..0xFFFFF. The empty loop (random choice, index
// look-up) is included.
#pragma once

#include <array>

namespace ioasim::tools {

constexpr double kOriginalEmptyLoop = 3.6;

// Columns: 1 set, then 1000 sets whose IDs were handed out in turn; 1 k, 32 k and 1 M live IDs.
using OriginalRow = std::array<double, 6>;
constexpr OriginalRow kOriginalAllocFreeSame{108, 122, 133, 135, 159, 203};
constexpr OriginalRow kOriginalAllocFreeRandom{133, 197, 621, 173, 379, 1471};
constexpr OriginalRow kOriginalGetPut{27, 29, 146, 26, 34, 168};
constexpr OriginalRow kOriginalFind{6.1, 11.6, 80, 6.0, 14.9, 88};
constexpr OriginalRow kOriginalFindSet{4.6, 10.4, 78, 4.6, 13.6, 87};
constexpr OriginalRow kOriginalLife{137, 152, 170, 160, 177, 193};
constexpr OriginalRow kOriginalFill{95, 113, 128, 544, 436, 755};

// 1000 sets whose 1000 IDs each are consecutive.
struct OriginalSetBySet {
    double fill = 123;
    double same = 229;
    double random = 1565;
    double get_put = 147;
    double find = 79;
};

// 1000 SPIDs a set. Columns: one set of 1000 IDs; ten of 1000 sets with consecutive IDs; the same
// with IDs handed out in turn.
using OriginalSpidRow = std::array<double, 3>;
constexpr OriginalSpidRow kOriginalFindBySpid{6455, 7584, 187538};
constexpr OriginalSpidRow kOriginalAttachSpid{6170, 7827, 185189};
constexpr OriginalSpidRow kOriginalDetachAttach{6440, 7808, 193156};

}  // namespace ioasim::tools
