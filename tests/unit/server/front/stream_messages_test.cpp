// The stream's messages: held against schema/stream.md, and nothing malformed gets through.
#include "server/front/stream_messages.h"

#include <regex>

#include "common/limits.h"
#include "tests/unit/server/front/backend_for_test.h"

namespace oob {
namespace {

// The types in the first column of the tables below a heading of schema/stream.md.
std::set<std::string> described(const std::string& heading) {
  std::set<std::string> types;
  bool below = false;
  for (const std::string& line : schema_lines("stream.md")) {
    if (line.starts_with("## ")) below = line == "## " + heading;
    if (!below || !line.starts_with("| `")) continue;
    const std::string column = line.substr(0, line.find('|', 1));
    const std::regex word("`([a-z-]+)`");
    for (std::sregex_iterator at(column.begin(), column.end(), word), end; at != end; ++at) types.insert((*at)[1]);
  }
  return types;
}

std::set<std::string> known(std::span<const std::string_view> names) { return {names.begin(), names.end()}; }

TEST(StreamMessages, are_those_of_the_schema_and_no_others) {
  EXPECT_EQ(described("Client to server"), known(client_type_names()));
  EXPECT_EQ(described("Server to client"), known(server_type_names()));
}

TEST(StreamMessages, every_type_of_a_client_is_parsed_with_its_fields) {
  const auto attach = parse_client_text(
      R"({"type":"attach","channel":7,"console":"web01","write":true,"force":false,"offset":18446744073709551615})");
  ASSERT_TRUE(attach);
  EXPECT_EQ(attach->type, ClientMessage::Type::Attach);
  EXPECT_EQ(attach->channel, 7u);
  EXPECT_EQ(attach->console, "web01");
  EXPECT_TRUE(attach->write);
  EXPECT_FALSE(attach->force);
  EXPECT_EQ(attach->lines, 20u);
  EXPECT_EQ(*attach->offset, UINT64_MAX);
  const auto brk = parse_client_text(R"({"type":"break","channel":1,"seat":5,"sequence":2,"ms":300,"new":1})");
  ASSERT_TRUE(brk);
  EXPECT_EQ(brk->seat, 5u);
  EXPECT_EQ(brk->sequence, 2u);
  EXPECT_EQ(brk->duration, Duration(300));
  const auto sysrq = parse_client_text(R"({"type":"sysrq","channel":1,"seat":5,"sequence":2,"key":"s"})");
  ASSERT_TRUE(sysrq);
  EXPECT_EQ(sysrq->key, 's');
  EXPECT_EQ(sysrq->sequence, 2u);
  EXPECT_EQ(parse_client_text(R"({"type":"message","channel":1,"text":"hi"})")->text, "hi");
  const auto back = parse_client_text(R"({"type":"attach","channel":1,"console":"a","session":9,"tool":"run"})");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->session, 9u);
  EXPECT_EQ(back->tool, "run");
  EXPECT_EQ(parse_client_text(R"({"type":"hand-over","channel":1,"user":"bob"})")->user, "bob");
  EXPECT_EQ(parse_client_text(R"({"type":"replay","channel":1,"lines":0})")->lines, 0u);
  EXPECT_TRUE(parse_client_text(R"({"type":"want-write","channel":1,"force":true})")->force);
  for (const std::string type : {"detach", "give-up-write", "ask"}) {
    EXPECT_TRUE(parse_client_text(R"({"channel":1,"type":")" + type + "\"}")) << type;
  }
}

TEST(StreamMessages, fields_of_the_wrong_type_or_range_are_refused_by_name) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"type":"attach","channel":1})", "console"},
      {R"({"type":"attach","channel":1,"console":"a","tool":"\u001b[2J"})", "tool"},
      {R"({"type":"sysrq","channel":1,"seat":1,"sequence":1,"key":"ls"})", "key"},
      {R"({"type":"sysrq","channel":1,"seat":1,"sequence":1,"key":"\r"})", "key"},
      {R"({"type":"sysrq","channel":1,"seat":1,"sequence":1})", "key"},
      {R"({"type":"message","channel":1,"text":""})", "text"},
      {R"({"type":"message","channel":1,"text":" \t "})", "text"},
      {R"({"type":"attach","channel":1,"console":"a","since":"02:00"})", "since"},
      {R"({"type":"attach","channel":1,"console":5})", "console"},
      {R"({"type":"attach","channel":1,"console":"a","write":"yes"})", "write"},
      {R"({"type":"attach","channel":1,"console":"a","offset":-1})", "offset"},
      {R"({"type":"attach","channel":1,"console":"a","lines":1.5})", "lines"},
      {R"({"type":"attach","channel":1,"console":"a","lines":1000001})", "lines"},
      {R"({"type":"detach"})", "channel"},
      {R"({"type":"detach","channel":0})", "channel"},
      {R"({"type":"detach","channel":2147483648})", "channel"},
      {R"({"type":"break","channel":1,"sequence":1})", "seat"},
      {R"({"type":"break","channel":1,"seat":1,"sequence":1,"ms":5001})", "ms"},
      {R"({"type":"hand-over","channel":1})", "user"},
  };
  for (const auto& [text, field] : wrong) {
    const auto parsed = parse_client_text(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().error.message.find(field), std::string::npos) << parsed.error().error.message;
    EXPECT_FALSE(parsed.error().fatal);
  }
}

TEST(StreamMessages, an_unknown_type_is_answered_and_no_json_is_fatal) {
  const auto unknown = parse_client_text(R"({"type":"x\u001b","channel":3})");
  ASSERT_FALSE(unknown);
  EXPECT_FALSE(unknown.error().fatal);
  EXPECT_EQ(unknown.error().channel, 3u);
  EXPECT_EQ(unknown.error().error.message.find('\x1b'), std::string::npos);
  for (const std::string text : {"", "{", "[]", "1", "{}", R"({"type":1})", "{\"type\":\"\xff\"}"}) {
    const auto parsed = parse_client_text(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().fatal) << text;
  }
}

TEST(StreamMessages, input_is_29_bytes_big_endian_and_the_keys) {
  Bytes bytes;
  append(bytes, std::string_view("\x01\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x01\x02"
                                 "\x00\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff\xff\xff\xff\xfels",
                                 31));
  const auto input = parse_client_binary(bytes);
  ASSERT_TRUE(input);
  EXPECT_EQ(input->channel, 7u);
  EXPECT_EQ(input->seat, 0x102u);
  EXPECT_EQ(input->sequence, 3u);
  EXPECT_EQ(input->deadline_ms, -2);
  EXPECT_EQ(as_text(input->keys), "ls");
  EXPECT_TRUE(parse_client_binary(ByteView(bytes).first(28)).error().fatal);
  bytes[0] = std::byte{2};
  EXPECT_TRUE(parse_client_binary(bytes).error().fatal);
}

TEST(StreamMessages, output_is_13_bytes_big_endian_and_the_bytes) {
  const Bytes message = output_message(7, 0x0102030405060708, as_bytes("hi"));
  EXPECT_EQ(as_text(message), std::string_view("\x02\x00\x00\x00\x07\x01\x02\x03\x04\x05\x06\x07\x08hi", 15));
}

}  // namespace
}  // namespace oob
