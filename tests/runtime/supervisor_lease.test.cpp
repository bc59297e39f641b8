#include "support/recording_supervisor.hpp"

/// @file Permits of a bulkhead that another node owns are good until the lease ends.

using namespace bulwark;
using namespace bulwark::testing;

namespace {

struct leasing {
  instant now{1h};
  lease_view lease;
  wish_recorder wishes;
  supervisor_limits limits{.bulkhead = true};
  supervisor core{limits, nullptr, wishes, now, 1, &lease};

  leasing() { lease.publish(now + 1s, {}); }

  void call() { core.start(core.open(), {}, now); }
  void grant(std::uint32_t extra, bool keep) {
    core.on_permit(wishes.permit_questions.back(), extra, keep, now);
  }
};

} // namespace

TEST_CASE("nothing begins on a permit that lies here when the lease has ended [D13]",
          "[supervisor]") {
  leasing s;
  s.call();
  s.grant(1, true);
  CHECK(s.core.permits_unused() == 1);
  s.now += 1s;
  s.call();
  CHECK(s.wishes.launched.size() == 1);
  CHECK(s.wishes.permit_questions.size() == 2); // asked for anew
}

TEST_CASE(
    "nothing begins on a permit that comes when the lease has ended and it is asked for anew [D13]",
    "[supervisor]") {
  leasing s;
  s.call();
  s.now += 1s; // the process was stopped, say
  s.grant(0, false);
  CHECK(s.wishes.launched.empty());
  CHECK(s.wishes.returned == 1);
  CHECK(s.wishes.permit_questions.size() == 2);
  s.lease.publish(s.now + 1s, {});
  s.grant(0, false);
  CHECK(s.wishes.launched.size() == 1);
  CHECK(s.core.permits_in_use() == 1);
}
