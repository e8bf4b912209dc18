// How a serial port is to be set: the settings of a line of kind `serial`, read and in words. Plain values; knows no
// port.
#pragma once
#include "agents/lines/line.h"

namespace oob {

struct SerialSettings {
  enum class Parity { None, Even, Odd, Mark, Space };
  enum class Flow { None, XonXoff, RtsCts };
  std::string device;
  unsigned speed = 9600;   // bits per second, both ways
  unsigned data_bits = 8;  // 5 to 8
  Parity parity = Parity::None;
  unsigned stop_bits = 1;  // 2 with 5 data bits: one and a half, as UARTs have it
  Flow flow = Flow::None;
  Duration break_time{250};
  bool hang_up = false;  // lower DTR when the line is closed in order

  // An absent or impossible setting is the default; the server has refused those.
  static SerialSettings of(const LineConfig& config);
};

// The words of the settings, in the order of the enums.
inline const std::vector<std::string> kParityWords{"none", "even", "odd", "mark", "space"};
inline const std::vector<std::string> kFlowWords{"none", "xonxoff", "rtscts"};

// "115200 8N1, flow none"
std::string to_string(const SerialSettings& settings);

}  // namespace oob
