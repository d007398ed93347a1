// The child process of one slot: runs the jobs that its supervisor hands it, one after the other, and keeps what they
// share warm. It ends when its supervisor does, or when it is killed; nothing it does can harm another slot.
#pragma once

namespace ns::worker {

// Serves the channel at the one descriptor until its other end closes, and says in the page behind the other
// (progress.h) what it is at. Returns the exit status.
int run_runner(int descriptor, int progress_descriptor);

}  // namespace ns::worker
