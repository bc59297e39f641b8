#include "http/load.hpp"

#include <memory>
#include <utility>

namespace apps {

namespace {

bool is_refusal(const caf::error& reason) noexcept {
  return reason.category()
             == caf::type_id_v<
                 bulwark::errc> && bulwark::is_rejection(static_cast<bulwark::errc>(reason.code()));
}

// Keeps `concurrency` requests under way until all have been sent, and ends with the last answer.
class load_driver : public caf::event_based_actor {
public:
  load_driver(caf::actor_config& config, http_actor guard, load_plan plan,
              std::shared_ptr<std::promise<load_report>> result)
      : caf::event_based_actor(config),
        guard_(std::move(guard)),
        plan_(std::move(plan)),
        result_(std::move(result)) {}

  const char* name() const override { return "apps.load_driver"; }

protected:
  caf::behavior make_behavior() override {
    started_ = now();
    while (sent_ < plan_.requests && sent_ < plan_.concurrency)
      send_next();
    return {};
  }

private:
  http_actor guard_;
  load_plan plan_;
  std::shared_ptr<std::promise<load_report>> result_;
  load_report report_;
  caf::actor_clock::time_point started_;
  std::uint64_t sent_ = 0;

  [[nodiscard]] caf::actor_clock::time_point now() const { return home_system().clock().now(); }

  void send_next() {
    const auto since = now();
    bulwark::compat::request(this, caf::actor_cast<caf::actor>(guard_),
                             http_request{plan_.path(++sent_)})
        .then(
            [this, since](const http_response& response) {
              ++report_.answered;
              take("HTTP " + std::to_string(response.status), false, since);
            },
            [this, since](const caf::error& reason) {
              take(outcome_of(reason), is_refusal(reason), since);
            });
  }

  void take(const std::string& outcome, bool refused, caf::actor_clock::time_point since) {
    ++report_.calls;
    ++report_.outcomes[outcome];
    if (!refused)
      report_.latency.record(now() - since);
    if (sent_ < plan_.requests) {
      send_next();
    } else if (report_.calls == plan_.requests) {
      report_.elapsed = now() - started_;
      result_->set_value(std::move(report_));
      quit();
    }
  }
};

std::string code_of(const caf::error& reason) {
  const auto is = [&](auto code) { return reason.category() == caf::type_id_v<decltype(code)>; };
  if (is(bulwark::errc{}))
    return to_string(static_cast<bulwark::errc>(reason.code()));
  if (is(http_errc{}))
    return to_string(static_cast<http_errc>(reason.code()));
  return to_string(reason);
}

} // namespace

std::uint64_t load_report::count(const std::string& outcome) const {
  const auto found = outcomes.find(outcome);
  return found == outcomes.end() ? 0 : found->second;
}

std::string outcome_of(const caf::error& reason) {
  const auto last = bulwark::last_error_of(reason);
  const auto exhausted = reason == bulwark::errc::retries_exhausted;
  return exhausted && last ? code_of(reason) + " (" + code_of(last) + ")" : code_of(reason);
}

std::future<load_report> start_load(caf::actor_system& system, const http_actor& guard,
                                    load_plan plan) {
  auto result = std::make_shared<std::promise<load_report>>();
  system.spawn<load_driver>(guard, std::move(plan), result);
  return result->get_future();
}

} // namespace apps
