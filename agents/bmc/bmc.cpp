// See bmc.h.
#include "agents/bmc/bmc.h"

#include "agents/ipmi/client.h"

namespace oob {
namespace {

class IpmiBmc final : public Bmc {
 public:
  IpmiBmc(Shard& shard, std::string host_port, ipmi::Login login, Duration answer_time)
      : client_(shard, std::move(host_port), std::move(login), answer_time) {}
  void open(std::function<void(Result<>)> done) override { client_.open(std::move(done)); }
  void command(ipmi::Request request, Answered done) override { client_.command(std::move(request), std::move(done)); }
  void ask_as_stranger(ipmi::Request request, Answered done) override {
    client_.ask_as_stranger(std::move(request), std::move(done));
  }
  bool answered() const override { return client_.session().answered(); }
  std::string session_words() const override {
    const ipmi::Session& session = client_.session();
    const auto protection = session.protection();
    return std::string(ipmi::privilege_word(session.privilege())) + ", " +
           (ipmi::is_lan15(protection) ? "" : "suite ") + ipmi::protection_word(protection);
  }

 private:
  ipmi::Client client_;
};

}  // namespace

NewBmc ipmi_bmc(Shard& shard, std::string host_port, ipmi::Login login, Duration answer_time) {
  return [&shard, host_port = std::move(host_port), login = std::move(login), answer_time] {
    return std::make_unique<IpmiBmc>(shard, host_port, login, answer_time);
  };
}

}  // namespace oob
