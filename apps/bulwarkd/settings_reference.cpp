// All keys, as a page.
#include "bulwarkd/settings_text.hpp"
#include "bulwarkd/settings_writer.hpp"

#include <fmt/format.h>

namespace bulwarkd {

namespace {

class reference_writer {
public:
  reference_writer(std::string path, std::string& rows) : path_(std::move(path)), rows_(rows) {}

  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view meaning) {
    const auto path = path_.empty() ? std::string{key} : path_ + "." + std::string{key};
    describe(path, value, meaning);
  }

  template <class T>
  static void group(const std::string& path, std::string& rows) {
    T value{};
    reference_writer below{path, rows};
    for_each_key(below, value);
  }

private:
  std::string path_;
  std::string& rows_;

  void row(const std::string& path, const std::string& value, std::string_view meaning) {
    rows_ += fmt::format("| {} | {} | {} |\n", path, value, meaning);
  }

  template <class T>
  static std::string choices_text(const std::string& chosen) {
    std::string result = chosen;
    for (const auto& each : bulwark::choices<T>)
      if (each.name != chosen)
        result += fmt::format("{}{}", result.empty() ? "" : ", ", each.name);
    return result;
  }

  // One value: its default, and what else it may be where that is said by words.
  template <class T>
  void describe(const std::string& path, const T& value, std::string_view meaning) {
    if constexpr (bulwark::has_choices<T>) {
      row(path, choices_text<T>(group_writer::write(value).template get<std::string>()), meaning);
    } else if constexpr (requires { for_each_key(*this, const_cast<T&>(value)); }) {
      row(path, "", meaning);
      group<T>(path, rows_);
    } else {
      const auto text = group_writer::write(value);
      row(path, text.is_string() ? text.template get<std::string>() : text.dump(), meaning);
    }
  }

  template <bulwark::error_predicate::kind Default>
  void describe(const std::string& path, const bulwark::predicate_with_default<Default>& value,
                std::string_view meaning) {
    row(path,
        choices_text<bulwark::error_predicate::kind>(
            group_writer::write(value).template get<std::string>()),
        meaning);
  }

  template <class T>
  void describe(const std::string& path, const std::optional<T>&, std::string_view meaning) {
    if constexpr (bulwark::has_choices<T>)
      row(path, choices_text<T>(""), meaning);
    else
      row(path, std::is_same_v<T, bulwark::timespan> ? "none" : "off", meaning);
    if constexpr (requires(T x) { for_each_key(*this, x); })
      group<T>(path, rows_);
  }

  template <class Policy>
  void describe(const std::string& path, const bulwark::part_choice<Policy>&,
                std::string_view meaning) {
    row(path, "off", meaning);
    group<Policy>(path, rows_);
  }

  template <class T>
  void describe(const std::string& path, const std::map<std::string, T>&,
                std::string_view meaning) {
    row(path + ".NAME", "", meaning);
    group<T>(path + ".NAME", rows_);
  }
};

} // namespace

std::string reference() {
  std::string rows;
  reference_writer::group<configuration>("", rows);
  std::string of_programs;
  reference_writer::group<bulwark::replica_policy>("guards.NAME.replicas", of_programs);
  reference_writer::group<bulwark::restart_policy>("guards.NAME.restart", of_programs);
  return R"(# All settings

Of bulwarkd; those of a program are [at the end](#of-a-program). Made from the code, by `bulwarkd --reference`; [bulwarkd.md](bulwarkd.md) says how they are said. Keys stand in the group `bulwark`.
Where the default is "off", the keys below it count only where their group is named; of several words the first one is the default.

| key | default | meaning |
| --- | --- | --- |
)" + rows + R"(
## Of a program

A program that loads its own settings, by `node::load`, has the groups `circuit-breakers`, `bulkheads` and `guards` of the above, its guards
all keys but `target` and `on-owner-lost`, for their targets are the program's. These they have beside:

| key | default | meaning |
| --- | --- | --- |
)" + of_programs;
}

} // namespace bulwarkd
