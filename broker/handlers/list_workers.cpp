#include "broker/handlers/comma_list.h"
#include "broker/handlers/handlers.h"
#include "common/limits.h"

namespace ns::broker {
namespace {

WorkerInfo worker_from(const store::Reply& fields) {
  const auto count = [&](std::size_t i) { return static_cast<std::uint32_t>(fields.at(i).number()); };
  WorkerInfo worker;
  worker.worker.text = fields.at(0).text();
  worker.host = fields.at(1).text();
  worker.pid = count(2);
  worker.cpus = fields.at(3).text();
  worker.isa = split_commas(fields.at(4).text());
  worker.kinds = split_commas(fields.at(5).text());
  worker.compute_slots = count(6);
  worker.control_slots = count(7);
  worker.compute_busy = count(8);
  worker.control_busy = count(9);
  worker.started_ms = fields.at(10).number();
  worker.seen_ms = fields.at(11).number();
  worker.version = fields.at(12).text();
  worker.pool = fields.at(13).text();
  worker.tags = split_commas(fields.at(14).text());
  worker.memory_bytes = fields.at(15).number();
  worker.jobs_held = count(16);
  worker.draining = fields.at(17).number() == 1;
  return worker;
}

}  // namespace

void handle(Parts& parts, const Request& request, const ListWorkers&, std::string) {
  parts.store.call("list_workers", {limits::kMaxBatch}, request.answer([](const store::Reply& reply) {
    WorkerList workers;
    workers.now_ms = reply.at(0).number();
    for (const store::Reply& fields : reply.at(1).list()) workers.workers.push_back(worker_from(fields));
    return workers;
  }));
}

}  // namespace ns::broker
