// What bulwarkd reads, and how it refuses what it can't use: nothing is started here.
#include "bulwarkd/command_line.hpp"
#include "bulwarkd/configuration.hpp"
#include "bulwarkd/operations.hpp"
#include "support/catch.hpp"
#include "support/real_system.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <sstream>
#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwarkd;
using namespace std::chrono_literals;

namespace {

caf::settings parse(const std::string& text) {
  bulwark_tests::init_types();
  std::istringstream source{text};
  auto result = caf::actor_system_config::parse_config(source);
  INFO(text);
  REQUIRE(result);
  return *result;
}

reading read(const std::string& text) {
  return read_configuration(parse(text), ready_made_targets());
}

bool holds(const mistakes& all, const std::string& text) {
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& each) { return each.find(text) != each.npos; });
}

// The one mistake in what is said of guard "db", beside its target.
std::string mistake_in_guard(const std::string& text) {
  const auto result = read("bulwark { guards { db { target = \"echo\"\n" + text + "\n } } }");
  INFO(text << ": " << result.wrong.size());
  REQUIRE(result.wrong.size() == 1);
  return result.wrong[0];
}

std::string mistake_in_node(const std::string& text) {
  const auto result = read("bulwark { " + text + "\n }");
  INFO(text << ": " << result.wrong.size());
  REQUIRE(result.wrong.size() == 1);
  return result.wrong[0];
}

} // namespace

TEST_CASE("every field of every policy can be said [D33]", "[bulwarkd]") {
  const auto [told, wrong] = read(R"(
    bulwark {
      name = "a"
      listen { address = "::1", port = 1234 }
      drain-timeout = 3s
      peers = ["127.0.0.1:4712", "[::1]:4713"]
      circuit-breakers {
        disks { failure-threshold = 7, success-threshold = 3, open-for = 2min, half-open-calls = 4,
                failure-on = "always" }
      }
      bulkheads { writers { max-workers = 8, queue-size = 0, queue-timeout = 250ms } }
      guards {
        db {
          target = "127.0.0.1:4712/db"
          deadline = 5s
          attempt-timeout = 1s
          retry { max-attempts = 4, base-delay = 10ms, exponential-base = 1.5, max-delay = 1h,
                  jitter = "equal", retry-on = "never" }
          circuit-breaker = "disks"
          bulkhead = "writers"
          cancel = "off"
        }
        own {
          target = "echo"
          circuit-breaker {
            open-for = 1s, failure-threshold = 0
            count-window { size = 9, failure-ratio = 0.4, minimum-calls = 8, slow-ratio = 0.3 }
            time-window { span = 20s, buckets = 4, failure-ratio = 0.2, minimum-calls = 7,
                          slow-ratio = 0.1 }
            slow-call-duration = 2s, open-growth = 3, max-open-for = 4s, open-jitter = 0.25
            open-on-retry-after = true, max-half-open-for = 5s, ramp-for = 6s, ramp-from = 0.5
            initial-state = "disabled"
          }
          bulkhead { max-workers = 1 }
        }
        bare { target = "slow" }
      }
    })");
  CHECK(wrong.empty());
  CHECK(told.name == "a");
  CHECK(told.listen.address == "::1");
  CHECK(told.listen.port == 1234);
  CHECK(told.drain_timeout == 3s);
  CHECK(told.peers.size() == 2);
  CHECK(told.circuit_breakers.at("disks").policy
        == circuit_breaker_policy{.failure_threshold = 7,
                                  .success_threshold = 3,
                                  .open_for = 2min,
                                  .half_open_calls = 4,
                                  .failure_on = always});
  CHECK(told.bulkheads.at("writers").policy
        == bulkhead_policy{.max_workers = 8, .queue_size = 0, .queue_timeout = 250ms});
  const auto& db = told.guards.at("db");
  CHECK(db.target == "127.0.0.1:4712/db");
  CHECK(db.deadline == 5s);
  CHECK(db.attempt_timeout == 1s);
  CHECK(db.retry
        == retry_policy{.max_attempts = 4,
                        .base_delay = 10ms,
                        .exponential_base = 1.5,
                        .max_delay = 1h,
                        .jitter = jitter_kind::equal,
                        .retry_on = never});
  CHECK(std::get<std::string>(db.circuit_breaker) == "disks");
  CHECK(std::get<std::string>(db.bulkhead) == "writers");
  CHECK(db.cancel == cancel_signal::off);
  const auto own = own_policy(told.guards.at("own"));
  CHECK(
      std::get<circuit_breaker_policy>(own.breaker)
      == circuit_breaker_policy{
          .failure_threshold = 0,
          .open_for = 1s,
          .count_window =
              count_window{.size = 9, .failure_ratio = 0.4, .minimum_calls = 8, .slow_ratio = 0.3},
          .time_window = time_window{.span = 20s,
                                     .buckets = 4,
                                     .failure_ratio = 0.2,
                                     .minimum_calls = 7,
                                     .slow_ratio = 0.1},
          .slow_call_duration = 2s,
          .open_growth = 3.0,
          .max_open_for = 4s,
          .open_jitter = 0.25,
          .open_on_retry_after = true,
          .max_half_open_for = 5s,
          .ramp_for = 6s,
          .ramp_from = 0.5,
          .initial_state = circuit_state::disabled});
  CHECK(std::get<bulkhead_policy>(own.bulkhead) == bulkhead_policy{.max_workers = 1});
  const auto bare = own_policy(told.guards.at("bare"));
  CHECK_FALSE(bare.deadline);
  CHECK_FALSE(bare.retry);
  CHECK(std::holds_alternative<std::monostate>(bare.breaker));
}

TEST_CASE("every field of what stands around a guard's parts can be said [D33]", "[bulwarkd]") {
  const auto [told, wrong] = read(R"(
    bulwark {
      guards {
        all {
          target = "echo"
          rate-limit { calls = 7, period = 2s, burst = 3, max-wait = 1s, max-keys = 32 }
          hedge { delay = 5ms, percentile = 0.9, min-delay = 2ms, minimum-calls = 7, memory = 3s,
                  ratio = 0.5, window = 4s }
          bulkhead {
            adaptive { algorithm = "aimd", floor = 2, initial = 9, tolerance = 2.5, smoothing = 0.3,
                       decrease = 0.8, latency-limit = 1s, window = 50ms, remeasure = 2min }
            shed { target = 6ms, interval = 70ms, newest-first = true }
            fair-by-tenant = true
          }
          reply-sharing { fresh-for = 1s, stale-for = 2s, max-entries = 3, max-key-size = 4,
                          single-flight = false }
          chaos { latency-rate = 0.1, min-latency = 1ms, max-latency = 2ms, error-rate = 0.2,
                  lost-reply-rate = 0.3, kill-rate = 0.4, critical = false, normal = false,
                  sheddable = false, seed = 5, transient-errors = false }
        }
      }
    })");
  CHECK(wrong.empty());
  const auto all = own_policy(told.guards.at("all"));
  CHECK(all.rate_limit
        == rate_limit_policy{.calls = 7, .period = 2s, .burst = 3, .max_wait = 1s, .max_keys = 32});
  CHECK(all.hedge
        == hedge_policy{.delay = 5ms,
                        .percentile = 0.9,
                        .min_delay = 2ms,
                        .minimum_calls = 7,
                        .memory = 3s,
                        .ratio = 0.5,
                        .window = 4s});
  CHECK(std::get<bulkhead_policy>(all.bulkhead)
        == bulkhead_policy{
            .adaptive = adaptive_limit_policy{.algorithm = limit_algorithm::aimd,
                                              .floor = 2,
                                              .initial = 9,
                                              .tolerance = 2.5,
                                              .smoothing = 0.3,
                                              .decrease = 0.8,
                                              .latency_limit = 1s,
                                              .window = 50ms,
                                              .remeasure = 2min},
            .shed = queue_delay_policy{.target = 6ms, .interval = 70ms, .newest_first = true},
            .fair_by_tenant = true});
  REQUIRE(all.reply_sharing);
  CHECK(all.reply_sharing->fresh_for == 1s);
  CHECK(all.reply_sharing->stale_for == 2s);
  CHECK(all.reply_sharing->max_entries == 3);
  CHECK(all.reply_sharing->max_key_size == 4);
  CHECK_FALSE(all.reply_sharing->single_flight);
  CHECK(all.chaos
        == chaos_policy{.latency_rate = 0.1,
                        .min_latency = 1ms,
                        .max_latency = 2ms,
                        .error_rate = 0.2,
                        .lost_reply_rate = 0.3,
                        .kill_rate = 0.4,
                        .critical = false,
                        .normal = false,
                        .sheddable = false,
                        .seed = 5,
                        .transient_errors = false});
}

TEST_CASE("what stands around a guard's parts and is wrong is named [D34]", "[bulwarkd]") {
  CHECK(mistake_in_guard("rate-limit { calls = 0 }")
        == "bulwark.guards.db.rate-limit.calls = 0: must be 1 .. 1000000000");
  CHECK(mistake_in_guard("hedge { percentile = 2.0 }").find("bulwark.guards.db.hedge.percentile")
        == 0);
  CHECK(mistake_in_guard("chaos { error-rate = 2.0 }").find("bulwark.guards.db.chaos.error-rate")
        == 0);
  CHECK(mistake_in_guard("reply-sharing { max-entries = 0 }")
            .find("bulwark.guards.db.reply-sharing.max-entries")
        == 0);
  const auto [told, wrong] = read(
      "bulwark { guards { far { target = \"127.0.0.1:4711/db\", chaos { kill-rate = 0.1 } } } }");
  REQUIRE(wrong.size() == 1);
  CHECK(
      wrong[0]
      == "bulwark.guards.far.chaos.kill-rate = 0.1: must be 0 where the target is on another node");
}

TEST_CASE("an empty group stands for a policy's defaults [D33]", "[bulwarkd]") {
  const auto [told, wrong] =
      read("bulwark { guards { db { target = \"echo\", retry { }, circuit-breaker { } } } }");
  CHECK(wrong.empty());
  CHECK(told.guards.at("db").retry == retry_policy{});
  CHECK(std::get<circuit_breaker_policy>(told.guards.at("db").circuit_breaker)
        == circuit_breaker_policy{});
}

TEST_CASE("without settings a node listens on loopback only [D35]", "[bulwarkd]") {
  const auto [told, wrong] = read("");
  CHECK(wrong.empty());
  CHECK(told.listen.address == "127.0.0.1");
  CHECK_FALSE(told.listen.open_to_others);
  CHECK(told.guards.empty());
}

TEST_CASE("what is out of range is refused with key and value and range [D34]", "[bulwarkd]") {
  CHECK(mistake_in_guard("deadline = 0s")
        == "bulwark.guards.db.deadline = 0s: must be 1ns .. 36500d");
  CHECK(mistake_in_guard("attempt-timeout = -1s")
        == "bulwark.guards.db.attempt-timeout = -1s: must be 1ns .. 36500d");
  CHECK(mistake_in_guard("retry { max-attempts = 0 }")
        == "bulwark.guards.db.retry.max-attempts = 0: must be 1 .. 1000000");
  CHECK(mistake_in_guard("circuit-breaker { open-for = 1us }")
        == "bulwark.guards.db.circuit-breaker.open-for = 1us: must be 1ms .. 36500d");
  CHECK(mistake_in_guard("circuit-breaker { count-window { size = 0, minimum-calls = 1 } }")
        == "bulwark.guards.db.circuit-breaker.count-window.size = 0: must be 1 .. 100000");
  CHECK(mistake_in_guard("circuit-breaker { slow-call-duration = 1s }")
        == "bulwark.guards.db.circuit-breaker.slow-call-duration = 1s: must be off where there "
           "is neither a count_window nor a time_window");
  CHECK(holds({mistake_in_guard("circuit-breaker { initial-state = \"open\" }")},
              "must be one of closed, forced_open, disabled, metrics_only"));
  CHECK(mistake_in_guard("bulkhead { max-workers = 99999999999 }")
        == "bulwark.guards.db.bulkhead.max-workers = 99999999999: must be 1 .. 10000000");
  CHECK(mistake_in_guard("bulkhead { queue-size = -1 }")
        == "bulwark.guards.db.bulkhead.queue-size = -1: must be 0 .. 10000000");
  CHECK(mistake_in_node("bulkheads { writers { max-workers = 0 } }")
        == "bulwark.bulkheads.writers.max-workers = 0: must be 1 .. 10000000");
  CHECK(mistake_in_node("circuit-breakers { disks { half-open-calls = 0 } }")
        == "bulwark.circuit-breakers.disks.half-open-calls = 0: must be 1 .. 10000");
  CHECK(mistake_in_node("drain-timeout = 25h") == "bulwark.drain-timeout = 25h: must be 0s .. 1d");
  CHECK(mistake_in_node("listen { port = 65536 }")
        == "bulwark.listen.port = 65536: must be 0 .. 65535");
  CHECK(holds({mistake_in_node("name = \"\"")}, "must have 1 .. 128 characters"));
}

TEST_CASE("what is of another kind is refused with what it must be [D34]", "[bulwarkd]") {
  CHECK(mistake_in_guard("deadline = 5")
        == "bulwark.guards.db.deadline = 5: must be a duration in h, min, s, ms, us or ns, such as "
           "250ms, 5s or 2min");
  CHECK(mistake_in_guard("bulkhead { max-workers = 1.5 }")
        == "bulwark.guards.db.bulkhead.max-workers = 1.5: must be a whole number");
  CHECK(mistake_in_guard("retry { exponential-base = \"two\" }")
        == "bulwark.guards.db.retry.exponential-base = two: must be a number");
  CHECK(mistake_in_guard("retry = 3") == "bulwark.guards.db.retry = 3: must be a group, { … }");
  CHECK(mistake_in_guard("retry { jitter = \"half\" }")
        == "bulwark.guards.db.retry.jitter = half: must be one of none, full, equal, decorrelated");
  CHECK(mistake_in_guard("retry { retry-on = \"monday\" }")
        == "bulwark.guards.db.retry.retry-on = monday: must be one of transient, counted, always, "
           "never");
  CHECK(mistake_in_guard("cancel = \"maybe\"")
        == "bulwark.guards.db.cancel = maybe: must be one of automatic, on, off");
  CHECK(mistake_in_node("listen { open-to-others = \"perhaps\" }")
        == "bulwark.listen.open-to-others = perhaps: must be true or false");
  CHECK(mistake_in_node("name = [1, 2]") == "bulwark.name = [1, 2]: must be one text");
  CHECK(holds({mistake_in_node("guards = 7")}, "bulwark.guards = 7: must be a group of names"));
  CHECK(holds({mistake_in_node("peers { a = 1 }")}, "must be a list of texts"));
  CHECK(read("bulwark = 1").wrong == mistakes{"bulwark: must be a group, { … }"});
}

TEST_CASE("a key that doesn't exist is refused with those that do [D34]", "[bulwarkd]") {
  CHECK(mistake_in_guard("deadlin = 5s")
        == "bulwark.guards.db.deadlin: no such key; there are target, deadline, attempt-timeout, "
           "retry, rate-limit, hedge, circuit-breaker, bulkhead, cancel, shows-permit, "
           "reply-sharing, "
           "chaos, shows-context, watches-callers, on-owner-lost");
  CHECK(mistake_in_guard("retry { attempts = 3 }")
        == "bulwark.guards.db.retry.attempts: no such key; there are max-attempts, base-delay, "
           "exponential-base, max-delay, jitter, retry-on, budget, max-retry-after, idempotent");
  CHECK(holds({mistake_in_node("guard { }")}, "bulwark.guard: no such key; there are name, "));
}

TEST_CASE("what a guard refers to must be there [D34]", "[bulwarkd]") {
  CHECK(read("bulwark { guards { db { } } }").wrong
        == mistakes{"bulwark.guards.db.target is missing: must be one of echo, failing, slow, "
                    "http://HOST:PORT, or HOST:PORT/NAME"});
  CHECK(read("bulwark { guards { db { target = \"oracle\" } } }").wrong
        == mistakes{"bulwark.guards.db.target = oracle: must be one of echo, failing, slow, "
                    "http://HOST:PORT, or HOST:PORT/NAME"});
  CHECK(mistake_in_guard("bulkhead = \"writers\"")
        == "bulwark.guards.db.bulkhead = writers: must be the name of one in bulwark.bulkheads, "
           "another node's as HOST:PORT/NAME, or a group, { … }");
  CHECK(holds({mistake_in_guard("circuit-breaker = \"disks\"")},
              "must be the name of one in bulwark.circuit-breakers"));
  // The guard's own is called as the guard is.
  CHECK(holds(read("bulwark { bulkheads { db { } }\n"
                   "guards { db { target = \"echo\", bulkhead { } } } }")
                  .wrong,
              "the guard's own one would be called db"));
}

TEST_CASE("a retry budget may be said and shared by name [T31 T37 D33 D34]", "[bulwarkd]") {
  const auto [told, wrong] = read(R"(
    bulwark {
      guards {
        a { target = "echo", retry { budget { ratio = 0.2, min-per-second = 3, window = 5s, name = "all" },
            max-retry-after = 2s, idempotent = false } }
        b { target = "echo", retry { budget { } }, shows-context = true, watches-callers = true }
      }
    })");
  CHECK(wrong.empty());
  const auto& retry = told.guards.at("a").retry.value();
  CHECK(retry.budget
        == retry_budget_policy{.ratio = 0.2, .min_per_second = 3, .window = 5s, .name = "all"});
  CHECK(retry.max_retry_after == 2s);
  CHECK_FALSE(retry.idempotent);
  CHECK(told.guards.at("b").retry->budget == retry_budget_policy{});
  CHECK(own_policy(told.guards.at("b")).shows_context);
  CHECK(own_policy(told.guards.at("b")).watches_callers);
  CHECK(mistake_in_guard("retry { budget { ratio = -1.0 } }")
        == "bulwark.guards.db.retry.budget.ratio = -1: must be 0 .. 100");
  CHECK(read("bulwark { guards { a { target = \"echo\", retry { budget { name = \"x\" } } }\n"
             "b { target = \"echo\", retry { budget { name = \"x\", ratio = 0.5 } } } } }")
            .wrong
        == mistakes{"bulwark.guards.b.retry.budget.name = x: must have another name or the numbers "
                    "of that in bulwark.guards.a"});
}

// -- parts that nodes share ------------------------------------------------------------

TEST_CASE("a part may be shared with other nodes, or be another node's [D43] [D33]", "[bulwarkd]") {
  const auto [told, wrong] = read(R"(
    bulwark {
      circuit-breakers {
        disks { failure-threshold = 7, shared { lease-time = 2s, trips-for = "any" } }
        own { shared { } }
        alone { }
      }
      bulkheads { writers { max-workers = 8, shared { lease-time = 500ms } }, own { shared { } } }
      guards {
        db { target = "echo", circuit-breaker = "[::1]:4711/disks", bulkhead = "b:4711/writers"
             on-owner-lost = "fail_open", shows-permit = true }
        here { target = "echo", bulkhead = "writers", shows-permit = true }
      }
    })");
  CHECK(wrong.empty());
  const auto& disks = told.circuit_breakers.at("disks");
  CHECK(disks.policy.failure_threshold == 7);
  CHECK(disks.shared == sharing_policy{.lease_time = 2s, .trips_for = trip_scope::any});
  CHECK(told.circuit_breakers.at("own").shared == sharing_policy{});
  CHECK_FALSE(told.circuit_breakers.at("alone").shared);
  CHECK(told.bulkheads.at("writers").policy.max_workers == 8);
  CHECK(told.bulkheads.at("writers").shared->lease_time == 500ms);
  CHECK(told.bulkheads.at("own").shared->lease_time == 3s);
  const auto& db = told.guards.at("db");
  CHECK(part_name(remote_part(db.circuit_breaker).value()) == "::1:4711/disks");
  CHECK(part_name(remote_part(db.bulkhead).value()) == "b:4711/writers");
  CHECK(db.on_owner_lost == owner_lost::fail_open);
  CHECK(own_policy(db).shows_permit);
  CHECK_FALSE(remote_part(told.guards.at("here").bulkhead));
}

TEST_CASE("mistakes about shared parts are named as all others are [D44] [D34]", "[bulwarkd]") {
  CHECK(mistake_in_node("bulkheads { w { shared { lease-time = 9ms } } }")
        == "bulwark.bulkheads.w.shared.lease-time = 9ms: must be 10ms .. 1h");
  CHECK(mistake_in_node("circuit-breakers { d { shared { lease-time = 2h } } }")
        == "bulwark.circuit-breakers.d.shared.lease-time = 2h: must be 10ms .. 1h");
  CHECK(mistake_in_node("circuit-breakers { d { shared { trips-for = \"two\" } } }")
        == "bulwark.circuit-breakers.d.shared.trips-for = two: must be one of own, quorum, any");
  CHECK(mistake_in_node("bulkheads { w { shared = true } }")
        == "bulwark.bulkheads.w.shared = true: must be a group, { … }");
  CHECK(mistake_in_node("bulkheads { w { shared { trips-for = \"any\" } } }")
        == "bulwark.bulkheads.w.shared.trips-for: no such key; there are lease-time");
  CHECK(holds({mistake_in_guard("bulkhead { shared { } }")},
              "bulwark.guards.db.bulkhead.shared: no such key; there are max-workers"));
  CHECK(mistake_in_guard("bulkhead = \"b:4711/w\", on-owner-lost = \"panic\"")
        == "bulwark.guards.db.on-owner-lost = panic: must be one of local, fail_open, fail_closed");
  CHECK(mistake_in_guard("bulkhead { }, on-owner-lost = \"fail_open\"")
        == "bulwark.guards.db.on-owner-lost = fail_open: only where circuit-breaker or bulkhead is "
           "another node's, HOST:PORT/NAME");
  for (const auto* text : {"b:4711/", "b:4711", "b:0/w", "b/w"})
    CHECK(holds({mistake_in_guard(std::string{"circuit-breaker = \""} + text + "\"")},
                "must be the name of one in bulwark.circuit-breakers, another node's as "
                "HOST:PORT/NAME, or a group, { … }"));
}

TEST_CASE("a target is shown permits of a shared bulkhead only [D44] [D34]", "[bulwarkd]") {
  const auto only = "bulwark.guards.db.shows-permit = true: only where bulkhead is one that nodes "
                    "share: another node's, HOST:PORT/NAME, or one in bulwark.bulkheads that has "
                    "shared { … }";
  CHECK(mistake_in_guard("shows-permit = true") == only);
  CHECK(mistake_in_guard("shows-permit = true, bulkhead { }") == only);
  CHECK(mistake_in_guard("shows-permit = 1") != only);
  CHECK(read("bulwark { bulkheads { w { } }\n"
             "guards { db { target = \"echo\", bulkhead = \"w\", shows-permit = true } } }")
            .wrong
        == mistakes{only});
}

TEST_CASE("what this node does without a part's owner is said once for all its guards [D44] [D34]",
          "[bulwarkd]") {
  const auto wrong_with = [](const std::string& a, const std::string& b) {
    return read("bulwark { guards {\na { target = \"echo\", " + a + " }\nb { target = \"echo\", "
                + b + " } } }")
        .wrong;
  };
  CHECK(wrong_with(R"(bulkhead = "[::1]:4711/w")",
                   R"(bulkhead = "[::1]:04711/w", on-owner-lost = "fail_closed")")
        == mistakes{"bulwark.guards.b.on-owner-lost = fail_closed: must be local, as for guards.a, "
                    "which uses the bulkhead ::1:4711/w too"});
  CHECK(wrong_with(R"(circuit-breaker = "c:1/d", on-owner-lost = "fail_open")",
                   R"(circuit-breaker = "c:1/d")")
        == mistakes{"bulwark.guards.b.on-owner-lost = local: must be fail_open, as for guards.a, "
                    "which uses the circuit-breaker c:1/d too"});
  CHECK(wrong_with(R"(bulkhead = "c:1/w", on-owner-lost = "fail_open")",
                   R"(bulkhead = "c:1/w", on-owner-lost = "fail_open")")
            .empty());
  CHECK(wrong_with(R"(bulkhead = "c:1/w", on-owner-lost = "fail_open")",
                   R"(circuit-breaker = "c:1/w")")
            .empty());
}

TEST_CASE("no part of this node is called as another node's is [D44] [D34]", "[bulwarkd]") {
  const std::string uses = "a { target = \"echo\", bulkhead = \"c:1/w\" }";
  CHECK(holds(read("bulwark { bulkheads { \"c:1/w\" { } }\nguards { " + uses + " } }").wrong,
              "bulwark.bulkheads.c:1/w: must have another name"));
  const auto guard = [&](const std::string& own) {
    return read("bulwark { guards { " + uses + "\n\"c:1/w\" { target = \"echo\", " + own
                + " { } } } }")
        .wrong;
  };
  CHECK(holds(guard("bulkhead"), "bulwark.guards.c:1/w: must have another name"));
  CHECK(guard("circuit-breaker").empty());
}

TEST_CASE("a port that others reach is refused without TLS unless it is said [D35]", "[bulwarkd]") {
  for (const auto* address : {"0.0.0.0", "::", "192.0.2.1", "2001:db8::1"}) {
    const auto said = std::string{"listen { address = \""} + address + "\"";
    CHECK(
        holds({mistake_in_node(said + " }")},
              "whoever reaches it may call every guard; name bulwark.tls, or listen on 127.0.0.1, "
              "or say bulwark.listen.open-to-others = true"));
    CHECK(read("bulwark { " + said + ", open-to-others = true } }").wrong.empty());
    CHECK(read("bulwark { " + said
               + " }, tls { certificate = \"a\", key = \"b\", ca-file = \"c\" } }")
              .wrong.empty());
  }
  for (const auto* address : {"127.0.0.1", "127.1.2.3", "::1"})
    CHECK(read(std::string{"bulwark { listen { address = \""} + address + "\" } }").wrong.empty());
  CHECK(mistake_in_node("listen { address = \"localhost\" }")
        == "bulwark.listen.address = localhost: must be an IPv4 or IPv6 address in numbers");
}

TEST_CASE("TLS needs all of certificate and key and CA [D37]", "[bulwarkd]") {
  const auto wrong = read("bulwark { tls { certificate = \"a.pem\" } }").wrong;
  CHECK(wrong.size() == 2);
  CHECK(holds(wrong, "bulwark.tls.key: is missing"));
  CHECK(holds(wrong, "bulwark.tls.ca-file: is missing"));
}

TEST_CASE("all mistakes are named at once [D34]", "[bulwarkd]") {
  const auto wrong = read(R"(
    bulwark {
      nam = "a"
      peers = ["here", "there:0", "x:1/y"]
      guards { db { target = "echo", deadline = 0s, retry { jitter = 1, max-attempts = 0 } } }
    })")
                         .wrong;
  CHECK(wrong.size() == 7);
}

TEST_CASE("an address of another node is HOST:PORT or HOST:PORT/NAME [D33]", "[bulwarkd]") {
  const auto full = parse_remote("node2.example.org:4711/db/primary");
  REQUIRE(full);
  CHECK(full->host == "node2.example.org");
  CHECK(full->port == 4711);
  CHECK(full->name == "db/primary");
  const auto six = parse_remote("[2001:db8::1]:4711");
  REQUIRE(six);
  CHECK(six->host == "2001:db8::1");
  CHECK(six->name.empty());
  for (const auto* text :
       {"", "a", ":1", "a:", "a:b", "a:0", "a:65536", "a:1/", "::1:4711", "[]:1", "a:1x", "/a:1"})
    CHECK_FALSE(parse_remote(text));
}

TEST_CASE("keys of other bytes than names have are mistakes on the command line [D34]",
          "[bulwarkd]") {
  bulwark_tests::init_types();
  // Found by a fuzzer: CAF lost its way among the three, and the process ended.
  const std::array words{"bulwarkd", "--tls.sten.prge\x1aprge=12db", "--tls.s\x9d\x97\x1at=13db",
                         "--tls.s\x9d\x97\x1at.s\x9d\x97\x1at=12db"};
  const auto line = parse_command_line(static_cast<int>(words.size()), words.data());
  REQUIRE(line.wrong.size() == 3);
  CHECK(line.wrong[0].find("no such key; keys are of letters") != std::string::npos);
}

TEST_CASE("the command line overrides the file and may say everything [D33]", "[bulwarkd]") {
  bulwark_tests::init_types();
  const auto parsed = [](std::vector<const char*> words) {
    words.insert(words.begin(), "bulwarkd");
    return parse_command_line(static_cast<int>(words.size()), words.data());
  };
  const auto line =
      parsed({"--config-file", CONFIGURATION_EXAMPLE, "--listen.port=0", "--name=b",
              "--guards.more.target=127.0.0.1:4712/db", "--guards.more.deadline=250ms"});
  CHECK(line.wrong.empty());
  const auto [told, wrong] = read_configuration(line.settings, ready_made_targets());
  CHECK(wrong.empty());
  CHECK(told.listen.port == 0);
  CHECK(told.name == "b");
  CHECK(told.guards.at("more").target == "127.0.0.1:4712/db");
  CHECK(told.guards.at("more").deadline == 250ms);
  CHECK(told.guards.size() > 1); // the file's are still there
  CHECK(holds(parsed({"--listen.port", "1"}).wrong, "--listen.port: no such option"));
  CHECK(holds(parsed({"start"}).wrong, "start: no such option"));
  CHECK(holds(parsed({"--config-file=/nowhere.conf"}).wrong,
              "--config-file = /nowhere.conf: can't be read"));
  CHECK(parsed({"--help"}).help);
}

TEST_CASE("CAF's own keys are handed on and checked [D34]", "[bulwarkd]") {
  bulwark_tests::init_types();
  caf::actor_system_config config;
  CHECK(apply_to(config, parse("caf { scheduler { max-threads = 3 } }")).empty());
  CHECK(caf::get_or(config, "caf.scheduler.max-threads", std::uint64_t{0}) == 3);
  const auto wrong = apply_to(config, parse("caf { scheduler { max-threads = \"many\" }\n"
                                            "schedulr { policy = 1 }\n"
                                            "openssl { key = \"a.key\" } }"));
  CHECK(wrong.size() == 3);
  CHECK(holds(wrong, "caf.scheduler.max-threads = many: must be "));
  CHECK(holds(wrong, "caf.schedulr.policy: CAF has no such key"));
  CHECK(holds(wrong, "caf.openssl.key: say it in bulwark.tls"));
}

TEST_CASE("what CAF would misread without a word is a mistake with its line [D34]", "[bulwarkd]") {
  for (const auto* whole :
       {"", "a { b = [1, 2], c = \"}\" }", "# {\na = 1", "a = 'x{\"' # [", "a = \"\\\"{\""})
    CHECK(find_misreading(whole) == "");
  CHECK(find_misreading("a {\n b {\n }\n")
        == "line 1: what is opened here is never closed, } is missing");
  CHECK(find_misreading("a = [1,\n2")
        == "line 1: what is opened here is never closed, ] is missing");
  CHECK(find_misreading("a {\n b = \"x }\n") == "line 2: the text that begins here has no end");
  for (const auto* dotted : {"retry.max-attempts = 7", "a = 1.5, b.c = 2", "a {\n} b.c { }",
                             "guards {\n db.retry.max-attempts = 5 }"})
    CHECK_THAT(find_misreading(dotted), Catch::Contains("a key has no dots"));
  for (const auto* fine :
       {"a = 127.0.0.1", "a = [1.5, b.c]", "\"x.y\" { a = 1.5 }", "# a.b = 1", "a { b = 1.5 }"})
    CHECK(find_misreading(fine) == "");
  CHECK(find_misreading("a = 1\nb = # later\n") == "line 3: a value is missing");
  CHECK(find_misreading("\"\\") == "line 1: the text that begins here has no end");
}

TEST_CASE("the admin port and the journal are told as the rest is, and so are mistakes [D33 D34]",
          "[bulwarkd]") {
  const auto told = read("bulwark { admin { address = \"::1\", port = 0, token-file = \"/t\" }, "
                         "journal { file = \"/j\", max-age = 2h, max-mebibytes = 3 } }");
  REQUIRE(told.wrong == mistakes{});
  CHECK(told.told.admin->address == "::1");
  CHECK(told.told.admin->port == 0);
  CHECK(told.told.admin->token_file == "/t");
  CHECK(told.told.journal->max_age == 2h);
  CHECK(told.told.journal->max_mebibytes == 3);
  CHECK_FALSE(read("bulwark { }").told.admin);
  CHECK_FALSE(read("bulwark { }").told.journal);
  CHECK(mistake_in_node("admin { address = \"localhost\" }")
        == "bulwark.admin.address = localhost: must be an IPv4 or IPv6 address in numbers");
  CHECK_THAT(mistake_in_node("admin { address = \"0.0.0.0\" }"),
             Catch::Contains("others reach it, and hear tokens on their way"));
  CHECK(read("bulwark { admin { address = \"0.0.0.0\", open-to-others = true } }").wrong.empty());
  CHECK(mistake_in_node("journal { }") == "bulwark.journal.file: is missing");
  CHECK_THAT(mistake_in_node("journal { file = \"a\", max-age = 1s }"),
             Catch::StartsWith("bulwark.journal.max-age = 1s: must be 1m .."));
  CHECK(mistake_in_node("journal { file = \"a\", max-mebibytes = 0 }")
        == "bulwark.journal.max-mebibytes = 0: must be 1 .. 1048576");
}

TEST_CASE("a token is one word of 16 characters or more in a file of its own [D33 D34]",
          "[bulwarkd]") {
  const bulwark_tests::temporary_folder folder;
  const auto token = [&](const std::string& content) {
    return read_token(folder.file("token", content));
  };
  CHECK(token("0123456789abcdef").token == "0123456789abcdef");
  CHECK(token("0123456789abcdef\r\n").token == "0123456789abcdef");
  for (const auto* wrong : {"", "\n", "0123456789abcde", "0123456789 abcdef",
                            "0123456789abcd\xc3\xa4", "0123456789abcdef\n0123456789abcdef"}) {
    CAPTURE(wrong);
    CHECK(token(wrong).token.empty());
    REQUIRE(token(wrong).wrong.size() == 1);
    CHECK_THAT(token(wrong).wrong[0], Catch::Contains("one word of 16 or more"));
  }
  CHECK_THAT(read_token(folder.file("none")).wrong.at(0), Catch::EndsWith("can't be read"));
  CHECK_THAT(read_token(folder.path().string()).wrong.at(0), Catch::EndsWith("can't be read"));
}
