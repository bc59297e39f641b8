#pragma once

#include <caf/settings.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace bulwarkd {

/// Sentences: a key's path, its value, the permitted range.
using mistakes = std::vector<std::string>;

/// A key whose value changed, or would; "": it wasn't there, or isn't any more.
struct setting_change {
  std::string path = {};
  std::string from = {};
  std::string to = {};
};

struct change_report {
  mistakes wrong = {}; ///< Not empty: nothing was changed.
  std::vector<setting_change> changes = {};
};

/// What came of a word to a circuit breaker.
enum class operated : std::uint8_t {
  done,
  unknown,    ///< There is no such breaker.
  unanswered, ///< It was told, and may have done it.
};

/// What a guard is made of, as its settings say: statistics don't tell whose parts a guard uses.
struct guard_summary {
  std::string name = {};
  std::string target = {};   ///< A local target's name, or HOST:PORT/NAME.
  std::string breaker = {};  ///< As the registry lists it; "": it has none.
  std::string bulkhead = {}; ///< The same.
};

/// How a running node is steered. All members: from any thread, and they may block for some 100 ms.
/// `who`: who wants it, for the journal. `only_show`: say what would change, and change nothing.
class control {
public:
  virtual ~control() = default;

  /// Reads the files again and puts in force what has changed in them.
  virtual change_report reload(const std::string& who, bool only_show) = 0;

  /// `fields`: some of the guard's keys, as in a file. A guard that doesn't exist is a mistake.
  virtual change_report change_guard(const std::string& guard, const caf::settings& fields,
                                     const std::string& who, bool only_show) = 0;

  /// {"deadline":"5s","retry":{"max-attempts":3,...}}: every key with the value in force. null: there
  /// is no such guard.
  [[nodiscard]] virtual nlohmann::json guard_settings_json(const std::string& guard) const = 0;

  /// All guards, by name.
  [[nodiscard]] virtual std::vector<guard_summary> guard_overview() const = 0;

  /// `action`: force_open, disable, reset, close or metrics_only.
  virtual operated operate_breaker(const std::string& name, const std::string& action,
                                   const std::string& who) = 0;
};

} // namespace bulwarkd
