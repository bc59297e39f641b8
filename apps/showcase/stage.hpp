#pragma once

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace showcase {

/// A scene did not show what it says.
struct broken_claim : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What came back for a request: a value or an error.
template <class T>
class answer {
public:
  void take(T value) { value_ = std::move(value); }
  void take(caf::error reason) { error_ = std::move(reason); }

  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] const caf::error& error() const noexcept { return error_; }

  /// An error where a value is needed breaks the scene.
  [[nodiscard]] const T& value() const {
    if (!value_)
      throw broken_claim{"there is an answer, not " + to_string(error_)};
    return *value_;
  }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }

private:
  std::optional<T> value_;
  caf::error error_;
};

/// Where the scenes play: one actor system with one node. Tells what happens, a line an event, with
/// the seconds since the beginning; what the registry hears of is told too.
///
/// Thread safety: what prints may be called from any thread, the rest from main()'s.
class stage {
public:
  stage(caf::actor_system& system, bool coloured);
  stage(const stage&) = delete;
  stage& operator=(const stage&) = delete;
  ~stage();

  [[nodiscard]] caf::actor_system& system() noexcept { return system_; }
  [[nodiscard]] bulwark::node& node() noexcept { return node_; }
  [[nodiscard]] bulwark::instant now() const;

  // -- telling

  void title(const std::string& name, const std::string& what);
  void say(const std::string& text);
  /// A check that is told. Throws broken_claim where it doesn't hold.
  void claim(bool holds, const std::string& text);

  // -- asking

  /// Sends a request, and blocks until its answer is there.
  template <class T = std::string, class Handle, class... Ts>
  answer<T> ask(const Handle& whom, Ts&&... content) {
    answer<T> result;
    bulwark::compat::request(self_, caf::actor_cast<caf::actor>(whom), std::forward<Ts>(content)...)
        .receive([&](T& value) { result.take(std::move(value)); },
                 [&](caf::error& reason) { result.take(std::move(reason)); });
    return result;
  }

  /// The same where the answer is only that it is done.
  template <class Handle, class... Ts>
  void tell(const Handle& whom, Ts&&... content) {
    bulwark::compat::request(self_, caf::actor_cast<caf::actor>(whom), std::forward<Ts>(content)...)
        .receive([] {}, [&](caf::error& reason) { throw broken_claim{to_string(reason)}; });
  }

  /// Sends so many requests at once, and waits for all answers: how often which came, "ok" or the
  /// error's code.
  template <class T = std::string, class Handle, class... Ts>
  std::map<std::string, int> ask_at_once(int how_many, const Handle& whom, const Ts&... content) {
    using response = decltype(bulwark::compat::request(self_, caf::actor_cast<caf::actor>(whom),
                                                       Ts{content}...));
    std::vector<response> under_way;
    under_way.reserve(static_cast<std::size_t>(how_many));
    for (int i = 0; i < how_many; ++i)
      under_way.push_back(
          bulwark::compat::request(self_, caf::actor_cast<caf::actor>(whom), Ts{content}...));
    std::map<std::string, int> result;
    for (auto& each : under_way)
      std::move(each).receive([&](T&) { ++result["ok"]; },
                              [&](caf::error& reason) { ++result[code_of(reason)]; });
    return result;
  }

  /// Blocks until the breaker `name` has gone to `to` since the last call for it, five seconds at
  /// most. The claim is that it does.
  void await(const std::string& name, bulwark::circuit_state to);

  /// Blocks until it is in that state, where it may have been there before and gone again.
  void await_at_last(const std::string& name, bulwark::circuit_state state);

  /// Its handle is kept to the end, so that the closing table has it.
  template <class Handle>
  Handle keep(Handle handle) {
    kept_.push_back(caf::actor_cast<caf::actor>(handle));
    return handle;
  }

  /// The closing table, and the check of the books. Waits for abandoned functions before.
  void close_the_books();

private:
  caf::actor_system& system_;
  bulwark::node node_;
  caf::scoped_actor self_;
  bool coloured_;
  bulwark::instant started_;
  std::mutex printing_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bulwark::circuit_event> transitions_;
  std::size_t awaited_ = 0; // of these
  std::vector<caf::actor> kept_;
  caf::actor listener_;

  static std::string code_of(const caf::error& reason);
  void print(bulwark::instant when, const std::string& text);
  [[nodiscard]] std::string painted(const std::string& text, const char* colour) const;
  [[nodiscard]] std::string painted(bulwark::circuit_state state) const;
  void on_transition(const bulwark::circuit_event& event);
  template <class Condition>
  void wait_until(Condition come, const std::string& what);
};

/// "ok: 5, bulkhead_full: 3"
template <class Number>
std::string to_text(const std::map<std::string, Number>& outcomes) {
  std::string text;
  for (const auto& [name, count] : outcomes)
    text += (text.empty() ? "" : ", ") + name + ": " + std::to_string(count);
  return text;
}

/// bulwark's errors as the sentence that is in them, others as CAF writes them.
std::string to_text(const caf::error& reason);

template <class T>
std::string to_text(const answer<T>& what) {
  return what ? caf::deep_to_string(*what) : to_text(what.error());
}

/// Whether it is bulwark's error of that code.
template <class T>
bool is(const answer<T>& what, bulwark::errc code) {
  return !what && what.error() == code;
}

} // namespace showcase
