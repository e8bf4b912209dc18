// SolStream: the bytes of serial over LAN within a session (IPMI 2.0 section 15.9 to 15.11). Each side has one packet
// under way, numbered 1 to 15, and repeats it until it is acknowledged. Repeats are dropped, also when they carry more
// than the first time; a number left out is a loss and is said. Sans-IO.
//
// A packet's number alone does not tell a repeat from a new one whose BMC has begun to count anew: the session's own
// numbers do, so the caller says of each payload whether the BMC sent it last of all that came (`newest`).
#pragma once
#include <optional>
#include <random>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"

namespace oob::ipmi {

class SolEvents {
 public:
  virtual ~SolEvents() = default;
  virtual void sol_send(ByteView payload) = 0;
  virtual void sol_output(ByteView bytes) = 0;
  virtual void sol_lost(std::string why) = 0;         // output is missing before what follows
  virtual void sol_note(std::string text) = 0;        // for the console's log
  virtual void sol_writable() = 0;                    // after write() took less than it was given
  virtual void sol_confirmed(std::size_t bytes) = 0;  // that write() took; the BMC has accepted them
  virtual void sol_unanswered() = 0;                  // input was not acknowledged in time: is the session still ours?
  virtual void sol_ended() = 0;                       // the BMC says that it ends serial over LAN
  virtual void sol_stuck() = 0;                       // it takes no input any more, whatever we number it: begin anew
};

class SolStream {
 public:
  // `packet_bytes`: characters that the BMC takes at once, 1 to 255.
  SolStream(Clock& clock, SolEvents& events, std::size_t packet_bytes, unsigned seed);

  // Agrees the first number by an empty packet. Some BMCs remember the last number of the session before: ours, if it
  // happens to be the same, would be acknowledged and thrown away. Optional, before anything else.
  void start();
  void receive(ByteView payload, bool newest);
  // Takes one packet's worth, nothing while one is under way. What the BMC has not taken two seconds later is dropped,
  // with a note.
  std::size_t write(ByteView bytes);
  void withdraw();    // what is under way is too late: as if the two seconds were over
  void send_break();  // once: a break that is repeated undoes itself. Waits for what write() took before
  void tick();
  std::optional<SteadyTime> next_deadline() const;
  void tell_overruns();  // those that are not told yet; for the end of the stream

 private:
  // What the packet under way is. Withdrawn: its characters came too late; only its number is still to be agreed.
  enum class Sending { Nothing, First, Characters, Break, Withdrawn };

  void begin(Sending what);
  void transmit();
  void acknowledged(std::size_t accepted, bool refused);
  void output(unsigned sequence, ByteView characters, bool newest);
  void idle();
  void send_due();
  std::optional<SteadyTime> send_deadline() const;
  void drop(const char* how);

  Clock& clock_;
  SolEvents& events_;
  const std::size_t packet_bytes_;
  std::minstd_rand random_;

  Sending sending_ = Sending::Nothing;
  Bytes characters_;       // under way
  unsigned sequence_ = 0;  // of the packet under way, or of the last one
  int sent_ = 0;           // times
  int refusals_ = 0;       // in a row, with nothing taken
  int disagreed_ = 0;      // times in a row that no number was acknowledged
  bool break_wanted_ = false, refused_writer_ = false;
  bool taken_ = false;  // some characters of the packet that was answered last
  SteadyTime first_sent_{}, sent_at_{}, repeat_at_{};
  double usual_ms_ = 0;  // from a packet to its acknowledgement, smoothed; 0: not known yet

  unsigned heard_ = 0;           // the last number that came, 0: none yet
  std::size_t heard_count_ = 0;  // characters of it
  SteadyTime break_told_{}, overrun_told_{};
  std::uint64_t overruns_ = 0;  // since then
};

}  // namespace oob::ipmi
