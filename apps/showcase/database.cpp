#include "showcase/database.hpp"

namespace showcase {

database_actor::behavior_type database(database_actor::pointer self, mood_ptr feels) {
  return {
      [self, feels](read_atom, std::int32_t number) -> caf::result<std::string> {
        ++feels->asked;
        if (number < 0) // the caller's mistake: CAF's own code says so
          return caf::make_error(caf::sec::invalid_argument, "rows begin at 0");
        if (feels->broken)
          return caf::make_error(caf::sec::runtime_error, "disk is broken");
        if (feels->fail_next > 0) {
          --feels->fail_next;
          return caf::make_error(caf::sec::runtime_error, bulwark::error_mark::transient,
                                 "busy, come again");
        }
        const auto row = "row " + std::to_string(number);
        if (feels->delay_ms == 0)
          return row;
        auto promise = self->make_response_promise<std::string>();
        self->run_delayed(std::chrono::milliseconds{feels->delay_ms},
                          [promise, row]() mutable { promise.deliver(row); });
        return promise;
      },
  };
}

} // namespace showcase
