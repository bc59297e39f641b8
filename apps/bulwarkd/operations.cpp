#include "bulwarkd/operations.hpp"

#include "bulwarkd/log.hpp"
#include "bulwarkd/page/page.hpp"
#include "bulwarkd/text_file.hpp"
#include "report/events.hpp"

#include <sys/stat.h>

#include <algorithm>

namespace bulwarkd {

namespace {

std::unique_ptr<journal> open_journal(const configuration& told) {
  if (!told.journal)
    return nullptr;
  return std::make_unique<journal>(
      journal_settings{.file = told.journal->file,
                       .max_age = told.journal->max_age,
                       .max_size = std::uint64_t{told.journal->max_mebibytes} << 20U},
      [](const std::string& what) { log_warning("journal: {}", what); });
}

journal_kind kind_of(const steering_note& note) {
  return note.kind == "reload" ? journal_kind::reload : journal_kind::operator_action;
}

std::optional<page_file> find_page(std::string_view path) {
  const auto name = path.size() <= 1 ? std::string_view{"index.html"} : path.substr(1);
  for (const auto& each : page_files())
    if (each.path == name)
      return page_file{.content_type = each.type, .content = each.content};
  return std::nullopt;
}

} // namespace

operations::operations(caf::actor_system& system, const configuration& told,
                       const caf::settings& settings, std::function<command_line()> read,
                       const target_table& targets, const std::string& token)
    : journal_(open_journal(told)),
      node_(system, told, targets,
            [this](const bulwark::circuit_event& event) { on_transition(event); }),
      steered_(node_, std::move(read), settings, targets,
               [this](const steering_note& note) { on_change(note); }) {
  write(journal_kind::start, told.name, "bulwarkd " BULWARK_VERSION);
  if (told.admin)
    open_admin_port(*told.admin, token);
}

operations::~operations() {
  {
    std::lock_guard guard{listener_mutex_};
    listener_ = nullptr;
  }
  server_ = nullptr;
  write(journal_kind::stop, node_.told().name, "bulwarkd " BULWARK_VERSION);
}

void operations::open_admin_port(const admin_port_settings& told, const std::string& token) {
  journal_reader reader;
  if (journal_)
    reader = [this](std::size_t limit, std::optional<std::uint64_t> before) {
      std::vector<journal_line> result;
      for (auto& each : journal_->recent(limit, before.value_or(UINT64_MAX)))
        result.push_back(
            {.id = each.id,
             .time =
                 std::chrono::system_clock::time_point{
                     std::chrono::duration_cast<std::chrono::system_clock::duration>(each.time)},
             .kind = std::string{to_string(each.kind)},
             .who = std::move(each.who),
             .what = std::move(each.what),
             .from = std::move(each.from),
             .to = std::move(each.to)});
      return result;
    };
  server_ = std::make_unique<admin_server>(node_.node(), steered_,
                                           admin_settings{.address = told.address,
                                                          .port = told.port,
                                                          .token = token,
                                                          .open_to_others = told.open_to_others},
                                           std::move(reader), find_page);
  {
    std::lock_guard guard{listener_mutex_};
    listener_ = server_.get();
  }
  log_info("admin port: http://{}:{}/{}", told.address, server_->port(),
           token.empty() ? ", read only, for there is no bulwark.admin.token-file" : "");
}

void operations::reload(const std::string& who) {
  static_cast<void>(steered_.reload(who, false));
}

bulwark::timespan operations::begin_to_end() {
  steered_.close();
  if (server_)
    server_->start_draining();
  return node_.told().drain_timeout;
}

void operations::on_transition(const bulwark::circuit_event& event) {
  using bulwark::circuit_state;
  if (event.to == circuit_state::open || event.to == circuit_state::forced_open)
    log_warning("circuit breaker {}: {}", event.name, apps::to_text(event));
  else
    log_info("circuit breaker {}: {}", event.name, apps::to_text(event));
  write(journal_kind::transition, to_string(event.why), event.name, to_string(event.from),
        to_string(event.to));
  std::lock_guard guard{listener_mutex_};
  if (listener_ != nullptr)
    listener_->tell_transition(event);
}

void operations::on_change(const steering_note& note) {
  log_info("{} by {}: {}{} -> {}", note.kind, note.who, note.what,
           note.from.empty() ? "" : ": " + note.from, note.to.empty() ? "nothing" : note.to);
  write(kind_of(note), note.who, note.what, note.from, note.to);
  std::lock_guard guard{listener_mutex_};
  if (listener_ != nullptr)
    listener_->tell_change(note.who, note.what, note.from, note.to);
}

void operations::write(journal_kind kind, const std::string& who, const std::string& what,
                       const std::string& from, const std::string& to) {
  if (journal_)
    journal_->add({.kind = kind, .who = who, .what = what, .from = from, .to = to});
}

token_reading read_token(const std::string& file) {
  constexpr std::size_t shortest = 16;
  const auto key = "bulwark.admin.token-file = " + file;
  auto read = read_text(file);
  if (!read)
    return {.token = {}, .wrong = {key + ": can't be read"}};
  auto& text = *read;
  const auto last = text.find_last_not_of(" \t\r\n");
  text.erase(last == text.npos ? 0 : last + 1);
  const auto is_visible = [](char c) { return c > ' ' && c < '\x7f'; };
  if (text.size() < shortest || !std::all_of(text.begin(), text.end(), is_visible))
    return {.token = {},
            .wrong = {key
                      + ": must hold one word of 16 or more visible ASCII characters, such as "
                        "`openssl rand -hex 32` writes"}};
  struct stat about {};
  if (::stat(file.c_str(), &about) == 0 && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    log_warning("{}: others may read or change it; chmod 600 is safer", key);
  return {.token = std::move(text), .wrong = {}};
}

} // namespace bulwarkd
