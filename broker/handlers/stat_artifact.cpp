#include "broker/handlers/handlers.h"
#include "broker/shared_artifacts.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const StatArtifact& stat, std::string) {
  parts.artifacts.stat(stat, [request](const ArtifactInfo& info, const std::optional<Error>& error) {
    if (error) {
      request.fail(*error);
    } else {
      request.reply(info);
    }
  });
}

}  // namespace ns::broker
