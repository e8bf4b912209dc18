// AttachConversation: one person (or pipe) attached to a console, from finding its name to leaving. Sans-IO: it is told
// of keys, messages and time, and acts through AttachOutside. It promises that output is shown once and in order across
// any loss of the connection, that no key is sent late or to a console it was not typed for, and that whatever keys did
// not arrive are spoken of. The protocol is schema/stream.md. Keys: attach_keys.cpp, what is asked on a line of its
// own: attach_prompt.cpp; the rest: attach_conversation.cpp.
#pragma once
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/exit_status.h"
#include "common/backoff.h"
#include "common/bytes.h"
#include "common/clock.h"
#include "common/escape_keys.h"
#include "common/json/json.h"

namespace oob {

struct AttachChoices {
  std::string console;  // or a unique beginning of one
  bool write = true;
  bool force = false;
  bool pipe = false;    // input is no terminal: no escape; ends after the input's end
  bool device = false;  // input is a program's that takes the console for a serial port (`oob tty`): no escape; it is
                        // held up while the line is, and ends by a signal
  std::size_t lines = 20;  // of replay
  std::string since;       // UTC: replay from then on instead; "": no
  EscapeSequence escape;
  std::vector<std::string> also_meant;  // words a mistyped name may stand for, besides consoles
  unsigned seed = 0;                    // of the reconnect jitter
};

// What the conversation does to the world. None of these calls back from inside.
class AttachOutside {
 public:
  virtual ~AttachOutside() = default;
  // Leads to connected() or disconnected(). `first` is the first message and goes with the request to connect.
  virtual void connect(const std::string& first) = 0;
  virtual void disconnect() = 0;  // without disconnected()
  virtual void send(Bytes message, bool binary) = 0;
  virtual void output(ByteView bytes) = 0;                   // the console's, raw
  enum class Said { Hint, Notice };                          // a hint is for terminals only; a notice is said anywhere
  virtual void say(Said kind, const std::string& text) = 0;  // one or more lines, escaped
  virtual void echo(const std::string& text) = 0;            // onto the terminal at once, for the prompt
  virtual void hold_output(bool on) = 0;                     // while on, output() is kept from the screen
  virtual std::size_t columns() const { return 80; }         // of the terminal
  virtual bool listening() const { return true; }            // false: the connection is not read just now
  virtual void attached() {}                                 // as asked for; again after a lost connection
  virtual void line_state(bool) {}                           // up or down, on attaching and when it changes
  virtual void suspend() {}                                  // as ^Z does; returns when it goes on
  // A shell command that gets the console's output too; what it says comes back by program_output(). False: no child.
  virtual bool start_program(const std::string&) { return false; }
  virtual void stop_program() {}  // leads to program_ended()
  using Answer = std::function<void(Result<json::value>)>;
  virtual void request(const std::string& method, const std::string& path, const std::string& names, Answer done) = 0;
  virtual void finished(Exit status, const std::string& message) = 0;  // last call; message may be empty
};

class AttachConversation {
 public:
  // Keys dropped so long after it was last said are spoken of anew.
  static constexpr Duration kDroppedAgain = std::chrono::seconds(2);

  AttachConversation(AttachChoices choices, AttachOutside& outside, Clock& clock);

  void start();
  void connected();
  void disconnected(const Error& why);  // or: could not connect
  void message(ByteView message, bool binary);
  void keys(ByteView typed);
  void input_ended();
  void program_output(ByteView typed);
  void program_ended(const std::string& how);
  bool wants_program_output() const;
  void send_break(Duration time);  // 0: as is usual for the line
  void hung_up();                  // a signal ends the program: leaves in order, at once and without a word
  bool wants_input() const;        // a pipe is read only when its bytes can be sent
  std::size_t input_room() const;  // bytes keys() should get at most
  std::optional<SteadyTime> next_deadline() const;
  void tick();
  const std::string& console() const { return console_; }  // its whole name, once attached

 private:
  enum class Stage { Finding, Connecting, Attaching, Attached, Away, Finished };
  struct Sent {
    std::uint64_t sequence;
    std::size_t keys;
    std::string what;  // "break", "SysRq b"; "": keys
  };
  struct Prompt {
    enum class Of { Move, Message, ReplayLines, PlaybackLines, LocalCommand, SysRq };
    Of of;
    std::string text;
  };
  struct Move {  // `;`, under way
    std::string console;
    std::uint32_t channel = 0;
  };
  struct Dropped {
    std::size_t keys = 0, told = 0;
    std::string why;
    SteadyTime told_at{};
  };

  // attach_conversation.cpp
  void dial();
  void find(const std::string& name, std::function<void(Result<std::string>)> done);
  void find_in_all(const std::string& name, const std::function<void(Result<std::string>)>& done);
  json::object attach_message(const std::string& console, std::uint32_t channel, bool write, bool force) const;
  void attach(const std::string& console, std::uint32_t channel, bool write, bool force);
  void look_for_name(const Error& refused);
  void send(const json::object& message);
  void control(const std::string& type, const json::object& event);
  void on_attached(const json::object& event);
  void resume_at(std::uint64_t end, bool same_log);
  void greet(const json::object& event, bool again);
  void on_error(const json::object& event);
  void on_writer(const json::object& event);
  void on_reader(const json::object& event);
  void on_missing(const json::object& event, bool lagged);
  void on_people(const std::string& type, const json::object& event);
  // Takes over who writes now. If the seat has become free: ", ^Eca for read-write"; else "".
  std::string writer_of(const json::object& event);
  void on_input(const json::object& event);
  void output(ByteView message);
  void say_unknown_fate();
  void say_refused();
  void try_again_later();
  void settle();  // leaves, if all there is to wait for has come
  void finish(Exit status, const std::string& message);
  void hint(const std::string& text) { outside_.say(AttachOutside::Said::Hint, text); }
  void notice(const std::string& text) { outside_.say(AttachOutside::Said::Notice, text); }
  std::string escape() const { return escape_text(choices_.escape); }
  // "^Ecf takes over", "" if the style has no key for it.
  std::string offer(EscapeStep::Command command, const std::string& does) const;

  // attach_keys.cpp
  void flush_keys(ByteView keys);
  void drop_keys(std::size_t n, const std::string& why, const std::string& hint_text);
  void tell_dropped();
  void forget_held();
  void command(const EscapeStep& step);
  void order(EscapeStep::Command command);
  void ask_rest(EscapeStep::Command command);
  void send_break(std::byte number);
  void pace_device();
  void replay(std::size_t lines);
  void help();

  // attach_prompt.cpp
  void prompt(Prompt::Of of);
  void prompt_key(std::byte key);
  void end_prompt(bool go);
  void answered(const Prompt& prompt);
  void move_to(const std::string& name);
  void say_to_all(const std::string& text);
  void set_lines(std::size_t& lines, const std::string& text);
  void send_sysrq(const std::string& name);
  void run_program(const std::string& command);

  AttachChoices choices_;
  AttachOutside& outside_;
  Clock& clock_;
  Backoff backoff_;
  EscapeKeys escape_;
  PeerClock server_clock_;
  Stage stage_ = Stage::Finding;
  std::string console_, user_, writer_, asked_by_;
  std::uint32_t channel_ = 0, last_channel_ = 0;
  std::uint64_t seat_ = 0, sequence_ = 0;
  std::uint64_t session_ = 0;            // to come back as, after a lost connection
  bool had_seat_ = false;                // and wants it again after a reconnect
  bool letting_go_ = false;              // asked to be a reader
  bool looked_up_ = false;               // the name was not known as it was typed
  bool greeted_ = false;                 // attached once
  std::optional<std::uint64_t> offset_;  // of the next byte of output
  std::optional<std::uint64_t> log_;     // which file the server's log is
  bool replaying_ = false;               // output may step back once
  std::deque<Sent> sent_;                // input of unknown fate
  std::size_t refused_keys_ = 0;
  std::string refused_why_;
  bool something_refused_ = false;
  Dropped dropped_;
  std::size_t device_room_;   // bytes of a device's input under way at once: what the line takes in about a second
  SteadyTime device_sent_{};  // and when
  std::optional<Move> move_;
  std::optional<Prompt> prompt_;
  std::size_t replay_lines_, playback_lines_ = 60;  // as conserver's
  bool program_ = false;                            // a local command is attached
  bool said_program_has_it_ = false;                // to who types meanwhile
  std::optional<SteadyTime> retry_at_, leave_by_, pass_held_at_;
  bool input_ended_ = false;
  SteadyTime last_sign_{};   // of output or acknowledgement
  SteadyTime last_heard_{};  // of anything from the server
};

}  // namespace oob
