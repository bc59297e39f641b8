#pragma once

#include "bulwark/change_mark.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/random.hpp"
#include "bulwark/supervisor.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <unordered_map>
#include <vector>

namespace bulwark::sync {

/// What the threads that call and their envoy share.
struct shared_books {
  std::mutex mutex;
  /// The breaker's, set while the mutex is held: whoever reads the books has seen the change or will
  /// find the mark set.
  shared_change_mark_ptr mark;
  counters calls;
  error_predicate failure_on = counted;
  supervisor_limits limits; ///< What has to be known of the breaker's policy.
  success_counter successes;
  random_stream random{std::random_device{}()};
};

/// A sync::circuit_breaker that stands on a node's part is one of the breaker's holders, as a guard
/// is. Holders are actors, so it has one: it asks for probes, learns of a changed policy and tells
/// the books. The calls themselves pass by it.
///
/// | message                               | answer                                     |
/// | ------------------------------------- | ------------------------------------------ |
/// | attach                                | unit, once the breaker knows the envoy     |
/// | probe_request                         | probe_decision                             |
/// | any, once the breaker has ended       | an error                                   |
class circuit_envoy final : public caf::event_based_actor {
public:
  circuit_envoy(caf::actor_config& config, const caf::strong_actor_ptr& breaker,
                std::shared_ptr<shared_books> books);

  const char* name() const override { return "bulwark.circuit_envoy"; }
  void on_exit() override;

protected:
  void BULWARK_LAST_HANDLE_GONE() override;
  caf::behavior make_behavior() override;

private:
  caf::weak_actor_ptr breaker_;
  std::shared_ptr<shared_books> books_;
  bool known_ = false; // to the breaker
  bool said_farewell_ = false;
  std::vector<caf::response_promise> ready_;
  std::unordered_map<std::uint32_t, caf::response_promise> askers_; // by attempt
  std::uint32_t last_serial_ = 0;

  void end();
  void say_farewell();
  caf::response_promise wait_until_known();
  void take_policy(const circuit_breaker_policy& policy);
  caf::response_promise ask_probe(probe_request request);
  void send_to_breaker(caf::message content);
  void report(std::uint64_t round, const caf::strong_actor_ptr& to);
};

} // namespace bulwark::sync
