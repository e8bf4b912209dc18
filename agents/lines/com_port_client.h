// ComPortClient: the client's side of telnet's COM port option (RFC 2217): sets what is asked of a serial port at a
// console server, and knows what the server says of it. What is not asked for is only looked at. Sans-IO; messages are
// without telnet's frame (common/com_port.h). It never touches DTR or RTS and purges nothing.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agents/lines/serial_port.h"
#include "common/bytes.h"

namespace oob {

// How the port is to be; what is empty stays as it is.
struct ComPortWishes {
  std::optional<unsigned> speed, data_bits, stop_bits;
  std::optional<SerialSettings::Parity> parity;
  std::optional<SerialSettings::Flow> flow;
  bool any() const { return speed || data_bits || stop_bits || parity || flow; }
};

class ComPortClient {
 public:
  explicit ComPortClient(ComPortWishes wishes);

  // What is to be sent once the option is on.
  std::vector<Bytes> opening() const;
  // One of the server's; what it is to be answered with, empty: nothing.
  Bytes receive(ByteView message);

  // Which wishes the server refused since last asked: "speed 115200 (it has 9600)"; empty: none.
  std::string take_refusals();
  std::string unanswered() const;  // wishes without an answer yet: "speed, parity"

  std::string settings() const;    // "115200 8N1, flow none", "?" for what is not known
  std::string modem_text() const;  // "+DTR +CTS -DSR -DCD -RI"
  std::optional<ModemLines> modem_lines() const { return lines_; }  // DTR and RTS mean nothing here
  SerialCounters take_counted() { return std::exchange(counted_, {}); }
  bool counts_errors() const { return counts_errors_; }
  const std::string& signature() const { return signature_; }  // as it came
  bool held() const { return held_; }                          // the server wants no bytes just now
  void release() { held_ = false; }                            // the server is none any more

 private:
  enum Setting : std::size_t { Speed, DataBits, Parity, StopBits, Flow, kSettings };
  struct Port {                    // of one setting, in the option's numbers
    std::optional<unsigned> wish;  // none: it is only looked at
    std::optional<unsigned> has;
    bool answered = false;
  };
  void answered(Setting setting, unsigned value);
  void control(std::uint8_t value);
  static std::string text_of(Setting setting, unsigned value);

  Port ports_[kSettings];
  std::string refusals_, signature_;
  std::optional<ModemLines> lines_;
  std::optional<bool> dtr_, rts_;
  SerialCounters counted_;
  bool counts_errors_ = false, held_ = false, signed_ = false;
};

}  // namespace oob
