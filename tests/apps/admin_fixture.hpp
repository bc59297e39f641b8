#pragma once

#include "apps/http_client.hpp"
#include "bulwarkd/admin/server.hpp"
#include "support/real_system.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// Steers nothing: knows guards by what the test says, and remembers what it was told.
class fake_control : public bulwarkd::control {
public:
  std::vector<bulwarkd::guard_summary> guards;
  bulwarkd::change_report next; ///< What the next change answers.
  std::map<std::string, std::string> breakers_told;

  struct change {
    std::string guard = {};
    caf::settings fields = {};
    std::string who = {};
    bool only_show = false;
  };
  std::vector<change> changes;

  bulwarkd::change_report reload(const std::string& who, bool only_show) override {
    std::lock_guard guard{mutex_};
    changes.push_back({.who = who, .only_show = only_show});
    return next;
  }

  bulwarkd::change_report change_guard(const std::string& name, const caf::settings& fields,
                                       const std::string& who, bool only_show) override {
    std::lock_guard guard{mutex_};
    changes.push_back({.guard = name, .fields = fields, .who = who, .only_show = only_show});
    return next;
  }

  [[nodiscard]] nlohmann::json guard_settings_json(const std::string& guard) const override {
    for (const auto& each : guard_overview())
      if (each.name == guard)
        return {{"deadline", "5s"}, {"retry", {{"max-attempts", 3}}}};
    return {};
  }

  [[nodiscard]] std::vector<bulwarkd::guard_summary> guard_overview() const override {
    std::lock_guard guard{mutex_};
    return guards;
  }

  bulwarkd::operated operate_breaker(const std::string& name, const std::string& action,
                                     const std::string& who) override {
    std::lock_guard guard{mutex_};
    if (name == "silent")
      return bulwarkd::operated::unanswered;
    if (name != "db")
      return bulwarkd::operated::unknown;
    breakers_told[name] = action + " by " + who;
    return bulwarkd::operated::done;
  }

private:
  mutable std::mutex mutex_;
};

/// A node whose guard `db` is called, with its admin port.
struct admin_fixture {
  real_system sys;
  bulwark::node node{*sys, "a"};
  fake_control steering;
  bulwarkd::admin_settings settings{.token = "secret token"};
  bulwarkd::journal_reader journal = {};
  bulwarkd::page_lookup page = {};
  caf::actor target = sys->spawn(doubling_target);
  std::map<std::string, caf::actor> guards;
  std::unique_ptr<bulwarkd::admin_server> server;
  std::mutex server_mutex; // who tells it what happens is an actor
  caf::actor watcher;

  ~admin_fixture() {
    end();
    if (watcher)
      sys.kill(watcher);
  }

  caf::actor guard(const std::string& name, bulwark::guard_policy policy = {}) {
    if (!policy.breaker.index())
      policy.breaker = bulwark::circuit_breaker_policy{.failure_threshold = 2,
                                                       .open_for = std::chrono::hours{1}};
    auto made = node.guard(name, target, policy);
    guards[name] = made;
    steering.guards.push_back({.name = name, .target = "doubling", .breaker = name});
    return made;
  }

  void serve() {
    end();
    auto made = std::make_unique<bulwarkd::admin_server>(node, steering, settings, journal, page);
    std::lock_guard guard{server_mutex};
    server = std::move(made);
    if (!watcher)
      watcher = sys->spawn([this](caf::event_based_actor* self) { return watch(self); });
  }

  void end() {
    std::unique_ptr<bulwarkd::admin_server> ended;
    std::lock_guard guard{server_mutex};
    ended = std::move(server);
  }

  [[nodiscard]] std::uint16_t port() const { return server->port(); }

  [[nodiscard]] http_answer get(const std::string& path, const http_request& more = {}) const {
    return http(port(), "GET", path, more);
  }

  [[nodiscard]] nlohmann::json get_json(const std::string& path) const {
    return nlohmann::json::parse(get(path).body);
  }

  /// With the token.
  [[nodiscard]] http_answer change(const std::string& method, const std::string& path,
                                   const std::string& body = {},
                                   const std::string& type = "application/json") const {
    return http(port(), method, path,
                {.headers = {{"Authorization", "Bearer secret token"}, {"Content-Type", type}},
                 .body = body});
  }

  /// Opens the circuit of `db` by failures.
  void trip(const std::string& name = "db") {
    for (int i = 0; i < 2; ++i)
      sys.ask(guards.at(name), ask_atom_v, -1);
  }

private:
  caf::behavior watch(caf::event_based_actor* self) {
    bulwark::compat::request(self, node.registry(), bulwark::subscribe_atom_v).then([] {});
    return {[this](const bulwark::circuit_event& event) {
              std::lock_guard guard{server_mutex};
              if (server)
                server->tell_transition(event);
            },
            [](const bulwark::rejection_event&) {}};
  }
};

} // namespace bulwark_tests
