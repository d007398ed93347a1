// Child: one runner process as its supervisor sees it: started, spoken to, listened to, killed with all it started.
//
// It is in a process group of its own and dies with the thread that started it. The supervisor's thread only.
#pragma once

#include <sys/types.h>

#include <string>

#include "worker/runner/channel.h"
#include "worker/runner/progress.h"

namespace ns::worker {

class Child {
 public:
  Child();   // Error(unavailable) when no process can be started
  ~Child();  // kills and reaps
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t process() const { return process_; }
  Channel& channel() { return channel_; }
  Progress& progress() { return *progress_; }
  const Progress& progress() const { return *progress_; }
  int output() const { return output_; }  // descriptor of its standard output and error, non-blocking

  // Passes on what it printed to our standard error and remembers the end: a bounded part at a time, so that one that
  // prints without end does not keep us. False once nothing more will come.
  bool take_output();
  std::string last_lines() const;

  void kill();  // the process group; what the runner's commands started dies with their keeper
  // How it ended, reaped; empty while it runs. "ended by signal 11 (SIGSEGV)", "ended with status 1".
  std::string reap();

 private:
  int start();

  pid_t process_ = -1;
  bool reaped_ = false;
  int output_ = -1;
  std::string printed_;
  SharedProgress progress_;  // before the channel, whose making starts the process
  Channel channel_;
};

}  // namespace ns::worker
