#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace bulwark_tests {

/// A folder of this test's own; gone with this object, whatever its files' permissions have become.
class temporary_folder {
public:
  temporary_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "bulwark-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      throw std::runtime_error{"no temporary folder"};
    path_ = pattern;
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// The path of a file in it, which need not be there.
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

  /// The same, with that in it.
  [[nodiscard]] std::string file(const std::string& name, const std::string& content) const {
    std::ofstream{path_ / name} << content;
    return file(name);
  }

private:
  std::filesystem::path path_;
};

} // namespace bulwark_tests
