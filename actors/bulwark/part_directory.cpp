// Longer than 200 lines: each kind of part is made, looked up, compared and ended in the one place.
#include "bulwark/part_directory.hpp"

#include "bulwark/bulkhead_actor.hpp"
#include "bulwark/circuit_breaker_actor.hpp"
#include "bulwark/exceptions.hpp"
#include "bulwark/fault_injection.hpp"
#include "bulwark/shared_bulkhead_actor.hpp"
#include "bulwark/shared_circuit_actor.hpp"
#include "bulwark/supervisor_actor.hpp"

#include <algorithm>
#include <utility>

namespace bulwark {

namespace {

[[noreturn]] void refuse_name(part_kind kind, const std::string& name, std::string reason) {
  throw policy_error{
      errc::duplicate_name,
      {.part = name, .last_error = "a " + to_string(kind) + " " + std::move(reason)}};
}

void require_no_mistakes(const std::string& name, const policy_mistakes& mistakes) {
  if (!mistakes.empty())
    throw policy_error{errc::invalid_policy, {.part = name, .last_error = to_string(mistakes)}};
}

policy_mistakes mistakes_of(const circuit_breaker_policy& policy) {
  return find_mistakes(limits_of(policy));
}
policy_mistakes mistakes_of(const bulkhead_policy& policy) {
  return find_mistakes(policy);
}

caf::strong_actor_ptr lock(const caf::weak_actor_ptr& part) {
  auto strong = caf::actor_cast<caf::strong_actor_ptr>(part);
  return strong && !compat::has_ended(strong) ? strong : nullptr;
}

/// The actor as T, null where it is another's, or of another process.
template <class T>
T* as(const caf::actor& part) {
  return part ? dynamic_cast<T*>(caf::actor_cast<caf::abstract_actor*>(part)) : nullptr;
}

} // namespace

part_directory::part_directory(caf::actor_system& system, caf::actor timeout_manager,
                               caf::actor registry)
    : system_(system),
      timeout_manager_(std::move(timeout_manager)),
      registry_(std::move(registry)) {}

void part_directory::close() {
  std::lock_guard guard{mutex_};
  closed_ = true;
}

bool part_directory::closed() const {
  std::lock_guard guard{mutex_};
  return closed_;
}

void part_directory::require_open(const std::string& name) const {
  if (closed_)
    throw resilience_error{errc::shutting_down,
                           {.part = name, .last_error = "its node has been shut down"}};
}

std::vector<caf::actor> part_directory::living() const {
  std::lock_guard guard{mutex_};
  std::vector<caf::actor> result;
  const auto add = [&result](const caf::weak_actor_ptr& part) {
    if (auto strong = lock(part))
      result.push_back(caf::actor_cast<caf::actor>(strong));
  };
  for (const auto* kind : {&guards_, &circuit_breakers_, &bulkheads_}) {
    for (const auto& [name, found] : *kind)
      add(found.part);
  }
  for (const auto& [name, found] : shared_)
    add(found.part);
  return result;
}

/// Names whose actors have ended go away, or a node whose names keep changing would grow: even a weak
/// pointer keeps an actor's memory. Amortised over the names that are made.
void part_directory::forget_ended() {
  const auto size = [this] {
    return guards_.size() + circuit_breakers_.size() + bulkheads_.size();
  };
  if (size() < sweep_at_)
    return;
  for (auto* kind : {&guards_, &circuit_breakers_, &bulkheads_})
    std::erase_if(*kind, [](const auto& each) { return !lock(each.second.part); });
  sweep_at_ = std::max(std::size_t{64}, 2 * size());
}

template <class Part, class Policy, class Spawn>
caf::actor part_directory::find_or_spawn(entries& where, part_kind kind, const std::string& name,
                                         const Policy& policy, bool keep, Spawn spawn) {
  require_no_mistakes(name, mistakes_of(policy));
  std::lock_guard guard{mutex_};
  require_open(name);
  forget_ended();
  auto& found = where[name];
  auto part = caf::actor_cast<caf::actor>(lock(found.part));
  if (!part) {
    part = spawn(name, policy);
    found = {.part = caf::actor_cast<caf::weak_actor_ptr>(part), .kept = {}};
    announce(name, kind, caf::actor_cast<caf::strong_actor_ptr>(part));
  } else if (!(as<Part>(part)->policy() == policy)) {
    refuse_name(kind, name, "of that name has another policy");
  }
  if (keep)
    found.kept = part;
  return part;
}

caf::actor part_directory::circuit_breaker(const std::string& name,
                                           const circuit_breaker_policy& policy, bool keep) {
  return find_or_spawn<circuit_breaker_actor>(
      circuit_breakers_, part_kind::circuit_breaker, name, policy, keep,
      [this](const auto& n, const auto& p) { return spawn_circuit_breaker(n, p); });
}

caf::actor part_directory::bulkhead(const std::string& name, const bulkhead_policy& policy,
                                    bool keep) {
  return find_or_spawn<bulkhead_actor>(
      bulkheads_, part_kind::bulkhead, name, policy, keep,
      [this](const auto& n, const auto& p) { return spawn_bulkhead(n, p); });
}

std::optional<circuit_breaker_policy>
part_directory::circuit_breaker_policy_of(const std::string& name) const {
  std::lock_guard guard{mutex_};
  auto i = circuit_breakers_.find(name);
  const auto part = i == circuit_breakers_.end()
                        ? caf::actor{}
                        : caf::actor_cast<caf::actor>(lock(i->second.part));
  return part ? std::optional{as<circuit_breaker_actor>(part)->policy()} : std::nullopt;
}

std::optional<bulkhead_policy> part_directory::bulkhead_policy_of(const std::string& name) const {
  const auto part = find_bulkhead(name);
  return part ? std::optional{as<bulkhead_actor>(part)->policy()} : std::nullopt;
}

void part_directory::reserve(std::set<std::string> guards) {
  std::lock_guard guard{mutex_};
  reserved_ = std::move(guards);
}

caf::actor part_directory::create_bulkhead(const std::string& name, const bulkhead_policy& policy) {
  std::lock_guard guard{mutex_};
  require_open(name);
  if (find_bulkhead(name))
    refuse_name(part_kind::bulkhead, name, "of that name exists");
  return bulkhead(name, policy, true);
}

caf::actor part_directory::find_bulkhead(const std::string& name) const {
  std::lock_guard guard{mutex_};
  auto i = bulkheads_.find(name);
  return i == bulkheads_.end() ? caf::actor{} : caf::actor_cast<caf::actor>(lock(i->second.part));
}

std::vector<caf::actor> part_directory::bulkheads() const {
  std::lock_guard guard{mutex_};
  std::vector<caf::actor> result;
  for (const auto& [name, found] : bulkheads_) {
    if (auto part = lock(found.part))
      result.push_back(caf::actor_cast<caf::actor>(part));
  }
  return result;
}

caf::actor part_directory::spawn_circuit_breaker(const std::string& name,
                                                 const circuit_breaker_policy& policy,
                                                 std::optional<part_owner> owner) {
  return system_.spawn<circuit_breaker_actor>(circuit_breaker_actor::settings{
      .name = name,
      .policy = policy,
      .timeout_manager = caf::actor_cast<caf::strong_actor_ptr>(timeout_manager_),
      .registry = caf::actor_cast<caf::weak_actor_ptr>(registry_),
      .of = std::move(owner),
  });
}

template <class Policy, class Spawn>
caf::actor part_directory::spawn_shared(part_kind kind, const std::string& name,
                                        const Policy& policy, const sharing_policy& sharing,
                                        Spawn spawn) {
  auto mistakes = mistakes_of(policy);
  for (auto& each : find_mistakes(sharing))
    mistakes.push_back(std::move(each));
  require_no_mistakes(name, mistakes);
  std::lock_guard guard{mutex_};
  require_open(name);
  const auto& parts = kind == part_kind::bulkhead ? bulkheads_ : circuit_breakers_;
  if (auto i = parts.find(name); i != parts.end() && lock(i->second.part))
    refuse_name(kind, name, "of that name exists");
  const auto full_name = name + " (all nodes)";
  auto& found = shared_[{kind, name}];
  found.kept = spawn(full_name);
  found.part = caf::actor_cast<caf::weak_actor_ptr>(found.kept);
  announce(full_name, kind, caf::actor_cast<caf::strong_actor_ptr>(found.kept));
  return found.kept;
}

caf::actor part_directory::shared_bulkhead(const std::string& name, const bulkhead_policy& policy,
                                           const sharing_policy& sharing) {
  require_no_mistakes(name, find_sharing_mistakes(policy));
  return spawn_shared(part_kind::bulkhead, name, policy, sharing, [&](std::string full_name) {
    return system_.spawn<shared_bulkhead_actor>(shared_bulkhead_actor::settings{
        .name = std::move(full_name),
        .policy = policy,
        .sharing = sharing,
        .timeout_manager = caf::actor_cast<caf::strong_actor_ptr>(timeout_manager_),
    });
  });
}

caf::actor part_directory::shared_circuit_breaker(const std::string& name,
                                                  const circuit_breaker_policy& policy,
                                                  const sharing_policy& sharing) {
  return spawn_shared(
      part_kind::circuit_breaker, name, policy, sharing, [&](std::string full_name) {
        return system_.spawn<shared_circuit_actor>(shared_circuit_actor::settings{
            .name = std::move(full_name),
            .policy = limits_of(policy),
            .sharing = sharing,
            .timeout_manager = caf::actor_cast<caf::strong_actor_ptr>(timeout_manager_),
            .registry = caf::actor_cast<caf::weak_actor_ptr>(registry_),
        });
      });
}

caf::actor part_directory::find_shared(part_kind kind, const std::string& name) const {
  std::lock_guard guard{mutex_};
  auto i = shared_.find({kind, name});
  return i == shared_.end() ? caf::actor{} : caf::actor_cast<caf::actor>(lock(i->second.part));
}

/// What stands for a part that nodes share: it is kept, so that what nodes hold is accounted for.
template <class Part, class Spawn>
caf::actor part_directory::find_or_spawn_of(entries& where, part_kind kind, const std::string& name,
                                            owner_lost when_lost, Spawn spawn) {
  std::lock_guard guard{mutex_};
  require_open(name);
  auto& found = where[name];
  if (auto part = caf::actor_cast<caf::actor>(lock(found.part))) {
    if (as<Part>(part)->when_lost() != when_lost)
      refuse_name(kind, name, "of that name is in use in another way");
    return part;
  }
  found.kept = spawn();
  found.part = caf::actor_cast<caf::weak_actor_ptr>(found.kept);
  announce(name, kind, caf::actor_cast<caf::strong_actor_ptr>(found.kept));
  return found.kept;
}

caf::actor part_directory::bulkhead_of(const std::string& name, part_owner owner) {
  return find_or_spawn_of<bulkhead_actor>(
      bulkheads_, part_kind::bulkhead, name, owner.when_lost,
      [&] { return spawn_bulkhead(name, {}, std::move(owner)); });
}

caf::actor part_directory::circuit_breaker_of(const std::string& name,
                                              const circuit_breaker_policy& policy,
                                              part_owner owner) {
  return find_or_spawn_of<circuit_breaker_actor>(
      circuit_breakers_, part_kind::circuit_breaker, name, owner.when_lost,
      [&] { return spawn_circuit_breaker(name, policy, std::move(owner)); });
}

caf::actor part_directory::spawn_bulkhead(const std::string& name, const bulkhead_policy& policy,
                                          std::optional<part_owner> owner) {
  std::erase_if(threads_, [](const auto& pool) { return pool->finished(); });
  auto pool = threads_.emplace_back(std::make_shared<worker_pool>());
  // The bulkhead's last user may be one of these threads, with a function's answer in its hand. A
  // thread can't wait for itself: so the end of use only closes the pool, and we keep it.
  auto threads = std::shared_ptr<worker_pool>{pool.get(), [pool](auto*) { pool->close(); }};
  return system_.spawn<bulkhead_actor>(bulkhead_actor::settings{
      .name = name,
      .policy = policy,
      .timeout_manager = caf::actor_cast<caf::strong_actor_ptr>(timeout_manager_),
      .registry = caf::actor_cast<caf::weak_actor_ptr>(registry_),
      .threads = std::move(threads),
      .of = std::move(owner),
  });
}

void part_directory::announce(const std::string& name, part_kind kind,
                              const caf::strong_actor_ptr& part) {
  compat::tell(
      caf::actor_cast<caf::strong_actor_ptr>(registry_), attach_atom_v,
      part_info{.name = name, .kind = kind, .address = caf::actor_cast<caf::actor_addr>(part)});
}

caf::strong_actor_ptr part_directory::guard(const std::string& name,
                                            const caf::strong_actor_ptr& target,
                                            const guard_policy& policy, bool of_settings) {
  require_no_mistakes(name, find_mistakes(policy));
  if (!target)
    throw policy_error{errc::invalid_policy,
                       {.guard = name, .last_error = "the target is an invalid handle"}};
  return spawn_guard({.name = name, .target = target}, policy, of_settings);
}

caf::strong_actor_ptr part_directory::guard(const std::string& name,
                                            std::vector<caf::strong_actor_ptr> targets,
                                            std::vector<target_set::factory> factories,
                                            const guard_policy& policy, bool of_settings) {
  require_no_mistakes(name, find_mistakes(policy));
  for (const auto& make : factories)
    targets.push_back(make());
  if (targets.empty() || std::find(targets.begin(), targets.end(), nullptr) != targets.end())
    throw policy_error{errc::invalid_policy,
                       {.guard = name,
                        .last_error = targets.empty() ? "there is no target"
                                                      : "one of the targets is an invalid handle"}};
  return spawn_guard({.name = name,
                      .targets = std::make_unique<target_set>(
                          target_set::settings{.targets = std::move(targets),
                                               .factories = std::move(factories),
                                               .replicas = policy.replicas,
                                               .restart = policy.restart},
                          std::hash<std::string>{}(name), now())},
                     policy, of_settings);
}

caf::strong_actor_ptr part_directory::remote_guard(const std::string& name,
                                                   supervisor_actor::peer peer,
                                                   caf::strong_actor_ptr door,
                                                   const guard_policy& policy) {
  require_no_mistakes(name, find_mistakes(policy));
  if (policy.chaos)
    require_no_mistakes(name, find_mistakes(*policy.chaos, true));
  return spawn_guard({.name = name,
                      .target = std::move(door),
                      .remote = std::make_unique<supervisor_actor::peer>(std::move(peer))},
                     policy, false);
}

/// `init` has a name and a target; the rest comes from the policy.
caf::strong_actor_ptr part_directory::spawn_guard(supervisor_actor::settings init,
                                                  const guard_policy& policy, bool of_settings) {
  std::lock_guard lock_directory{mutex_};
  const auto name = init.name;
  require_open(name);
  forget_ended();
  if (auto i = guards_.find(name); i != guards_.end() && lock(i->second.part))
    refuse_name(part_kind::guard, name, "of that name is alive");
  if (!of_settings && reserved_.contains(name))
    refuse_name(part_kind::guard, name,
                "of that name has its policy from the settings that were loaded");
  init.take(policy, shared_budget(policy, false), now());
  if (policy.reply_sharing)
    init.reply_sharing = std::make_unique<reply_sharing_policy>(*policy.reply_sharing);
  init.timeout_manager = caf::actor_cast<caf::strong_actor_ptr>(timeout_manager_);
  init.registry = caf::actor_cast<caf::weak_actor_ptr>(registry_);
  add_breaker(init, policy);
  add_bulkhead(init, policy);
  auto result =
      caf::actor_cast<caf::strong_actor_ptr>(system_.spawn<supervisor_actor>(std::move(init)));
  guards_[name] = {.part = caf::actor_cast<caf::weak_actor_ptr>(result), .kept = {}};
  announce(name, part_kind::guard, result);
  return result;
}

instant part_directory::now() const {
  return instant{system_.clock().now().time_since_epoch()};
}

caf::actor part_directory::find_guard(const std::string& name) const {
  std::lock_guard guard{mutex_};
  auto i = guards_.find(name);
  return i == guards_.end() ? caf::actor{} : caf::actor_cast<caf::actor>(lock(i->second.part));
}

/// One with a name lives as long as a guard that uses it; null where it has none. `may_change`: for
/// all that use it, where it is there and has another policy.
std::shared_ptr<retry_allowance> part_directory::shared_budget(const guard_policy& policy,
                                                               bool may_change) {
  if (!policy.retry || !policy.retry->budget || policy.retry->budget->name.empty())
    return nullptr;
  const auto& wish = *policy.retry->budget;
  std::erase_if(retry_budgets_, [](const auto& each) { return each.second.expired(); });
  auto& found = retry_budgets_[wish.name];
  auto budget = found.lock();
  if (!budget)
    found = budget = std::make_shared<shared_retry_budget>(wish);
  else if (may_change)
    budget->change_policy(wish, now());
  else if (!(budget->policy() == wish))
    throw policy_error{
        errc::duplicate_name,
        {.part = wish.name, .last_error = "a retry budget of that name has another policy"}};
  return budget;
}

void part_directory::change_policy(const std::string& name, const guard_policy& policy) {
  auto mistakes = find_mistakes(policy);
  std::lock_guard lock_directory{mutex_};
  const auto guard = find_guard(name);
  if (!guard)
    throw policy_error{errc::unknown_name, {.guard = name, .last_error = "there is no such guard"}};
  const auto& actor = *as<supervisor_actor>(guard);
  if (policy.chaos && mistakes.empty() && actor.is_remote())
    mistakes = find_mistakes(*policy.chaos, true);
  require_no_mistakes(name, mistakes);
  if (auto why = actor.why_unchangeable(policy); !why.empty())
    throw policy_error{errc::invalid_policy, {.guard = name, .last_error = std::move(why)}};
  // Parts first: nothing that comes after this call is to meet the old policy of one of them.
  if (const auto* own = std::get_if<circuit_breaker_policy>(&policy.breaker))
    compat::tell(lock(circuit_breakers_.at(name).part), change_policy_atom_v, *own);
  if (const auto* own = std::get_if<bulkhead_policy>(&policy.bulkhead))
    compat::tell(lock(bulkheads_.at(name).part), change_policy_atom_v, *own);
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guard), change_policy_atom_v,
               guard_change{.policy = std::make_shared<const guard_policy>(policy),
                            .shared_budget = shared_budget(policy, true)});
}

void part_directory::add_breaker(supervisor_actor::settings& init, const guard_policy& policy) {
  if (std::holds_alternative<std::monostate>(policy.breaker))
    return;
  caf::actor part;
  if (const auto* own = std::get_if<circuit_breaker_policy>(&policy.breaker))
    part = circuit_breaker(init.name, *own, false);
  else
    part = std::get<caf::actor>(policy.breaker);
  const auto* breaker = as<circuit_breaker_actor>(part);
  if (breaker == nullptr)
    throw policy_error{
        errc::invalid_policy,
        {.guard = init.name, .last_error = "guard.breaker is no circuit breaker of this process"}};
  init.limits.breaker = true;
  init.breaker = caf::actor_cast<caf::weak_actor_ptr>(part);
  init.breaker_name = breaker->part_name();
  init.marks[0] = breaker->holders_mark();
  init.view = breaker->view();
  init.keeps_alive[0] = caf::actor_cast<caf::strong_actor_ptr>(part);
  // Until the breaker itself has said it, right after the guard's first word.
  const auto said = breaker->policy();
  init.failure_on = said.failure_on;
  take_limits(init.limits, limits_of(said));
}

void part_directory::add_bulkhead(supervisor_actor::settings& init, const guard_policy& policy) {
  const auto require_token = [&](const bulkhead_actor* part) {
    if (policy.shows_permit && (part == nullptr || !part->lease()))
      throw policy_error{errc::invalid_policy,
                         {.guard = init.name,
                          .last_error = "guard.shows_permit is true, permitted: only with a "
                                        "bulkhead that nodes share"}};
  };
  if (std::holds_alternative<std::monostate>(policy.bulkhead)) {
    require_token(nullptr);
    return;
  }
  caf::actor part;
  if (const auto* own = std::get_if<bulkhead_policy>(&policy.bulkhead))
    part = bulkhead(init.name, *own, false);
  else
    part = std::get<caf::actor>(policy.bulkhead);
  const auto* found = as<bulkhead_actor>(part);
  if (found == nullptr)
    throw policy_error{
        errc::invalid_policy,
        {.guard = init.name, .last_error = "guard.bulkhead is no bulkhead of this process"}};
  require_token(found);
  init.limits.bulkhead = true;
  init.lease = found->lease();
  init.shows_permit = policy.shows_permit;
  init.bulkhead = caf::actor_cast<caf::weak_actor_ptr>(part);
  init.bulkhead_name = found->part_name();
  init.marks[1] = found->holders_mark();
  init.keeps_alive[1] = caf::actor_cast<caf::strong_actor_ptr>(part);
  const auto with = found->policy();
  init.limits.queue_timeout = with.queue_timeout;
  init.limits.tells_samples = with.adaptive.has_value();
}

void part_directory::join_threads() {
  std::vector<std::shared_ptr<worker_pool>> threads;
  {
    std::lock_guard guard{mutex_};
    threads.swap(threads_);
  }
  for (const auto& pool : threads)
    pool->join();
}

} // namespace bulwark
