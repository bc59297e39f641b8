#pragma once

#include <csignal>
#include <string>
#include <string_view>

namespace bulwarkctl {

/// The terminal as a screen of our own: the alternate screen, keys as they are pressed, no cursor. It
/// is as it was on every way out: by return, by exception, by a signal that ends us, and while we are
/// suspended. One at a time, and made before other threads are: it takes signals over.
class terminal {
public:
  /// Throws failure where stdin or stdout is none.
  terminal();
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;
  ~terminal();

  struct size {
    std::size_t columns = 80;
    std::size_t rows = 24;
  };
  [[nodiscard]] size current_size() const;

  /// What woke wait().
  enum class wake { key, resized, told, timeout, ended };

  /// Waits for a key, a new size, a byte to read at descriptor `also`, or for the time to pass. `ended`: a
  /// signal wants us to end, or the terminal is gone; its number is signal().
  wake wait(int milliseconds, int also);

  /// The key that woke it: a character, or "up", "down", "page-up", "page-down", "home",
  /// "end", "escape"; "" one that has no name here.
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  [[nodiscard]] int signal() const noexcept { return signal_; }

  /// Shows lines, no more and none wider than the screen has; no '\n' after the last.
  void draw(std::string_view frame);

private:
  int signals_ = -1;
  sigset_t saved_signals_{};
  int signal_ = 0;
  std::string pressed_; // and not taken yet
  std::string key_;

  wake take_signal();
  wake read_keys();
  wake next_key();
  void suspend();
};

} // namespace bulwarkctl
