#include "broker/handlers/handlers.h"
#include "broker/shared_artifacts.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const GetArtifact& get, std::string) {
  parts.artifacts.get(get, [request, get](const SharedArtifacts::Chunk& chunk, const std::optional<Error>& error) {
    if (error) {
      request.fail(*error);
    } else {
      request.reply(ArtifactChunk{get.artifact, chunk.size, get.offset}, chunk.bytes);
    }
  });
}

}  // namespace ns::broker
