#include "bulwarkd/tls.hpp"

#if BULWARKD_WITH_TLS

#include <caf/openssl/manager.hpp>

#include <fmt/format.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>

namespace bulwarkd {

namespace {

struct context_deleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using context_ptr = std::unique_ptr<SSL_CTX, context_deleter>;

// Why a call has failed, in OpenSSL's words; and the queue is empty again. The first word of it is the
// cause, later ones say what that led to.
std::string reason_of_failure() {
  const auto code = ERR_peek_error();
  const auto* reason = ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : "OpenSSL can't read it";
  ERR_clear_error();
  return text;
}

std::string date(const ASN1_TIME* time) {
  std::unique_ptr<BIO, int (*)(BIO*)> text{BIO_new(BIO_s_mem()), BIO_free};
  ASN1_TIME_print(text.get(), time);
  char* begin = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &begin);
  return std::string(begin, static_cast<std::size_t>(size));
}

class file_checks {
public:
  explicit file_checks(mistakes& wrong) : wrong_(wrong), context_(SSL_CTX_new(TLS_method())) {
    // Nobody is there who could type a passphrase.
    SSL_CTX_set_default_passwd_cb(context_.get(), [](char*, int, int, void*) { return 0; });
  }

  void check(const tls_settings& tls) {
    const auto good = use("certificate", tls.certificate, [&](const char* file) {
      return SSL_CTX_use_certificate_chain_file(context_.get(), file);
    });
    if (good)
      check_dates(tls.certificate);
    use("key", tls.key, [&](const char* file) {
      return SSL_CTX_use_PrivateKey_file(context_.get(), file, SSL_FILETYPE_PEM);
    });
    use("ca-file", tls.ca_file, [&](const char* file) {
      return SSL_CTX_load_verify_locations(context_.get(), file, nullptr);
    });
  }

private:
  mistakes& wrong_;
  context_ptr context_;

  template <class F>
  bool use(const char* key, const std::string& file, F load) {
    if (file.empty())
      return false; // said already
    if (!std::ifstream{file}) {
      wrong_.push_back(
          fmt::format("bulwark.tls.{} = {}: can't be read: {}", key, file, std::strerror(errno)));
      return false;
    }
    if (load(file.c_str()) == 1)
      return true;
    wrong_.push_back(fmt::format("bulwark.tls.{} = {}: {}", key, file, reason_of_failure()));
    return false;
  }

  void check_dates(const std::string& file) {
    const auto* own = SSL_CTX_get0_certificate(context_.get());
    if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0)
      wrong_.push_back(fmt::format("bulwark.tls.certificate = {}: expired on {}", file,
                                   date(X509_get0_notAfter(own))));
    if (X509_cmp_current_time(X509_get0_notBefore(own)) > 0)
      wrong_.push_back(fmt::format("bulwark.tls.certificate = {}: is not valid before {}", file,
                                   date(X509_get0_notBefore(own))));
  }
};

// A copy in memory, for as long as the process lives, that has a path.
std::string keep(const std::string& file) {
  const std::string content{std::istreambuf_iterator<char>{std::ifstream{file}.rdbuf()}, {}};
  const auto copy = ::memfd_create("bulwarkd", MFD_CLOEXEC);
  if (copy < 0 || ::write(copy, content.data(), content.size()) != std::ssize(content))
    throw std::runtime_error{"can't keep a copy of " + file + ": " + std::strerror(errno)};
  return fmt::format("/proc/self/fd/{}", copy);
}

} // namespace

bool tls_is_built_in() {
  return true;
}

mistakes find_tls_mistakes(const tls_settings& tls) {
  mistakes wrong;
  file_checks{wrong}.check(tls);
  return wrong;
}

void load_tls(caf::actor_system_config& config, const tls_settings& tls) {
  config.load<caf::openssl::manager>();
  // CAF reads them again for each connection, and ends the process where one can't be used: as when
  // a certificate has been replaced, and its key not yet.
  config.set("caf.openssl.certificate", keep(tls.certificate));
  config.set("caf.openssl.key", keep(tls.key));
  config.set("caf.openssl.cafile", keep(tls.ca_file));
}

caf::actor tls_transport(caf::actor_system& system) {
  return caf::actor_cast<caf::actor>(system.openssl_manager().actor_handle());
}

} // namespace bulwarkd

#else

#include <stdexcept>

namespace bulwarkd {

bool tls_is_built_in() {
  return false;
}

mistakes find_tls_mistakes(const tls_settings&) {
  return {};
}

void load_tls(caf::actor_system_config&, const tls_settings&) {}

caf::actor tls_transport(caf::actor_system&) {
  throw std::logic_error{"built without TLS"};
}

} // namespace bulwarkd

#endif
