#pragma once

#include "bulwarkd/admin/listening_socket.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace bulwarkd {

/// The connections of an HTTP server. Who sends a head slowly, or nothing, or doesn't take its answer,
/// costs a descriptor and never a thread: a request goes to a worker only when its head is there, and
/// comes back with its answer. (cpp-httplib's own pool has a thread for each connection, so that
/// eight idle ones keep everybody else out.)
///
/// One thread has all connections but those that workers answer: it waits for requests, writes
/// answers and the streams that the server sends, and cuts who is slow.
class http_port {
public:
  /// Names a connection that the server writes to whenever it wants.
  using stream_id = std::uint64_t;

  /// What becomes of a connection whose request was answered.
  enum class then : std::uint8_t { close, next_request, stream };

  struct outcome {
    std::string answer = {};
    then what = then::close;    ///< When the answer has been taken.
    std::string left_over = {}; ///< With next_request: what has been read of it.
    bool unread = false;        ///< Some of the request has not been read.
  };

  struct settings {
    std::size_t workers = 8;
    std::size_t max_connections = 128; ///< More cut those that have waited longest.
    std::size_t max_head = 16'384;     ///< Bytes.
    std::size_t max_waiting_output = std::size_t{4} << 20; ///< Bytes of a stream: more cuts it.
    std::chrono::milliseconds head_timeout{5'000};
    std::chrono::milliseconds idle_timeout{30'000};  ///< Between two requests of a connection.
    std::chrono::milliseconds answer_timeout{5'000}; ///< To take an answer, the whole of it.
    std::chrono::milliseconds linger_timeout{500};   ///< For who is still sending, see lingering.
  };

  /// Called by workers, with the head of a request and what came after it. It may read more; the
  /// descriptor stays ours.
  using server = std::function<outcome(int fd, stream_id, std::string already)>;

  /// Called by the port's thread when it is due; returns when it is due next.
  using ticker = std::function<std::chrono::steady_clock::time_point()>;

  /// `listening`: see listen_at().
  http_port(descriptor listening, const settings& wanted, server serve, ticker tick);
  http_port(const http_port&) = delete;
  http_port& operator=(const http_port&) = delete;

  /// From now on it serves.
  void start();
  ~http_port(); ///< Cuts all connections and waits for the workers.

  /// Appends to what the stream is sent. False: it is gone. Any thread.
  bool write(stream_id stream, std::shared_ptr<const std::string> text);

  /// Whether all that the stream was sent has been taken; true where it is gone. Any thread.
  [[nodiscard]] bool is_idle(stream_id stream) const;
  [[nodiscard]] bool is_open(stream_id stream) const;

  /// Has `tick` called soon. Any thread.
  void wake() const;

private:
  using clock = std::chrono::steady_clock;

  // From those that are cut first, where there are too many, to those that aren't.
  enum class phase : std::uint8_t {
    idle,
    lingering, // who is still sending would lose an answer with the connection: it is read, a while
    head,
    writing,
    answered, // a worker has it
    stream
  };

  struct connection {
    descriptor fd;
    phase now = phase::head;
    std::string input = {}; // while writing: of the next request
    clock::time_point since{};
    std::deque<std::shared_ptr<const std::string>> output = {};
    std::size_t written = 0; // of output.front()
    std::size_t waiting = 0; // bytes of output
    std::size_t ignored = 0; // bytes read while it lingers
    then afterwards = then::close;
    bool unread = false;
    bool cut = false;
  };

  struct job {
    stream_id id = 0;
    int fd = -1;
    std::string input = {};
  };

  descriptor listening_;
  descriptor wake_up_;
  settings settings_;
  server serve_;
  ticker tick_;
  mutable std::mutex mutex_; // for all below
  std::condition_variable jobs_changed_;
  std::map<stream_id, connection> connections_;
  std::deque<job> jobs_;
  stream_id last_id_ = 0;
  bool ending_ = false;
  clock::time_point accept_again_{}; // after a want of descriptors
  std::vector<std::thread> threads_; // the last of all members

  void run();
  void work();
  void finish(const job& done, outcome what);
  void accept_all(clock::time_point now);
  void make_room();
  void read_some(stream_id id, connection& from, clock::time_point now);
  void look_at_input(stream_id id, connection& from);
  void write_some(stream_id id, connection& to);
  void end_answer(stream_id id, connection& answered);
  [[nodiscard]] clock::time_point due(const connection& of) const;
  void drop_late(clock::time_point now);
  [[nodiscard]] clock::time_point next_timeout() const;
};

} // namespace bulwarkd
