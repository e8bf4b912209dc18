// The API's JSON: one function for each schema in schema/rest.openapi.yaml, field by field. No access checks, no I/O.
#pragma once
#include "common/json/json.h"
#include "server/front/backend.h"
#include "server/log/log_search.h"

namespace oob {

json::object console_json(const ConsoleRow& row, Console& console);
json::object session_json(const std::string& console, const SessionRow& row);
json::object log_json(const ConsoleLog::Read& read, const ConsoleLog& log);
json::object found_json(const LogFound& found, const ConsoleLog& log);
// `said`: also what unknown senders say, which is console output.
json::object agent_json(const AgentRow& row, bool said);
json::object token_json(const std::string& agent, const EnrolToken& token);
json::object identity_json(const Identity& who);
json::object access_token_json(const AccessTokenRecord& token, WallTime now);
json::object inventory_json(const InventoryText& inventory);
json::object change_json(const InventoryChange& change);
json::object report_json(const InventoryReport& report);
json::object revision_json(const InventoryRevision& revision);
json::object diff_json(const InventoryDiff& diff);

std::string_view line_state_name(ConsoleState::Line state);  // "up", "down", "no-agent"

}  // namespace oob
