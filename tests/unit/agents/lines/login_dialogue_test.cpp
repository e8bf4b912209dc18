// Promises of login scripts: their text, what they find, what they send and when, and that secrets stay out of
// messages.
#include "agents/lines/login_dialogue.h"

#include <gtest/gtest.h>

namespace oob {
namespace {

LoginStep expect(std::string pattern, Duration timeout = Duration(10'000)) {
  LoginStep out;
  out.expect = std::move(pattern);
  out.timeout = timeout;
  return out;
}
LoginStep send(std::string text) {
  LoginStep out;
  out.send = std::move(text);
  return out;
}
LoginStep secret(std::string key) {
  LoginStep out;
  out.secret = std::move(key);
  return out;
}
LoginStep pause_of(int ms) {
  LoginStep out;
  out.pause = Duration(ms);
  return out;
}
LoginStep optional(LoginStep step, std::string answer = "") {
  step.optional = true;
  step.send = std::move(answer);
  return step;
}
LoginStep fails_at(LoginStep step, std::string pattern) {
  step.fail = std::move(pattern);
  return step;
}

// A dialogue with a device that a test plays.
struct Play {
  explicit Play(LoginScript script)
      : dialogue(std::move(script), {{"password-file", Secret("hunter2")}}, clock.now()) {}
  void say(std::string_view text) { dialogue.received(as_bytes(text), clock.now()); }
  void say_byte_by_byte(std::string_view text) {
    for (const char c : text) say(std::string_view(&c, 1));
  }
  void wait(int ms) {
    clock.advance(Duration(ms));
    dialogue.tick(clock.now());
  }
  std::string typed() {
    std::string out(as_text(dialogue.unsent()));
    dialogue.sent(out.size());
    return out;
  }
  bool going() const { return dialogue.state() == LoginDialogue::State::Going; }
  bool done() const { return dialogue.state() == LoginDialogue::State::Done; }
  bool failed() const { return dialogue.state() == LoginDialogue::State::Failed; }
  bool why_has(std::string_view part) const { return dialogue.failure().find(part) != std::string::npos; }
  std::string rest() {
    const Bytes bytes = dialogue.take_rest();
    return std::string(as_text(bytes));
  }

  ManualClock clock;
  LoginDialogue dialogue;
};

const LoginScript kUnix{expect("login: "), send("oob\r"), expect("Password: "), secret("password-file"),
                        expect("\\$ ")};

TEST(LoginDialogue, answers_each_prompt_when_it_has_come_and_leaves_the_rest_to_the_console) {
  Play play(kUnix);
  EXPECT_EQ(play.typed(), "");
  play.say("Welcome\r\nlog");
  EXPECT_EQ(play.typed(), "");
  play.say("in: ");
  EXPECT_EQ(play.typed(), "oob\r");
  play.say("oob\r\nPassword: ");
  EXPECT_EQ(play.typed(), "hunter2\r");
  play.say("\r\n$ Linux booting");
  EXPECT_TRUE(play.done());
  EXPECT_EQ(play.rest(), "Linux booting");
}

// One device, cut at every byte, and byte by byte: the same keys, the same rest.
TEST(LoginDialogue, finds_the_same_however_the_bytes_are_cut) {
  const std::string said = "x login: oob\r\nPassword: \r\nxx$$ $ rest$ ";
  const LoginScript script{expect("login: "), send("1"), expect("x+"), send("2"), optional(expect("never"), "3"),
                           expect("\\$ "),    send("4")};
  for (std::size_t cut = 0; cut <= said.size(); ++cut) {
    Play play(script);
    play.say(std::string_view(said).substr(0, cut));
    play.say(std::string_view(said).substr(cut));
    EXPECT_TRUE(play.done()) << cut;
    EXPECT_EQ(play.typed(), "124") << cut;
    EXPECT_EQ(play.rest(), "$ rest$ ") << cut;
  }
  Play slow(script);
  slow.say_byte_by_byte(said);
  EXPECT_EQ(slow.typed(), "124");
  EXPECT_EQ(slow.rest(), "$ rest$ ");
}

TEST(LoginDialogue, a_flood_before_the_prompt_is_looked_through_in_bounded_memory) {
  Play whole(kUnix), slow(kUnix);
  const std::string flood(50'001, '.');
  whole.say(flood + "login: ");
  for (std::size_t i = 0; i < flood.size(); i += 997) slow.say(std::string_view(flood).substr(i, 997));
  slow.say("login: ");
  EXPECT_EQ(whole.typed(), "oob\r");
  EXPECT_EQ(slow.typed(), "oob\r");
}

TEST(LoginDialogue, gives_up_when_a_prompt_does_not_come_in_time_and_says_what_was_said_instead) {
  Play play(kUnix);
  play.say("login: ");
  play.wait(9'999);
  EXPECT_TRUE(play.going());
  play.say("oob\r\nThis system is going down\r\n");
  play.wait(1);
  EXPECT_TRUE(play.failed());
  EXPECT_EQ(
      play.dialogue.failure(),
      "login step 3 of 5: waited 10 s for \"Password: \"; the device said last \"login: oob | This system is going "
      "down\"");
}

TEST(LoginDialogue, says_so_if_the_device_said_nothing) {
  Play play({expect("x", Duration(1500))});
  EXPECT_EQ(play.dialogue.next_deadline(), play.clock.now() + Duration(1500));
  play.wait(1500);
  EXPECT_EQ(play.dialogue.failure(), "login step 1 of 1: waited 1500 ms for \"x\"; the device said nothing");
}

TEST(LoginDialogue, fails_at_once_at_words_that_mean_failure) {
  Play play({send("vsp\r"), fails_at(expect("Press"), "(?i)in use")});
  EXPECT_EQ(play.typed(), "vsp\r");
  play.say("Virtual Serial Port is IN USE\r\n");
  EXPECT_TRUE(play.failed());
  EXPECT_TRUE(play.why_has("login step 2 of 2: the device said what means failure, \"(?i)in use\""))
      << play.dialogue.failure();
}

TEST(LoginDialogue, an_optional_step_is_passed_over_when_the_next_prompt_comes_first) {
  const LoginScript script{optional(expect("\\(y/n\\)"), "y\r"), optional(expect("press a key"), " "), expect("ok"),
                           send("!")};
  Play asked(script);
  asked.say("sure (y/n)? ");
  EXPECT_EQ(asked.typed(), "y\r");
  asked.say("press a key ok");
  EXPECT_EQ(asked.typed(), " !");
  Play not_asked(script);
  not_asked.say("ok (y/n)");
  EXPECT_EQ(not_asked.typed(), "!");
  EXPECT_EQ(not_asked.rest(), " (y/n)");
}

TEST(LoginDialogue, an_optional_step_is_passed_over_when_it_does_not_come_in_time) {
  Play play({optional(expect("more", Duration(2000)), " "), send("go\r")});
  play.wait(1999);
  EXPECT_EQ(play.typed(), "");
  play.wait(1);
  EXPECT_EQ(play.typed(), "go\r");
  EXPECT_TRUE(play.done());
}

TEST(LoginDialogue, pauses_before_it_sends_and_keeps_what_came_meanwhile) {
  Play play({pause_of(500), send("\r"), expect("ready")});
  play.say("re");
  play.wait(499);
  EXPECT_EQ(play.typed(), "");
  play.wait(1);
  EXPECT_EQ(play.typed(), "\r");
  play.say("ady.");
  EXPECT_TRUE(play.done());
  EXPECT_EQ(play.rest(), ".");
}

TEST(LoginDialogue, knows_when_a_secret_may_have_been_refused) {
  Play play(kUnix);
  play.say("login: Password: ");
  EXPECT_TRUE(play.dialogue.secret_unproven());
  play.say("$ ");
  EXPECT_FALSE(play.dialogue.secret_unproven());
}

TEST(LoginDialogue, no_secret_is_in_its_messages_even_if_the_device_echoes_it) {
  for (const char* echo : {"hunter2", "hunter2\r\nhunter2 hunter2", "hunter", "..hunter2.."}) {
    Play play(kUnix);
    play.say("login: Password: ");
    play.say_byte_by_byte(echo);
    EXPECT_EQ(play.dialogue.standing().find("hunter"), std::string::npos) << play.dialogue.standing();
    play.wait(10'000);
    EXPECT_TRUE(play.failed());
    EXPECT_FALSE(play.why_has("hunter") || play.why_has("unter2")) << play.dialogue.failure();
    EXPECT_TRUE(play.why_has("***")) << play.dialogue.failure();
  }
}

TEST(LoginDialogue, no_secret_is_left_where_the_transcript_was_cut) {
  for (std::size_t more = limits::login_transcript_bytes - 10; more <= limits::login_transcript_bytes; ++more) {
    Play play(kUnix);
    play.say("login: Password: hunter2" + std::string(more, '\n'));
    play.wait(10'000);
    EXPECT_FALSE(play.why_has("nter2")) << more << play.dialogue.failure();
  }
}

TEST(LoginDialogue, escapes_what_a_device_said) {
  Play play({expect("x", Duration(100))});
  play.say("\x1b[2J\xff");
  play.wait(100);
  EXPECT_TRUE(play.why_has("\"\\x1B[2J\\xFF\"") || play.why_has("\"\\x1b[2J\\xff\"")) << play.dialogue.failure();
}

TEST(LoginScript, has_one_text_that_reads_back_as_itself) {
  LoginStep all = expect("a\"\\d\x01", Duration(1));
  all.optional = true;
  all.fail = "é";
  all.pause = Duration(7);
  all.send = std::string("x\r\n\t\"\\\x7f\0", 8);
  const LoginScript script{all, secret("password-file"), send("\r"), pause_of(600'000)};
  const std::string text = login_text(script);
  EXPECT_EQ(text,
            "optional expect \"a\\x22\\x5cd\\x01\" 1 fail \"é\" pause 7 send \"x\\x0d\\x0a\\x09\\x22\\x5c\\x7f\\x00\"\n"
            "secret password-file\nsend \"\\x0d\"\npause 600000");
  const auto back = parse_login(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, script);
}

TEST(LoginScript, refuses_every_other_text) {
  for (const char* text : {"",
                           "\n",
                           "send",
                           "send x",
                           "send \"x",
                           "send \"x\" ",
                           " send \"x\"",
                           "send  \"x\"",
                           "send \"\"",
                           "send \"\\x0D\"",
                           "send \"\\x41\"",
                           "send \"\\n\"",
                           "secret",
                           "secret a b",
                           "expect \"x\"",
                           "expect \"x\" -1",
                           "expect \"x\" 0",
                           "expect \"x\" 600001",
                           "expect \"x\" 01",
                           "pause 0",
                           "pause 600001",
                           "optional send \"x\"",
                           "fail \"x\" send \"y\"",
                           "send \"x\" secret y",
                           "send \"x\" expect \"y\" 5",
                           "expect \"(\" 5",
                           "expect \"x*\" 5",
                           "send \"x\"\n",
                           "go"}) {
    EXPECT_FALSE(parse_login(text)) << text;
  }
  std::string many = "pause 1";
  for (std::size_t i = 1; i < limits::login_steps_max; ++i) many += "\npause 1";
  EXPECT_TRUE(parse_login(many));
  EXPECT_FALSE(parse_login(many + "\npause 1"));
}

TEST(LoginScript, a_secret_is_masked_wherever_it_stands) {
  EXPECT_EQ(mask_secret("a hunter2 b hunter2", "hunter2"), "a *** b ***");
  EXPECT_EQ(mask_secret("nter2 hunt", "hunter2"), "*** ***");
  EXPECT_EQ(mask_secret("r2 hu", "hunter2"), "r2 hu");
  EXPECT_EQ(mask_secret("", "hunter2"), "");
  EXPECT_EQ(mask_secret("aaaa", "a"), "************");
  EXPECT_EQ(mask_secret("x", ""), "x");
  for (const char* echo : {"hun\r\nter2", "h\x1b[1mun\x1b[0;31mter2", "hun \rter2", "hu\x1b(Bnter2", "h\bunter2",
                           "hunt \b\x1b[Ker2", "hu\x7fnt\ter2"}) {
    EXPECT_EQ(mask_secret(std::string("a\x1b[1m ") + echo + "\x1b[0m b", "hunter2"), "a\x1b[1m ***\x1b[0m b");
  }
  EXPECT_EQ(mask_secret("\x1b[hunter2", "hunter2"), "\x1b[***") << "also where a terminal would show less of it";
  EXPECT_EQ(mask_secret("\x1b[1mter\r\n2 x hun\r\nt\x1b[", "hunter2"), "\x1b[1m*** x ***\x1b[");
  EXPECT_EQ(mask_secret("a b a\tb ab", "a\tb"), "a b *** ***");
}

}  // namespace
}  // namespace oob
