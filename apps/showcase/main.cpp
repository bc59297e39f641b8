#include "showcase/database.hpp"
#include "showcase/scenes.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

// bulwark, told as it happens. Each scene is a file that reads as an example: begin with guard.cpp.

namespace {

bool wants_colour() {
  const auto* no_colour = std::getenv("NO_COLOR"); // no-color.org
  return ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
}

void list_scenes() {
  for (const auto& scene : showcase::scenes)
    fmt::print("{:<16} {}\n", scene.name, scene.what);
}

// Whether every scene showed what it says.
bool play(const std::vector<std::string>& only) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  showcase::stage stage{system, wants_colour()};
  std::vector<std::string> broken;
  const auto attempt = [&](const std::string& name, const auto& act) {
    try {
      act();
    } catch (const std::exception& error) {
      stage.say(name + " stopped: " + error.what());
      broken.push_back(name);
    }
  };
  for (const auto& scene : showcase::scenes) {
    if (!only.empty() && std::find(only.begin(), only.end(), scene.name) == only.end())
      continue;
    stage.title(scene.name, scene.what);
    attempt(scene.name, [&] { scene.play(stage); });
  }
  attempt("books", [&] { stage.close_the_books(); });
  for (const auto& name : broken)
    fmt::print("NOT AS SAID: {}\n", name);
  return broken.empty();
}

} // namespace

int main(int argc, char** argv) {
  caf::init_global_meta_objects<caf::id_block::showcase>();
  caf::init_global_meta_objects<caf::id_block::apps>();
  caf::init_global_meta_objects<caf::id_block::bulwark>();
  caf::core::init_global_meta_objects();
  CLI::App app{"Shows what bulwark does. Ends with 0 when every scene showed what it says and the\n"
               "books balance, with 1 when not, with 2 when the command line is wrong.",
               "showcase"};
  std::vector<std::string> names;
  for (const auto& scene : showcase::scenes)
    names.emplace_back(scene.name);
  std::vector<std::string> only;
  bool list = false;
  app.add_option("--only", only, "play only that scene; several times: these")
      ->check(CLI::IsMember(names))
      ->type_name("NAME");
  app.add_flag("--list", list, "the scenes' names, and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (list) {
    list_scenes();
    return 0;
  }
  return play(only) ? 0 : 1;
}
