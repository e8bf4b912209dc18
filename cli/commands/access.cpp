// login, logout, whoami, token: who one is at a server, and how that is made known from elsewhere.
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <iostream>
#include <optional>

#include "cli/client_config.h"
#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "common/crypto/access_token.h"
#include "common/limits.h"
#include "common/names.h"
#include "common/nearest.h"
#include "common/text.h"
#include "common/toml/table.h"

namespace oob {
namespace {

volatile std::sig_atomic_t interrupted_by = 0;  // NOLINT: a signal handler has no other way to say it

// One line of standard input; at a terminal nothing of it is shown, and the terminal is as before also after ^C.
Secret read_hidden_line() {
  termios before{};
  const bool terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  struct sigaction note {};
  note.sa_handler = [](int signal) { interrupted_by = signal; };  // without SA_RESTART: read(2) ends
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (terminal) ::sigaction(signal, &note, nullptr);
  }
  if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  std::string line;
  line.reserve(limits::token_bytes_max + 1);  // no copy is left behind
  char key = 0;
  while (line.size() <= limits::token_bytes_max && ::read(STDIN_FILENO, &key, 1) == 1 && key != '\n') line += key;
  if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  if (interrupted_by != 0) die_by(interrupted_by);
  return Secret(std::move(line));
}

Result<Secret> read_token(Invocation& invocation) {
  const std::string file = invocation.line().text("--token-file");
  if (!file.empty()) return read_secret_file(file);
  const bool terminal = ::isatty(STDIN_FILENO) != 0;
  if (terminal) invocation.note("Token (it is not shown): ");
  Secret typed = read_hidden_line();
  if (terminal) invocation.note("\n");
  return typed;
}

// One request at a server that is not the one this command was told to use.
Result<json::value> ask(Invocation& invocation, HttpEndpoint endpoint, const std::string& path) {
  return Rest(invocation.shard(), std::move(endpoint)).wait("GET", path);
}

// Asks a question of one line, on a terminal; empty: there is none to ask on.
std::optional<std::string> reply_to(Invocation& invocation, const std::string& question) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return {};
  invocation.note(question);
  std::string reply;
  std::getline(std::cin, reply);
  if (!std::cin) invocation.note("\n");
  return reply;
}

// The certificate of a server that was logged in to before is another one now. `before`, `now`: their fingerprints.
Result<> agree_to_change(Invocation& invocation, const ServerUrl& url, const std::string& before,
                         const std::string& now) {
  invocation.note("THE CERTIFICATE OF " + url.text() + " HAS CHANGED. When you logged in it was\n  " +
                  (before.empty() ? "one that a CA vouched for" : fingerprint_text(before)) + "\nand now it is\n  " +
                  fingerprint_text(now) +
                  "\nIf it was not changed on purpose, somebody may sit in between. `oobd fingerprint` on the server "
                  "prints the right one.\n");
  const auto reply = reply_to(invocation, "Type yes to trust the new one, anything else to stop: ");
  if (!reply) {
    return fail(ErrorCode::Denied,
                "not logged in: the certificate has changed; if that is right, give the new one with --fingerprint");
  }
  if (*reply == "yes") return {};
  return fail(ErrorCode::Denied, "not logged in: the certificate has changed and was not trusted");
}

// The fingerprint to trust; "" if the system's CAs vouch for the server. `before`: as at the last login, if there was.
Result<std::string> trusted_fingerprint(Invocation& invocation, const ServerUrl& url,
                                        const std::optional<std::string>& before) {
  const std::string asked = invocation.line().text("--fingerprint");
  if (!asked.empty()) return parse_fingerprint(asked);
  auto tls = TlsContext::client(url.host, "");
  if (!tls) return tl::unexpected(tls.error());
  std::string seen;
  bool vouched = false;
  const auto note_certificate = [&](const std::string& fingerprint, bool trusted) {
    seen = fingerprint, vouched = trusted;
  };
  const auto answer =
      ask(invocation, {url.text(), url.host_port(), std::move(*tls), {}, "", note_certificate}, "/v1/whoami");
  if (seen.empty()) return tl::unexpected(answer ? Error{ErrorCode::Internal, "no certificate"} : answer.error());
  const bool same = before && (before->empty() ? vouched : *before == seen);
  if (same) return *before;
  if (before) {
    const auto agreed = agree_to_change(invocation, url, *before, seen);
    if (!agreed) return tl::unexpected(agreed.error());
    return vouched ? "" : seen;
  }
  if (vouched) return std::string();  // and was refused for want of a token
  const std::string shown = fingerprint_text(seen);
  invocation.note(answer ? "" : "oob: " + answer.error().message + "\n");
  const auto reply = reply_to(
      invocation, "No CA that this machine trusts vouches for " + url.text() + ". Its certificate is\n  " + shown +
                      "\nCompare it with what `oobd fingerprint` prints on the server. Is it the same? [y/N] ");
  if (!reply) {
    return fail(ErrorCode::Usage,
                "no CA vouches for " + url.text() + ", and there is nobody to ask whether " + shown +
                    " is its certificate; compare it with `oobd fingerprint` on the server, then give "
                    "it with --fingerprint");
  }
  if (*reply == "y" || *reply == "Y" || *reply == "yes") return seen;
  return fail(ErrorCode::Denied, "not logged in: the certificate was not trusted");
}

std::string name_for(const ServerUrl& url) {
  const bool address = url.host.find_first_not_of("0123456789.") == std::string::npos;
  std::string name = address ? url.host : url.host.substr(0, url.host.find('.'));
  return check_name_letters(name) ? name : "server";
}

std::string who_line(const json::value& answer) {
  const auto* who = answer.if_object();
  if (who == nullptr) return "somebody";
  const std::string until = time_cell(*who, "expires");
  return cell(*who, "user") + (until.empty() ? "" : ", until " + until);
}

Exit login(Invocation& invocation) {
  const CommandLine& line = invocation.line();
  const auto url = parse_server_url(line.text("URL"));
  if (!url) return invocation.say(url.error());
  const std::string name = line.has("--name") ? line.text("--name") : name_for(*url);
  if (const auto letters = check_name_letters(name); !letters) return invocation.say(letters.error());
  const auto folder = ClientFolder::own();
  const auto config = folder ? folder->read() : Result<ClientConfig>(tl::unexpected(folder.error()));
  if (!config) return invocation.say(config.error());
  if (const auto old = config->servers.find(name); old != config->servers.end() && old->second.url != url->text()) {
    return invocation.say({ErrorCode::Conflict, "the name " + in_quotes(name) + " is taken by " + old->second.url +
                                                    "; choose another with --name, or `oob logout " + name + "`"});
  }
  std::optional<std::string> before;
  for (const auto& [known, server] : config->servers) {
    if (server.url == url->text()) before = server.fingerprint;
  }
  const auto fingerprint = trusted_fingerprint(invocation, *url, before);
  if (!fingerprint) return invocation.say(fingerprint.error());
  const auto typed = read_token(invocation);
  if (!typed) return invocation.say(typed.error());
  const auto token = parse_access_token(typed->reveal());
  if (!token) return invocation.say(token.error());
  const Secret text = access_token_text(*token);
  auto tls = TlsContext::client(url->host, *fingerprint);
  if (!tls) return invocation.say(tls.error());
  const auto who = ask(invocation, {url->text(), url->host_port(), std::move(*tls), text}, "/v1/whoami");
  if (!who) return invocation.say(who.error());
  const bool first = config->default_server.empty() || line.has("--default");
  if (const auto put = folder->put(name, {url->text(), *fingerprint}, text, first); !put) {
    return invocation.say(put.error());
  }
  return invocation.print(
      "logged in at " + url->text() + " as " + who_line(*who) + "\n" +
      (first || config->default_server == name
           ? "this is the server `oob` uses from now on, unless --server or OOB_SERVER names another\n"
           : "`oob --server " + name + "` uses it; without, `oob` uses " + config->default_server + "\n"));
}

Exit logout(Invocation& invocation) {
  const auto folder = ClientFolder::own();
  const auto config = folder ? folder->read() : Result<ClientConfig>(tl::unexpected(folder.error()));
  if (!config) return invocation.say(config.error());
  const std::string asked = invocation.line().text("NAME");
  const std::string name = asked.empty() ? config->default_server : asked;
  if (name.empty()) return invocation.say({ErrorCode::NotFound, "you are not logged in anywhere"});
  if (!config->servers.contains(name)) {
    std::vector<std::string> names;
    for (const auto& [known, server] : config->servers) names.push_back(known);
    return invocation.say({ErrorCode::NotFound,
                           "no server " + in_quotes(name) + " is known here" + did_you_mean(nearest_of(name, names))});
  }
  if (const auto removed = folder->remove(name); !removed) return invocation.say(removed.error());
  return invocation.print("logged out of " + config->servers.at(name).url +
                          "; its token was removed here, and stays good until it expires or is revoked\n");
}

std::string words_at(const json::object& row, std::string_view key) {
  std::string out;
  const auto* list = row.if_contains(json::string_view(key.data(), key.size()));
  if (list == nullptr || !list->is_array()) return text_of(row, key);
  for (const auto& one : list->get_array()) {
    if (one.is_string()) out += (out.empty() ? "" : key == "on" ? " and " : ", ") + std::string(one.get_string());
  }
  return out;
}

Exit whoami(Invocation& invocation) {
  auto who = invocation.rest().wait("GET", "/v1/whoami");
  if (who && who->is_object()) who->get_object()["server"] = invocation.server_shown();
  return invocation.listing(who, [&](const json::value& answer) {
    const auto* who = answer.if_object();
    if (who == nullptr) return std::string();
    const auto row = [](const std::string& name, const std::string& value) {
      return value.empty() ? "" : name + std::string(name.size() < 9 ? 9 - name.size() : 1, ' ') + value + "\n";
    };
    const std::string on = escape_controls(words_at(*who, "on")), label = cell(*who, "token_name");
    return row("user", cell(*who, "user")) + row("server", escape_controls(invocation.server_shown())) +
           row("rights", escape_controls(words_at(*who, "rights"))) + row("on", on.empty() ? "everything" : on) +
           row("from", cell(*who, "from")) +
           row("token", cell(*who, "token") + (label.empty() ? "" : " (" + label + ")")) +
           row("until", time_cell(*who, "expires"));
  });
}

// --- tokens ---

Exit create(Invocation& invocation) {
  const CommandLine& line = invocation.line();
  json::object wish;
  if (line.has("NAME")) wish["name"] = line.text("NAME");
  if (line.has("--user")) wish["user"] = line.text("--user");
  if (line.has("--on")) {
    std::string names;
    for (const std::string& part : line.list("--on")) names += (names.empty() ? "" : ",") + part;
    wish["on"] = names;
  }
  if (line.has("--for")) {
    const auto life = parse_duration(line.text("--for"));
    if (!life) return invocation.say({ErrorCode::Usage, "--for " + life.error().message});
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*life).count();
    if (seconds < 1) return invocation.say({ErrorCode::Usage, "--for: at least a second"});
    wish["seconds"] = seconds;
  }
  json::array rights;
  for (const std::string& part : line.list("--may")) {
    for (std::size_t at = 0; at <= part.size();) {
      const std::size_t end = std::min(part.find(',', at), part.size());
      if (end > at) rights.push_back(json::string(part.substr(at, end - at)));
      at = end + 1;
    }
  }
  if (line.has("--may")) wish["may"] = std::move(rights);
  return invocation.listing(
      invocation.rest().wait("POST", "/v1/tokens", {}, json::serialize(wish)), [&](const json::value& answer) {
        const auto* made = answer.if_object();
        if (made == nullptr) return std::string();
        const std::string may = escape_controls(text_of(*made, "may")), on = escape_controls(words_at(*made, "on"));
        invocation.hint("Token " + cell(*made, "id") + " lets its holder act as " + cell(*made, "user") + ", with " +
                        (may.empty() ? "all their rights" : "the rights " + may) + " on " +
                        (on.empty() ? "everything" : on) + ", until " + time_cell(*made, "expires") +
                        ".\nIt is shown only now. `oob login URL` takes it; keep it as you keep a password.\n");
        return cell(*made, "token") + "\n";
      });
}

// All of them: a server with many gives them in parts.
Result<json::value> all_tokens(Invocation& invocation) {
  json::array all;
  Rest::Query query;
  while (true) {
    auto answer = invocation.rest().wait("GET", "/v1/tokens", query);
    if (!answer || !answer->is_object()) return answer;
    for (const auto& row : rows_of(*answer, "tokens")) all.push_back(row);
    const std::string next = text_of(answer->get_object(), "next");
    if (next.empty() || next == query["after"]) break;
    query["after"] = next;
  }
  return json::object{{"tokens", std::move(all)}};
}

Exit ls(Invocation& invocation) {
  return invocation.listing(all_tokens(invocation), [&](const json::value& answer) {
    Table table({"ID", "NAME", "USER", "MAY", "ON", "STATE", "EXPIRES", "LAST-USED", "FROM"});
    const json::array& rows = rows_of(answer, "tokens");
    for (const auto& row : rows) {
      if (!row.is_object()) continue;
      const auto& token = row.get_object();
      const auto or_dash = [](std::string text) { return text.empty() ? std::string("-") : text; };
      table.add(
          {cell(token, "id"), or_dash(cell(token, "name")), cell(token, "user"),
           text_of(token, "may").empty() ? "all" : cell(token, "may"),
           words_at(token, "on").empty() ? "all" : escape_controls(words_at(token, "on")), cell(token, "state"),
           time_cell(token, "expires"), or_dash(time_cell(token, "last_used")), or_dash(cell(token, "last_from"))},
          text_of(token, "state") == "good" ? Table::Tone::Plain : Table::Tone::Bad);
    }
    if (rows.empty()) invocation.hint("no tokens; `oob token create` makes one\n");
    return rows.empty() ? "" : shown(table);
  });
}

Exit revoke(Invocation& invocation) {
  const std::string id = invocation.line().text("ID");
  if (id.starts_with("oob_") && id.size() > 12) {
    return invocation.say({ErrorCode::Usage, "a token is revoked by its id, " + in_quotes(id.substr(4, 8)) +
                                                 " here; a whole token does not belong on a command line"});
  }
  if (!check_name_letters(id)) {
    return invocation.say({ErrorCode::NotFound, in_quotes(id) + " is no token's id; `oob token ls` lists them"});
  }
  return invocation.listing(invocation.rest().wait("POST", "/v1/tokens/" + id + "/revoke"),
                            [](const json::value& answer) {
                              return answer.is_object() ? cell(answer.get_object(), "text") + "\n" : std::string();
                            });
}

}  // namespace

std::vector<Command> access_commands() {
  return {
      {"login",
       "remember a server and a token for it",
       {{"URL", "https://HOST or https://HOST:PORT; without a port 7443"}},
       {{.names = "--name", .text = "what to call the server here; default: the host's first word", .takes = "NAME"},
        {.names = "--token-file",
         .text = "read the token from there (mode 0600); default: it is asked for, or read from standard input",
         .takes = "FILE",
         .value = Value::File},
        {.names = "--fingerprint", .text = "the certificate's, as `oobd fingerprint` prints it", .takes = "SHA256"},
        {.names = "--default", .text = "use this server when none is named"}},
       login},
      {"logout",
       "forget a server and its token",
       {{"NAME", "the server; default: the default one", Value::Server, false}},
       {},
       logout},
      {"whoami", "who the server knows you as, and what you may", {}, {output_option()}, whoami},
      {"token create",
       "make a token that lets its holder in from elsewhere",
       {{"NAME", "what it is for", Value::Text, false}},
       {{.names = "--for", .text = "how long it is good, as 8h or 90d; default 30d, at most 366d", .takes = "DURATION"},
        {.names = "--may",
         .text = "only these rights: list, read, write, takeover, break, sysrq, down, log, power-status, power, bmc, "
                 "config, admin",
         .takes = "RIGHTS",
         .value = Value::Rights,
         .many = true},
        {.names = "--on", .text = "only these consoles (NAMES)", .takes = "NAMES", .value = Value::Names, .many = true},
        {.names = "--user",
         .text = "for somebody else, with the rights of --may (right admin)",
         .takes = "USER",
         .value = Value::User},
        output_option()},
       create},
      {"token ls", "tokens: whose, what they may, when last used", {}, {output_option()}, ls},
      {"token revoke",
       "end a token, and whoever uses it, at once",
       {{"ID", "as `oob token ls` shows it", Value::Token}},
       {output_option()},
       revoke},
  };
}

}  // namespace oob
