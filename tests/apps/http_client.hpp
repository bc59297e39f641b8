#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

namespace bulwark_tests {

/// A connection that sends what it is told, byte by byte: hostile clients do as well.
class raw_connection {
public:
  explicit raw_connection(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      throw std::runtime_error{"no connection to the admin port"};
  }
  raw_connection(raw_connection&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), read_(std::move(other.read_)) {}
  raw_connection& operator=(raw_connection&&) = delete;
  ~raw_connection() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  /// False: the other side has closed.
  bool send(const std::string& text) const {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }

  /// The other side hears that no more will come.
  void finish() const { ::shutdown(fd_, SHUT_WR); }

  /// All until the other side closes.
  std::string read_all() {
    while (read_more())
      continue;
    return std::exchange(read_, {});
  }

  /// All until `text`, with it; throws where the other side closes before.
  std::string read_until(const std::string& text) {
    std::size_t at = 0;
    while ((at = read_.find(text)) == std::string::npos)
      if (!read_more())
        throw std::runtime_error{"the connection was closed before '" + text + "', after:\n"
                                 + read_};
    auto result = read_.substr(0, at + text.size());
    read_.erase(0, result.size());
    return result;
  }

  /// Whether the other side has closed, or closes within a minute, whatever it says before.
  bool is_closed() {
    read_all();
    return true;
  }

private:
  int fd_;
  std::string read_;

  bool read_more() {
    constexpr int longest = 60'000;
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, longest) != 1)
      throw std::runtime_error{"the admin port says nothing and doesn't close; it has said:\n"
                               + read_};
    std::array<char, 65'536> chunk{};
    const auto count = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (count <= 0)
      return false;
    read_.append(chunk.data(), static_cast<std::size_t>(count));
    return true;
  }
};

struct http_answer {
  int status = 0;
  std::map<std::string, std::string> headers = {}; ///< Names in lower case.
  std::string body = {};

  static http_answer parse(const std::string& text) {
    http_answer result;
    const auto head_end = text.find("\r\n\r\n");
    if (text.rfind("HTTP/1.", 0) != 0 || head_end == std::string::npos)
      return result;
    result.status = std::atoi(text.c_str() + 9);
    result.body = text.substr(head_end + 4);
    for (auto at = text.find("\r\n"); at < head_end;) {
      const auto end = text.find("\r\n", at + 2);
      const auto line = text.substr(at + 2, end - at - 2);
      const auto colon = std::min(line.find(": "), line.size());
      auto name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      result.headers[name] = line.substr(std::min(colon + 2, line.size()));
      at = end;
    }
    const auto encoding = result.headers.find("transfer-encoding");
    if (encoding != result.headers.end() && encoding->second == "chunked")
      result.body = without_chunks(result.body);
    return result;
  }

private:
  static std::string without_chunks(const std::string& text) {
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
      const auto size = std::strtoul(text.c_str() + at, nullptr, 16);
      const auto begin = text.find("\r\n", at) + 2;
      result += text.substr(begin, size);
      at = begin + size + 2;
      if (size == 0)
        break;
    }
    return result;
  }
};

/// What a request says beside its method and path.
struct http_request {
  std::map<std::string, std::string> headers = {};
  std::string body = {};
};

/// One request on a connection of its own.
inline http_answer http(std::uint16_t port, const std::string& method, const std::string& path,
                        const http_request& more = {}) {
  auto text = method + ' ' + path + " HTTP/1.1\r\nConnection: close\r\n";
  if (more.headers.count("Host") == 0)
    text += "Host: 127.0.0.1:" + std::to_string(port) + "\r\n";
  for (const auto& [name, value] : more.headers)
    text += name + ": " + value + "\r\n";
  if (!more.body.empty() || method == "POST" || method == "PUT")
    text += "Content-Length: " + std::to_string(more.body.size()) + "\r\n";
  raw_connection connection{port};
  connection.send(text + "\r\n" + more.body);
  return http_answer::parse(connection.read_all());
}

} // namespace bulwark_tests
