#pragma once

#include "bulwark/all.hpp"
#include "bulwarkd/admin/settings.hpp"
#include "bulwarkd/control.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulwarkd {

/// A line of the journal, as the API tells it.
struct journal_line {
  std::uint64_t id = 0;
  std::chrono::system_clock::time_point time{};
  std::string kind = {};
  std::string who = {};
  std::string what = {};
  std::string from = {};
  std::string to = {};
};

/// The newest lines before one, at most so many, the newest first. Called from any thread.
using journal_reader = std::function<std::vector<journal_line>(
    std::size_t limit, std::optional<std::uint64_t> before)>;

/// A file of the page.
struct page_file {
  std::string_view content_type = {};
  std::string_view content = {}; ///< Outlives the server.
};

/// By path, "/" first; nullopt where there is none. Called from any thread.
using page_lookup = std::function<std::optional<page_file>(std::string_view path)>;

/// A node's admin port: what it counts, what happens, and how it is steered, by HTTP. See
/// docs/openapi.json.
///
/// It asks the node only when somebody asks it, and hears of refusals only while somebody listens. It
/// has its own threads: however it is used, no actor of the node waits for it.
class admin_server {
public:
  /// Serves when this returns. `journal` and `page` may be empty. All but the settings have to
  /// outlive it. Throws std::runtime_error where the port can't be had.
  admin_server(bulwark::node& node, control& steering, const admin_settings& settings,
               journal_reader journal = {}, page_lookup page = {});
  admin_server(const admin_server&) = delete;
  admin_server& operator=(const admin_server&) = delete;
  /// Cuts all connections. Before the node ends, and outside of actors: it waits.
  ~admin_server();

  [[nodiscard]] std::uint16_t port() const noexcept;

  /// From now on /readyz says no. The rest goes on: what a node does while it drains is watched.
  void start_draining();

  /// Tells those who listen of a transition, and keeps it for who comes later. By whoever owns it:
  /// it hears of none by itself. Any thread.
  void tell_transition(const bulwark::circuit_event& event);

  /// The same when somebody has changed something; by whoever changes it, over HTTP or not.
  void tell_change(const std::string& who, const std::string& what, const std::string& from,
                   const std::string& to);

  /// Whether guards tell it what they refuse: while somebody listens, and a while after.
  [[nodiscard]] bool is_subscribed() const;

private:
  class server;
  std::unique_ptr<server> server_;
};

} // namespace bulwarkd
