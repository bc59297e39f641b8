#include "bulwark/exceptions.hpp"
#include "bulwark/sync_ask.hpp"
#include "bulwark/sync_courier.hpp"
#include "bulwark/sync_workers.hpp"

#include <utility>

namespace bulwark::sync {

namespace {

// The part knows how to run functions, see `execute`: here they only find their way there and back.
class part_workers final : public workers {
public:
  part_workers(node& home, const std::string& name, const bulkhead_policy& policy)
      : system_(home.system()),
        name_(name),
        part_(home.bulkhead(name, policy)),
        handle_(system_.spawn<courier_actor>(part_kind::bulkhead, name)),
        courier_(*caf::actor_cast<courier_actor*>(handle_)) {}

  ~part_workers() override {
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(handle_), shutdown_atom_v);
  }

  void submit(job_ptr what) override {
    courier_.send(part_, std::move(what),
                  [](work job) { return caf::make_message(execute_atom_v, std::move(job)); });
  }

  void shut_down(bool wait) override {
    courier_.close();
    if (wait)
      courier_.wait_until_idle();
    else
      courier_.refuse_pending();
  }

  std::uint32_t available_capacity() override {
    return require(ask<std::uint32_t>(system_, part_, available_capacity_atom_v));
  }

  bulkhead_stats stats() override {
    return require(ask<bulkhead_stats>(system_, part_, get_stats_atom_v));
  }

private:
  caf::actor_system& system_;
  const std::string name_;
  const caf::actor part_;
  const caf::actor handle_;
  courier_actor& courier_;

  template <class T>
  T require(answer_to<T> answer) {
    if (!answer.value)
      throw bulkhead_error{errc::shutting_down, {.part = name_}};
    return std::move(*answer.value);
  }
};

} // namespace

std::unique_ptr<workers> make_part_workers(node& home, const std::string& name,
                                           const bulkhead_policy& policy) {
  return std::make_unique<part_workers>(home, name, policy);
}

} // namespace bulwark::sync
