#include "resilient_api_client/options.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace apps {

namespace {

using bulwark::timespan;
using namespace std::chrono_literals;

// -- values from text: false where the text is no such value ----------------------------------

template <class T>
bool read(const std::string& text, T& value) {
  const auto* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc{} && result.ptr == end;
}

bool read(const std::string& text, timespan& value) {
  constexpr std::pair<const char*, double> units[] = {
      {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  double number = 0;
  const auto* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc{})
    return false;
  for (const auto& [unit, nanoseconds] : units) {
    if (std::string_view{result.ptr, static_cast<std::size_t>(end - result.ptr)} != unit)
      continue;
    const auto length = number * nanoseconds;
    // Beyond what a duration holds is beyond every range: the policy says so.
    if (!(std::abs(length) < 9e18))
      value = length < 0 ? timespan::min() : timespan::max();
    else
      value = timespan{static_cast<timespan::rep>(length)};
    return true;
  }
  return false;
}

template <class T>
bool read(const std::string& text, std::optional<T>& value) {
  return read(text, value.emplace());
}

bool read(const std::string& text, bulwark::jitter_kind& value) {
  return from_string(text, value);
}

// -- defaults, as they would be written -------------------------------------------------------

template <class T>
std::string written(const T& value) {
  if constexpr (std::is_same_v<T, timespan>)
    return bulwark::to_text(value);
  else if constexpr (std::is_same_v<T, bulwark::jitter_kind>)
    return to_string(value);
  else
    return fmt::format("{}", value);
}

template <class T>
std::string written(const std::optional<T>& value) {
  return value ? written(*value) : "none";
}

// -- what is permitted: the policies know, nobody else -----------------------------------------

constexpr auto durations = ", such as 250ms, 2s, 1m";

bulwark::guard_policy all_beyond() {
  constexpr auto count = std::numeric_limits<std::uint32_t>::max();
  constexpr auto length = timespan::max();
  return {.deadline = length,
          .attempt_timeout = length,
          .retry = bulwark::retry_policy{.max_attempts = count,
                                         .base_delay = length,
                                         .exponential_base = std::nan(""),
                                         .max_delay = length},
          .breaker = bulwark::circuit_breaker_policy{.failure_threshold = count,
                                                     .success_threshold = count,
                                                     .open_for = length,
                                                     .half_open_calls = count},
          .bulkhead = bulwark::bulkhead_policy{
              .max_workers = count, .queue_size = count, .queue_timeout = length}};
}

std::optional<std::string> permitted(const bulwark::guard_policy& policy,
                                     const std::string& field) {
  for (const auto& mistake : find_mistakes(policy)) {
    if (mistake.field == field)
      return mistake.permitted;
  }
  return std::nullopt;
}

[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const std::string& what) {
  throw CLI::ValidationError{option + " is " + value + ", permitted: " + what};
}

// -- the options ---------------------------------------------------------------------

class option_reader {
public:
  option_reader(CLI::App& app, client_options& options) : app_(app), options_(options) {
    options_.policy = {
        .deadline = 10s,
        .attempt_timeout = 2s,
        .retry = bulwark::retry_policy{.base_delay = 100ms, .max_delay = 2s},
        .breaker = bulwark::circuit_breaker_policy{.open_for = 5s},
    };
  }

  void add_all() {
    app_.add_option("URL", url_, "http://HOST:PORT/PATH; {n} in its path is the request's number")
        ->required();
    add_count("--requests", options_.requests, std::uint64_t{1'000'000'000}, "in all");
    add_count("--concurrency", options_.concurrency, std::uint32_t{10'000}, "under way at once");
    add("--deadline", "guard.deadline", options_.policy.deadline, "for a call, all included");
    add("--attempt-timeout", "guard.attempt_timeout", options_.policy.attempt_timeout,
        "for one attempt");
    add_retry();
    add_breaker();
    add("--max-workers", "bulkhead.max_workers", options_.sockets.max_workers, "sockets at once");
    add("--queue-size", "bulkhead.queue_size", options_.sockets.queue_size,
        "attempts that wait for a socket");
    add("--queue-timeout", "bulkhead.queue_timeout", options_.sockets.queue_timeout,
        "longest wait for a socket; without, the attempt's timeout bounds it");
  }

  void finish() {
    if (auto url = parse_url(url_))
      options_.url = *std::move(url);
    else
      refuse("URL", "'" + url_ + "'", "http://HOST[:PORT][/PATH] or https://…");
    if (without_retry_) {
      require_unused("--no-retry", retry_options_);
      options_.policy.retry.reset();
    }
    if (without_breaker_) {
      require_unused("--no-breaker", breaker_options_);
      options_.policy.breaker = std::monostate{};
    }
  }

private:
  CLI::App& app_;
  client_options& options_;
  std::string url_;
  bool without_retry_ = false;
  bool without_breaker_ = false;
  std::vector<CLI::Option*> retry_options_;
  std::vector<CLI::Option*> breaker_options_;

  void add_retry() {
    auto& retry = *options_.policy.retry;
    app_.add_flag("--no-retry", without_retry_, "one attempt a call");
    retry_options_ = {
        add("--max-attempts", "retry.max_attempts", retry.max_attempts, "the first included"),
        add("--base-delay", "retry.base_delay", retry.base_delay, "after the first attempt"),
        add("--exponential-base", "retry.exponential_base", retry.exponential_base,
            "how much longer each wait is than the one before"),
        add("--max-delay", "retry.max_delay", retry.max_delay, "the longest wait"),
        add_choice("--jitter", retry.jitter, "none, full, equal, decorrelated"),
        add_predicate("--retry-on", retry.retry_on, "transient", bulwark::transient)};
  }

  void add_breaker() {
    auto& breaker = std::get<bulwark::circuit_breaker_policy>(options_.policy.breaker);
    app_.add_flag("--no-breaker", without_breaker_, "no circuit breaker");
    breaker_options_ = {
        add("--failure-threshold", "circuit_breaker.failure_threshold", breaker.failure_threshold,
            "failures in a row that open it"),
        add("--success-threshold", "circuit_breaker.success_threshold", breaker.success_threshold,
            "probes that close it again"),
        add("--open-for", "circuit_breaker.open_for", breaker.open_for, "before it probes"),
        add("--half-open-calls", "circuit_breaker.half_open_calls", breaker.half_open_calls,
            "probes at once"),
        add_predicate("--failure-on", breaker.failure_on, "counted", bulwark::counted)};
  }

  // What would have no effect is refused instead.
  static void require_unused(const std::string& off, const std::vector<CLI::Option*>& options) {
    for (const auto* option : options) {
      if (option->count() > 0)
        throw CLI::ValidationError{option->get_name() + " has no effect together with " + off};
    }
  }

  [[nodiscard]] bulwark::guard_policy with_sockets() const {
    auto policy = options_.policy;
    policy.bulkhead = options_.sockets;
    return policy;
  }

  template <class T>
  CLI::Option* add(const std::string& option, const std::string& field, T& value,
                   const std::string& help) {
    constexpr auto is_duration =
        std::is_same_v<T, timespan> || std::is_same_v<T, std::optional<timespan>>;
    const auto take = [this, option, field, &value](const std::string& text) {
      if (!read(text, value))
        refuse(option, "'" + text + "'",
               permitted(all_beyond(), field).value() + (is_duration ? durations : ""));
      if (const auto range = permitted(with_sockets(), field))
        refuse(option, text, *range + (is_duration ? durations : ""));
    };
    return app_.add_option_function<std::string>(option, take, help)
        ->type_name(is_duration ? "DURATION" : "NUMBER")
        ->default_str(written(value));
  }

  template <class T>
  CLI::Option* add_count(const std::string& option, T& value, T most, const std::string& help) {
    const auto take = [option, &value, most](const std::string& text) {
      if (!read(text, value) || value < 1 || value > most)
        refuse(option, "'" + text + "'", "1 .. " + std::to_string(most));
    };
    return app_.add_option_function<std::string>(option, take, help)
        ->type_name("NUMBER")
        ->default_str(written(value));
  }

  template <class T>
  CLI::Option* add_choice(const std::string& option, T& value, const std::string& choices) {
    const auto take = [option, choices, &value](const std::string& text) {
      if (!read(text, value))
        refuse(option, "'" + text + "'", choices);
    };
    return app_.add_option_function<std::string>(option, take, choices)
        ->type_name("NAME")
        ->default_str(written(value));
  }

  template <class T>
  CLI::Option* add_predicate(const std::string& option, T& value, const std::string& usual_name,
                             const bulwark::error_predicate& usual) {
    const auto choices = usual_name + ", always, never";
    const auto take = [=, &value](const std::string& text) {
      if (text == usual_name)
        value = usual;
      else if (text == "always")
        value = bulwark::always;
      else if (text == "never")
        value = bulwark::never;
      else
        refuse(option, "'" + text + "'", choices);
    };
    return app_.add_option_function<std::string>(option, take, "which errors: " + choices)
        ->type_name("NAME")
        ->default_str(usual_name);
  }
};

} // namespace

client_options parse_options(CLI::App& app, int argc, char** argv) {
  client_options options;
  option_reader reader{app, options};
  reader.add_all();
  app.parse(argc, argv);
  reader.finish();
  return options;
}

} // namespace apps
