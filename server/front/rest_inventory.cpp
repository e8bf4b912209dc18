// The routes of the inventory; see rest_routes.h.
#include "common/limits.h"
#include "common/text.h"
#include "server/front/rest_routes.h"
#include "server/front/rows.h"

namespace oob {
namespace {

void respond_report(const Result<InventoryReport>& report, const Respond& respond) {
  respond(report ? ok(report_json(*report)) : error_response(report.error()));
}

// Of apply and rollback: what was not done is an error that brings the report along.
void respond_done(const Result<InventoryReport>& report, const Respond& respond) {
  if (!report) return respond(error_response(report.error()));
  json::object body = report_json(*report);
  const std::uint64_t errors = body["errors"].to_number<std::uint64_t>();
  if (errors == 0 && report->asks.empty()) return respond(ok(body));
  const ErrorCode code = errors > 0 ? ErrorCode::Usage : ErrorCode::Conflict;
  const std::string why =
      errors > 0 ? "the inventory has " + count_of(errors, "error", "errors") : escape_controls(report->asks);
  body["error"] = {{"code", error_code_name(code)}, {"message", why + "; nothing was changed"}};
  respond({http_status(code), "application/json", json::serialize(body)});
}

// The body's fields; none if it is empty.
Result<json::object> fields_asked(const std::string& body) {
  if (body.empty()) return json::object();
  boost::system::error_code bad;
  json::value parsed = json::parse(body, bad);
  if (bad || !parsed.is_object()) return fail(ErrorCode::Usage, "the body has to be a JSON object");
  return std::move(parsed.get_object());
}

Result<InventoryOrder> order_asked(const json::object& fields) {
  InventoryOrder order;
  for (const auto& [key, into] : {std::pair("yes", &order.yes), std::pair("replace", &order.replace)}) {
    const json::value* value = fields.if_contains(key);
    if (value && !value->is_bool()) return fail(ErrorCode::Usage, std::string(key) + " has to be true or false");
    *into = value && value->get_bool();
  }
  return order;
}

// The folder named in the body; "" if none is.
Result<std::string> folder_asked(const json::object& fields) {
  const json::value* dir = fields.if_contains("dir");
  if (!dir) return std::string();
  if (!dir->is_string() || !dir->get_string().starts_with('/')) {
    return fail(ErrorCode::Usage, "dir has to be an absolute path on the server's machine");
  }
  return std::string(dir->get_string());
}

// A revision's number in the query; empty if it is not there.
Result<std::optional<std::uint64_t>> revision_asked(const Call& call, const std::string& key) {
  if (!call.request.query.contains(key)) return std::nullopt;
  const auto number = number_asked(call, key, 0);
  if (!number) return tl::unexpected(number.error());
  return *number;
}

}  // namespace

void get_inventory(Backend& backend, const Call& call, Respond respond) {
  const auto revision = revision_asked(call, "revision");
  if (!revision) return respond(error_response(revision.error()));
  backend.inventory_text(*revision, [respond](Result<InventoryText> inventory) {
    respond(inventory ? ok(inventory_json(*inventory)) : error_response(inventory.error()));
  });
}

void get_inventory_history(Backend& backend, const Call& call, Respond respond) {
  const auto max = number_asked(call, "max", limits::revisions_shown);
  if (!max) return respond(error_response(max.error()));
  const auto at_most = static_cast<std::size_t>(std::min<std::uint64_t>(*max, limits::revisions_shown_max));
  backend.inventory_history(at_most, [respond](Result<std::vector<InventoryRevision>> revisions) {
    if (!revisions) return respond(error_response(revisions.error()));
    json::array rows;
    for (const InventoryRevision& row : *revisions) rows.push_back(revision_json(row));
    respond(ok({{"revisions", std::move(rows)}}));
  });
}

void get_inventory_diff(Backend& backend, const Call& call, Respond respond) {
  const auto from = revision_asked(call, "from"), to = revision_asked(call, "to");
  for (const auto* side : {&from, &to}) {
    if (!*side) return respond(error_response(side->error()));
  }
  backend.inventory_diff(*from, *to, [respond](const Result<InventoryDiff>& diff) {
    respond(diff ? ok(diff_json(*diff)) : error_response(diff.error()));
  });
}

void post_inventory_check(Backend& backend, const Call& call, Respond respond) {
  const auto fields = fields_asked(call.request.body);
  const auto dir = fields ? folder_asked(*fields) : tl::unexpected(fields.error());
  if (!dir) return respond(error_response(dir.error()));
  // What is wrong in a file is quoted, and oobd can read files that are not everybody's business.
  if (const auto admin = call.access.check(call.who, Right::Admin, {}); !dir->empty() && !admin) {
    return respond(error_response(
        {ErrorCode::Denied, "for another folder than the server's own inventory: " + admin.error().message +
                                "; `oobd check DIR` needs no server"}));
  }
  backend.inventory_check(*dir, [respond](const Result<InventoryReport>& report) { respond_report(report, respond); });
}

void post_inventory_plan(Backend& backend, const Call&, Respond respond) {
  backend.inventory_plan([respond](const Result<InventoryReport>& report) { respond_report(report, respond); });
}

void post_inventory_apply(Backend& backend, const Call& call, Respond respond) {
  const auto fields = fields_asked(call.request.body);
  const auto order = fields ? order_asked(*fields) : tl::unexpected(fields.error());
  if (!order) return respond(error_response(order.error()));
  backend.inventory_apply(call.who, *order,
                          [respond](const Result<InventoryReport>& report) { respond_done(report, respond); });
}

void post_inventory_rollback(Backend& backend, const Call& call, Respond respond) {
  const auto fields = fields_asked(call.request.body);
  const auto order = fields ? order_asked(*fields) : tl::unexpected(fields.error());
  if (!order) return respond(error_response(order.error()));
  const json::value* revision = fields->if_contains("revision");
  boost::system::error_code bad;
  const auto number = revision && revision->is_number() ? revision->to_number<std::uint64_t>(bad) : 0;
  if (bad || number == 0) {
    return respond(error_response({ErrorCode::Usage, "revision has to be the number of a revision"}));
  }
  backend.inventory_rollback(call.who, number, *order,
                             [respond](const Result<InventoryReport>& report) { respond_done(report, respond); });
}

}  // namespace oob
