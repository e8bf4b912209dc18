// TelnetLine: a Line over telnet, on a raw TCP line. The codec (common/telnet_codec.h) takes the protocol out of the
// bytes and puts it in; ComPortClient sets and watches a port where the peer has RFC 2217. It says nothing before it is
// spoken to, unless settings of a port are asked for: a peer that speaks no telnet must not take it for typing. On the
// agent's shard.
#pragma once
#include <memory>
#include <string>

#include "agents/lines/com_port_client.h"
#include "agents/lines/port_errors.h"
#include "agents/lines/port_hints.h"
#include "agents/lines/stream_line.h"
#include "common/limits.h"
#include "common/pace.h"
#include "common/telnet_codec.h"

namespace oob {

struct TelnetSettings {
  std::string address;
  ComPortWishes port;
  Duration break_time{250};  // where the peer has RFC 2217; else it is the peer's

  // An absent or impossible setting is the default; the server has refused those.
  static TelnetSettings of(const LineConfig& config);
};

class TelnetLine final : public Line, private LineEvents {
 public:
  TelnetLine(Shard& shard, LineEvents& events, TelnetSettings settings);
  ~TelnetLine() override;

  void start() override { connection_->start(); }
  std::size_t write(ByteView bytes) override;
  void set_reading(bool on) override {
    if (connection_) connection_->set_reading(on);
  }
  // A duration of 0: as long as the peer makes it, RFC 854 has no other.
  Result<Duration> send_break(Duration duration) override;

 private:
  // What the connection reports.
  void line_up(std::string detail, int pid) override;
  void line_output(ByteView bytes) override;
  void line_writable() override;
  void line_down(std::string reason) override;
  void line_note(std::string text) override { events_.line_note(std::move(text)); }
  void line_lost(std::string why) override { events_.line_lost(std::move(why)); }
  void line_facts(LineFacts) override {}

  void take(const TelnetItem& item);
  void option_changed(const TelnetItem& item);
  void tell_torn();
  void port_said(ByteView message);
  void let_type();
  void send(ByteView com_port_message);
  bool flush();
  std::size_t write_some(ByteView bytes);
  void end_break();
  void tell_not_set(bool over);
  void look();
  LineFacts facts() const;
  std::string options() const;
  bool has_port() const { return codec_.ours(telnet::kComPort); }

  Shard& shard_;
  LineEvents& events_;
  const TelnetSettings settings_;
  std::unique_ptr<Line> connection_;  // null if we gave it up
  TelnetCodec codec_;
  ComPortClient port_;
  PortErrors errors_;
  PortHints hints_;
  bool up_ = false, breaking_ = false, said_ignored_ = false;
  bool blocked_ = false;  // the connection took less than it was given, and has not said yet that it takes more
  Bytes unsent_;          // encoded, and not taken by the connection
  std::size_t torn_ = 0;  // messages without an end, not told yet
  Pace torn_marks_{limits::netconsole_marks_at_once, limits::netconsole_marks_per_second};
  std::string not_set_;  // settings that the peer did not take, and why
  LineFacts told_facts_;
  Timer look_, break_, answers_;
  std::shared_ptr<void> alive_ = std::make_shared<int>();
};

}  // namespace oob
