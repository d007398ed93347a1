#include "broker/shared_artifacts.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/limits.h"
#include "common/log.h"

namespace ns::broker {
namespace {

constexpr std::size_t kMostHolders = 4096;   // remembered; finding one again costs a round trip
constexpr const char* kRelayed = "relayed";  // the upload that what is relayed is kept under

// What continues a request later has no dispatch around it: what it throws is the answer.
template <typename Value>
void attempt(const ArtifactStore::Callback<Value>& callback, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    callback(Value{}, error);
  }
}

// Every broker that `endpoints` names, in an order that depends on the artifact alone while they stay the same: all
// chunks of an upload go to the same brokers, and different artifacts to different ones.
std::vector<std::string> ranked(const ArtifactId& id, std::vector<std::string> endpoints) {
  const auto rank = [&](const std::string& endpoint) { return std::hash<std::string>{}(id.text + endpoint); };
  std::sort(endpoints.begin(), endpoints.end(),
            [&](const std::string& left, const std::string& right) { return rank(left) < rank(right); });
  return endpoints;
}

}  // namespace

// Ends once: when `wanted` brokers have said that they hold it, or everyone has answered.
struct SharedArtifacts::Search {
  std::size_t wanted = 1;
  std::size_t unanswered = 0;
  std::vector<std::string> holders;
  std::uint64_t size = 0;
  std::string unheard;  // who may hold it and cannot be asked
  std::optional<Error> error;
  std::function<void(const Search&)> found;

  void note_unheard(const std::string& endpoint) { unheard += (unheard.empty() ? "" : ", ") + endpoint; }
  void end_if_known() {
    if (found && (holders.size() >= wanted || unanswered == 0)) std::exchange(found, nullptr)(*this);
  }
};

void SharedArtifacts::search(const ArtifactId& id, std::size_t wanted, std::function<void(const Search&)> found) {
  const auto state = std::make_shared<Search>();
  state->wanted = wanted;
  state->found = std::move(found);
  peers_.meet([this, id, state](const Peers::Known& known, const std::optional<Error>& error) {
    state->error = error;
    for (const std::string& endpoint : known.silent) state->note_unheard(endpoint);
    state->unanswered = known.present.size();
    for (const std::string& endpoint : known.present) {
      const auto answered = [state, endpoint](const ArtifactInfo& info, const std::string&,
                                              const std::optional<Error>& failure) {
        --state->unanswered;
        if (failure) {
          state->note_unheard(endpoint);
        } else if (info.exists) {
          state->holders.push_back(endpoint);
          state->size = info.size;
        }
        state->end_if_known();
      };
      try {
        peers_.ask<ArtifactInfo>(endpoint, StatArtifact{id, true}, {}, answered);
      } catch (const Error& failure) {
        answered({}, {}, failure);
      }
    }
    state->end_if_known();
  });
}

void SharedArtifacts::stat(const StatArtifact& stat, Callback<ArtifactInfo> callback) {
  own_.stat(stat.artifact, [=, this](const ArtifactInfo& own, const std::optional<Error>& error) {
    const std::size_t missing = copies_ - std::min<std::size_t>(copies_, own.exists ? 1 : 0);
    if (error || stat.here || missing == 0) return callback(own, error);
    attempt(callback, [&] {
      search(stat.artifact, missing, [=](const Search& search) {
        if (search.error) return callback({}, search.error);
        ArtifactInfo info = own;
        info.exists = own.exists || !search.holders.empty();
        info.kept = search.holders.size() >= missing;
        if (!own.exists) info.size = search.size;
        callback(info, std::nullopt);
      });
    });
  });
}

// ---- get

void SharedArtifacts::get(const GetArtifact& get, Callback<Chunk> callback) {
  own_.get(get, [=, this](const Chunk& chunk, const std::optional<Error>& error) {
    if (get.here || !error || error->code() != ErrorCode::not_found) return callback(chunk, error);
    attempt(callback, [&] {
      const auto known = holders_.find(get.artifact.text);
      if (known != holders_.end()) {
        relay(get, known->second, callback, true);
      } else {
        find_and_relay(get, callback);
      }
    });
  });
}

void SharedArtifacts::find_and_relay(const GetArtifact& get, const Callback<Chunk>& callback) {
  search(get.artifact, 1, [=, this](const Search& search) {
    attempt(callback, [&] {
      if (search.error) throw Error(*search.error);
      if (!search.holders.empty()) return relay(get, search.holders.front(), callback, false);
      if (search.unheard.empty()) {
        throw Error(ErrorCode::not_found, "artifact " + get.artifact.text + " is not in the store", "artifact");
      }
      throw Error(ErrorCode::unavailable,
                  "artifact " + get.artifact.text + " is on no broker that answers; not heard of: " + search.unheard);
    });
  });
}

void SharedArtifacts::relay(const GetArtifact& get, const std::string& holder, const Callback<Chunk>& callback,
                            bool remembered) {
  GetArtifact there = get;
  there.here = true;
  peers_.ask<ArtifactChunk>(
      holder, there, {},
      [=, this](const ArtifactChunk& reply, const std::string& bytes, const std::optional<Error>& error) {
        if (!error) {
          if (holders_.size() >= kMostHolders) holders_.clear();
          holders_[get.artifact.text] = holder;
          const Chunk chunk{reply.size, bytes};
          callback(chunk, std::nullopt);
          return keep(get, chunk);
        }
        holders_.erase(get.artifact.text);
        if (!remembered) return callback({}, error);
        attempt(callback, [&] { find_and_relay(get, callback); });  // someone else may have it
      });
}

// A client that reads an artifact through us to its end leaves it here whole, verified like any upload.
void SharedArtifacts::keep(const GetArtifact& get, const Chunk& chunk) {
  const bool whole = chunk.bytes.size() == std::min<std::uint64_t>(limits::kChunkBytes, chunk.size - get.offset);
  if (get.offset % limits::kChunkBytes != 0 || !whole) return;
  const auto kept = [id = get.artifact](const ArtifactInfo& info, const std::optional<Error>& error) {
    if (error) log::warning("a copy of {} cannot be kept: {}", id.text, error->what());
    if (info.exists) log::debug("a copy of {} is kept", id.text);
  };
  try {
    own_.put({get.artifact, chunk.size, get.offset, kRelayed, true}, chunk.bytes, kept);
  } catch (const Error& error) {
    kept({}, error);  // busy: another time
  }
}

// ---- put

struct SharedArtifacts::Upload {
  std::size_t unanswered = 0;
  ArtifactInfo info;
  std::optional<Error> error;  // the first
  Callback<ArtifactInfo> callback;

  void answered(const ArtifactInfo& from_one, const std::optional<Error>& failure) {
    if (failure && !error) error = failure;
    info.exists = info.exists && from_one.exists;
    if (--unanswered == 0) callback(info, error);
  }
};

void SharedArtifacts::put(const PutArtifact& put, const std::string& bytes, Callback<ArtifactInfo> callback) {
  if (put.here || copies_ == 1) return own_.put(put, bytes, std::move(callback));
  peers_.meet([=, this](const Peers::Known& known, const std::optional<Error>& error) {
    if (error) return callback({}, error);
    attempt(callback, [&] { put_everywhere(put, bytes, known, callback); });
  });
}

void SharedArtifacts::put_everywhere(const PutArtifact& put, const std::string& bytes, const Peers::Known& known,
                                     const Callback<ArtifactInfo>& callback) {
  if (known.present.size() + 1 < copies_) {
    throw Error(ErrorCode::unavailable, "artifacts are kept on " + std::to_string(copies_) + " brokers, and " +
                                            std::to_string(known.present.size() + 1) + " can be reached");
  }
  std::vector<std::string> others = ranked(put.artifact, known.present);
  others.resize(copies_ - 1);
  const auto upload = std::make_shared<Upload>();
  upload->info = {put.artifact, true, put.size};
  upload->callback = callback;
  upload->unanswered = 1 + others.size();
  const auto answered = [upload](const ArtifactInfo& info, const std::optional<Error>& error) {
    upload->answered(info, error);
  };
  PutArtifact there = put;
  there.here = true;
  for (const std::string& endpoint : others) {
    attempt<ArtifactInfo>(answered, [&] {
      peers_.ask<ArtifactInfo>(endpoint, there, bytes,
                               [answered](const ArtifactInfo& info, const std::string&,
                                          const std::optional<Error>& error) { answered(info, error); });
    });
  }
  attempt<ArtifactInfo>(answered, [&] { own_.put(put, bytes, answered); });
}

}  // namespace ns::broker
