#pragma once

#include "bulwarkd/configuration.hpp"

#include "bulwark/setting_keys.hpp"

/// @file The daemon's own keys, beside those that any program's settings may have: see
/// bulwark/setting_keys.hpp. Ranges are in configuration_checks.cpp.

namespace bulwarkd {

template <class F>
void for_each_key(F&& f, hosted_guard_settings& x) {
  f("target", x.target,
    "what is protected: a local target's name, http://HOST:PORT, or HOST:PORT/NAME");
  for_each_key(f, static_cast<bulwark::guard_settings&>(x));
  f("on-owner-lost", x.on_owner_lost, "while the node can't be reached whose part it uses");
}

template <class F>
void for_each_key(F&& f, listen_settings& x) {
  f("address", x.address, "of the network interface, in numbers");
  f("port", x.port, "0: any that is free");
  f("open-to-others", x.open_to_others, "beyond loopback without TLS: whoever reaches it may call");
}

template <class F>
void for_each_key(F&& f, tls_settings& x) {
  f("certificate", x.certificate, "this node's certificate, and those between it and the CA: PEM");
  f("key", x.key, "its private key: PEM, without a passphrase");
  f("ca-file", x.ca_file, "who signs the certificates of peers: PEM");
}

template <class F>
void for_each_key(F&& f, admin_port_settings& x) {
  f("address", x.address, "of the network interface, in numbers");
  f("port", x.port, "0: any that is free");
  f("token-file", x.token_file, "holds the word of who may change something; without, nobody may");
  f("open-to-others", x.open_to_others, "beyond loopback: it is plain HTTP");
}

template <class F>
void for_each_key(F&& f, journal_file_settings& x) {
  f("file", x.file, "a database of SQLite, made where there is none");
  f("max-age", x.max_age, "what is older goes");
  f("max-mebibytes", x.max_mebibytes, "what is oldest goes where the file would be larger");
}

template <class F>
void for_each_key(F&& f, configuration& x) {
  f("name", x.name, "in the log, and in statistics of several nodes");
  f("listen", x.listen, "where the front door is");
  f("drain-timeout", x.drain_timeout, "how long calls in progress may take at the end");
  f("tls", x.tls, "for the port and for all peers");
  f("admin", x.admin, "where it is watched and steered over HTTP; without, nowhere");
  f("journal", x.journal, "where transitions and changes are written down; without, nowhere");
  f("peers", x.peers, "nodes to be connected to from the start, HOST:PORT");
  f("circuit-breakers", x.circuit_breakers, "for guards, by name");
  f("bulkheads", x.bulkheads, "for guards, by name");
  f("guards", x.guards, "by name");
}

} // namespace bulwarkd
