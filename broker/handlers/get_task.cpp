#include "broker/handlers/handlers.h"
#include "broker/handlers/task_fields.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const GetTask& get, std::string) {
  parts.store.call("get_task", {get.task.text}, request.answer([](const store::Reply& reply) {
    TaskInfo task = task_from(reply);
    task.spec = reply.at(reply.list().size() - 2).text();
    task.result = reply.list().back().text();
    return task;
  }));
}

}  // namespace ns::broker
