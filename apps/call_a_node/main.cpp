// Uses a node from another process, by the messages of bulwark/protocol.hpp alone: it has no node,
// no guard and no part of its own.

#include "bulwark/protocol.hpp"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>

#include <charconv>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#if CALL_A_NODE_WITH_TLS
#include <caf/openssl/all.hpp>
#endif

using namespace std::chrono_literals;

namespace {

enum exit_code : int { answered = 0, not_answered = 1, wrong_command_line = 2 };

constexpr auto usage = R"(usage: call_a_node [OPTIONS] HOST:PORT COMMAND

  call NAME VALUE   call the guard NAME with a number (int32_t) or a text, print its reply
  list              what the node has
  stats [NAME]      what it, or what is called NAME, has counted
  cluster           what it and the nodes that it is connected to have counted
  watch             transitions and rejections as they come, until the node is lost

Options, all three for a port with TLS:
  --caf.openssl.certificate=FILE --caf.openssl.key=FILE --caf.openssl.cafile=FILE
)";

struct config : caf::actor_system_config {
  config() {
    load<caf::io::middleman>();
#if CALL_A_NODE_WITH_TLS
    load<caf::openssl::manager>();
#endif
  }
};

// How long we are going to wait: the node is told, and gives up when we do.
constexpr auto patience = 10s;

int complain(const caf::error& why) {
  std::cerr << "call_a_node: " << to_string(why) << '\n';
  return not_answered;
}

caf::expected<caf::actor> find_door(caf::actor_system& sys, const std::string& host,
                                    std::uint16_t port) {
#if CALL_A_NODE_WITH_TLS
  if (sys.openssl_manager().authentication_enabled())
    return caf::openssl::remote_actor(sys, host, port);
#endif
  return sys.middleman().remote_actor(host, port);
}

// Asks, and prints the answer with `print`. CAF says nothing where a message can't be read over
// there: so there is a limit.
template <class Print, class... Question>
int ask(caf::actor_system& sys, const caf::actor& door, Print print, Question... question) {
  auto result = int{answered};
  caf::scoped_actor self{sys};
  bulwark::compat::request_within(self, door, patience + 1s, std::move(question)...)
      .receive(print, [&result](const caf::error& why) { result = complain(why); });
  return result;
}

template <class T>
int call(caf::actor_system& sys, const caf::actor& door, const std::string& name, const T& value) {
  // [call]
  const bulwark::call_context context{.remaining = patience};
  return ask(
      sys, door, [](const T& reply) { std::cout << reply << '\n'; }, bulwark::call_atom_v, name,
      context, caf::make_message(value));
  // [/call]
}

void print_books(const std::string& whose, const bulwark::counters& x,
                 const std::string& more = {}) {
  std::cout << whose << ": " << x.calls << " calls, " << x.succeeded << " succeeded, " << x.failed
            << " failed, " << x.rejected << " rejected, " << x.timed_out << " timed out, "
            << x.cancelled << " cancelled, " << x.in_flight << " in flight" << more << '\n';
}

void print_stats(const bulwark::node_stats& stats) {
  for (const auto& x : stats.guards)
    print_books("guard " + x.name, x.calls);
  for (const auto& x : stats.circuit_breakers)
    print_books("circuit breaker " + x.name + " (" + to_string(x.state) + ")", x.calls);
  for (const auto& x : stats.bulkheads)
    std::cout << "bulkhead " << x.name << ": " << x.active << " of " << x.max_workers
              << " at work, " << x.queued << " waiting\n";
}

// Of each node also what the processes before the last had counted: the total has it too.
void print_cluster(const bulwark::cluster_stats& stats) {
  for (const auto& x : stats.nodes) {
    auto books = x.stats.total;
    books += x.earlier;
    auto whose = "node " + x.name;
    if (!x.address.empty() && x.address != x.name)
      whose += " at " + x.address;
    whose += " (" + to_string(x.state);
    if (x.age)
      whose += ", " + bulwark::to_text(*x.age) + " old";
    print_books(whose + ")", books);
  }
  print_books("all", stats.total,
              " (" + std::to_string(stats.unresolved) + " of them lost), p99 "
                  + bulwark::to_text(stats.latency.quantile(0.99)));
}

void print_parts(const std::vector<bulwark::part_info>& parts) {
  for (const auto& part : parts)
    std::cout << to_string(part.kind) << ' ' << part.name << '\n';
}

caf::behavior watcher(caf::event_based_actor* self, const caf::actor& door) {
  bulwark::compat::set_down_handler(self, [self](const caf::down_msg&) { self->quit(); });
  bulwark::compat::watch(self, door);
  bulwark::compat::request(self, door, bulwark::subscribe_atom_v)
      .then([] { std::cout << "watching" << std::endl; },
            [self](const caf::error& why) {
              complain(why);
              self->quit();
            });
  return {
      [](const bulwark::circuit_event& event) {
        std::cout << event.name << ": " << to_string(event.from) << " -> " << to_string(event.to)
                  << std::endl;
      },
      [](const bulwark::rejection_event& event) {
        std::cout << event.guard << ": " << to_string(event.why) << " by " << event.part
                  << std::endl;
      },
  };
}

int watch(caf::actor_system& sys, const caf::actor& door) {
  caf::scoped_actor self{sys};
  self->wait_for(sys.spawn(watcher, door));
  return answered;
}

template <class T>
std::optional<T> number(const std::string& text) {
  T result = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, result);
  return read.ec == std::errc{} && read.ptr == end ? std::optional{result} : std::nullopt;
}

int run(caf::actor_system& sys, const std::vector<std::string>& words) {
  const auto colon = words.empty() ? std::string::npos : words[0].rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : number<std::uint16_t>(words[0].substr(colon + 1));
  const auto command = words.size() > 1 ? words[1] : std::string{};
  const auto is = [&](const char* name, std::size_t least, std::size_t most) {
    return command == name && words.size() >= least && words.size() <= most;
  };
  if (!port
      || !(is("call", 4, 4) || is("list", 2, 2) || is("stats", 2, 3) || is("cluster", 2, 2)
           || is("watch", 2, 2))) {
    std::cerr << usage;
    return wrong_command_line;
  }
  const auto door = find_door(sys, words[0].substr(0, colon), *port);
  if (!door)
    return complain(door.error());
  if (command == "list")
    return ask(sys, *door, print_parts, bulwark::list_atom_v);
  if (command == "cluster")
    return ask(sys, *door, print_cluster, bulwark::get_cluster_stats_atom_v);
  if (command == "watch")
    return watch(sys, *door);
  if (command == "stats")
    return words.size() == 2 ? ask(sys, *door, print_stats, bulwark::get_all_stats_atom_v)
                             : ask(sys, *door, print_stats, bulwark::get_stats_atom_v, words[2]);
  if (const auto value = number<std::int32_t>(words[3]))
    return call(sys, *door, words[2], *value);
  return call(sys, *door, words[2], words[3]);
}

} // namespace

int main(int argc, char** argv) {
  caf::init_global_meta_objects<caf::id_block::bulwark>();
  caf::io::middleman::init_global_meta_objects();
  caf::core::init_global_meta_objects();
  std::vector<std::string> options; // CAF's
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    (word.rfind("--", 0) == 0 ? options : words).push_back(word);
  }
  config settings;
  if (const auto wrong = settings.parse(options)) {
    std::cerr << "call_a_node: " << to_string(wrong) << '\n' << usage;
    return wrong_command_line;
  }
  try {
    caf::actor_system sys{settings};
    return run(sys, words);
  } catch (const std::exception& error) { // of caf-openssl, about its files
    std::cerr << "call_a_node: " << error.what() << '\n';
    return wrong_command_line;
  }
}
