#include "bulwark/sync_timeout_manager.hpp"

#include "bulwark/bulkhead_actor.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/sync_ask.hpp"
#include "bulwark/sync_courier.hpp"
#include "bulwark/worker_pool.hpp"

#include <utility>

namespace bulwark::sync {

class timeout_manager::backend {
public:
  virtual ~backend() = default;
  virtual void start(const job_ptr& what, timespan timeout) = 0;
};

namespace {

class own_timeouts final : public timeout_manager::backend {
public:
  void start(const job_ptr& what, timespan) override {
    threads_.submit([what] {
      static_cast<void>(what->run());
      what->publish();
    });
  }

private:
  worker_pool threads_; // its destructor waits
};

// The part bounds calls of targets: so the threads are made a target.
class part_timeouts final : public timeout_manager::backend {
public:
  explicit part_timeouts(node& home)
      : part_(home.timeout_manager()),
        target_(home.system().spawn(worker_pool_actor, threads_)),
        handle_(home.system().spawn<courier_actor>(part_kind::timeout_manager, "timeout_manager")),
        courier_(*caf::actor_cast<courier_actor*>(handle_)) {}

  ~part_timeouts() override {
    courier_.close();
    courier_.wait_until_idle();
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(handle_), shutdown_atom_v);
    caf::anon_send_exit(target_, caf::exit_reason::user_shutdown);
    threads_->join();
  }

  void start(const job_ptr& what, timespan timeout) override {
    courier_.send(part_, what, [&](work function) {
      return caf::make_message(run_atom_v, target_, timeout,
                               caf::make_message(std::move(function)));
    });
  }

private:
  const caf::actor part_;
  const std::shared_ptr<worker_pool> threads_ = std::make_shared<worker_pool>();
  const caf::actor target_;
  const caf::actor handle_;
  courier_actor& courier_;
};

} // namespace

timeout_manager::timeout_manager() : backend_(std::make_unique<own_timeouts>()), own_time_(true) {}

timeout_manager::timeout_manager(node& home)
    : backend_(std::make_unique<part_timeouts>(home)), own_time_(false) {}

timeout_manager::~timeout_manager() = default;

void timeout_manager::require_in_range(timespan timeout) {
  policy_mistakes mistakes;
  check_range(mistakes, "wait_for.timeout", timeout, timespan{1}, longest_timespan);
  if (!mistakes.empty())
    throw policy_error{errc::invalid_policy, {.last_error = to_string(mistakes)}};
}

void timeout_manager::refuse_late(job& what, timespan timeout) {
  what.refuse(std::make_exception_ptr(timeout_error{errc::timed_out, {.elapsed = timeout}}));
}

void timeout_manager::start(const job_ptr& what, timespan timeout) {
  backend_->start(what, timeout);
}

timeout_manager& process_timeouts() {
  static timeout_manager result;
  return result;
}

} // namespace bulwark::sync
