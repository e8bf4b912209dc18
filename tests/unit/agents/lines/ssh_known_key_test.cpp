// Promises of the host key that is remembered.
#include "agents/lines/ssh_known_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace oob {
namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/oob-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

TEST(KnownHostKey, is_known_again_to_the_next_who_asks_for_the_same_address) {
  const Folder folder;
  KnownHostKey first(folder.path, "10.9.0.1:22");
  EXPECT_EQ(first.fingerprint(), "");
  EXPECT_FALSE(first.is_new());
  first.learn("ssh-ed25519 SHA256:abc");
  EXPECT_EQ(first.fingerprint(), "SHA256:abc");
  EXPECT_TRUE(first.is_new() && first.kept());
  const KnownHostKey again(folder.path, "10.9.0.1:22");
  EXPECT_EQ(again.fingerprint(), "SHA256:abc");
  EXPECT_FALSE(again.is_new());
  EXPECT_EQ(KnownHostKey(folder.path, "10.9.0.1:2").fingerprint(), "");
}

TEST(KnownHostKey, in_a_file_that_others_may_write_counts_for_nothing) {
  const Folder folder;
  KnownHostKey(folder.path, "h:22").learn("ssh-rsa SHA256:abc");
  ASSERT_EQ(chmod((folder.path + "/ssh-host-key").c_str(), 0666), 0);
  EXPECT_EQ(KnownHostKey(folder.path, "h:22").fingerprint(), "");
}

TEST(KnownHostKey, a_torn_or_foreign_file_counts_for_nothing) {
  const Folder folder;
  for (const char* text : {"", "h:22", "h:22 ", "h:22 ssh-rsa", "h:22 ssh-rsa MD5:x", "\n"}) {
    std::ofstream(folder.path + "/ssh-host-key") << text;
    chmod((folder.path + "/ssh-host-key").c_str(), 0600);
    EXPECT_EQ(KnownHostKey(folder.path, "h:22").fingerprint(), "") << text;
  }
}

TEST(KnownHostKey, says_why_it_could_not_be_kept) {
  KnownHostKey nowhere("", "h:22"), missing("/nonexistent/folder", "h:22");
  nowhere.learn("ssh-rsa SHA256:abc");
  missing.learn("ssh-rsa SHA256:abc");
  EXPECT_EQ(nowhere.problem(), "the agent has no folder for it");
  EXPECT_FALSE(missing.kept());
  EXPECT_EQ(missing.fingerprint(), "SHA256:abc");
}

}  // namespace
}  // namespace oob
