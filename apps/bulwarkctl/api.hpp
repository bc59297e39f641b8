#pragma once

#include "bulwarkctl/document.hpp"
#include "bulwarkctl/failure.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace httplib {
class Client;
class Result;
} // namespace httplib

namespace bulwarkctl {

struct connection {
  std::string url = "http://127.0.0.1:4712"; ///< http or https, host, port, and a path in front.
  std::string token;                         ///< For what changes something; "" none.
  std::string operator_name;                 ///< For the daemon's journal.
  std::chrono::milliseconds timeout{10'000}; ///< Of waiting for more of an answer.
};

/// A daemon's admin port. Members throw failure. For one thread, but for stop(). A connection is there
/// within 2 s, and within the timeout, or isn't.
class api {
public:
  /// Throws failure where the URL is none.
  explicit api(const connection& where);
  ~api();

  /// `path` begins with /api/v1/ and is percent-encoded.
  json get(const std::string& path);
  json post(const std::string& path, const json& body);
  json put(const std::string& path, const json& body);

  /// Hands over what comes until `on_bytes` returns false or the daemon ends it. `last_id`: what was
  /// seen last, "" nothing. Returns false where nothing came for `patience`.
  bool follow(const std::string& path, const std::string& last_id,
              std::chrono::milliseconds patience,
              const std::function<bool(std::string_view)>& on_bytes);

  /// Ends what another thread waits for in get(), but for a connection.
  void stop();

private:
  std::string url_;
  std::string prefix_;
  std::string token_;
  std::string operator_;
  std::unique_ptr<httplib::Client> client_;

  json answer_of(const httplib::Result& result) const;
  [[noreturn]] void throw_problem(int status, const std::string& type,
                                  const std::string& body) const;
  [[noreturn]] void throw_foreign(int status, const std::string& type,
                                  const std::string& body) const;
};

} // namespace bulwarkctl
