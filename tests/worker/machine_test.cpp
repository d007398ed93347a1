#include "worker/machine.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace ns::worker {
namespace {

TEST(CpuList, reads_numbers_and_ranges) {
  EXPECT_EQ(parse_cpus("0"), (CpuList{0}));
  EXPECT_EQ(parse_cpus("8,0-3,2"), (CpuList{0, 1, 2, 3, 8}));
}

TEST(CpuList, refuses_what_is_no_list) {
  for (const char* text : {"", ",", "0,", "a", "-1", "3-1", "0-", "1.5", "0 1", "99999999999", "70000"}) {
    EXPECT_THROW(parse_cpus(text), Error) << '"' << text << '"';
  }
}

TEST(CpuList, is_written_as_it_is_read) {
  for (const char* text : {"0", "0-3", "0-1,4,6-9"}) EXPECT_EQ(to_text(parse_cpus(text)), text);
}

TEST(CpuList, is_shared_out_without_rest) {
  const auto shares = share_out({0, 1, 2, 3, 4}, 2);
  EXPECT_EQ(shares[0], (CpuList{0, 1}));
  EXPECT_EQ(shares[1], (CpuList{2, 3, 4}));
  EXPECT_EQ(share_out({4, 5}, 3), (std::vector<CpuList>{{4}, {5}, {4}}));
}

TEST(Machine, refuses_sockets_and_cpus_that_are_not_there) {
  EXPECT_THROW(cpus_of_socket(-1), Error);
  EXPECT_THROW(cpus_of_socket(4096), Error);
  EXPECT_THROW(checked_cpus({65000}), Error);
  EXPECT_FALSE(all_cpus().empty());
  EXPECT_EQ(checked_cpus(all_cpus()), all_cpus());
}

}  // namespace
}  // namespace ns::worker
