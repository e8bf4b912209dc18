// A non-blocking file descriptor on a shard: says when it can be read, and writes what it is given as the peer takes
// it. Used by line drivers, the tunnel's shells and the agents' listeners. It moves no bytes of its own accord: the
// owner reads (into the shard's buffer) when called.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/runtime/shard.h"

namespace oob {

class Descriptor {
 public:
  // Takes ownership of `fd` and makes it non-blocking and close-on-exec. What the kernel cannot wait for (a plain file,
  // /dev/null) is taken as always ready.
  Descriptor(Shard& shard, int fd);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int fd() const;
  bool is_open() const;
  void close();   // no callback runs afterwards
  int release();  // as close(), but the descriptor stays open and is the caller's; -1 if it was closed

  // Calls `ready` each time the descriptor can be read (or is at its end), until closed or stop_reading().
  // `ready` may close or destroy this Descriptor.
  void start_reading(std::function<void()> ready);
  void stop_reading();
  // Calls `ready` once when the descriptor can be written.
  void when_writable(std::function<void()> ready);

  // read(2)/write(2) without the surprises: n > 0 bytes; 0 for "not now"; an Error for end of file (message "closed")
  // and real errors (strerror).
  Result<std::size_t> read(MutableBytes into);
  Result<std::size_t> write(ByteView from);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Resolves and connects without blocking; `done` is called once on the shard, never from inside connect(), with a
// non-blocking descriptor that is now the caller's (TCP: with TCP_NODELAY). `time_out` covers everything; what is left
// of it is shared among the addresses of a name, so that a dead one does not use it up. Destroying the object or
// another connect() cancels. Addresses: "host:port", "[v6]:port", or "unix:/path". Errors: Usage for a malformed
// address, else Unavailable. (A look-up under way when the whole process ends is waited for.)
class Connector {
 public:
  explicit Connector(Shard& shard);
  ~Connector();
  void connect(const std::string& address, Duration time_out, std::function<void(Result<int>)> done);
  // The same for UDP: a socket for each address of the name to which there is a way, limits::datagram_addresses_max at
  // most, best first. Whether anybody listens there is not known.
  void connect_datagrams(const std::string& address, Duration time_out,
                         std::function<void(Result<std::vector<int>>)> done);
  void cancel();

 private:
  struct State;
  void begin(const std::string& address, Duration time_out, std::function<void(Result<int>)> done);

  Shard& shard_;
  std::shared_ptr<State> state_;
};

// Listens; calls `accepted(fd, peer)` for each connection, peer as "127.0.0.1:4711" or "unix, uid 0".
class Listener {
 public:
  explicit Listener(Shard& shard);
  ~Listener();
  // address as in Connector; an existing socket file that nobody answers is replaced. Mode applies to "unix:".
  // "[::]:port" takes IPv4 too. The socket file is removed again by close(). A name is looked up, which blocks:
  // start-up. `accepted` owns the fd (non-blocking, close-on-exec) and may destroy this Listener.
  Result<> listen(const std::string& address, unsigned mode, std::function<void(int fd, std::string peer)> accepted);
  std::string address() const;  // with the port the kernel chose, for ":0"
  void close();

 private:
  struct State;
  Shard& shard_;
  std::shared_ptr<State> state_;
};

struct PeerCredentials {
  unsigned uid = ~0u, gid = ~0u;
  int pid = 0;
};
Result<PeerCredentials> peer_credentials(int fd);  // SO_PEERCRED, unix(7)

// Parses "host:port" / "[v6]:port", port 0 to 65535; an error names what is wrong. `host` is without brackets.
struct HostPort {
  std::string host, port;
};
Result<HostPort> parse_host_port(std::string_view address);

}  // namespace oob
