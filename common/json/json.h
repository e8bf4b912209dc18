// Boost.JSON, built from source in json.cpp alone; include this, not <boost/json.hpp>.
#pragma once
#include <boost/json.hpp>

namespace oob {
namespace json = boost::json;
}
