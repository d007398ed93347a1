// The sections of the bench's report: each measures, prints its tables unless only JSON is wanted, and returns its
// JSON. One thread.
#pragma once

#include "tests/bench/queue/report.h"
#include "tests/bench/queue/settings.h"

namespace ns::bench {

Json report_machine(const Settings&);      // and a yardstick: what plain commands reach on it just now
Json report_throughput(const Settings&);   // with the ceiling in turns, when it is wanted
Json report_phases(const Settings&);       // enqueue alone, lease and commit alone, memory
Json report_functions(const Settings&);    // what each function in Redis costs
Json report_round_trips(const Settings&);  // one job at a time
Json report_peers(const Settings&);        // in turns with the product
Json report_scale(const Settings&);        // each against its plain case, in turns

}  // namespace ns::bench
