// Ids, words and error codes: what is stored and sent as text.
#include <gtest/gtest.h>

#include <set>

#include "common/error.h"
#include "common/id.h"
#include "common/job.h"
#include "common/sha256.h"

namespace ns {
namespace {

TEST(Id, task_ids_are_distinct_valid_and_sort_by_time) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(make_task_id().text);
  EXPECT_EQ(ids.size(), 1000u);
  for (const std::string& id : ids) EXPECT_TRUE(is_task_id(id)) << id;
  EXPECT_EQ(ids.begin()->substr(0, 4), ids.rbegin()->substr(0, 4));
}

TEST(Id, what_is_not_a_task_id_is_told_apart) {
  EXPECT_FALSE(is_task_id(""));
  EXPECT_FALSE(is_task_id("01ARZ3NDEKTSV4RRFFQ69G5FA"));
  EXPECT_FALSE(is_task_id("01ARZ3NDEKTSV4RRFFQ69G5FAI"));
  EXPECT_FALSE(is_task_id("01ARZ3NDEKTSV4RRFFQ69G5FA/"));
  EXPECT_FALSE(is_task_id(std::string("01ARZ3NDEKTSV4RRFFQ69G5FA\0", 26)));
}

TEST(Id, what_is_not_an_artifact_id_is_told_apart) {
  EXPECT_TRUE(is_artifact_id("sha256:" + std::string(64, '0')));
  EXPECT_FALSE(is_artifact_id("sha256:" + std::string(63, '0')));
  EXPECT_FALSE(is_artifact_id("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(is_artifact_id("sha512:" + std::string(64, '0')));
  EXPECT_FALSE(is_artifact_id("sha256:" + std::string(61, '0') + "../"));
}

TEST(Id, sha256_is_that_of_the_standard) {
  EXPECT_EQ(artifact_id_of("abc").text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

template <typename Enum>
void expect_words_round_trip(int count) {
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<Enum>(i);
    Enum read{};
    from_text(to_text(value), read);
    EXPECT_EQ(read, value);
  }
  Enum read{};
  EXPECT_THROW(from_text("unknown", read), Error);
}

TEST(Job, words_come_back_as_they_went) {
  expect_words_round_trip<TaskState>(5);
  expect_words_round_trip<TrialState>(6);
  expect_words_round_trip<JobKind>(2);
  expect_words_round_trip<Outcome>(6);
  expect_words_round_trip<CommitStatus>(4);
}

TEST(ErrorTable, is_in_the_order_of_the_codes_and_names_are_distinct) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kErrorTable.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kErrorTable[i].code), i);
    EXPECT_EQ(error_code_from(kErrorTable[i].name), kErrorTable[i].code);
    names.insert(kErrorTable[i].name);
  }
  EXPECT_EQ(names.size(), kErrorTable.size());
  EXPECT_EQ(error_code_from("of a newer version"), ErrorCode::internal);
}

}  // namespace
}  // namespace ns
