#pragma once

// What an admin port says, as docs/openapi.json has it.
namespace bulwark_tests::admin_answers {

constexpr auto guards = R"({"node":"a","time":"2026-11-25T17:18:31.309Z","guards":[
 {"name":"db","target":"echo","state":"open","breaker":"db","bulkhead":"writers",
  "calls":{"calls":1200,"succeeded":1000,"failed":100,"rejected":60,"timed_out":30,"cancelled":6,"in_flight":4},
  "attempts":1300,"retries":97,"late_replies":3,"budget_refused":2,"hedges":1,"fallbacks":5,
  "latency":{"count":1000,"p50":0.0021,"p90":0.03,"p99":0.25,"max":1.5},"chaos":false,
  "permits":{"active":4,"limit":10,"queued":1,"queue_size":100}},
 {"name":"mail","target":"10.0.0.7:4711/mail","state":null,"breaker":null,"bulkhead":null,
  "calls":{"calls":7,"succeeded":7,"failed":0,"rejected":0,"timed_out":0,"cancelled":0,"in_flight":0},
  "attempts":7,"retries":0,"late_replies":0,"budget_refused":0,"hedges":0,"fallbacks":0,
  "latency":{"count":7,"p50":0.000012,"p90":0.00002,"p99":0.00002,"max":0.00002},"chaos":false,"permits":null}]})";

constexpr auto guard =
    R"({"name":"db","target":"echo","state":"open","breaker":"db","bulkhead":"writers",
  "calls":{"calls":1200,"succeeded":1000,"failed":100,"rejected":60,"timed_out":30,"cancelled":6,"in_flight":4},
  "attempts":1300,"retries":97,"late_replies":3,"budget_refused":2,"hedges":1,"fallbacks":5,
  "latency":{"count":1000,"p50":0.0021,"p90":0.03,"p99":0.25,"max":1.5},"chaos":false,
  "permits":{"active":4,"limit":10,"queued":1,"queue_size":100},
  "policy":{"deadline":"5s","retry":{"max-attempts":3,"jitter":"full"},"shows-context":false}})";

constexpr auto why =
    R"({"name":"db","state":"open","since":"2026-11-25T17:18:30.000Z","next_probe":"2026-11-25T17:18:35.000Z",
  "generation":3,"failures":5,"successes":0,"probes":0,"failure_threshold":5,"window":{"calls":20,"failures":9,"slow":1},
  "cause":"failure_threshold","errors":[
   {"error":"timed_out","count":4,"last":"2026-11-25T17:18:29.900Z","last_text":"no reply in 1s","node":"a","guard":"db"},
   {"error":"refused","count":1,"last":"2026-11-25T17:18:28.000Z","last_text":"no","node":"b","guard":"db"}],
  "sentence":"open since 17:18:30 because 5 failures in a row; 4 x timed_out, 1 x refused; next probe in 2.1s"})";

constexpr auto nodes = R"({"nodes":[
  {"name":"a","address":"127.0.0.1:4711","state":"connected","age":0.5,"restarts":0,
   "calls":{"calls":10,"succeeded":9,"failed":1,"rejected":0,"timed_out":0,"cancelled":0,"in_flight":0},"latency":{"p99":0.5}},
  {"name":"b","address":"10.0.0.7:4711","state":"lost","age":65,"restarts":2,
   "calls":{"calls":5,"succeeded":3,"failed":0,"rejected":0,"timed_out":0,"cancelled":0,"in_flight":2},"latency":{"p99":0.1}}],
  "total":{"calls":{"calls":15,"succeeded":12,"failed":1,"rejected":0,"timed_out":0,"cancelled":0,"in_flight":2},"latency":{"p99":0.4}},
  "unresolved":2})";

constexpr auto journal = R"({"entries":[
  {"id":1764091111310,"time":"2026-11-25T17:18:31.310Z","kind":"operator","who":"ann","what":"breaker db","from":"open","to":"forced_open"},
  {"id":1764091110000,"time":"2026-11-25T17:18:30.000Z","kind":"transition","who":"a","what":"db","from":"closed","to":"open"},
  {"id":1764091100000,"time":"2026-11-25T17:18:20.000Z","kind":"start","who":"a","what":"bulwarkd 0.1.0","from":"","to":""}]})";

constexpr auto events =
    "id: 7\nevent: transition\n"
    R"(data: {"id":7,"time":"2026-11-25T17:18:30.000Z","name":"db","from":"closed","to":"open","why":"failure_threshold","generation":3})"
    "\n\n: still here\n\nid: 8\r\nevent: rejections\r\n"
    R"(data: {"time":"2026-11-25T17:18:31.000Z","guard":"db","part":"db",)"
    "\r\n"
    R"(data: "why":"circuit_open","count":12})"
    "\r\n\r\nid: 9\nevent: change\n"
    R"(data: {"time":"2026-11-25T17:18:32.000Z","who":"ann","what":"breaker db","from":"open","to":"closed"})"
    "\n\n";

constexpr auto mistakes =
    R"({"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"the settings are wrong",
  "mistakes":["bulwark.guards.db.deadline = 0s: must be 1ns .. 36500d","bulwark.guards.db.deadlin: no such key"]})";

constexpr auto changes = R"({"changes":[{"path":"bulwark.guards.db.deadline","from":"5s","to":"2s"},
  {"path":"bulwark.guards.db.retry.max-attempts","from":"","to":"4"}]})";

} // namespace bulwark_tests::admin_answers
