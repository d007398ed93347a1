// Duties: what a broker does periodically. Each looks, does one bounded step, and may safely be repeated or be done by
// several brokers at once. A new duty: its file, its line here and in start_duties. The loop's thread only.
#pragma once

#include "broker/parts.h"

namespace ns::broker {

void start_duties(Parts&);

void sweep_leases(Parts&);        // expired leases, due retries, tasks that are closing
void reap_workers(Parts&);        // workers that have long been silent
void expire_waiters(Parts&);      // read_events whose wait has ended
void look_for_work(Parts&);       // should a wake-up ever be lost
void probe_workers(Parts&);       // workers whose connection may have ended
void tell_of_rests(Parts&);       // workers that have no jobs still live
void remove_old_uploads(Parts&);  // uploads given up a day ago
void forget_tasks(Parts&);        // tasks that ended long ago
void meet_brokers(Parts&);        // says that this one is there

}  // namespace ns::broker
