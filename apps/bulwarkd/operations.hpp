#pragma once

#include "bulwarkd/admin/server.hpp"
#include "bulwarkd/command_line.hpp"
#include "bulwarkd/hosted_node.hpp"
#include "bulwarkd/journal.hpp"
#include "bulwarkd/steering.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace bulwarkd {

/// A hosted node with all that watches and steers it: log, journal, admin port.
class operations {
public:
  /// `token`: what bulwark.admin.token-file holds. Throws where a port can't be opened.
  operations(caf::actor_system& system, const configuration& told, const caf::settings& settings,
             std::function<command_line()> read, const target_table& targets,
             const std::string& token);
  operations(const operations&) = delete;
  operations& operator=(const operations&) = delete;
  ~operations();

  /// Has the files read again; what came of it is in the log. `who`: for the journal.
  void reload(const std::string& who);

  /// The node is about to end: from now on nothing is changed any more, and the admin port says that
  /// it isn't ready. Returns how long calls in progress may take.
  bulwark::timespan begin_to_end();
  /// As hosted_node::drain(). Requires: begin_to_end().
  bool drain() { return node_.drain(); }

private:
  std::unique_ptr<journal> journal_; // null: none is kept
  std::mutex listener_mutex_;
  admin_server* listener_ = nullptr; // server_, while it is whole
  hosted_node node_;
  steering steered_;
  std::unique_ptr<admin_server> server_;

  void on_transition(const bulwark::circuit_event& event);
  void on_change(const steering_note& note);
  void write(journal_kind kind, const std::string& who, const std::string& what,
             const std::string& from = {}, const std::string& to = {});
  void open_admin_port(const admin_port_settings& told, const std::string& token);
};

/// What the file holds, without white space around it; or what is wrong with it.
struct token_reading {
  std::string token;
  mistakes wrong;
};
[[nodiscard]] token_reading read_token(const std::string& file);

} // namespace bulwarkd
