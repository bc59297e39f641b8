// A node that publishes a guard "db", says its port and lives until its input ends, or it is
// killed. It knows types that the tests don't know, and knows none of theirs.
#include "bulwark/all.hpp"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>

#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <string>

enum class foreign_error : std::uint8_t { broken = 1 };

std::string to_string(foreign_error) {
  return "broken";
}
bool from_string(bulwark::compat::text_view, foreign_error& code) {
  code = foreign_error::broken;
  return true;
}
bool from_integer(std::uint8_t number, foreign_error& code) {
  code = foreign_error::broken;
  return number == 1;
}
template <class Inspector>
bool inspect(Inspector& f, foreign_error& x) {
  return caf::default_enum_inspect(f, x);
}

struct foreign_value {
  std::string text;
  template <class Inspector>
  friend bool inspect(Inspector& f, foreign_value& x) {
    return f.object(x).fields(f.field("text", x.text));
  }
};

CAF_BEGIN_TYPE_ID_BLOCK(foreign, caf::first_custom_type_id + 500)
CAF_ADD_TYPE_ID(foreign, (foreign_error))
CAF_ADD_TYPE_ID(foreign, (foreign_value))
CAF_END_TYPE_ID_BLOCK(foreign)
CAF_ERROR_CODE_ENUM(foreign_error)

namespace {

struct config : caf::actor_system_config {
  std::uint16_t port = 0;
  std::uint16_t serves = 0; // 1: yes
  std::string address = "127.0.0.1";

  config() {
    // CAF_MAIN loads the middleman after it has read the command line.
    caf::io::middleman::add_module_options(*this);
    opt_group{custom_options_, "global"}
        .add(port, "port,p", "to be published at")
        .add(address, "address", "of the interface where")
        .add(serves, "serves,s", "answers what it else would not");
  }
};

caf::behavior database(caf::event_based_actor* self, bool serves) {
  return {
      // Any number may come, from who sends spoilt bytes too.
      [](bulwark::get_atom, std::int32_t x) {
        return static_cast<std::int32_t>(2U * static_cast<std::uint32_t>(x));
      },
      [self, serves, kept = std::vector<caf::response_promise>{}](bulwark::state_atom) mutable {
        auto promise = self->make_response_promise();
        if (serves)
          promise.deliver(std::int32_t{7});
        else
          kept.push_back(promise);
        return promise;
      },
      [](bulwark::create_atom) { return foreign_value{"not known to everybody"}; },
      [](bulwark::reset_atom) -> caf::result<void> {
        return caf::make_error(foreign_error::broken);
      },
  };
}

} // namespace

int caf_main(caf::actor_system& sys, const config& options) {
  bulwark::node node{sys};
  auto target = sys.spawn(database, options.serves != 0);
  auto guard = node.guard("db", target, {});
  std::cout << bulwark::publish(node, options.port, options.address) << std::endl;
  // Nobody reads more than that; CAF prints there what an actor did not expect.
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  for (std::string line; std::getline(std::cin, line);)
    continue;
  caf::anon_send_exit(target, caf::exit_reason::kill);
  return 0;
}

CAF_MAIN(caf::id_block::foreign, caf::id_block::bulwark, caf::io::middleman)
