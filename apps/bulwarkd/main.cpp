#include "bulwarkd/daemon.hpp"

int main(int argc, char** argv) {
  return bulwarkd::run(argc, argv, bulwarkd::ready_made_targets());
}
