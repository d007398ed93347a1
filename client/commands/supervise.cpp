#include <fcntl.h>

#include <memory>

#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/stack/supervisor.h"
#include "common/error.h"

namespace ns::client {

// What `up` turns itself into; hidden, because it needs the lock that `up` took.
void add_supervise(CommandLine& line) {
  struct Values {
    std::uint32_t workers = 0;
    std::uint32_t lock_fd = 0;
  };
  Command& command = line.add("supervise", "Keep a private stack alive; started by up");
  const auto values = std::make_shared<Values>();
  command.hide();
  command.number("--workers", values->workers, 0, 1024, "As given to up; 0: one a socket");
  command.number("--lock-fd", values->lock_fd, 3, 1u << 20, "The open lock file");
  command.run([values](const Settings& settings) {
    const stack::Layout layout(stack_directory(settings));
    const stack::FileLock lock(static_cast<int>(values->lock_fd));
    // The parts must not inherit it: they may outlive us by a moment, and then no supervisor is there any more.
    if (::fcntl(lock.fd(), F_SETFD, FD_CLOEXEC) != 0 || !stack::is_running(layout)) {
      throw Error(ErrorCode::invalid, "supervise is started by: ns-client up");
    }
    return stack::supervise(layout, values->workers);
  });
}

}  // namespace ns::client
