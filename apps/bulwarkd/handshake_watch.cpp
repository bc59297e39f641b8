#include "bulwarkd/handshake_watch.hpp"

#if BULWARKD_WITH_TLS

#include "bulwarkd/log.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <memory>
#include <string>

// CAF makes and frees the connections and says nothing of why one failed. OpenSSL lets a program
// have data of its own in each connection, and calls it when one is made and when one is freed: that
// is where this comes in, and gives each connection a callback for its handshake.
//
// It also mends what CAF leaves undone: OpenSSL's queue of errors is one for all connections of a
// thread, and what one connection leaves there is taken for the error of the next (SSL_get_error
// looks there first). A stranger with a wrong certificate would cut off peers that are well.

namespace bulwarkd {

namespace {

struct handshake {
  std::string peer; // address and port
  bool done = false;
  bool reported = false;
};

int index_of_handshakes = -1;

handshake* handshake_of(const SSL* connection) {
  return static_cast<handshake*>(SSL_get_ex_data(connection, index_of_handshakes));
}

std::string peer_of(const SSL* connection) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::getpeername(SSL_get_fd(connection), address, &size) != 0)
    return "somebody who is gone";
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text));
    return fmt::format("[{}]:{}", text, ntohs(six.sin6_port));
  }
  const auto& four = reinterpret_cast<const sockaddr_in&>(storage);
  ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text));
  return fmt::format("{}:{}", text, ntohs(four.sin_port));
}

void report(const SSL* connection, handshake& about, const std::string& why) {
  if (about.reported)
    return;
  about.reported = true;
  log_warning("TLS {} {} refused: {}", SSL_is_server(connection) != 0 ? "from" : "to", about.peer,
              why);
}

std::string reason_of_failure(const SSL* connection) {
  if (const auto verified = SSL_get_verify_result(connection); verified != X509_V_OK)
    return fmt::format("its certificate: {}", X509_verify_cert_error_string(verified));
  const auto* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason != nullptr ? reason : "the connection was lost during the handshake";
}

// Where OpenSSL goes to the socket for more. What is in the queue now is another connection's.
long before_reading(BIO*, int operation, const char*, std::size_t, int, long, int result,
                    std::size_t*) {
  if (operation == BIO_CB_READ)
    ERR_clear_error();
  return result;
}

void on_event(const SSL* connection, int where, int value) {
  auto* about = handshake_of(connection);
  if (about == nullptr)
    return;
  if ((where & SSL_CB_HANDSHAKE_START) != 0 && about->peer.empty()) {
    about->peer = peer_of(connection);
    BIO_set_callback_ex(SSL_get_rbio(connection), before_reading);
  } else if ((where & SSL_CB_HANDSHAKE_DONE) != 0) {
    about->done = true;
  } else if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (value >> 8) == SSL3_AL_FATAL) {
    // In TLS 1.3 who dials is done before the other side has looked at its certificate.
    const auto no_certificate = (value & 0xff) == SSL_AD_CERTIFICATE_REQUIRED;
    report(connection, *about,
           fmt::format("the other side says: {}", no_certificate
                                                      ? "certificate required"
                                                      : SSL_alert_desc_string_long(value)));
  } else if ((where & SSL_CB_EXIT) != 0 && value <= 0 && !about->done && ERR_peek_error() != 0) {
    report(connection, *about, reason_of_failure(connection));
    ERR_clear_error();
  }
}

void on_new(void* connection, void*, CRYPTO_EX_DATA* data, int index, long, void*) {
  CRYPTO_set_ex_data(data, index, new handshake);
  SSL_set_info_callback(static_cast<SSL*>(connection), on_event);
}

void on_free(void* connection, void* kept, CRYPTO_EX_DATA*, int, long, void*) {
  const std::unique_ptr<handshake> about{static_cast<handshake*>(kept)};
  if (about && !about->done && !about->peer.empty())
    report(static_cast<SSL*>(connection), *about, "the connection was lost during the handshake");
  ERR_clear_error();
}

} // namespace

void watch_handshakes() {
  if (index_of_handshakes < 0)
    index_of_handshakes = SSL_get_ex_new_index(0, nullptr, on_new, nullptr, on_free);
}

} // namespace bulwarkd

#else

namespace bulwarkd {

void watch_handshakes() {}

} // namespace bulwarkd

#endif
