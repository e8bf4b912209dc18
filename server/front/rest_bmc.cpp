// The REST routes of power and BMCs: an order becomes a job, whose rows are fetched as they come. Rights are asked for
// on each node, by its first console: power-status, power, bmc, and admin for changes of a BMC.
#include <algorithm>

#include "common/limits.h"
#include "common/text.h"
#include "server/front/rest_routes.h"

namespace oob {
namespace {

constexpr std::string_view kActs[] = {"status", "on", "off", "cycle", "reset", "soft", "nmi"};
constexpr std::size_t kMendBytesMax = 64, kMendsMax = 16;

const std::string& console_of(const NodeEntry& node) {
  return node.consoles.empty() ? node.name : node.consoles.front();
}

// The nodes, if the caller has `right` on each. Who is limited to some consoles is not told of other nodes.
Result<std::vector<const NodeEntry*>> nodes_asked(Backend& backend, const Call& call, const std::string& names,
                                                  Right right) {
  auto nodes = backend.select_bmcs(names, call.who.user);
  if (is_limited_to_consoles(call.who)) {
    const auto unknown = [] { return fail(ErrorCode::NotFound, "no node that your token is for is called so"); };
    if (!nodes && nodes.error().code == ErrorCode::NotFound) return unknown();
    if (!nodes) return nodes;
    const bool by_name = names.find_first_of("*?@=") == std::string::npos;
    const auto hidden =
        std::erase_if(*nodes, [&](const NodeEntry* node) { return !call.may(Right::List, console_of(*node)); });
    if (nodes->empty() || (by_name && hidden > 0)) return unknown();
  }
  if (!nodes) return nodes;
  for (const NodeEntry* node : *nodes) {
    if (const auto allowed = call.access.check(call.who, right, {console_of(*node)}); !allowed)
      return tl::unexpected(allowed.error());
  }
  return nodes;
}

// Who is on the nodes' consoles: what a person wants to know first.
json::array nodes_json(Backend& backend, const std::vector<const NodeEntry*>& nodes) {
  json::array out;
  for (const NodeEntry* node : nodes) {
    json::object row{{"node", node->name}, {"agent", node->bmc->agent}};
    for (const std::string& name : node->consoles) {
      const Console* console = backend.find_console(name);
      if (console && !console->writer().empty()) row["writer"] = console->writer();
    }
    out.push_back(std::move(row));
  }
  return out;
}

std::string act_list() {
  std::string out;
  for (const auto act : kActs) out += (out.empty() ? "" : ", ") + std::string(act);
  return out;
}

bool flag(const json::object& fields, std::string_view key) {
  const json::value* value = fields.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

// A whole number of seconds; `otherwise` if it is not there.
Result<Duration> seconds_asked(const json::object& fields, Duration otherwise) {
  const json::value* value = fields.if_contains("seconds");
  if (!value) return otherwise;
  const auto most = limits::power_patience_max / std::chrono::seconds(1);
  if (value->is_int64() && value->get_int64() > 0 && value->get_int64() <= most)
    return std::chrono::seconds(value->get_int64());
  return fail(ErrorCode::Usage, "seconds has to be a whole number from 1 to " + std::to_string(most));
}

void start(Backend& backend, const Call& call, const std::vector<const NodeEntry*>& nodes, BmcJobs::Order order,
           const Respond& respond) {
  const auto job = backend.bmc_jobs().start(nodes, std::move(order), call.who);
  if (!job) return respond(error_response(job.error()));
  respond(ok({{"job", *job}, {"nodes", nodes_json(backend, nodes)}}));
}

json::object row_json(const BmcRow& row) {
  json::object out{{"node", row.node}, {"result", row.result}, {"power", row.power}};
  if (!row.text.empty()) out["text"] = row.text;
  if (row.findings.empty()) return out;
  json::array& findings = out["findings"].emplace_array();
  for (const BmcFindingRow& finding : row.findings) {
    json::object one{{"topic", finding.topic}, {"verdict", finding.verdict}, {"value", finding.value}};
    if (!finding.meaning.empty()) one["meaning"] = finding.meaning;
    if (!finding.proposal.empty()) one["proposal"] = finding.proposal;
    if (!finding.mend.empty()) one["mend"] = finding.mend;
    findings.push_back(std::move(one));
  }
  return out;
}

}  // namespace

void post_power(Backend& backend, const Call& call, Respond respond) {
  const auto fields = fields_of(call.request.body);
  if (!fields) return respond(error_response(fields.error()));
  const auto names = text_asked(*fields, "names", limits::names_expression_bytes_max),
             act = text_asked(*fields, "act", kMendBytesMax);
  if (!names || !act) return respond(error_response(names ? act.error() : names.error()));
  if (std::ranges::find(kActs, *act) == std::end(kActs)) {
    return respond(error_response({ErrorCode::Usage, "no power act " + in_quotes(*act) + "; there are " + act_list()}));
  }
  const bool status = *act == "status";
  const Duration usual = status           ? Duration(limits::power_status_time_max)
                         : *act == "soft" ? Duration(limits::power_patience_soft)
                                          : Duration(limits::power_patience);
  const auto patience = seconds_asked(*fields, usual);
  if (!patience) return respond(error_response(patience.error()));
  const auto nodes = nodes_asked(backend, call, *names, status ? Right::PowerStatus : Right::Power);
  if (!nodes) return respond(error_response(nodes.error()));
  if (flag(*fields, "dry_run")) return respond(ok({{"nodes", nodes_json(backend, *nodes)}}));
  start(backend, call, *nodes, {*act, *patience, {}}, respond);
}

void post_bmc(Backend& backend, const Call& call, Respond respond) {
  const auto fields = fields_of(call.request.body);
  if (!fields) return respond(error_response(fields.error()));
  const auto act = text_asked(*fields, "act", kMendBytesMax);
  if (!act) return respond(error_response(act.error()));
  if (*act != "info" && *act != "doctor") {
    return respond(error_response({ErrorCode::Usage, "act has to be info or doctor"}));
  }
  BmcJobs::Order order{*act, limits::bmc_doctor_time_max, {}};
  if (const json::value* mends = fields->if_contains("mends")) {
    const json::array none, &list = mends->is_array() ? mends->get_array() : none;
    for (const json::value& mend : list) {
      if (mend.is_string() && mend.get_string().size() <= kMendBytesMax) order.mends.emplace_back(mend.get_string());
    }
    if (*act != "doctor" || order.mends.empty() || order.mends.size() != list.size() || list.size() > kMendsMax) {
      return respond(
          error_response({ErrorCode::Usage, "mends is a list of the words that the doctor's findings gave"}));
    }
  }
  if (const auto name = check_name_letters(call.name); !name) return respond(error_response(name.error()));
  const auto nodes = nodes_asked(backend, call, call.name, order.mends.empty() ? Right::Bmc : Right::Admin);
  if (!nodes) return respond(error_response(nodes.error()));
  start(backend, call, *nodes, std::move(order), respond);
}

void get_job(Backend& backend, const Call& call, Respond respond) {
  const auto seen = number_asked(call, "seen", 0), wait = number_asked(call, "wait", 0);
  if (!seen || !wait) return respond(error_response(seen ? wait.error() : seen.error()));
  const Duration patience =
      std::min<Duration>(std::chrono::seconds(std::min<std::uint64_t>(*wait, 60)), limits::log_follow_wait_max);
  backend.bmc_jobs().view(call.name, call.who, *seen, patience, [respond](Result<BmcJobView> view) {
    if (!view) return respond(error_response(view.error()));
    json::array rows;
    for (const BmcRow& row : view->rows) rows.push_back(row_json(row));
    respond(ok({{"job", view->job},
                {"act", view->act},
                {"nodes", view->nodes},
                {"ended", view->ended},
                {"rows", std::move(rows)}}));
  });
}

}  // namespace oob
