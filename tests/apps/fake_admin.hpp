#pragma once

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// What a daemon's admin port was asked.
struct asked {
  std::string method;
  std::string target; ///< As in the request's line.
  std::string body;
  std::string token; ///< "Bearer …" and all; "" none.
  std::string who;   ///< X-Operator
  std::string last_event_id;
};

/// An admin port that answers what the test has said, 404 to all else.
class fake_admin {
public:
  /// 0: any port that is free.
  explicit fake_admin(int port = 0) {
    const auto handler = [this](const httplib::Request& request, httplib::Response& response) {
      answer_to(request, response);
    };
    constexpr auto everything = R"([\s\S]*)";
    server_.Get(everything, handler);
    server_.Post(everything, handler);
    server_.Put(everything, handler);
    // A server that was started again finds its old connections' port free.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    if (port == 0)
      port_ = server_.bind_to_any_port("127.0.0.1");
    else if (server_.bind_to_port("127.0.0.1", port))
      port_ = port;
    thread_ = std::thread{[this] { server_.listen_after_bind(); }};
    while (!server_.is_running())
      std::this_thread::yield();
  }
  fake_admin(const fake_admin&) = delete;
  fake_admin& operator=(const fake_admin&) = delete;
  ~fake_admin() {
    end_streams();
    server_.stop();
    thread_.join();
  }

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  /// `method` GET, POST or PUT; `target` with its query; `type` "": JSON, or a problem in it.
  void answers(const std::string& method, const std::string& target, std::string body,
               int status = 200, std::string type = {}) {
    const std::lock_guard hold{mutex_};
    if (type.empty())
      type = status < 300 ? "application/json" : "application/problem+json";
    answers_[method + " " + target] = {status, std::move(body), std::move(type)};
  }

  /// GET /api/v1/events gives these bytes, a sample where it is asked for, and then again and again,
  /// until end_streams(), what `later` has; "" nothing.
  void streams(std::string bytes, std::string later = {}) {
    const std::lock_guard hold{mutex_};
    stream_ = std::move(bytes);
    later_ = std::move(later);
    is_streaming_ = true;
  }

  /// As a daemon whose guards tell no figures.
  void gives_no_samples() {
    const std::lock_guard hold{mutex_};
    has_samples_ = false;
  }

  void end_streams() {
    const std::lock_guard hold{mutex_};
    is_ending_ = true;
    changed_.notify_all();
  }

  /// From now on requests are heard and not answered, until this ends.
  void holds_answers() {
    const std::lock_guard hold{mutex_};
    is_holding_ = true;
  }

  /// All requests so far.
  std::vector<asked> requests() {
    const std::lock_guard hold{mutex_};
    return requests_;
  }

  asked last_request() {
    const std::lock_guard hold{mutex_};
    return requests_.empty() ? asked{} : requests_.back();
  }

  /// Returns when there have been so many requests.
  void wait_for(std::size_t count) {
    std::unique_lock hold{mutex_};
    if (!changed_.wait_for(hold, std::chrono::seconds{60},
                           [&] { return requests_.size() >= count; }))
      throw std::runtime_error{"nobody asks"};
  }

private:
  struct prepared {
    int status = 200;
    std::string body;
    std::string type;
  };

  httplib::Server server_;
  int port_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, prepared> answers_;
  std::string stream_;
  std::string later_;
  bool is_streaming_ = false;
  bool has_samples_ = true;
  bool is_ending_ = false;
  bool is_holding_ = false;
  std::vector<asked> requests_;
  std::thread thread_;

  void answer_to(const httplib::Request& request, httplib::Response& response) {
    std::unique_lock hold{mutex_};
    requests_.push_back({.method = request.method,
                         .target = request.target,
                         .body = request.body,
                         .token = request.get_header_value("Authorization"),
                         .who = request.get_header_value("X-Operator"),
                         .last_event_id = request.get_header_value("Last-Event-ID")});
    changed_.notify_all();
    if (is_holding_)
      changed_.wait(hold, [this] { return is_ending_; });
    if (is_streaming_ && request.path == "/api/v1/events")
      return stream(response, has_samples_ && request.has_param("samples"));
    const auto found = answers_.find(request.method + " " + request.target);
    if (found == answers_.end()) {
      response.status = 404;
      response.set_content(
          R"({"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing here"})",
          "application/problem+json");
      return;
    }
    response.status = found->second.status;
    if (!found->second.body.empty())
      response.set_content(found->second.body, found->second.type);
  }

  void stream(httplib::Response& response, bool with_sample) {
    auto first = stream_;
    if (with_sample)
      first += "event: sample\ndata: {\"guards\":[]}\n\n";
    response.set_chunked_content_provider(
        "text/event-stream",
        [this, first = std::move(first)](std::size_t, httplib::DataSink& sink) mutable {
          if (const auto bytes = std::exchange(first, {}); !bytes.empty())
            return sink.write(bytes.data(), bytes.size());
          std::unique_lock hold{mutex_};
          const auto is_over = [this] { return is_ending_; };
          if (later_.empty())
            changed_.wait(hold, is_over);
          else if (!changed_.wait_for(hold, std::chrono::milliseconds{20}, is_over))
            return sink.write(later_.data(), later_.size());
          return false;
        });
  }
};

} // namespace bulwark_tests
