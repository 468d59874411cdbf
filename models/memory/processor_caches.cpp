#include "models/memory/processor_caches.hpp"

#include <algorithm>
#include <cstring>

#include "models/memory/memory_probes.hpp"

namespace ioasim::memory {

ProcessorCaches::ProcessorCaches(std::uint64_t bytes, SparseMemory& memory, Probes& probes)
    : capacity_(bytes / kLineBytes), memory_(memory), probes_(probes) {}

template <class Visit>
void ProcessorCaches::each_line(Hpa address, std::size_t size, Visit visit) {
    for (std::size_t done = 0; done < size;) {
        const std::uint64_t at = address.value() + done;
        const std::size_t offset = at % kLineBytes;
        const std::size_t part = std::min(size - done, kLineBytes - offset);
        visit(at / kLineBytes, offset, done, part);
        done += part;
    }
}

ProcessorCaches::Cache& ProcessorCaches::cache_of(std::size_t processor) {
    if (processor >= caches_.size()) {
        caches_.resize(processor + 1);
    }
    return caches_[processor];
}

void ProcessorCaches::write_back(std::uint64_t number, Line& line) {
    if (line.modified && !probes_.has(kWriteBackLost)) {
        memory_.write(Hpa{number * kLineBytes}, line.data.data(), kLineBytes);
    }
    line.modified = false;
}

void ProcessorCaches::take_from(std::size_t processor, std::uint64_t number) {
    Cache& cache = caches_[processor];
    const auto at = cache.at.find(number);
    cache.order.erase(at->second);
    cache.at.erase(at);
}

void ProcessorCaches::drop(std::uint64_t number) {
    const auto line = lines_.find(number);
    write_back(number, line->second);
    for (const std::size_t holder : line->second.holders) {
        take_from(holder, number);
    }
    lines_.erase(line);
}

void ProcessorCaches::make_room(Cache& cache, std::size_t processor) {
    if (cache.order.size() < capacity_) {
        return;
    }
    probes_.hit(kLineEvicted);
    const std::uint64_t number = cache.order.back();
    Line& line = lines_.at(number);
    write_back(number, line);
    take_from(processor, number);
    line.holders.erase(std::find(line.holders.begin(), line.holders.end(), processor));
    if (line.holders.empty()) {
        lines_.erase(number);
    }
}

ProcessorCaches::Line& ProcessorCaches::fetch(std::size_t processor, std::uint64_t number,
                                              Want want) {
    Cache& cache = cache_of(processor);
    const auto mine = cache.at.find(number);
    if (mine != cache.at.end()) {
        cache.order.splice(cache.order.begin(), cache.order, mine->second);
    } else {
        make_room(cache, processor);
        const auto [at, added] = lines_.try_emplace(number);
        if (added) {
            memory_.read(Hpa{number * kLineBytes}, at->second.data.data(), kLineBytes);
        } else if (want == Want::Shared) {
            write_back(number, at->second);
        }
        at->second.holders.push_back(processor);
        cache.order.push_front(number);
        cache.at[number] = cache.order.begin();
    }
    Line& line = lines_.at(number);
    if (want == Want::Alone) {
        for (const std::size_t holder : line.holders) {
            if (holder != processor) {
                take_from(holder, number);
            }
        }
        line.holders.assign(1, processor);
    }
    return line;
}

void ProcessorCaches::read(std::size_t processor, Hpa address, void* out, std::size_t size) {
    auto* const to = static_cast<std::uint8_t*>(out);
    each_line(address, size,
              [&](std::uint64_t number, std::size_t offset, std::size_t done, std::size_t part) {
                  const Hpa line{number * kLineBytes};
                  if (memory_.poisoned(line, kLineBytes)) {
                      snoop(line + offset, to + done, part);
                      return;
                  }
                  std::memcpy(to + done,
                              fetch(processor, number, Want::Shared).data.data() + offset, part);
              });
}

void ProcessorCaches::write(std::size_t processor, Hpa address, const void* in, std::size_t size) {
    const auto* const from = static_cast<const std::uint8_t*>(in);
    each_line(address, size,
              [&](std::uint64_t number, std::size_t offset, std::size_t done, std::size_t part) {
                  const Hpa at{number * kLineBytes};
                  if (memory_.poisoned(at, kLineBytes)) {
                      overwrite(at + offset, from + done, part);
                      return;
                  }
                  Line& line = fetch(processor, number, Want::Alone);
                  std::memcpy(line.data.data() + offset, from + done, part);
                  line.modified = true;
              });
}

void ProcessorCaches::snoop(Hpa address, void* out, std::size_t size) const {
    auto* const to = static_cast<std::uint8_t*>(out);
    memory_.read(address, out, size);
    each_line(address, size,
              [&](std::uint64_t number, std::size_t offset, std::size_t done, std::size_t part) {
                  const auto line = lines_.find(number);
                  if (line != lines_.end()) {
                      std::memcpy(to + done, line->second.data.data() + offset, part);
                  }
              });
}

void ProcessorCaches::overwrite(Hpa address, const void* in, std::size_t size) {
    flush(address, size);
    memory_.write(address, in, size);
}

CacheFlush ProcessorCaches::held(Hpa address, std::size_t size) const {
    CacheFlush found;
    each_line(address, size, [&](std::uint64_t number, std::size_t, std::size_t, std::size_t) {
        const auto line = lines_.find(number);
        if (line != lines_.end()) {
            ++found.lines;
            found.modified += line->second.modified ? 1 : 0;
        }
    });
    return found;
}

CacheFlush ProcessorCaches::flush(Hpa address, std::size_t size) {
    const CacheFlush found = held(address, size);
    if (found.lines == 0) {
        return found;
    }
    each_line(address, size, [&](std::uint64_t number, std::size_t, std::size_t, std::size_t) {
        if (lines_.count(number) != 0) {
            drop(number);
        }
    });
    return found;
}

CacheFlush ProcessorCaches::flush_all(std::size_t processor) {
    Cache& cache = cache_of(processor);
    CacheFlush flushed;
    while (!cache.order.empty()) {
        const std::uint64_t number = cache.order.front();
        Line& line = lines_.at(number);
        ++flushed.lines;
        flushed.modified += line.modified ? 1 : 0;
        write_back(number, line);
        take_from(processor, number);
        line.holders.erase(std::find(line.holders.begin(), line.holders.end(), processor));
        if (line.holders.empty()) {
            lines_.erase(number);
        }
    }
    return flushed;
}

}  // namespace ioasim::memory
