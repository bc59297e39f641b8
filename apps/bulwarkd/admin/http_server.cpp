#include "bulwarkd/admin/http_server.hpp"

#include "bulwarkd/admin/socket_stream.hpp"
#include "bulwarkd/log.hpp"

#include <utility>

namespace bulwarkd {

namespace {

// Of the request that this thread answers: cpp-httplib hands it to no handler.
struct current_request {
  http_port::stream_id connection = 0;
  bool is_simple = false; // it has no body: the next one can't be taken for its rest
  bool becomes_stream = false;
  socket_stream* stream = nullptr;
};

thread_local current_request current;

void make_simple(httplib::Request& request) {
  current.is_simple = (request.method == "GET" || request.method == "HEAD")
                      && !request.has_header("Content-Length")
                      && !request.has_header("Transfer-Encoding");
  if (!current.is_simple) {
    request.headers.erase("Connection");
    request.set_header("Connection", "close");
  }
  request.ranges.clear();
  request.headers.erase("Accept-Encoding");
}

const char* words_for(int status) {
  switch (status) {
  case 400:
    return "the request can't be read";
  case 413:
    return "the body is longer than 64 KiB";
  case 414:
    return "the path is longer than 1,024 bytes";
  case 500:
    return "something went wrong here; the log says what";
  default:
    return "the request can't be answered";
  }
}

} // namespace

http_server::http_server(gate pass, handler handle)
    : pass_(std::move(pass)), handle_(std::move(handle)) {
  set_payload_max_length(max_body);
  set_default_headers({{"Cache-Control", "no-store"},
                       {"Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"},
                       {"Cross-Origin-Resource-Policy", "same-origin"},
                       {"Referrer-Policy", "no-referrer"},
                       {"X-Content-Type-Options", "nosniff"},
                       {"X-Frame-Options", "DENY"}});
  set_pre_routing_handler([this](const auto& request, auto& response) {
    if (request.target.size() > max_path)
      refuse(response, 414, words_for(414));
    else if (pass_(request, response))
      return HandlerResponse::Unhandled;
    return HandlerResponse::Handled;
  });
  const auto all = [this](const auto& request, auto& response) { route(request, response); };
  for (auto method : {&http_server::Get, &http_server::Options})
    (this->*method)(".*", all);
  Post(".*", Handler{all});
  Put(".*", Handler{all});
  Patch(".*", Handler{all});
  Delete(".*", Handler{all});
  set_error_handler([](const auto&, auto& response) {
    if (current.stream->exceeded())
      response.status = 413;
    if (response.body.empty())
      refuse(response, response.status, words_for(response.status));
  });
  set_exception_handler([](const auto& request, auto& response, const std::exception_ptr& what) {
    try {
      std::rethrow_exception(what);
    } catch (const std::exception& e) {
      log_error("admin port: {} {}: {}", request.method, request.path, e.what());
    } catch (...) {
      log_error("admin port: {} {}: an exception of no known type", request.method, request.path);
    }
    refuse(response, 500, words_for(500));
  });
}

void http_server::route(const httplib::Request& request, httplib::Response& response) {
  if (request.body.size() > max_body) // chunked: cpp-httplib looks at Content-Length only
    return refuse(response, 413, words_for(413));
  exchange with{.request = request, .response = response, .connection = current.connection};
  handle_(with);
  current.becomes_stream = with.becomes_stream;
  if (with.becomes_stream) // the head without a length, and nothing of the content
    response.set_content_provider("text/event-stream", [](std::size_t, httplib::DataSink& sink) {
      sink.done();
      return true;
    });
}

http_port::outcome http_server::serve(int fd, http_port::stream_id connection,
                                      std::string already) {
  // Beside the body, a chunked one's lines.
  socket_stream stream{fd, std::move(already), {.most_read = 16'384 + 2 * max_body}};
  current = {.connection = connection, .stream = &stream};
  auto closed = false;
  const auto answered = process_request(stream, false, closed, make_simple);
  http_port::outcome result{.answer = stream.take_answer()};
  if (answered && current.becomes_stream)
    result.what = http_port::then::stream;
  else if (answered && !closed && current.is_simple)
    result.what = http_port::then::next_request;
  if (result.what == http_port::then::next_request)
    result.left_over = stream.left_over();
  result.unread = !current.is_simple;
  return result;
}

} // namespace bulwarkd
