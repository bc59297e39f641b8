#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace bulwarkd {

/// A connection while one request of it is answered, as cpp-httplib wants it. Its own stream bounds
/// each read; this one bounds the whole, or who sends a byte every few seconds stays for hours. What
/// is written is kept: who takes it, and how slowly, is http_port's to see to.
class socket_stream : public httplib::Stream {
public:
  struct limits {
    std::chrono::milliseconds read{5'000}; ///< For the whole request.
    std::size_t most_read = 0;             ///< Bytes of the request, its head too.
  };

  /// `already`: what has been read of the request. Requires: `fd` is open, and doesn't block.
  socket_stream(int fd, std::string already, const limits& bounds);

  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override;
  ssize_t read(char* ptr, size_t size) override;
  ssize_t write(const char* ptr, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  [[nodiscard]] socket_t socket() const override { return fd_; }

  /// What has been written.
  [[nodiscard]] std::string take_answer() { return std::move(answer_); }
  /// What has been read and belongs to the next request.
  [[nodiscard]] std::string left_over() const { return buffer_.substr(taken_); }
  /// The request was longer than most_read.
  [[nodiscard]] bool exceeded() const noexcept { return exceeded_; }

private:
  using clock = std::chrono::steady_clock;

  int fd_;
  std::string buffer_;
  std::size_t taken_ = 0; // of buffer_
  std::size_t read_ = 0;  // in all
  std::string answer_;
  limits limits_;
  clock::time_point read_until_;
  bool exceeded_ = false;
  bool broken_ = false;

  [[nodiscard]] bool wait() const;
  bool fill();
};

} // namespace bulwarkd
