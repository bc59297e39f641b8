// The main() of every test program.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
int main(int argc, char** argv) {
  return Catch::Session().run(argc, argv);
}
#else
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

#if defined(__SANITIZE_THREAD__)
// An exception goes from one thread to another through a future. libstdc++ counts its owners within
// its own library, which isn't built for the sanitizer: it sees the last owner free the exception, but
// not that all others had let go of it before.
extern "C" const char* __tsan_default_suppressions() { // NOLINT(bugprone-reserved-identifier)
  return "race:std::__exception_ptr::exception_ptr::_M_release\n";
}
#endif
