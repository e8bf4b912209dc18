// The routes that have a file of their own, and what all of them use. For rest*.cpp only.
#pragma once
#include "common/json/json.h"
#include "server/front/router.h"

namespace oob {

HttpResponse ok(const json::object& body);
// A whole number in the query; `otherwise` if it is not there. Usage: it is no number.
Result<std::uint64_t> number_asked(const Call& call, const std::string& key, std::uint64_t otherwise);

// rest_log.cpp
void get_log(Backend& backend, const Call& call, Respond respond);
void get_grep(Backend& backend, const Call& call, Respond respond);

// rest_bmc.cpp
void post_power(Backend& backend, const Call& call, Respond respond);
void post_bmc(Backend& backend, const Call& call, Respond respond);
void get_job(Backend& backend, const Call& call, Respond respond);

// Who may not have but some consoles; learns of the others not even that they exist.
bool is_limited_to_consoles(const Identity& who);
Result<json::object> fields_of(const std::string& body);
// Text of 1 to `bytes_max` bytes.
Result<std::string> text_asked(const json::object& fields, std::string_view key, std::size_t bytes_max);

// rest_inventory.cpp
void get_inventory(Backend& backend, const Call& call, Respond respond);
void get_inventory_history(Backend& backend, const Call& call, Respond respond);
void get_inventory_diff(Backend& backend, const Call& call, Respond respond);
void post_inventory_check(Backend& backend, const Call& call, Respond respond);
void post_inventory_plan(Backend& backend, const Call& call, Respond respond);
void post_inventory_apply(Backend& backend, const Call& call, Respond respond);
void post_inventory_rollback(Backend& backend, const Call& call, Respond respond);

}  // namespace oob
