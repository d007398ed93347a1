// EventPage: the reply of scripts/read_events.lua, its entries taken apart into events. A plain value; any thread.
#pragma once

#include "broker/store/reply.h"
#include "common/messages.h"

namespace ns::broker {

struct EventPage {
  Events events;
  bool more = false;  // what follows was not looked at yet
};

EventPage event_page_from(const store::Reply&);

}  // namespace ns::broker
