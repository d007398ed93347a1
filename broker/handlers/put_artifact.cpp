#include "broker/handlers/handlers.h"
#include "broker/shared_artifacts.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const PutArtifact& put, std::string attachment) {
  parts.artifacts.put(put, attachment, [request](const ArtifactInfo& info, const std::optional<Error>& error) {
    if (error) {
      request.fail(*error);
    } else {
      request.reply(info);
    }
  });
}

}  // namespace ns::broker
