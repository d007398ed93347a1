#include "broker/store/sentinels.h"

#include <utility>

namespace ns::broker::store {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kPatience = 500ms;  // with one sentinel

}  // namespace

Sentinels::Sentinels(net::PollLoop& loop, std::vector<Address> sentinels, std::string primary)
    : loop_(loop), sentinels_(std::move(sentinels)), primary_(std::move(primary)) {}

Sentinels::~Sentinels() { loop_.cancel(patience_); }

void Sentinels::find_primary(Found found, Unknown unknown) {
  loop_.cancel(patience_);
  found_ = std::move(found);
  unknown_ = std::move(unknown);
  tried_ = 0;
  ask();
}

void Sentinels::ask() {
  patience_ = loop_.after(kPatience, [this] { failed("it does not answer"); });
  try {
    if (!connection_) {
      connection_ =
          std::make_unique<Connection>(loop_, sentinels_[current_], [this](const std::string& why) { failed(why); });
    }
    connection_->command({"SENTINEL", "get-master-addr-by-name", primary_},
                         [this, number = ++asked_](const Reply& reply) {
                           if (number == asked_) answered(reply);
                         });
    connection_->flush();
  } catch (const Error& error) {
    // Later, so that nothing is called from within find_primary.
    loop_.cancel(patience_);
    patience_ = loop_.after(0ms, [this, why = std::string(error.what())] { failed(why); });
  }
}

void Sentinels::answered(const Reply& reply) {
  if (!found_) return;
  if (reply.is_error()) return failed(reply.error().what());
  if (!reply.is_list()) return failed("it knows no primary '" + primary_ + "'");
  Address address;
  try {
    address.host = reply.at(0).text();
    const std::uint64_t port = reply.at(1).number();
    if (address.host.empty() || port < 1 || port > 65535) return failed("it tells no address of '" + primary_ + "'");
    address.port = static_cast<int>(port);
  } catch (const Error& error) {  // of another shape: what listens there may be no sentinel
    return failed(error.what());
  }
  loop_.cancel(patience_);
  unknown_ = nullptr;
  std::exchange(found_, nullptr)(address);
}

void Sentinels::failed(const std::string& why) {
  loop_.cancel(patience_);
  ++asked_;  // what it may say still is of no interest
  const std::string text = "sentinel " + text_of(sentinels_[current_]) + ": " + why;
  if (connection_) Connection::retire(loop_, std::exchange(connection_, nullptr));
  current_ = (current_ + 1) % sentinels_.size();
  if (!found_) return;
  if (++tried_ < sentinels_.size()) return ask();
  found_ = nullptr;
  std::exchange(unknown_, nullptr)(Error(ErrorCode::unavailable, text));
}

}  // namespace ns::broker::store
