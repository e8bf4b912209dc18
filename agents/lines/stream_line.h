// What exec, tcp and unix lines share: the bytes of one descriptor as line events, with flow control. DialledLine adds
// the connecting that tcp and unix share. On the agent's shard; a callback may destroy the line.
#pragma once
#include <functional>

#include "agents/lines/line.h"
#include "common/runtime/descriptor.h"

namespace oob {

class StreamLine : public Line {
 public:
  std::size_t write(ByteView bytes) override;
  void set_reading(bool on) override;

 protected:
  StreamLine(Shard& shard, LineEvents& events) : shard_(shard), events_(events) {}

  void open(int fd, std::string detail, int pid);  // reports line_up, then what can be read
  void down(std::string reason);                   // closes and reports; `this` may be gone afterwards
  void down_later(std::string reason);             // the same, but not from inside the caller
  // The source has ended, though others may hold it open: at_end() as soon as what it left is read.
  void end_when_empty();
  virtual void at_end(const std::string& reason) { down(reason); }  // nothing more can be read
  virtual void after_output(ByteView) {}                            // it was reported just now

  Shard& shard_;
  LineEvents& events_;
  std::unique_ptr<Descriptor> stream_;  // null before open() and after down()

 private:
  void read_some();
  void read_the_rest();

  bool reading_ = true, down_ = false, ending_ = false;
  std::size_t rest_ = 0;  // bytes read since end_when_empty()
  std::shared_ptr<void> alive_ = std::make_shared<int>();
};

class DialledLine final : public StreamLine {
 public:
  // `address` as for Connector, `shown` is the detail for people, `prepare` sets options of the new socket.
  DialledLine(Shard& shard, LineEvents& events, std::string address, std::string shown,
              std::function<void(int fd)> prepare);
  void start() override;

 private:
  void at_end(const std::string& reason) override;

  Connector connector_;
  std::string address_, shown_;
  std::function<void(int)> prepare_;
};

}  // namespace oob
