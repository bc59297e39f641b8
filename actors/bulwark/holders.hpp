#pragma once

#include "bulwark/change_mark.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace bulwark {

/// Asks many actors one question and waits until all have answered or ended.
class gathering {
public:
  /// Sends `question(number)` to each of `asked`; calls `done` after the last answer, at once where
  /// nobody is left to ask.
  template <class Question>
  void ask(caf::event_based_actor* self, const std::vector<caf::actor_addr>& asked,
           Question question, std::function<void()> done) {
    const auto number = ++last_round_;
    auto& open = rounds_[number];
    open.done = std::move(done);
    try {
      for (const auto& address : asked) {
        if (auto to = caf::actor_cast<caf::strong_actor_ptr>(address)) {
          open.missing.insert(address);
          compat::deliver(to, caf::strong_actor_ptr{self->ctrl()}, caf::make_message_id(),
                          caf::make_message(question(number)), self->context());
        }
      }
    } catch (...) { // memory: who wasn't asked won't answer
      rounds_.erase(number);
      throw;
    }
    close_if_complete(number);
  }

  void answered(std::uint64_t round, const caf::actor_addr& by);
  void lost(const caf::actor_addr& whom);
  /// Whether the round goes on, and lacks the answer of `whom`.
  [[nodiscard]] bool awaits(std::uint64_t round, const caf::actor_addr& whom) const;

private:
  struct round {
    std::unordered_set<caf::actor_addr> missing;
    std::function<void()> done;
  };

  std::uint64_t last_round_ = 0;
  std::map<std::uint64_t, round> rounds_;

  void close_if_complete(std::uint64_t round);
};

/// The supervisors that act for a part, and what they have counted of it. Nothing is
/// counted twice or lost: a supervisor always says all that it has counted so far, and says it a
/// last time before it ends.
class holders {
public:
  /// Whether `address` was new. A null one, of an anonymous message, is nobody: CAF can't hash it.
  bool attach(const caf::actor_addr& address) {
    return address && books_.try_emplace(address).second;
  }

  [[nodiscard]] bool contains(const caf::actor_addr& address) const {
    return address && books_.count(address) > 0;
  }

  /// Whether `address` was one of them. Its last report is kept.
  bool on_down(const caf::actor_addr& address);
  void on_report(const books_report& report);

  /// Calls `done` when all have reported.
  void gather(caf::event_based_actor* self, std::function<void()> done);

  /// The sum over all that there were; `which` is one of books_report's.
  [[nodiscard]] counters total(counters books_report::*which) const;
  [[nodiscard]] std::uint64_t abandoned() const;

  [[nodiscard]] std::vector<caf::actor_addr> addresses() const;

  /// Set by each of them before it counts anything of the part. Thread-safe.
  [[nodiscard]] const shared_change_mark_ptr& mark() const noexcept { return mark_; }

private:
  const shared_change_mark_ptr mark_ = caf::make_counted<shared_change_mark>();
  // None: has counted nothing yet. There may be a million, and most of them idle.
  std::unordered_map<caf::actor_addr, std::unique_ptr<books_report>> books_;
  books_report ended_;
  gathering gathering_;
};

} // namespace bulwark
