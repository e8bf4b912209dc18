// SerialLine: a Line on a SerialPort. Beside the bytes: a break in its place among what is typed, little in the
// kernel's queue so that no key is typed late, errors and received breaks told in the output, modem lines and counters
// as facts. On the agent's shard.
#pragma once
#include <memory>
#include <string>

#include "agents/lines/port_errors.h"
#include "agents/lines/port_hints.h"
#include "agents/lines/serial_port.h"
#include "agents/lines/stream_line.h"

namespace oob {

class SerialLine final : public StreamLine {
 public:
  SerialLine(Shard& shard, LineEvents& events, SerialSettings settings, OpenSerialPort open);
  ~SerialLine() override;

  void start() override;
  std::size_t write(ByteView bytes) override;
  bool can_wait() const override { return settings_.flow != SerialSettings::Flow::None; }
  Result<Duration> send_break(Duration duration) override;

 private:
  void begin();
  void at_end(const std::string& reason) override;
  void after_output(ByteView bytes) override;
  void look();
  void count(bool last = false);
  LineFacts facts();
  void break_when_idle();
  Result<> begin_break();
  void watch_unsent();
  void drop_unsent(const std::string& why);

  const SerialSettings settings_;
  const OpenSerialPort open_;
  std::unique_ptr<SerialPort> port_;  // null before it is open and after it has gone
  LineFacts told_facts_;

  SerialCounters last_;
  bool counted_ = false;  // the port has counters
  PortErrors errors_;
  PortHints hints_;

  bool breaking_ = false;  // a break waits or is being sent: nothing is written
  Duration break_time_{};
  SteadyTime break_patience_{};

  std::size_t unsent_before_ = 0;
  SteadyTime moved_at_{};  // when something was last seen to be sent
  Timer look_, break_, pace_, unsent_;
};

}  // namespace oob
