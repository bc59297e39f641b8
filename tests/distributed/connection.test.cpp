// What a connection goes through and what its owner is told of it, over a transport of the test's own.
#include "support/catch.hpp"
#include "support/networked_system.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

/// What is told, in turn; next() waits for it.
template <class T>
class channel {
public:
  void put(T value) {
    {
      std::lock_guard guard{mutex_};
      values_.push_back(std::move(value));
    }
    more_.notify_all();
  }

  T next() {
    std::unique_lock guard{mutex_};
    if (!more_.wait_for(guard, 60s, [this] { return !values_.empty(); }))
      throw std::runtime_error{"nothing was told"};
    auto result = std::move(values_.front());
    values_.pop_front();
    return result;
  }

private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<T> values_;
};

using dialled = caf::result<caf::node_id, caf::strong_actor_ptr, std::set<std::string>>;

/// Dials as CAF's middleman does, but what comes of it is the test's: an actor, or an error where
/// there is none. Each dial is told.
struct transport {
  channel<std::string> dials;
  channel<caf::strong_actor_ptr> doors;

  caf::behavior behavior() {
    return {
        [this](caf::connect_atom, const std::string& host, std::uint16_t port) -> dialled {
          dials.put(host + ":" + std::to_string(port));
          auto door = doors.next();
          if (!door)
            return caf::make_error(caf::sec::cannot_connect_to_node);
          return {door->node(), door, std::set<std::string>{}};
        },
    };
  }
};

struct change {
  bool connected;
  caf::error why;
};

caf::behavior any_door() {
  return {[](call_atom, const std::string& name, const call_context&, const caf::message&) {
    return name;
  }};
}

} // namespace

TEST_CASE("who connects is told of connections and of their loss and once why there is none "
          "[D31] [D32]",
          "[distributed]") {
  networked_system sys;
  transport line;
  channel<change> told;
  auto dialler = sys->spawn<caf::detached>([&line] { return line.behavior(); });
  {
    bulwark::node node{*sys};
    const auto peer =
        connect(node, "node2.example.org", 4711,
                {.transport = dialler, .on_change = [&](bool connected, const caf::error& why) {
                   told.put({connected, why});
                 }});
    for (int i = 0; i < 3; ++i) {
      CHECK(line.dials.next() == "node2.example.org:4711");
      line.doors.put(nullptr);
    }
    auto door = sys->spawn(any_door);
    line.doors.put(caf::actor_cast<caf::strong_actor_ptr>(door));
    auto change = told.next(); // once, though it was dialled three times in vain
    CHECK_FALSE(change.connected);
    CHECK(change.why == caf::sec::cannot_connect_to_node);
    change = told.next();
    CHECK(change.connected);
    CHECK(peer.connected());
    sys.kill(door);
    change = told.next();
    CHECK_FALSE(change.connected);
    line.doors.put(nullptr);
    change = told.next();
    CHECK_FALSE(change.connected);
    CHECK(change.why == caf::sec::cannot_connect_to_node);
    door = sys->spawn(any_door);
    line.doors.put(caf::actor_cast<caf::strong_actor_ptr>(door));
    CHECK(told.next().connected);
    sys.kill(door);
    line.doors.put(nullptr);
  }
  for (int i = 0; i < 3; ++i)
    line.doors.put(nullptr); // whoever still dials shall not wait
  sys.kill(dialler);
}

TEST_CASE("a guard of another node may have a name of its own here [D31]", "[distributed]") {
  networked_system sys;
  transport line;
  auto dialler = sys->spawn<caf::detached>([&line] { return line.behavior(); });
  auto door = sys->spawn(any_door);
  line.doors.put(caf::actor_cast<caf::strong_actor_ptr>(door));
  {
    bulwark::node node{*sys};
    const auto peer = connect(node, "node2.example.org", 4711, {.transport = dialler});
    REQUIRE(peer.wait_until_connected(60s));
    auto guard = peer.guard("there", {}, "here");
    CHECK(sys.get<std::string>(guard, ask_atom_v, std::int32_t{1}) == "there");
    CHECK(sys.get<guard_stats>(guard, get_stats_atom_v).name == "here");
    CHECK(sys.get<std::string>(node.front_door(), call_atom_v, std::string{"here"}, call_context{},
                               caf::make_message(ask_atom_v, std::int32_t{1}))
          == "there");
    CHECK_THROWS_AS(peer.guard("there", {}, "here"), policy_error);
  }
  sys.kill(door);
  sys.kill(dialler);
}

TEST_CASE("a port is opened and closed by the transport that is given [D32]", "[distributed]") {
  networked_system sys;
  channel<std::uint16_t> closed;
  auto opener = sys->spawn([&closed]() -> caf::behavior {
    return {[](caf::publish_atom, std::uint16_t port, const caf::strong_actor_ptr& whom,
               const std::set<std::string>&, const std::string& address, bool) {
              return whom != nullptr && port == 0 && address == "::1" ? std::uint16_t{4711}
                                                                      : std::uint16_t{1};
            },
            [&closed](caf::close_atom, std::uint16_t port) { closed.put(port); }};
  });
  {
    bulwark::node node{*sys};
    CHECK(publish(node, 0, "::1", opener) == 4711);
  }
  CHECK(closed.next() == 4711);
  sys.kill(opener);
}
