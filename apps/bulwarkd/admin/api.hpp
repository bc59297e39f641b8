#pragma once

#include "bulwark/all.hpp"
#include "bulwarkd/admin/event_hub.hpp"
#include "bulwarkd/admin/exchange.hpp"
#include "bulwarkd/admin/part_json.hpp"
#include "bulwarkd/admin/server.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

namespace bulwarkd {

/// What the admin port answers, path by path. Any thread.
class admin_api {
public:
  admin_api(bulwark::node& node, control& steering, event_hub& events,
            const admin_settings& settings, journal_reader journal, page_lookup page);

  /// Whether the request may go on: false where it has been refused.
  bool pass(const httplib::Request& request, httplib::Response& response) const;
  void handle(exchange& with);

  void start_draining() { draining_ = true; }

private:
  using handler = void (admin_api::*)(exchange&);
  struct route;

  bulwark::node& node_;
  control& control_;
  event_hub& events_;
  admin_settings settings_;
  journal_reader journal_;
  page_lookup page_;
  std::atomic<bool> draining_ = false;
  std::atomic<int> calls_ = 0; // by hand, in progress

  static const std::vector<route>& routes();

  // Reading.
  void health(exchange& with);
  void ready(exchange& with);
  void all_guards(exchange& with);
  void one_guard(exchange& with);
  void all_parts(exchange& with);
  void why(exchange& with);
  void nodes(exchange& with);
  void journal(exchange& with);
  void events(exchange& with);
  void metrics(exchange& with);
  void page(exchange& with);

  // Changing.
  void operate(exchange& with);
  void change_policy(exchange& with);
  void reload(exchange& with);
  void call(exchange& with);

  [[nodiscard]] std::optional<bulwark::node_stats> stats_or_refuse(exchange& with,
                                                                   const std::string* name);
};

/// What is known of how a breaker came to its state, beside what it counts.
[[nodiscard]] breaker_history history_of(bulwark::node& node,
                                         const bulwark::circuit_breaker_stats& breaker);

} // namespace bulwarkd
