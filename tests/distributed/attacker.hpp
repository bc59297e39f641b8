#pragma once

#include "distributed/honest_client.hpp"
#include "distributed/raw_connection.hpp"

#include "bulwark/random.hpp"

#include <array>
#include <cstddef>
#include <deque>
#include <utility>

namespace bulwark_tests {

/// Sends a peer what no honest program would: random bytes, and a recorded conversation with
/// something wrong in it. What CAF can't stand, whoever listens, is left out, see docs/security.md:
/// handshakes without a payload, more than 64 KiB announced, exit messages, links,
/// messages that say they belong to a stream.
class attacker {
public:
  static constexpr std::array kinds{"random bytes",    "flipped bits", "wrong operation",
                                    "wrong length",    "cut frames",   "swapped order",
                                    "random payloads", "forged nodes", "forged actor numbers"};
  static constexpr std::uint64_t most_announced = 65'536;

  attacker(std::uint16_t port, std::uint64_t seed) : port_(port), said_(port), random_(seed) {}

  /// One connection, of one kind, with up to `frames` frames. Returns how many it sent.
  std::size_t attack(std::size_t kind, std::size_t frames) {
    bytes stream;
    const bool introduced = kind != 0 && random_.next() % 8 != 0;
    if (introduced)
      said_.handshake(node()).append_to(stream);
    for (std::size_t i = 0; i < frames; ++i)
      append(kind, stream);
    const auto sent = defuse(stream, introduced);
    if (sent == 0)
      return 0;
    raw_connection line{port_};
    line.send(stream);
    if (random_.next() % 4 == 0)
      line.reset();
    kept_.push_back(std::move(line));
    if (kept_.size() > 16) // so that some are cut off and some are read to the end
      kept_.pop_front();
    return sent;
  }

  /// Closes all.
  void leave() { kept_.clear(); }

private:
  std::uint16_t port_;
  conversation said_;
  bulwark::random_stream random_;
  std::deque<raw_connection> kept_;

  // Few: CAF remembers each for ever.
  std::uint64_t node() { return 1'000 + random_.next() % 64; }

  void append(std::size_t kind, bytes& stream) {
    if (kind == 0) {
      const auto size = stream.size() + 1 + random_.next() % 200;
      while (stream.size() < size)
        stream.push_back(static_cast<std::uint8_t>(random_.next()));
      return;
    }
    const auto& list = random_.next() % 4 == 0 ? said_.from_peer : said_.to_peer;
    auto frame = list[random_.next() % list.size()];
    spoil(kind, frame);
    frame.append_to(stream);
    if (kind == 4)
      stream.resize(stream.size() - random_.next() % 32);
  }

  void flip(bytes& where) {
    if (!where.empty())
      where[random_.next() % where.size()] ^= static_cast<std::uint8_t>(1U << random_.next() % 8);
  }

  void spoil(std::size_t kind, basp_frame& frame) {
    switch (kind) {
    case 1:
      for (auto n = 1 + random_.next() % 4; n > 0; --n)
        flip(random_.next() % 8 == 0 ? frame.header : frame.payload);
      break;
    case 2:
      frame.header[0] =
          static_cast<std::uint8_t>(random_.next() % (random_.next() % 4 == 0 ? 256 : 7));
      break;
    case 3:
      frame.number(basp_frame::length_at, 4,
                   random_.next() % (random_.next() % 2 == 0 ? 100 : 1U << 31U));
      break;
    case 6:
      frame.payload.resize(1 + random_.next() % 300);
      for (auto& each : frame.payload)
        each = static_cast<std::uint8_t>(random_.next());
      frame.measured();
      break;
    case 7: // who we said we are, and where an actor is said to live
      if (frame.payload.size() > 25)
        for (auto at = frame.payload.size() - 24; at < frame.payload.size() - 20; ++at)
          frame.payload[at] = static_cast<std::uint8_t>(random_.next());
      break;
    case 8:
      frame.number(frame.what() == basp_frame::down_message ? basp_frame::source_at
                                                            : basp_frame::destination_at,
                   8, 1 + random_.next() % 100);
      break;
    default: // swapped order: another frame in another's place is enough
      break;
    }
  }

  // Walks the stream as its reader will, and takes out of it what CAF can't stand. Returns how many
  // frames the reader gets to see.
  //
  // CAF reads on after a message that it refuses, in pieces as long as the last one, and what it
  // finds there may be a handshake without a payload: behind a message that may be refused there is
  // never enough for a header. `introduced`: the first is a good handshake.
  static std::size_t defuse(bytes& stream, bool introduced) {
    std::size_t frames = 0;
    for (std::size_t at = 0; at + basp_frame::header_size <= stream.size();) {
      basp_frame next;
      const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(at);
      std::copy_n(begin, next.header.size(), next.header.begin());
      next.number(basp_frame::length_at, 4, next.length() % most_announced);
      if (next.what() <= basp_frame::client_handshake && next.length() == 0)
        next.header[0] = 7;
      if (next.what() == basp_frame::direct_message || next.what() == basp_frame::routed_message)
        next.header[basp_frame::data_at] &= 0xdfU; // no message of CAF's streams
      std::copy_n(next.header.begin(), next.header.size(), begin);
      const auto body = at + basp_frame::header_size;
      const auto end = next.valid() ? body + static_cast<std::size_t>(next.length()) : body;
      if (names_lethal(stream, body, std::min(end, stream.size()))) {
        stream.resize(at);
        return frames;
      }
      ++frames;
      if (!next.never_refused() && !(at == 0 && introduced))
        stream.resize(std::min(stream.size(), end + basp_frame::header_size - 1));
      at = end;
    }
    return frames;
  }

  // Whether an exit message or a link may be in there: the type's number is.
  static bool names_lethal(const bytes& stream, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i + 1 < end; ++i)
      for (const auto type : {caf::type_id_v<caf::exit_msg>, caf::type_id_v<caf::link_atom>,
                              caf::type_id_v<caf::unlink_atom>})
        if (stream[i] == type >> 8U && stream[i + 1] == (type & 255U))
          return true;
    return false;
  }
};

} // namespace bulwark_tests
