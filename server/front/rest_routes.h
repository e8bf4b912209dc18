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

// rest_inventory.cpp
void get_inventory(Backend& backend, const Call& call, Respond respond);
void get_inventory_history(Backend& backend, const Call& call, Respond respond);
void get_inventory_diff(Backend& backend, const Call& call, Respond respond);
void post_inventory_check(Backend& backend, const Call& call, Respond respond);
void post_inventory_plan(Backend& backend, const Call& call, Respond respond);
void post_inventory_apply(Backend& backend, const Call& call, Respond respond);
void post_inventory_rollback(Backend& backend, const Call& call, Respond respond);

}  // namespace oob
