#include "bulwark/sync_exceptions.hpp"

#include "bulwark/protocol.hpp"
#include "bulwark/with_memory.hpp"

#include <caf/sec.hpp>

#include <stdexcept>
#include <system_error>

namespace bulwark::sync {

namespace {

// Compared as conditions: so every category that knows them is understood, not only the system's.
caf::sec code_of(const std::error_code& code) {
  if (code == std::errc::timed_out)
    return caf::sec::request_timeout;
  if (code == std::errc::connection_refused)
    return caf::sec::cannot_connect_to_node;
  for (auto lost : {std::errc::connection_reset, std::errc::connection_aborted,
                    std::errc::not_connected, std::errc::broken_pipe}) {
    if (code == lost)
      return caf::sec::connection_closed;
  }
  for (auto unreachable : {std::errc::host_unreachable, std::errc::network_unreachable,
                           std::errc::network_down, std::errc::network_reset}) {
    if (code == unreachable)
      return caf::sec::network_syscall_failed;
  }
  if (code == std::errc::operation_would_block || code == std::errc::resource_unavailable_try_again)
    return caf::sec::unavailable_or_would_block;
  return caf::sec::runtime_error;
}

// An error's context is a CAF message, whose types CAF has to know. A program with an actor system has
// told it in CAF_MAIN; one without has no reason to.
void know_types() {
  static const auto done = [] {
    if (caf::query_type_name(caf::type_id_v<errc>).empty()) {
      caf::init_global_meta_objects<caf::id_block::bulwark>();
      caf::core::init_global_meta_objects();
    }
    return true;
  }();
  static_cast<void>(done);
}

} // namespace

carried_error::carried_error(caf::error reason)
    : std::runtime_error(caf::to_string(reason)), error_carrier(std::move(reason)) {}

namespace {

caf::error error_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const error_carrier& known) {
    return known.carried();
  } catch (const resilience_error& ours) {
    return make_failure(ours.code(), ours.report());
  } catch (const std::system_error& failed) {
    return caf::make_error(code_of(failed.code()), std::string{failed.what()});
  } catch (const std::invalid_argument& mistake) {
    return caf::make_error(caf::sec::invalid_argument, std::string{mistake.what()});
  } catch (const std::domain_error& mistake) {
    return caf::make_error(caf::sec::invalid_argument, std::string{mistake.what()});
  } catch (const std::out_of_range& mistake) {
    return caf::make_error(caf::sec::invalid_argument, std::string{mistake.what()});
  } catch (...) {
    return caf::make_error(caf::sec::runtime_error, to_text(thrown));
  }
}

} // namespace

// Who asks has a permit to give back, whatever happens.
caf::error to_error(const std::exception_ptr& thrown) {
  return with_memory([&] {
    know_types();
    return error_of(thrown);
  });
}

std::string to_text(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& known) {
    return known.what();
  } catch (const error_carrier& known) {
    return caf::to_string(known.carried());
  } catch (...) {
    return "unknown exception";
  }
}

} // namespace bulwark::sync
