// Opening: the first words on a new connection: signs in, looks whether this Redis suits the settings, loads the
// function library, and learns what is stored here. The loop's thread only.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "broker/store/connection.h"
#include "broker/store/settings.h"

namespace ns::broker::store {

// What a Redis told that is ready to be used.
struct Opened {
  std::string instance;  // the name of the data: another one when Redis was emptied
  std::string work_channel;
  std::string events_channel;
  std::string stop_channel;
  std::string workers_channel;
  std::set<std::string, std::less<>> readers;  // functions that write nothing, without their prefix
};

using OnOpened = std::function<void(const Opened&)>;
// Error(unavailable): it may be tried again. Another: Redis, or the settings, have to be changed.
using OnRefused = std::function<void(const Error&)>;

// One of the two is called once; `on_refused` also when the connection is lost. Error(unsupported) when it holds data
// of another schema.
void open(Connection&, const Settings&, OnOpened, OnRefused);

void sign_in(Connection&, const Settings&);  // alone; a refusal shows at the next command

// A call of a function of the library, to stand before its arguments: "submit" as its file is named.
Arguments call_of(std::string_view function);
// What open() takes: a name for this data, should it be new. Random.
std::string opening_argument();

}  // namespace ns::broker::store
