#include "bulwarkd/admin/metrics.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

// Of this process, as Linux tells it.

namespace bulwarkd {

namespace {

double seconds(const timeval& x) {
  return static_cast<double>(x.tv_sec) + static_cast<double>(x.tv_usec) / 1e6;
}

double count_descriptors() {
  auto result = 0.0;
  if (auto* folder = ::opendir("/proc/self/fd")) {
    while (::readdir(folder) != nullptr)
      ++result;
    ::closedir(folder);
    result -= 3; // ".", ".." and the folder's own
  }
  return result;
}

struct memory {
  double all = 0; // bytes
  double resident = 0;
};

memory memory_used() {
  std::ifstream source{"/proc/self/statm"};
  memory pages;
  source >> pages.all >> pages.resident;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  return {.all = pages.all * page, .resident = pages.resident * page};
}

// Since 1970: the kernel counts ticks since it started.
double start_time() {
  std::ifstream process{"/proc/self/stat"};
  std::string text{std::istreambuf_iterator<char>{process}, {}};
  std::istringstream fields{text.substr(text.rfind(')') + 1)}; // the name may hold anything
  constexpr auto before = 19;
  std::string ignored;
  for (auto i = 0; i < before; ++i)
    fields >> ignored;
  auto ticks = 0.0;
  fields >> ticks;
  std::ifstream system{"/proc/stat"};
  auto boot = 0.0;
  while (system >> ignored)
    if (ignored == "btime" && system >> boot)
      break;
  return boot + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

} // namespace

void tell_process_metrics(metric_sink& to) {
  const auto gauge = [&to](std::string_view name, std::string_view help, double value) {
    to.family(name, metric_kind::gauge, help);
    to.sample({}, {}, value);
  };
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  to.family("process_cpu_seconds_total", metric_kind::counter, "Time on the processors.");
  to.sample({}, {}, seconds(used.ru_utime) + seconds(used.ru_stime));
  rlimit descriptors{};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  gauge("process_open_fds", "Descriptors in use.", count_descriptors());
  gauge("process_max_fds", "Descriptors that there may be.",
        static_cast<double>(descriptors.rlim_cur));
  const auto used_memory = memory_used();
  gauge("process_resident_memory_bytes", "Memory that it takes.", used_memory.resident);
  gauge("process_virtual_memory_bytes", "Addresses that it has.", used_memory.all);
  gauge("process_start_time_seconds", "When it began, since 1970.", start_time());
}

} // namespace bulwarkd
