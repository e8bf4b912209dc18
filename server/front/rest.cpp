// The REST routes: the table, and what each does. Fields are in rows.cpp, the contract in schema/rest.openapi.yaml.
// All on the shard; what comes back later finds its console again by name, which may have gone meanwhile.
#include <algorithm>
#include <charconv>

#include "common/limits.h"
#include "common/nearest.h"
#include "common/text.h"
#include "server/front/rest_routes.h"
#include "server/front/rows.h"

namespace oob {
namespace {

// NAMES to those consoles of them that the caller may see. Who is limited to some learns of the others not even that
// they exist: no hint at what was meant, and one answer for what is not there and what is not for them.
Result<std::vector<std::string>> names_selected(Backend& backend, const Call& call, const std::string& expression) {
  auto names = backend.select(expression, call.who.user);
  if (!is_limited_to_consoles(call.who)) return names;
  const auto unknown = [](const std::string& name) {
    return fail(ErrorCode::NotFound, "no console that your token is for is called " + (name.empty() ? "so" : name));
  };
  if (!names && names.error().code == ErrorCode::NotFound) return unknown("");
  if (!names) return names;
  // Of a glob, a group or a label one means those that there are; who writes a name means that console.
  const bool by_name = expression.find_first_of("*?@=") == std::string::npos;
  std::string hidden;
  std::erase_if(*names, [&](const std::string& name) {
    const bool gone = !call.may(Right::List, name);
    if (gone && hidden.empty()) hidden = name;
    return gone;
  });
  if (names->empty() || (by_name && !hidden.empty())) return unknown(by_name ? hidden : "");
  return names;
}

// The names a request asks for: its `names`, or all; less those that the caller may not see.
Result<std::vector<std::string>> names_asked(Backend& backend, const Call& call) {
  const auto asked = call.request.query.find("names");
  if (asked != call.request.query.end()) return names_selected(backend, call, asked->second);
  auto names = backend.console_names();
  std::erase_if(names, [&](const std::string& name) { return !call.may(Right::List, name); });
  return names;
}

void get_version(Backend&, const Call& call, Respond respond) {
  respond(ok({{"version", OOB_VERSION}, {"user", call.who.user}}));
}

// --- who one is, and tokens ------------------------------------------------------------------------------------------

void get_whoami(Backend&, const Call& call, Respond respond) { respond(ok(identity_json(call.who))); }

void get_tokens(Backend& backend, const Call& call, Respond respond) {
  json::array rows;
  const auto asked = call.request.query.find("after");
  const auto max = number_asked(call, "max", SIZE_MAX);
  if (!max) return respond(error_response(max.error()));
  const auto tokens = backend.access_tokens().list(call.who);
  auto from = tokens.begin();
  if (asked != call.request.query.end()) {
    from = std::find_if(from, tokens.end(), [&](const AccessTokenRecord& token) { return token.id == asked->second; });
    if (from == tokens.end()) {
      return respond(error_response({ErrorCode::NotFound, "no token " + in_quotes(asked->second) + " to go on after"}));
    }
    ++from;
  }
  json::object body;
  std::size_t bytes = 0;
  for (; from != tokens.end() && rows.size() < *max && bytes < limits::access_tokens_page_bytes; ++from) {
    rows.push_back(access_token_json(*from, SystemClock().wall()));
    bytes += json::serialize(rows.back()).size();
    body["next"] = from->id;
  }
  if (from == tokens.end()) body.erase("next");
  body["tokens"] = std::move(rows);
  respond(ok(body));
}

// The fields of a wish for a token; the first that does not fit is the error.
Result<AccessTokens::Wish> wish_asked(const std::string& body) {
  boost::system::error_code bad;
  const json::value parsed = body.empty() ? json::value(json::object()) : json::parse(body, bad);
  const json::object* fields = bad ? nullptr : parsed.if_object();
  if (!fields) return fail(ErrorCode::Usage, "the body has to be a JSON object");
  AccessTokens::Wish wish;
  for (const auto& [key, value] : *fields) {
    const auto text = [&] { return value.is_string() ? std::string(value.get_string()) : std::string(); };
    // Nothing is not "all": it comes from a script's variable that was not set.
    if (key != "name" &&
        ((value.is_string() && value.get_string().empty()) || (value.is_array() && value.get_array().empty()))) {
      return fail(ErrorCode::Usage, std::string(key) + " is empty; leave it out if you do not mean to limit the token");
    }
    if (key == "seconds" && value.is_int64() && value.get_int64() > 0 && value.get_int64() < 1'000'000'000) {
      wish.life = std::chrono::seconds(value.get_int64());
    } else if (key == "may" && value.is_array()) {
      for (const json::value& right : value.get_array()) {
        if (!right.is_string()) return fail(ErrorCode::Usage, "may has to be a list of rights");
        wish.rights.emplace_back(right.get_string());
      }
    } else if (key == "name" && value.is_string()) {
      wish.name = text();
    } else if (key == "user" && value.is_string()) {
      wish.user = text();
    } else if (key == "on" && value.is_string()) {
      wish.consoles = text();
    } else {
      return fail(ErrorCode::Usage,
                  "a token has no \"" + escape_controls(std::string(key)) + "\", or not of this form");
    }
  }
  return wish;
}

void post_tokens(Backend& backend, const Call& call, Respond respond) {
  const auto wish = wish_asked(call.request.body);
  if (!wish) return respond(error_response(wish.error()));
  backend.access_tokens().create(call.who, *wish, [respond](Result<AccessTokens::Made> made) {
    if (!made) return respond(error_response(made.error()));
    json::object body = access_token_json(made->token, SystemClock().wall());
    body["token"] = std::string(made->text.reveal());
    respond(ok(body));
  });
}

void post_token_revoke(Backend& backend, const Call& call, Respond respond) {
  backend.access_tokens().revoke(call.who, call.name, [id = call.name, respond](Result<> done) {
    respond(done ? ok({{"text", "token " + id + " is revoked, and whoever used it is cut off"}})
                 : error_response(done.error()));
  });
}

// --- consoles --------------------------------------------------------------------------------------------------------

void get_consoles(Backend& backend, const Call& call, Respond respond) {
  const auto names = names_asked(backend, call);
  if (!names) return respond(error_response(names.error()));
  json::array rows;
  for (const std::string& name : *names) {
    Console* console = backend.find_console(name);
    const auto row = backend.console_row(name);
    if (console && row) rows.push_back(console_json(*row, *console));
  }
  respond(ok({{"consoles", std::move(rows)}}));
}

void get_groups(Backend& backend, const Call& call, Respond respond) {
  json::array rows;
  if (is_limited_to_consoles(call.who)) return respond(ok({{"groups", std::move(rows)}}));
  for (const std::string& name : backend.group_names()) rows.push_back({{"name", name}});
  respond(ok({{"groups", std::move(rows)}}));
}

void put_sessions(json::array& into, const Console& console) {
  for (const SessionRow& row : console.sessions()) into.push_back(session_json(console.name(), row));
}

void get_console(Backend& backend, const Call& call, Respond respond) {
  Console* console = backend.find_console(call.name);
  const auto row = backend.console_row(call.name);
  if (!console || !row) return respond(error_response(no_console(backend, call.name)));
  json::object body = console_json(*row, *console);
  put_sessions(body["sessions"].emplace_array(), *console);
  respond(ok(body));
}

void get_sessions(Backend& backend, const Call& call, Respond respond) {
  const auto names = names_asked(backend, call);
  if (!names) return respond(error_response(names.error()));
  json::array rows;
  for (const std::string& name : *names) {
    if (Console* console = backend.find_console(name)) put_sessions(rows, *console);
  }
  respond(ok({{"sessions", std::move(rows)}}));
}

template <LineOrderKind order>
void post_line(Backend& backend, const Call& call, Respond respond) {
  if (!backend.find_console(call.name)) return respond(error_response(no_console(backend, call.name)));
  if (const auto done = backend.order_line(call.name, order, call.who); !done)
    return respond(error_response(done.error()));
  constexpr std::string_view kSaid[] = {"connects now", "is closed until it is opened again", "opens again"};
  respond(ok({{"text", "the line of " + call.name + " " + std::string(kSaid[static_cast<std::size_t>(order)])}}));
}

// --- people ----------------------------------------------------------------------------------------------------------

void post_message(Backend& backend, const Call& call, Respond respond) {
  const auto fields = fields_of(call.request.body);
  if (!fields) return respond(error_response(fields.error()));
  const auto names = text_asked(*fields, "names", limits::names_expression_bytes_max),
             text = text_asked(*fields, "text", limits::message_bytes_max);
  if (!names || !text) return respond(error_response(names ? text.error() : names.error()));
  if (is_blank(*text)) return respond(error_response({ErrorCode::Usage, "text is blank: it says nothing"}));
  const auto selected = names_selected(backend, call, *names);
  if (!selected) return respond(error_response(selected.error()));
  for (const std::string& name : *selected) {
    if (const auto allowed = call.access.check(call.who, Right::Read, {name}); !allowed) {
      return respond(error_response(allowed.error()));
    }
  }
  std::size_t heard = 0;
  for (const std::string& name : *selected) {
    Console* console = backend.find_console(name);
    if (!console) continue;
    heard += console->sessions().size();
    console->say(call.who.user, *text);
  }
  respond(ok({{"text", "said on " + count_of(selected->size(), "console", "consoles") + ", to " +
                           count_of(heard, "session", "sessions")},
              {"consoles", selected->size()},
              {"sessions", heard}}));
}

void post_kick(Backend& backend, const Call& call, Respond respond) {
  Console* console = backend.find_console(call.name);
  if (!console) return respond(error_response(no_console(backend, call.name)));
  const auto fields = fields_of(call.request.body);
  if (!fields) return respond(error_response(fields.error()));
  std::optional<std::string> user;
  if (const json::value* all = fields->if_contains("all"); !all || !all->is_bool() || !all->get_bool()) {
    const auto asked = text_asked(*fields, "user", limits::label_bytes_max);
    if (!asked) return respond(error_response(asked.error()));
    user = *asked;
  }
  const std::size_t ended = console->kick(user, call.who.user);
  if (ended == 0) {
    const std::string who = user ? escape_controls(*user) + " is not on " : "nobody is on ";
    return respond(error_response({ErrorCode::NotFound, who + call.name}));
  }
  respond(ok({{"text", count_of(ended, "session", "sessions") + " on " + call.name + " ended"}, {"sessions", ended}}));
}

// --- agents ----------------------------------------------------------------------------------------------------------

void get_agents(Backend& backend, const Call& call, Respond respond) {
  if (is_limited_to_consoles(call.who)) {
    return respond(error_response({ErrorCode::Denied, "your token is for some consoles, not for agents"}));
  }
  backend.agents([respond, said = call.may(Right::Admin, "")](Result<std::vector<AgentRow>> agents) {
    if (!agents) return respond(error_response(agents.error()));
    json::array rows;
    for (const AgentRow& row : *agents) rows.push_back(agent_json(row, said));
    respond(ok({{"agents", std::move(rows)}}));
  });
}

void post_enroll(Backend& backend, const Call& call, Respond respond) {
  backend.enroll(call.name, call.who, [name = call.name, respond](Result<EnrolToken> token) {
    respond(token ? ok(token_json(name, *token)) : error_response(token.error()));
  });
}

void post_revoke(Backend& backend, const Call& call, Respond respond) {
  backend.revoke(call.name, call.who, [name = call.name, respond](Result<> done) {
    respond(done ? ok({{"text", "agent " + name + " is revoked and cut off"}}) : error_response(done.error()));
  });
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/version", Right::List, false, get_version},
    {"GET", "/v1/whoami", Right::List, false, get_whoami},
    {"GET", "/v1/tokens", Right::List, false, get_tokens},
    {"POST", "/v1/tokens", Right::List, false, post_tokens},
    {"POST", "/v1/tokens/{name}/revoke", Right::List, false, post_token_revoke},
    {"GET", "/v1/consoles", Right::List, false, get_consoles},
    {"GET", "/v1/consoles/{name}", Right::List, true, get_console},
    {"GET", "/v1/consoles/{name}/log", Right::Log, true, get_log},
    {"GET", "/v1/consoles/{name}/grep", Right::Log, true, get_grep},
    {"POST", "/v1/consoles/{name}/retry", Right::Write, true, post_line<LineOrderKind::Retry>},
    {"POST", "/v1/consoles/{name}/down", Right::Down, true, post_line<LineOrderKind::Down>},
    {"POST", "/v1/consoles/{name}/up", Right::Down, true, post_line<LineOrderKind::Up>},
    {"POST", "/v1/consoles/{name}/kick", Right::TakeOver, true, post_kick},
    {"GET", "/v1/groups", Right::List, false, get_groups},
    {"GET", "/v1/sessions", Right::List, false, get_sessions},
    {"POST", "/v1/messages", Right::List, false, post_message},
    {"GET", "/v1/agents", Right::List, false, get_agents},
    {"POST", "/v1/agents/{name}/enroll", Right::Admin, false, post_enroll},
    {"POST", "/v1/agents/{name}/revoke", Right::Admin, false, post_revoke},
    {"GET", "/v1/inventory", Right::Config, false, get_inventory},
    {"POST", "/v1/inventory/check", Right::Config, false, post_inventory_check},
    {"POST", "/v1/inventory/plan", Right::Config, false, post_inventory_plan},
    {"POST", "/v1/inventory/apply", Right::Config, false, post_inventory_apply},
    {"GET", "/v1/inventory/history", Right::Config, false, get_inventory_history},
    {"GET", "/v1/inventory/diff", Right::Config, false, get_inventory_diff},
    {"POST", "/v1/inventory/rollback", Right::Config, false, post_inventory_rollback},
    {"POST", "/v1/power", Right::List, false, post_power},
    {"POST", "/v1/nodes/{name}/bmc", Right::List, false, post_bmc},
    {"GET", "/v1/jobs/{name}", Right::List, false, get_job},
    {"GET", "/v1/stream", Right::List, false, nullptr},
};

}  // namespace

bool is_limited_to_consoles(const Identity& who) { return who.token && !who.token->consoles.empty(); }

Result<json::object> fields_of(const std::string& body) {
  boost::system::error_code bad;
  const json::value parsed = json::parse(body, bad);
  if (bad || !parsed.is_object()) return fail(ErrorCode::Usage, "the body has to be a JSON object");
  return parsed.get_object();
}

Result<std::string> text_asked(const json::object& fields, std::string_view key, std::size_t bytes_max) {
  const json::value* value = fields.if_contains(key);
  const std::size_t size = value && value->is_string() ? value->get_string().size() : 0;
  if (size > 0 && size <= bytes_max) return std::string(value->get_string());
  return fail(ErrorCode::Usage, std::string(key) + " has to be text of 1 to " + std::to_string(bytes_max) + " bytes");
}

HttpResponse ok(const json::object& body) { return {200, "application/json", json::serialize(body)}; }

Result<std::uint64_t> number_asked(const Call& call, const std::string& key, std::uint64_t otherwise) {
  const auto found = call.request.query.find(key);
  if (found == call.request.query.end()) return otherwise;
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::Usage, key + " has to be a whole number, not \"" + escape_controls(text) + "\"");
  }
  return value;
}

std::span<const Route> rest_routes() { return kRoutes; }

}  // namespace oob
