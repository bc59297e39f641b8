#include "showcase/stage.hpp"

#include "http/load.hpp"
#include "report/books.hpp"
#include "report/events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace showcase {

using namespace std::chrono_literals;

namespace {

constexpr auto bold = "\033[1m";
constexpr auto red = "\033[31m";
constexpr auto green = "\033[32m";
constexpr auto yellow = "\033[33m";
constexpr auto magenta = "\033[35m";
constexpr auto plain = "\033[0m";

const char* colour_of(bulwark::circuit_state state) noexcept {
  switch (state) {
  case bulwark::circuit_state::closed:
    return green;
  case bulwark::circuit_state::open:
    return red;
  case bulwark::circuit_state::half_open:
    return yellow;
  case bulwark::circuit_state::forced_open:
  case bulwark::circuit_state::disabled:
  case bulwark::circuit_state::metrics_only:
    return magenta;
  }
  return plain;
}

} // namespace

stage::stage(caf::actor_system& system, bool coloured)
    : system_(system), node_(system), self_(system), coloured_(coloured), started_(now()) {
  listener_ =
      apps::listen(node_, {.on_transition = [this](const auto& event) { on_transition(event); },
                           .on_rejection = [](const auto&) {}}); // too many to be told one by one
}

stage::~stage() {
  caf::anon_send_exit(listener_, caf::exit_reason::user_shutdown);
  self_->wait_for(listener_);
}

bulwark::instant stage::now() const {
  return bulwark::instant{system_.clock().now().time_since_epoch()};
}

// -- telling ------------------------------------------------------------------------------

void stage::print(bulwark::instant when, const std::string& text) {
  const auto seconds = std::chrono::duration<double>{when - started_}.count();
  std::lock_guard guard{printing_};
  fmt::print("{:8.3f}s  {}\n", seconds, text);
  std::fflush(stdout);
}

std::string stage::painted(const std::string& text, const char* colour) const {
  return coloured_ ? colour + text + plain : text;
}

std::string stage::painted(bulwark::circuit_state state) const {
  return painted(to_string(state), colour_of(state));
}

void stage::title(const std::string& name, const std::string& what) {
  std::lock_guard guard{printing_};
  fmt::print("\n{}\n", painted("== " + name + ": " + what, bold));
}

void stage::say(const std::string& text) {
  print(now(), text);
}

void stage::claim(bool holds, const std::string& text) {
  print(now(), holds ? painted("  yes: ", green) + text : painted("  NO:  ", red) + text);
  if (!holds)
    throw broken_claim{text};
}

void stage::on_transition(const bulwark::circuit_event& event) {
  auto text = apps::to_text(event);
  print(bulwark::instant{event.when},
        fmt::format("  breaker '{}': {} -> {}{}", event.name, painted(event.from),
                    painted(event.to), text.substr(text.find(" ("))));
  {
    std::lock_guard guard{mutex_};
    transitions_.push_back(event);
  }
  changed_.notify_all();
}

// -- asking ---------------------------------------------------------------------------------

std::string stage::code_of(const caf::error& reason) {
  return apps::outcome_of(reason);
}

template <class Condition>
void stage::wait_until(Condition come, const std::string& what) {
  std::unique_lock guard{mutex_};
  const auto has_come = changed_.wait_for(guard, 5s, come);
  guard.unlock();
  if (!has_come)
    claim(false, what);
}

void stage::await(const std::string& name, bulwark::circuit_state to) {
  wait_until(
      [&] {
        for (auto i = awaited_; i < transitions_.size(); ++i) {
          if (transitions_[i].name == name && transitions_[i].to == to) {
            awaited_ = i + 1;
            return true;
          }
        }
        return false;
      },
      "breaker '" + name + "' goes to " + to_string(to));
}

void stage::await_at_last(const std::string& name, bulwark::circuit_state state) {
  wait_until(
      [&] {
        const auto last = std::find_if(transitions_.rbegin(), transitions_.rend(),
                                       [&](const auto& x) { return x.name == name; });
        if (last == transitions_.rend() || last->to != state)
          return false;
        awaited_ = transitions_.size();
        return true;
      },
      "breaker '" + name + "' is " + to_string(state));
}

std::string to_text(const caf::error& reason) {
  const auto report = bulwark::report_of(reason);
  return report ? to_string(report->code) + ": " + describe(report->code, *report)
                : to_string(reason);
}

// -- the end --------------------------------------------------------------------------------

void stage::close_the_books() {
  title("books", "what the registry has, and whether it adds up");
  const auto stats = apps::read_books_at_rest(node_, 3s);
  const auto findings = apps::find_imbalances(stats, true);
  {
    std::lock_guard guard{printing_};
    fmt::print("{}", apps::to_table(stats));
  }
  for (const auto& finding : findings)
    say("  " + finding);
  claim(findings.empty(), "calls = ok + failed + rejected + timed out + cancelled, for each of "
                              + std::to_string(stats.guards.size() + stats.circuit_breakers.size()
                                               + stats.bulkheads.size())
                              + " guards and parts, and no permit is out");
}

} // namespace showcase
