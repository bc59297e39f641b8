#include "allocations.hpp"

#include <atomic>
#include <cstddef>

namespace {

std::atomic<std::uint64_t> count{0};

} // namespace

// The C library's own entry, behind the name that we take over. glibc keeps it for this purpose.
extern "C" void* __libc_malloc(std::size_t size); // NOLINT(bugprone-reserved-identifier)

extern "C" void* malloc(std::size_t size) {
  count.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}

namespace bench {

std::uint64_t allocations_so_far() noexcept {
  return count.load(std::memory_order_relaxed);
}

} // namespace bench
