#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>
#include <vector>

/// @file Whether what several clients saw at once could have been seen one after another.
///
/// Clients do operations, each between a moment when it was invoked and one when it returned. Their
/// history is linearizable if each operation can be given one moment in its own span at which it
/// happened, all at different moments, so that a sequential model which does them in this order gives
/// each the answer that it got.
///
/// The search is that of Wing & Gong, "Testing and Verifying Concurrent Objects", 1993: of the
/// operations that nobody has to come before, one after another is tried as the next. As Lowe has it
/// ("Testing for Linearizability", 2017; so do Knossos and porcupine), what was done and the state that
/// came of it are remembered, and never looked at twice.
///
/// Two things are added. A client's operations happen in the order in which it did them, also where
/// it didn't wait: messages of one actor to another keep their order. And a model may have several
/// next states, or none: time passes in it as it must, and what can't be is seen at once.

namespace bulwark_tests {

/// A moment; nanoseconds of the machine's steady clock.
using moment = std::int64_t;
inline constexpr moment no_end = std::numeric_limits<moment>::max();

template <class What>
struct operation {
  What what;           ///< What was done, and what was answered.
  moment invoked = 0;  ///< It happened no earlier.
  moment returned = 0; ///< It happened no later. `no_end`: perhaps it didn't happen at all.
};

/// Of each client what it did, in order.
template <class What>
using history = std::vector<std::vector<operation<What>>>;

struct verdict {
  bool linearizable = false;
  bool gave_up = false;             ///< More states than were to be looked at: nothing is known.
  std::uint64_t states = 0;         ///< That were looked at.
  std::vector<std::size_t> longest; ///< By client: how many operations could be ordered at most.
};

/// Searches for an order. `Model` is a state, with
///
///     std::vector<Model> after(const operation<What>&) const;   // all that may follow; none: can't be
///     bool complete() const;                                     // nothing is missing at the end
///     static bool only_reads(const What&);  // once it can happen it always can, and changes nothing
///     an order of its values by `<`, in which different states differ.
template <class Model, class What>
class linearizability_checker {
public:
  linearizability_checker(const history<What>& clients, std::uint64_t most_states)
      : clients_(clients), most_states_(most_states) {
    // By when an operation of the rest of a client's has to have happened.
    for (const auto& each : clients) {
      std::vector<moment> bounds(each.size() + 1, no_end);
      for (auto i = each.size(); i-- > 0;)
        bounds[i] = std::min(bounds[i + 1], each[i].returned);
      bounds_.push_back(std::move(bounds));
    }
  }

  verdict check(const Model& initial) {
    places at(clients_.size(), 0);
    result_.longest = at;
    result_.linearizable = search(at, initial);
    result_.gave_up = !result_.linearizable && result_.states >= most_states_;
    return result_;
  }

private:
  using places = std::vector<std::size_t>; // how far each client has come

  const history<What>& clients_;
  const std::uint64_t most_states_;
  std::vector<std::vector<moment>> bounds_;
  std::set<std::pair<places, Model>> seen_;
  verdict result_;

  bool search(places& at, const Model& state) {
    if (result_.states >= most_states_ || !seen_.emplace(at, state).second)
      return false;
    ++result_.states;
    remember(at);
    auto bound = no_end;
    for (std::size_t i = 0; i < at.size(); ++i)
      bound = std::min(bound, bounds_[i][at[i]]);
    if (bound == no_end && state.complete())
      return true; // what is left never returned
    const auto candidates = candidates_at(at, bound);
    // What changes nothing for others happens as well now as later: no other order need be tried.
    for (auto i : candidates) {
      const auto& next = clients_[i][at[i]];
      if (!Model::only_reads(next.what))
        continue;
      if (const auto then = state.after(next); !then.empty())
        return go_on(at, i, then);
    }
    return std::any_of(candidates.begin(), candidates.end(), [&](std::size_t i) {
      return go_on(at, i, state.after(clients_[i][at[i]]));
    });
  }

  bool go_on(places& at, std::size_t i, const std::vector<Model>& then) {
    ++at[i];
    const auto result =
        std::any_of(then.begin(), then.end(), [&](const Model& each) { return search(at, each); });
    --at[i];
    return result;
  }

  /// Those whose next operation nobody has to come before; what began first is the likeliest.
  std::vector<std::size_t> candidates_at(const places& at, moment bound) const {
    std::vector<std::size_t> result;
    const auto begin = [&](std::size_t i) { return clients_[i][at[i]].invoked; };
    for (std::size_t i = 0; i < at.size(); ++i)
      if (at[i] < clients_[i].size() && begin(i) <= bound)
        result.push_back(i);
    std::sort(result.begin(), result.end(),
              [&](std::size_t a, std::size_t b) { return begin(a) < begin(b); });
    return result;
  }

  void remember(const places& at) {
    const auto sum = [](const places& of) {
      std::size_t result = 0;
      for (auto each : of)
        result += each;
      return result;
    };
    if (sum(at) > sum(result_.longest))
      result_.longest = at;
  }
};

template <class Model, class What>
verdict check_linearizable(const history<What>& clients, const Model& initial,
                           std::uint64_t most_states = 1'000'000) {
  return linearizability_checker<Model, What>{clients, most_states}.check(initial);
}

} // namespace bulwark_tests
