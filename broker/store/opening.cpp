#include "broker/store/opening.h"

#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "broker/store/library.h"

namespace ns::broker::store {
namespace {

constexpr std::string_view kLibraryName = "ns3";

// Redis' refusal of a word of this exchange, as whoever starts the broker should read it.
Error refusal(const Reply& reply, const Settings& settings) {
  const Error error = reply.error();
  const std::string_view text = reply.error_text();
  const std::string user = settings.user.empty() ? "the default user" : "user '" + settings.user + "'";
  if (text.starts_with("WRONGPASS") || text.starts_with("ERR AUTH") || text.starts_with("ERR Client sent AUTH")) {
    return Error(ErrorCode::unsupported, "Redis does not let " + user + " in with this password: " + std::string(text),
                 "redis-user");
  }
  if (text.starts_with("NOAUTH")) {
    return Error(ErrorCode::unsupported, "Redis wants to know who asks: give --redis-user and --redis-password-file",
                 "redis-user");
  }
  if (text.starts_with("NOPERM")) {
    return Error(ErrorCode::unsupported,
                 "Redis does not allow " + user + " what a broker needs (" + std::string(text) +
                     "): the ACL rule in broker/README.md does",
                 "redis-user");
  }
  return error;
}

// Of a list of names and values.
const Reply& value_of(const Reply& fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.list().size(); i += 2) {
    if (fields.at(i).text() == name) return fields.at(i + 1);
  }
  throw Error(ErrorCode::internal, "FUNCTION LIST does not tell " + std::string(name));
}

std::optional<Arguments> signing_in(const Settings& settings) {
  if (settings.password.empty()) return std::nullopt;
  if (settings.user.empty()) return Arguments("AUTH", settings.password);
  return Arguments("AUTH", settings.user, settings.password);
}

class Opening : public std::enable_shared_from_this<Opening> {
 public:
  Opening(Connection& connection, const Settings& settings, OnOpened on_opened, OnRefused on_refused)
      : connection_(connection),
        settings_(settings),
        on_opened_(std::move(on_opened)),
        on_refused_(std::move(on_refused)) {}

  void begin() {
    if (const auto words = signing_in(settings_)) ask(*words, [](const Reply&) {});
    ask({"INFO"}, [this](const Reply& reply) {
      server_ = parse_info(reply.text());
      require_usable(server_);
    });
    ask({"FUNCTION", "LIST", "LIBRARYNAME", kLibraryName, "WITHCODE"},
        [this](const Reply& reply) { library_is_there_ = !reply.list().empty() && learn_library(reply.at(0)); });
    Arguments config("CONFIG", "GET");
    for (const std::string_view name : kConfigNames) config.add(name);
    connection_.command(config, [self = shared_from_this()](const Reply& reply) { self->configured(reply); });
    connection_.flush();
  }

 private:
  // What Redis refuses ends the opening.
  template <typename Then>
  void ask(const Arguments& words, Then then) {
    connection_.command(words, [self = shared_from_this(), then](const Reply& reply) {
      self->guard([&] {
        if (reply.is_error()) throw refusal(reply, self->settings_);
        then(reply);
      });
    });
  }

  template <typename Work>
  void guard(Work work) {
    if (refused_) return;
    try {
      work();
    } catch (const Error& error) {
      refused_ = true;
      on_refused_(error);
    }
  }

  // The user may be one that must not see the configuration.
  void configured(const Reply& reply) {
    guard([&] {
      server_.config_is_known = !reply.is_error();
      for (std::size_t i = 0; server_.config_is_known && i + 1 < reply.list().size(); i += 2) {
        server_.config.emplace(reply.at(i).text(), reply.at(i + 1).text());
      }
      require_suitable(server_, settings_);
      load();
    });
  }

  // One library of FUNCTION LIST. Returns whether it is ours, to the letter.
  bool learn_library(const Reply& library) {
    opened_.readers.clear();
    for (const Reply& function : value_of(library, "functions").list()) {
      for (const Reply& flag : value_of(function, "flags").list()) {
        if (flag.text() != "no-writes") continue;
        opened_.readers.emplace(value_of(function, "name").text().substr(kLibraryName.size() + 1));
      }
    }
    return value_of(library, "library_code").text() == kLibrary;
  }

  // A library that is there is left alone: a Redis that is full takes none, but can be read from.
  void load() {
    if (!library_is_there_) {
      ask({"FUNCTION", "LOAD", "REPLACE", kLibrary}, [](const Reply&) {});
      ask({"FUNCTION", "LIST", "LIBRARYNAME", kLibraryName, "WITHCODE"},
          [this](const Reply& reply) { learn_library(reply.at(0)); });
    }
    ask(call_of("open").add(opening_argument()), [this](const Reply& reply) { opened(reply); });
    connection_.flush();
  }

  void opened(const Reply& reply) {
    const std::string stored(reply.at(0).text()), ours(reply.at(1).text());
    if (stored != ours) {
      throw Error(ErrorCode::unsupported, "Redis holds data of schema '" + stored +
                                              "' (key ns:schema): this ns-broker reads schema '" + ours +
                                              "'; start the one that reads it, or use another Redis");
    }
    opened_.instance = reply.at(2).text();
    opened_.work_channel = reply.at(3).text();
    opened_.events_channel = reply.at(4).text();
    opened_.stop_channel = reply.at(5).text();
    opened_.workers_channel = reply.at(6).text();
    on_opened_(opened_);
  }

  Connection& connection_;
  const Settings settings_;
  const OnOpened on_opened_;
  const OnRefused on_refused_;
  ServerState server_;
  Opened opened_;
  bool library_is_there_ = false;
  bool refused_ = false;
};

}  // namespace

void open(Connection& connection, const Settings& settings, OnOpened on_opened, OnRefused on_refused) {
  std::make_shared<Opening>(connection, settings, std::move(on_opened), std::move(on_refused))->begin();
}

void sign_in(Connection& connection, const Settings& settings) {
  if (const auto words = signing_in(settings)) connection.command(*words, [](const Reply&) {});
}

Arguments call_of(std::string_view function) {
  std::string name(kLibraryName);
  return Arguments("FCALL", name.append("_").append(function), "0");
}

std::string opening_argument() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string name;
  for (int i = 0; i < 32; ++i) name += kDigits[random() % 16];
  return name;
}

}  // namespace ns::broker::store
