// SharedArtifacts: the artifacts of all brokers on this Redis, whichever of them holds one.
//
//   put    every chunk goes to this broker's folder and, as it comes, to copies - 1 others; acknowledged by all
//   get    from this broker's folder, else relayed from a broker that has it; what is relayed is kept here too
//   stat   whether anyone has it, and whether as many have it as copies are kept
//
// What a broker asks of another carries `here`, and is answered from the other's own folder alone. Brokers that share
// one folder need none of this, and are not disturbed by it.
// Owned by Broker; the loop's thread only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "broker/artifacts.h"
#include "broker/peers.h"

namespace ns::broker {

class SharedArtifacts {
 public:
  using Chunk = ArtifactStore::Chunk;
  template <typename Value>
  using Callback = ArtifactStore::Callback<Value>;

  SharedArtifacts(ArtifactStore& own, Peers& peers, std::size_t copies) : own_(own), peers_(peers), copies_(copies) {}

  void stat(const StatArtifact&, Callback<ArtifactInfo>);
  void put(const PutArtifact&, const std::string& bytes, Callback<ArtifactInfo>);
  void get(const GetArtifact&, Callback<Chunk>);

  ArtifactStore& own() { return own_; }

 private:
  struct Search;  // among the other brokers
  struct Upload;  // one chunk on its way to several brokers

  void search(const ArtifactId&, std::size_t wanted, std::function<void(const Search&)> found);
  void find_and_relay(const GetArtifact&, const Callback<Chunk>&);
  void relay(const GetArtifact&, const std::string& holder, const Callback<Chunk>&, bool remembered);
  void keep(const GetArtifact&, const Chunk&);
  void put_everywhere(const PutArtifact&, const std::string& bytes, const Peers::Known&, const Callback<ArtifactInfo>&);

  ArtifactStore& own_;
  Peers& peers_;
  const std::size_t copies_;
  std::map<std::string, std::string> holders_;  // artifact -> the broker it was last relayed from
};

}  // namespace ns::broker
