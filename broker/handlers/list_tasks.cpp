#include "broker/handlers/handlers.h"
#include "broker/handlers/task_fields.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const ListTasks& list, std::string) {
  parts.store.call("list_tasks", {list.state, list.offset, list.limit}, request.answer([](const store::Reply& reply) {
    TaskList tasks;
    tasks.total = reply.at(0).number();
    for (const store::Reply& fields : reply.at(1).list()) {
      tasks.tasks.push_back(task_from(fields));
      tasks.tasks.back().unserved = fields.list().back().number() == 1;
    }
    return tasks;
  }));
}

}  // namespace ns::broker
