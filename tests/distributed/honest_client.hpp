#pragma once

#include "distributed/basp_frame.hpp"
#include "distributed/relay.hpp"
#include "support/networked_system.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

namespace bulwark_tests {

/// A node that calls a peer's guard "db" without a pause, in a thread of its own, and counts what
/// comes of it.
class honest_client {
public:
  struct result {
    std::size_t right = 0;
    std::size_t wrong = 0; ///< Another value than what was asked for.
    std::size_t failed = 0;
    std::chrono::steady_clock::duration longest = {};
    std::string last_error = {};
  };

  explicit honest_client(std::uint16_t port, const std::vector<middleman_setting>& settings = {})
      : sys_(settings),
        remote_(bulwark::connect(node_, "127.0.0.1", port)),
        connected_(remote_.wait_until_connected(std::chrono::seconds{60})),
        db_(remote_.guard("db", {.deadline = std::chrono::seconds{10}})),
        thread_([this] { run(); }) {}
  honest_client(const honest_client&) = delete;
  honest_client& operator=(const honest_client&) = delete;
  ~honest_client() { stop(); }

  [[nodiscard]] bool connected() const { return connected_; }

  /// Blocks until one more call has been answered.
  void wait_for_answer() const {
    const auto before = answers_.load();
    answers_.wait(before);
  }

  result stop() {
    stopped_ = true;
    if (thread_.joinable())
      thread_.join();
    return result_;
  }

private:
  networked_system sys_;
  bulwark::node node_{*sys_};
  bulwark::remote_node remote_;
  bool connected_;
  caf::actor db_;
  std::atomic<bool> stopped_ = false;
  std::atomic<std::size_t> answers_ = 0;
  result result_;
  std::thread thread_;

  void run() {
    for (std::int32_t i = 0; !stopped_; i = (i + 1) % 1'000'000) {
      const auto begin = std::chrono::steady_clock::now();
      const auto answer = sys_.ask(db_, bulwark::get_atom_v, i);
      result_.longest = std::max(result_.longest, std::chrono::steady_clock::now() - begin);
      if (answer->is_error()) {
        ++result_.failed;
        result_.last_error = caf::to_string(answer->error());
      } else if (answer->as<std::int32_t>() == 2 * i) {
        ++result_.right;
      } else {
        ++result_.wrong;
      }
      ++answers_;
      answers_.notify_all();
    }
  }
};

/// What a node says to a peer, taken down at a relay between them: handshake, calls, all that the
/// door understands, monitoring, exit messages, heartbeats.
struct conversation {
  std::vector<basp_frame> to_peer;
  std::vector<basp_frame> from_peer;

  explicit conversation(std::uint16_t port) {
    relay line{port};
    line.record();
    {
      networked_system sys{quick_heartbeats};
      bulwark::node node{*sys};
      auto remote = bulwark::connect(node, "127.0.0.1", line.port());
      if (!remote.wait_until_connected(std::chrono::seconds{60}))
        throw std::runtime_error{"no conversation"};
      auto db = remote.guard("db", {.deadline = std::chrono::seconds{1}});
      auto door = sys->middleman().remote_actor("127.0.0.1", line.port());
      if (!door)
        throw std::runtime_error{"no door"};
      sys.ask(db, bulwark::get_atom_v, std::int32_t{1});
      sys.ask(db, bulwark::reset_atom_v);
      sys.ask(db, payload{std::string(500, 'x')});
      sys.ask(*door, bulwark::list_atom_v);
      sys.ask(*door, bulwark::get_all_stats_atom_v);
      sys.ask(*door, bulwark::get_stats_atom_v, std::string{"db"});
      sys.ask(*door, bulwark::subscribe_atom_v);
      sys.send(*door, caf::exit_msg{db.address(), caf::exit_reason::kill});
      sys.send(*door, caf::down_msg{db.address(), caf::exit_reason::kill});
      auto linked = sys->spawn([&door](caf::event_based_actor* self) -> caf::behavior {
        self->link_to(*door);
        return {[](bulwark::get_atom) { return 1; }};
      });
      sys.ask(linked, bulwark::get_atom_v);
      sys.kill(linked);
      sys.ask(*door, bulwark::list_atom_v);
    }
    to_peer = basp_frame::all_of(line.recorded(relay::way::to_target));
    from_peer = basp_frame::all_of(line.recorded(relay::way::to_dialler));
  }

  /// A client's handshake in the name of a node that is not there.
  [[nodiscard]] basp_frame handshake(std::uint64_t forged_node) const {
    auto result = of(basp_frame::client_handshake);
    for (std::size_t i = 0; i < 8 && i < result.payload.size(); ++i, forged_node >>= 8U)
      result.payload[result.payload.size() - 1 - i] = static_cast<std::uint8_t>(forged_node);
    return result;
  }

  /// The first one of that kind that was said to the peer.
  [[nodiscard]] basp_frame of(basp_frame::operation what) const {
    for (const auto& each : to_peer)
      if (each.what() == what)
        return each;
    throw std::runtime_error{"nothing of that kind was said"};
  }
};

} // namespace bulwark_tests
