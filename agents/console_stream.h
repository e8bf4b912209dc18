// ConsoleStream: the agent's end of /v1/console/{name}: output from the line's store from where oobd says on, events in
// their place among the bytes, the fate of input. Reads the store when its turn has come; keeps nothing itself but
// small answers (limits::input_pending_bytes_max).
#pragma once
#include <functional>
#include <optional>

#include "agents/line_host.h"
#include "common/clock.h"
#include "proto/tunnel/messages.h"
#include "proto/tunnel/mux.h"

namespace oob {

class ConsoleStream final : public StreamOwner {
 public:
  ConsoleStream(Mux& mux, StreamId id, LineHost& line, std::function<void()> closed);
  ~ConsoleStream() override;

  LineHost& line() { return line_; }
  void has_output() {
    if (cursor_) mux_.wake(id_);
  }
  // To be told to oobd: a refusal at once; that all was written with the next output, or when tell() is called.
  void input_done(const InputQueue::Fate& fate);
  void tell() { mux_.wake(id_); }

 private:
  Result<> stream_message(ByteView message) override;
  std::size_t stream_fill(MutableBytes into) override;
  void stream_closed(const std::string& reason) override;

  void open_at(std::uint64_t incarnation, std::uint64_t offset);
  std::size_t fill_output(MutableBytes into);
  void say_opened();  // from where, of which incarnation, what follows is
  bool queue_event(const RingRecord& record);

  Mux& mux_;
  StreamId id_;
  LineHost& line_;
  std::function<void()> closed_;
  bool over_ = false;
  MessageQueue answers_;
  std::optional<LineStore::Cursor> cursor_;  // empty until oobd said from where
};

}  // namespace oob
