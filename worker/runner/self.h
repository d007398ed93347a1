// The sub-commands that ns-worker runs itself as: each child is this program again, so that a child is what its parent
// is, whatever has been installed meanwhile.
#pragma once

#include <optional>
#include <string>

namespace ns::worker {

std::string path_of_this_program();  // Error(unavailable)

// The exit status when the arguments are those of a child of ours ("runner", "keep-command"); otherwise nothing.
std::optional<int> run_as_child(int count, char** arguments);

}  // namespace ns::worker
