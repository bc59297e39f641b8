#pragma once

#include "apps/program.hpp"
#include "support/temporary_folder.hpp"

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace bulwark_tests {

/// A folder with certificates and keys, made by the openssl command; it goes away with this object.
///
/// | name     | signed by | to try                           |
/// | -------- | --------- | -------------------------------- |
/// | a, b     | ca        | what is right                    |
/// | stranger | other_ca  | a CA that nobody here trusts     |
/// | expired  | ca        | what was right until yesterday   |
class certificates {
public:
  certificates() {
    for (const auto* name : {"ca", "other_ca"})
      openssl("req -x509 -nodes " + new_key(name) + " -days 2 -out " + file(name) + ".pem");
    make("a", "ca", "-days 2");
    make("b", "ca", "-days 2");
    make("stranger", "other_ca", "-days 2");
    make("expired", "ca", "-days -1");
  }

  [[nodiscard]] std::string certificate(const std::string& name) const {
    return file(name) + ".pem";
  }
  [[nodiscard]] std::string key(const std::string& name) const { return file(name) + ".key"; }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }

  /// Arguments for bulwarkd: `name` shows its certificate and trusts what `ca` has signed.
  [[nodiscard]] std::vector<std::string> arguments(const std::string& name,
                                                   const std::string& ca = "ca") const {
    return {"--tls.certificate=" + certificate(name), "--tls.key=" + key(name),
            "--tls.ca-file=" + certificate(ca)};
  }

  /// The same for call_a_node.
  [[nodiscard]] std::string options(const std::string& name, const std::string& ca = "ca") const {
    return "--caf.openssl.certificate=" + certificate(name) + " --caf.openssl.key=" + key(name)
           + " --caf.openssl.cafile=" + certificate(ca) + " ";
  }

private:
  temporary_folder folder_;

  [[nodiscard]] std::string new_key(const std::string& name) const {
    return "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -keyout " + key(name)
           + " -subj /CN=" + name;
  }

  void make(const std::string& name, const std::string& ca, const std::string& days) const {
    openssl("req -nodes " + new_key(name) + " -out " + file(name) + ".csr");
    openssl("x509 -req -in " + file(name) + ".csr -CA " + certificate(ca) + " -CAkey " + key(ca)
            + " -CAcreateserial " + days + " -out " + certificate(name));
  }

  static void openssl(const std::string& arguments) {
    const auto end = run("openssl", arguments);
    if (end.code != 0)
      throw std::runtime_error{"openssl " + arguments + ":\n" + end.output};
  }
};

} // namespace bulwark_tests
