#include "bulwarkd/admin/event_hub.hpp"

#include "bulwarkd/admin/questions.hpp"
#include "bulwarkd/admin/time_text.hpp"

#include <algorithm>
#include <utility>

namespace bulwarkd {

namespace {

namespace compat = bulwark::compat;

constexpr auto rejection_interval = std::chrono::seconds{1};
constexpr auto comment_interval = std::chrono::seconds{15};

std::uint64_t microseconds_now() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

// The hub's ear. With a thread of its own: writing a thousand guards takes milliseconds, which calls
// would wait for. `hub` waits for its end.
caf::behavior listen(caf::event_based_actor* self, event_hub* hub, const caf::actor& registry) {
  return {
      [self, hub, registry](bulwark::subscribe_atom) {
        compat::request(self, registry, bulwark::subscribe_atom_v)
            .then([hub] { hub->on_subscribed(); }, [](const caf::error&) {});
      },
      [self, registry](bulwark::unsubscribe_atom) {
        compat::request(self, registry, bulwark::unsubscribe_atom_v)
            .then([] {}, [](const caf::error&) {});
      },
      [self, hub, registry](bulwark::get_all_stats_atom) {
        compat::request_within(self, registry, question_timeout, bulwark::get_all_stats_atom_v)
            .then([hub](const bulwark::node_stats& stats) { hub->on_figures(&stats); },
                  [hub](const caf::error&) { hub->on_figures(nullptr); });
      },
      [](const bulwark::circuit_event&) {}, // told by whoever owns the hub
      [hub](const bulwark::rejection_event& event) { hub->on_rejection(event); },
  };
}

} // namespace

event_hub::event_hub(bulwark::node& node, control& steering, const settings& wanted)
    : node_(node),
      control_(steering),
      settings_(wanted),
      actor_(node.system().spawn<caf::detached>(listen, this, node.registry())),
      ring_(microseconds_now()) {}

event_hub::~event_hub() {
  stop();
}

void event_hub::stop() {
  caf::anon_send_exit(actor_, caf::exit_reason::kill);
  caf::scoped_actor self{node_.system()};
  self->wait_for(actor_);
}

void event_hub::tell_actor(caf::message what) const {
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(actor_), nullptr, caf::make_message_id(),
                  std::move(what), nullptr);
}

bool event_hub::is_subscribed() const {
  std::lock_guard guard{mutex_};
  return wants_refusals_ && hears_refusals_;
}

void event_hub::on_subscribed() {
  std::lock_guard guard{mutex_};
  hears_refusals_ = true;
}

bool event_hub::add(http_port::stream_id id, const wish& wanted) {
  std::lock_guard guard{mutex_};
  drop_gone(clock::now());
  if (listeners_.size() >= settings_.max_listeners)
    return false;
  if (!wants_refusals_) {
    tell_actor(caf::make_message(bulwark::subscribe_atom_v));
    wants_refusals_ = true;
    hears_refusals_ = false;
  }
  if (listeners_.empty())
    comment_due_ = clock::now() + comment_interval;
  leave_due_ = clock::time_point::max();
  listeners_[id] = {.samples = wanted.samples, .next_sample = clock::now()};
  port_->write(id, std::make_shared<const std::string>("retry: 2000\n\n"));
  if (wanted.after) {
    const auto missed = ring_.after(*wanted.after);
    if (missed.has_gap)
      port_->write(id, make_frame("gap", R"({"after":)" + std::to_string(*wanted.after) + '}'));
    for (const auto& frame : missed.frames)
      port_->write(id, frame);
  }
  return true;
}

// -- what happens ---------------------------------------------------------------------------

void event_hub::tell_all(const event_frame& frame) {
  for (const auto& [id, each] : listeners_)
    port_->write(id, frame);
}

void event_hub::tell_transition(const bulwark::circuit_event& event) {
  const auto ago = node_.system().clock().now().time_since_epoch() - event.when;
  const auto when = std::chrono::system_clock::now()
                    - std::chrono::duration_cast<std::chrono::system_clock::duration>(ago);
  std::lock_guard guard{mutex_};
  tell_all(ring_.add("transition", to_data(event, when)));
}

void event_hub::on_rejection(const bulwark::rejection_event& event) {
  std::lock_guard guard{mutex_};
  if (!rejections_.add(event))
    return;
  rejections_due_ = clock::now() + rejection_interval;
  port_->wake();
}

void event_hub::tell_change(const std::string& who, const std::string& what,
                            const std::string& from, const std::string& to) {
  std::lock_guard guard{mutex_};
  tell_all(ring_.add("change", {{"time", time_text(std::chrono::system_clock::now())},
                                {"who", who},
                                {"what", what},
                                {"from", from},
                                {"to", to}}));
}

void event_hub::on_figures(const bulwark::node_stats* stats) {
  const auto told = stats != nullptr ? control_.guard_overview() : std::vector<guard_summary>{};
  std::lock_guard guard{mutex_};
  asked_ = false;
  const auto now = clock::now();
  if (stats != nullptr)
    samples_.update(*stats, told, std::chrono::system_clock::now());
  std::map<std::uint64_t, event_frame> frames;
  for (auto& [id, each] : listeners_) {
    if (!each.samples || each.next_sample > now)
      continue;
    each.next_sample = std::max(each.next_sample + *each.samples, now);
    if (stats == nullptr || !port_->is_idle(id))
      continue;
    auto& frame = frames[each.version];
    if (!frame)
      frame = make_frame("sample", *samples_.changes_since(each.version));
    port_->write(id, frame);
    each.version = samples_.version();
  }
  port_->wake();
}

// -- what is due ------------------------------------------------------------------------------

std::chrono::steady_clock::time_point event_hub::tick() {
  const auto now = clock::now();
  std::lock_guard guard{mutex_};
  drop_gone(now);
  if (now >= leave_due_) {
    leave_due_ = clock::time_point::max();
    wants_refusals_ = false;
    tell_actor(caf::make_message(bulwark::unsubscribe_atom_v));
  }
  if (now >= rejections_due_) {
    for (const auto& frame : rejections_.take(std::chrono::system_clock::now()))
      tell_all(frame);
    rejections_due_ = clock::time_point::max();
  }
  if (!listeners_.empty() && now >= comment_due_) {
    tell_all(std::make_shared<const std::string>(":\n\n"));
    comment_due_ = now + comment_interval;
  }
  const auto wants_sample = [&](const auto& entry) {
    return entry.second.samples && entry.second.next_sample <= now;
  };
  if (!asked_ && std::any_of(listeners_.begin(), listeners_.end(), wants_sample)) {
    asked_ = true;
    tell_actor(caf::make_message(bulwark::get_all_stats_atom_v));
  }
  return next_due();
}

event_hub::clock::time_point event_hub::next_due() const {
  auto result = std::min(rejections_due_, leave_due_);
  if (!listeners_.empty())
    result = std::min(result, comment_due_);
  for (const auto& [id, each] : listeners_)
    if (each.samples && !asked_)
      result = std::min(result, each.next_sample);
  return result;
}

void event_hub::drop_gone(clock::time_point now) {
  const auto dropped =
      std::erase_if(listeners_, [this](const auto& entry) { return !port_->is_open(entry.first); });
  if (dropped > 0 && listeners_.empty())
    leave_due_ = now + settings_.linger;
}

} // namespace bulwarkd
