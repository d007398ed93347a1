// The child process of one slot: runs the jobs that its supervisor hands it, one after the other, and keeps what they
// share warm. It ends when its supervisor does, or when it is killed; nothing it does can harm another slot.
#pragma once

namespace ns::worker {

// Serves the channel at this descriptor until the other end closes. Returns the exit status.
int run_runner(int descriptor);

}  // namespace ns::worker
