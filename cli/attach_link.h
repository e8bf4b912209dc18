// AttachLink: what whoever drives an AttachConversation needs for it, whatever it shows it on: the WebSocket, the
// requests, the clock, and a server that waits while what it said is not taken. Terminals are cli/attach.cpp, serial
// ports of this machine cli/tty.cpp. Lives on one shard.
#pragma once
#include <memory>
#include <string>

#include "cli/attach_conversation.h"
#include "cli/rest.h"
#include "common/http/http.h"
#include "common/runtime/shard.h"

namespace oob {

class AttachLink : public AttachOutside {
 public:
  void connect(const std::string& first) override;
  void disconnect() override { drop_socket(); }
  void send(Bytes message, bool binary) override;
  bool listening() const override { return reading_socket_; }
  void request(const std::string& method, const std::string& path, const std::string& names, Answer done) override;

 protected:
  AttachLink(Shard& shard, const HttpEndpoint& server);

  virtual AttachConversation& conversation() = 0;
  virtual void update() = 0;                 // after anything happened: what to wait for next
  virtual Result<> prepare() { return {}; }  // there is a connection; an error ends it all
  virtual void parted() = 0;                 // finished_, and the connection has ended
  void drop_socket();
  void close_socket();                           // what was sent last goes out first; parted() comes after it
  void read_while_taken(std::size_t not_taken);  // bytes of output that wait: beyond a limit no more are read
  void wait_for_deadline();                      // the conversation's next, if it has one

  Shard& shard_;
  Timer deadline_;
  std::unique_ptr<WebSocket> socket_;
  bool finished_ = false;
  int killed_by_ = 0;  // the signal that ended us
  Exit status_ = Exit::Done;
  std::string message_;

 private:
  void opened(std::unique_ptr<WebSocket> socket);

  HttpEndpoint server_;
  Rest rest_;
  bool reading_socket_ = true;
};

}  // namespace oob
