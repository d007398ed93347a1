#include "broker/handlers/handlers.h"
#include "broker/handlers/task_fields.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const GetTask& get, std::string) {
  parts.store.call("get_task", {get.task.text}, request.answer([](const store::Reply& reply) {
    TaskInfo task = task_from(reply);
    const std::size_t count = reply.list().size();
    task.spec = reply.at(count - 3).text();
    task.result = reply.at(count - 2).text();
    task.unserved = reply.at(count - 1).number() == 1;
    return task;
  }));
}

}  // namespace ns::broker
