#pragma once

#include "bulwark/attempt_outcome.hpp"
#include "bulwark/bulkhead.hpp"
#include "bulwark/circuit_breaker.hpp"
#include "bulwark/circuit_view.hpp"
#include "bulwark/errc.hpp"
#include "bulwark/hedge.hpp"
#include "bulwark/lease.hpp"
#include "bulwark/outcome_batch.hpp"
#include "bulwark/paged_array.hpp"
#include "bulwark/permit.hpp"
#include "bulwark/rate_limiter.hpp"
#include "bulwark/retry.hpp"
#include "bulwark/statistics.hpp"
#include "bulwark/time.hpp"
#include "bulwark/timing_wheel.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

/// @file The supervisor: the life of a call.
///
/// Longer than 400 lines: the whole life of a call is to be read from top to bottom in one file.
///
/// A call that was accepted gets exactly one answer. Between the two it makes one attempt or
/// several, and each attempt needs leave of the circuit breaker and a permit of the bulkhead. This
/// is the whole of it:
///
///            start                     on_permit
///   (free) ───────▶ awaiting_probe ─▶ queued ─▶ in_flight ─▶ answered ─▶ (free)
///          (behind)   ▲        └─ skipped where no message is needed ─┘ │  │
///                     │            backing_off ◀── retry ───────────────┘  │
///                     └────────────────┘     abandoned ◀── timed out, but ──┘
///                                                          its function still runs
///
/// | state          | waits for                            | ends at the latest             |
/// | -------------- | ------------------------------------ | ------------------------------ |
/// | behind         | the breaker's answer to calls before | deadline                       |
/// |                | it: messages keep their order        |                                |
/// | awaiting_probe | the breaker: may it probe            | deadline                       |
/// | queued         | the bulkhead: a permit               | deadline, queue_timeout        |
/// | in_flight      | the target's reply                   | deadline, attempt_timeout      |
/// | backing_off    | time: before another attempt, or its | its delay, deadline            |
/// |                | place in a rate limit                |                                |
/// | abandoned      | the function's return, to give its   | not: it can't be stopped       |
/// |                | worker back                          |                                |
///
/// A call that is hedged has two copies, each in a slot of its own and each in one of these states.
/// The first that succeeds answers, and the other is cut; one that fails leaves the call to the
/// other; what is answered for other reasons (deadline, cancel, the guard's end) ends both.
///
/// Order of the parts, outermost first: deadline > retry > circuit breaker > bulkhead > attempt
/// timeout > target. A refusal is no failure in the breaker's books, and a permission that a part
/// further in refuses is given back.
///
/// A supervisor acts on leases and needs no message for a healthy call beside the four that carry
/// it: it reads the breaker's published view, takes a permit that it already holds, and keeps
/// deadlines in a wheel of its own. What a call costs doesn't depend on how many others are in
/// flight.

namespace bulwark {

/// The numbers of a guard's policy; what is not named is off.
struct supervisor_limits {
  std::optional<timespan> deadline = std::nullopt;
  std::optional<timespan> attempt_timeout = std::nullopt;
  std::optional<retry_limits> retry = std::nullopt;
  bool breaker = false;
  bool bulkhead = false;
  std::optional<timespan> queue_timeout = std::nullopt;
  /// Where retries come from; null: from nowhere, they cost nothing. Outlives the supervisor.
  retry_allowance* budget = nullptr;
  /// The bulkhead's limit is adaptive: it is told how long attempts take.
  bool tells_samples = false;
  /// How many calls begin in a time; null: as many as come. Outlives the supervisor.
  rate_gate* rate = nullptr;
  /// The breaker wants to hear when the target says to come back.
  bool tells_retry_after = false;
  /// When a call gets a second copy; null: never. Outlives the supervisor.
  hedging* hedge = nullptr;
  /// Where the breaker keeps a window: how it is told successes, and which calls are slow. Else null:
  /// most guards have none, and there may be a million.
  std::shared_ptr<const outcome_batching> outcomes = {};
};

/// What a supervisor has to know of its breaker's policy.
void take_limits(supervisor_limits& limits, const circuit_breaker_limits& breaker);

/// What an error means to the parts.
struct error_class {
  bool counts = true;    ///< A failure in the breaker's books.
  bool retryable = true; ///< Worth another attempt.
  /// False: the attempt surely was not begun, so that it may be made again whatever it does.
  bool begun = true;
  bool forbids_retry = false; ///< It says that nobody shall come again.
  timespan retry_after{0};    ///< When it says to come again; 0: it doesn't say.
  std::optional<timespan> base_delay = std::nullopt; ///< Instead of the policy's.
  /// The reply is no error but a result that is to be taken as a failure: where no attempt is left,
  /// the caller gets it as it is.
  bool is_result = false;
};

/// How an attempt's reply is to be taken; nullopt: a success.
using reply_class = std::optional<error_class>;

/// How a call ended.
struct call_end {
  /// What the guard itself says; nullopt: the target's last reply goes to the caller unchanged.
  std::optional<errc> error;
  /// What ended the last attempt, where it wasn't a reply of the target.
  std::optional<errc> last_error;
  std::uint32_t attempts = 0; ///< That were started.
  timespan elapsed{0};
  timespan retry_after{0};
  /// It would have been tried again, but too many are: nobody further out shall do it instead.
  bool no_more = false;

  friend bool operator==(const call_end&, const call_end&) = default;
};

/// What a supervisor wishes to be done. None of it may call the supervisor back.
struct supervisor_effects {
  /// Ask the breaker for a probe; to be answered by on_probe().
  virtual void ask_probe(attempt_id attempt, instant hold_until) = 0;
  virtual void tell_breaker(const permit& held, const attempt_outcome& how) = 0;
  virtual void tell_successes(const success_batch& batch) = 0;
  /// Ask the bulkhead for a permit; to be answered by on_permit() or on_refused().
  virtual void ask_permit(attempt_id attempt) = 0;
  virtual void withdraw(attempt_id attempt) = 0;
  virtual void return_permits(std::uint32_t count) = 0;
  /// Tell the bulkhead how attempts have ended: some at a time, where limits.tells_samples.
  virtual void tell_samples(const latency_samples&) {}
  /// Send the call's message to the target.
  virtual void start_attempt(attempt_id attempt) = 0;
  /// An attempt in flight ended without a reply; the call may go on. A target that understands it
  /// is told to stop.
  virtual void cut_attempt(attempt_id attempt, errc why) = 0;
  /// The call in `from` gets a second copy, in `to`: what belongs to the one belongs to the other.
  /// Only where limits.hedge is. May throw std::bad_alloc, then there is none.
  virtual void copy_call(std::uint32_t /*from*/, std::uint32_t /*to*/) {}
  /// Of two copies one has ended without an answer; its slot is free, `heir` goes on.
  virtual void forget_copy(std::uint32_t /*slot*/, std::uint32_t /*heir*/) {}
  /// Exactly once for each call; afterwards the slot is free.
  virtual void answer(std::uint32_t slot, const call_end& end) = 0;
  /// Call on_tick() then; replaces an earlier wish.
  virtual void wake_at(instant due) = 0;
  /// What an error that the supervisor itself makes means to the parts, by the guard's policy.
  [[nodiscard]] virtual error_class classify(errc code) const = 0;

protected:
  ~supervisor_effects() = default;
};

/// All that a supervisor has counted.
struct supervisor_books {
  counters calls;
  /// Attempts, as the breaker sees them; cancelled: said nothing about the target.
  counters breaker;
  counters bulkhead; ///< Attempts, as the bulkhead sees them.
  std::uint64_t attempts = 0;
  std::uint64_t retries = 0;
  std::uint64_t hedges = 0;         ///< Second copies that were started.
  std::uint64_t hedges_won = 0;     ///< Of them those whose reply was the answer.
  std::uint64_t hedges_refused = 0; ///< No second copy left in the budget.
  std::uint64_t late_replies = 0;   ///< Dropped: their attempt had ended.
  std::uint64_t abandoned = 0;      ///< Timed out, but the function went on.
  // Calls that would have been tried again, had there not been:
  std::uint64_t budget_refused = 0; ///< No retry left in the budget.
  std::uint64_t left_to_others = 0; ///< Somebody further out whose retry the call itself is.
  std::uint64_t not_idempotent = 0; ///< Harm in doing twice what may have been begun.
  std::uint64_t told_not_to = 0;    ///< The target's word not to come again, or not that soon.
  // Attempts that nobody waits for any more: their time was up, or their call taken back.
  std::uint64_t saved = 0;   ///< Not begun, and never will be.
  std::uint64_t cut = 0;     ///< Already with the target, which is told where it understands that.
  latency_histogram latency; ///< From acceptance to answer, rejections left out.
};

/// The life of all calls of one guard. Not thread-safe: it has one owner.
class supervisor {
public:
  struct call_options {
    std::optional<timespan> deadline = std::nullopt; ///< Instead of the policy's.
    /// What the caller itself has left: where it is less, it counts. At 0 or less nothing starts.
    std::optional<timespan> remaining = std::nullopt;
    bool keeps_worker = false; ///< A function: holds its permit until it returns.
    /// Whether it may be made twice; nullopt: as the retry policy says.
    std::optional<bool> idempotent = std::nullopt;
    /// Which attempt of somebody further out the call is, from 1 on. Where it is a retry, it is not
    /// tried again here: three tiers of three attempts would make 27.
    std::uint32_t attempt = 1;
    /// Whose it is, where limits.rate tells tenants apart: a keyed hash, 0 where nobody is named.
    std::uint64_t tenant = 0;
  };

  /// `view` may be null where limits.breaker is false, `lease` where another node owns no bulkhead
  /// of ours. All outlive the supervisor. The owner may change its limits: for calls and attempts
  /// that begin from then on. What began while there was neither `retry` nor `hedge` is made once.
  supervisor(const supervisor_limits& limits, const circuit_view* view, supervisor_effects& effects,
             instant now, std::uint64_t seed, const lease_view* lease = nullptr);

  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;

  /// Takes a free slot for a call, so that the owner can store what belongs to it. Strong exception
  /// guarantee. start() or discard() must follow.
  [[nodiscard]] std::uint32_t open();
  /// Gives back a slot whose call was not started.
  void discard(std::uint32_t slot) noexcept { free_slots_.push_back(slot); } // open() made room
  /// Accepts the call. It may be answered before this returns. What an effect throws comes through:
  /// then give_up() must follow, or nothing but shut_down().
  void start(std::uint32_t slot, const call_options& options, instant now);
  /// Answers a call with `why`, a refusal, because what start() wished for could not be done.
  void give_up(std::uint32_t slot, errc why, instant now);
  /// Counts a call that was refused before it had a slot.
  void count_refused() noexcept;

  /// The target replied. False: the attempt had ended, the reply is dropped.
  bool on_reply(attempt_id attempt, const reply_class& reply, instant now);
  /// Whether a reply to `attempt` would be taken.
  [[nodiscard]] bool awaits_reply(attempt_id attempt) const noexcept;

  void on_probe(attempt_id attempt, const admission& decision, instant now);
  void on_permit(attempt_id attempt, std::uint32_t extra, bool keep, instant now);
  void on_refused(attempt_id attempt, errc why, instant now);
  /// Gives back what is unused, and from now on each permit at once. Returns how many that were:
  /// the answer to the recall carries them.
  [[nodiscard]] std::uint32_t on_recall() noexcept;

  /// How long the attempt in flight has until it is cut, in whole milliseconds of the time line;
  /// nullopt: it isn't cut.
  [[nodiscard]] std::optional<timespan> time_left(attempt_id attempt, instant now) const noexcept;

  /// Whether the call may be made again, or twice: then its owner has to keep what that takes. Holds
  /// from its beginning to its end, whatever becomes of the limits.
  [[nodiscard]] bool repeatable(attempt_id attempt) const noexcept {
    return calls_[attempt.slot].repeatable;
  }

  /// How many attempts the call has begun, this one included.
  [[nodiscard]] std::uint32_t attempts_of(attempt_id attempt) const noexcept;

  /// The attempt did not reach the target (then `begun` is false), or the target ended before it
  /// replied.
  void on_lost(attempt_id attempt, instant now, bool begun = true);
  /// The target of this one call has ended, where each call names its own.
  void on_target_lost(std::uint32_t slot, instant now);
  /// The target has ended: nobody will reply to what is in flight.
  void on_target_lost(instant now);
  /// The breaker or the bulkhead has ended: what waits for it, and what comes, is refused.
  void on_part_lost(instant now);

  /// Tells the breaker the successes that it hasn't heard of.
  void tell_successes();

  /// The caller takes its call back. Nothing happens where the slot is free.
  void cancel(std::uint32_t slot, instant now);

  /// Does what became due.
  void on_tick(instant now);

  /// Refuses new calls with errc::shutting_down. Calls in progress finish where `finish`, else they
  /// are answered with errc::shutting_down.
  void shut_down(bool finish, instant now);

  /// Calls that have no answer yet.
  [[nodiscard]] std::uint64_t live() const noexcept { return books_.calls.in_flight; }
  /// Functions that were timed out and still run.
  [[nodiscard]] std::uint32_t abandoned_running() const noexcept { return abandoned_running_; }
  /// Permits that calls use, and permits held for the next ones.
  [[nodiscard]] std::uint32_t permits_in_use() const noexcept { return permits_in_use_; }
  [[nodiscard]] std::uint32_t permits_unused() const noexcept { return permits_unused_; }
  [[nodiscard]] const supervisor_books& books() const noexcept { return books_; }
  [[nodiscard]] bool shutting_down() const noexcept { return shutting_down_; }

private:
  enum class call_state : std::uint8_t {
    free,
    behind,
    awaiting_probe,
    queued,
    in_flight,
    backing_off,
    abandoned,
  };

  // As an entry of the wheel: the one thing that is due next, see the table above.
  struct call : wheel_entry {
    instant started{};
    instant launched{};         // the attempt in flight
    instant ends = end_of_time; // the same, by the timeout that it began with
    instant deadline = end_of_time;
    timespan last_delay{0};
    permit held; // of the breaker; generation 0: none yet
    std::uint32_t slot = 0;
    std::uint32_t serial = 0;
    std::uint32_t tries = 0;    // attempts begun
    std::uint32_t attempts = 0; // attempts that reached the target
    std::uint32_t other = 0;    // the slot of the call's other copy, plus 1; 0: there is none
    std::optional<errc> last_error;
    call_state state = call_state::free;
    bool keeps_worker = false;
    bool at_breaker = false; // in the breaker's books as in flight
    bool at_bulkhead = false;
    bool has_permit = false;
    bool idempotent = true;
    bool is_retry = false;   // of somebody further out
    bool repeatable = false; // by the policy that it began with
    bool no_more = false;    // see call_end
    bool second = false;     // of two copies
    bool unlaunched = false;
    bool awaits_copy = false; // its timer is for that

    [[nodiscard]] attempt_id id() const noexcept { return {slot, serial}; }
  };

  // Where the end of a call or an attempt stands in the books. To the breaker, what is cancelled or
  // rejected says nothing about the target.
  using heading = std::uint64_t counters::*;

  // Why an attempt failed: with nullopt the target's reply says it.
  struct failure {
    std::optional<errc> error;
    bool retryable = false;
    timespan retry_after{0};
    timespan wait{
        0}; // retry_after, where it is the target's word: a part of ours is asked for free
    bool begun = false; // the target may have begun it
    bool forbids_retry = false;
    std::optional<timespan> base_delay = std::nullopt;
    bool is_result = false;
  };

  const supervisor_limits& limits_;
  const circuit_view* view_;
  const lease_view* lease_;
  supervisor_effects& effects_;
  random_stream random_;
  timing_wheel wheel_;
  instant armed_ = end_of_time; // the wake-up that was last wished for
  paged_array<call> calls_;
  std::vector<std::uint32_t> free_slots_;
  supervisor_books books_;
  std::unique_ptr<latency_samples> samples_; // that the bulkhead hasn't been told; null: never any
  // The last attempt begun when a failure was told that the breaker may not have seen yet; 0: none.
  std::uint32_t unseen_failure_ = 0;
  std::unique_ptr<success_counter> successes_; // where the breaker keeps a window
  std::uint64_t failing_generation_ = 0; // of the last failure told; 0: none, or a success since
  std::uint32_t last_serial_ = 0;
  std::uint32_t permits_in_use_ = 0;
  std::uint32_t permits_unused_ = 0;
  std::uint32_t abandoned_running_ = 0;
  std::uint32_t asked_ = 0;        // calls that await the breaker's answer
  std::uint32_t waiting_ = 0;      // calls in the bulkhead's queue
  std::vector<attempt_id> behind_; // calls in that state, in order, and some that have left it
  bool keeps_permits_ = false;
  bool ticking_ = false;
  bool part_lost_ = false;
  bool shutting_down_ = false;

  // An attempt on its way inwards.
  void pass_gate(call& c, std::uint64_t tenant, instant now);
  void begin_attempt(call& c, instant now);
  [[nodiscard]] std::optional<admission> leave_by(const circuit_view::reading& seen,
                                                  instant now) const noexcept;
  [[nodiscard]] std::optional<rejection> refused_by_ramp(const circuit_view::reading& seen,
                                                         instant now) noexcept;
  [[nodiscard]] bool must_wait_its_turn(instant now) const noexcept;
  void ask_leave(call& c, instant now);
  void let_follow(instant now);
  [[nodiscard]] bool lease_has_ended(instant now) const noexcept;
  void enter_bulkhead(call& c, instant now);
  void launch(call& c, instant now);
  [[nodiscard]] std::optional<rejection> outdated(call& c, instant now) const noexcept;
  [[nodiscard]] instant ends_by(const call& c, instant now) const noexcept;

  // An attempt on its way outwards.
  void settle_breaker(call& c, heading book, instant now, timespan retry_after = timespan{0});
  [[nodiscard]] bool was_slow(const call& c, heading book, instant now) const noexcept;
  void settle_bulkhead(call& c, heading book);
  void tell_success(const permit& held, bool slow, instant now);
  void count_success(const permit& held, bool slow, instant now);
  void release_permit(call& c);
  void sample(const call& c, bool dropped, instant now);
  void send_home();
  void refuse(call& c, const rejection& why, instant now);
  void fail_attempt(call& c, const failure& why, instant now);
  [[nodiscard]] std::uint64_t supervisor_books::*reason_against_retry(const call& c,
                                                                      const failure& why) const;
  [[nodiscard]] timespan next_delay(const call& c, const failure& why);
  void count_given_up(const call& c) noexcept;
  void end_as_it_is(call& c, const failure& why, instant now, bool no_more = false);
  [[nodiscard]] static failure time_out_of(const error_class& kind, bool begun, bool in_time);
  void time_out(call& c, instant now);
  void abandon(call& c, errc why, heading book, instant now);
  void lose(call& c, bool begun, instant now);
  void take_worker_back(attempt_id attempt);

  // Two copies of a call.
  [[nodiscard]] instant hedge_due(const call& c, instant now) const noexcept;
  void count_launch(call& c, instant now);
  void note_success(const call& c, instant now) noexcept;
  void make_copy(call& c, instant now);
  [[nodiscard]] bool leave_to_other(call& c);
  void drop_other(call& c, instant now);

  // A call ends.
  void withdraw(call& c, errc why);
  void stop(call& c, errc why, heading book, instant now);
  void finish(call& c, std::optional<errc> error, heading book, timespan retry_after, instant now);
  void answer(call& c, std::optional<errc> error, heading book, timespan retry_after, instant now);

  [[nodiscard]] bool is(attempt_id attempt, call_state state) const noexcept;
  [[nodiscard]] call* find(attempt_id attempt, call_state state) noexcept;
  template <class F>
  void for_each_call(F&& f);
  void set_timer(call& c, instant due);
  void arm(instant due);
  void free_slot(call& c);
  void record_latency(timespan elapsed) noexcept;
};

} // namespace bulwark
