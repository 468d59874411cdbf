// The software of an adapter's benchmark: page tables and the remapping unit, the adapter's
// registers, the state that its window begins with.
#pragma once

#include <vector>

#include "models/platform/bare_driver.hpp"
#include "models/platform/bare_program.hpp"
#include "models/platform/experiment_patterns.hpp"
#include "models/platform/harness_space.hpp"

namespace ioasim::platform {

class NicBench {
public:
    static constexpr const char* kUnit = "iommu0";
    static constexpr const char* kNic = "nic0";
    static constexpr std::uint64_t kDataBase = std::uint64_t{1} << 32U;  // physical
    static constexpr std::uint64_t kWindowIova = std::uint64_t{1} << 38U;
    static constexpr std::uint64_t kLine = 64;

    NicBench(Harness& harness, unsigned levels);

    void begin();
    // What devices call `iova` lies at `to`.
    void map(std::uint64_t iova, std::uint64_t to, std::uint64_t bytes, std::uint64_t page);
    void unmap(std::uint64_t iova, std::uint64_t bytes, std::uint64_t page);
    void enable();
    BareDriver& unit() { return unit_; }
    Rid rid() const { return nic_.rid; }

    void set(std::uint32_t offset, std::uint64_t value, unsigned size = 4);
    std::uint64_t get(std::uint32_t offset, unsigned size = 4);
    void window(std::uint64_t base, std::uint64_t bytes);
    // Until it ends; false: requests failed.
    bool go(std::uint64_t blocks, std::uint64_t ignored);
    void read_journal(std::vector<TimePs>& samples);
    // Brings the window into the state that the experiment begins with.
    void prepare_buffers(std::uint64_t base, std::uint64_t bytes);

private:
    Harness& harness_;
    ExecContext& ctx_;
    const Experiment& experiment_;
    unsigned levels_;
    const BareUnit& nic_;
    BareBuilder builder_;
    BareDriver unit_;
};

}  // namespace ioasim::platform
