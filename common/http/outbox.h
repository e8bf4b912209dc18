// What was written to a socket and not yet taken by the kernel. Writing is by hand, so that many messages leave in one
// call and what is appended while the kernel is full is not copied again. Its owner bounds unsent().
#pragma once
#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <memory>

#include "common/bytes.h"
#include "common/runtime/shard.h"

namespace oob {

struct Outbox : std::enable_shared_from_this<Outbox> {
  explicit Outbox(asio::local::stream_protocol::socket s) : socket(std::move(s)) {
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
  }

  std::size_t unsent() const { return bytes.size() - sent; }
  void flush();  // as much as the kernel takes now; the rest when it can take more

  asio::local::stream_protocol::socket socket;
  Bytes bytes;        // append here, then flush()
  bool hold = false;  // more is about to be appended: whoever set it will flush
  boost::system::error_code failed;
  std::function<void()> progress;  // after each flush; `failed` says if it was the last

 private:
  void wait();

  std::size_t sent = 0;
  bool waiting = false;
};

}  // namespace oob
