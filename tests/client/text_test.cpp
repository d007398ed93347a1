#include "client/terminal/text.h"

#include <gtest/gtest.h>

#include "client/terminal/table.h"

namespace ns::client {
namespace {

TEST(Text, counts_columns_not_bytes) {
  EXPECT_EQ(width("abc"), 3u);
  EXPECT_EQ(width("größe"), 5u);
  EXPECT_EQ(width("模型"), 4u);
  EXPECT_EQ(width("e\xCC\x81"), 1u);  // e and a combining accent
  EXPECT_EQ(width("\x1b[32mok\x1b[0m"), 2u);
}

TEST(Text, from_outside_cannot_steer_the_terminal) {
  EXPECT_EQ(printable("a\x1b[2Jb\nc"), "a [2Jb c");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            " 31m");                                        // a one-character CSI
  EXPECT_EQ(printable("\xE2\x80\xAEgpj.exe"), " gpj.exe");  // turns the direction of what follows
  EXPECT_EQ(printable("a\xFFz"), "a\xEF\xBF\xBDz");
}

TEST(Text, fits_without_cutting_a_character) {
  EXPECT_EQ(fitted("abcdef", 6), "abcdef");
  EXPECT_EQ(fitted("abcdefg", 6), "abcde…");
  EXPECT_EQ(fitted("abcdefg", 6, false), "abc...");
  EXPECT_EQ(width(fitted("模型模型", 6)), 5u);  // a wide character that would be cut in two is left out
  EXPECT_EQ(fitted("\x1b[31mabcdef\x1b[0m", 3), "\x1b[31mab…\x1b[0m");
}

TEST(Text, says_durations_as_people_do) {
  EXPECT_EQ(duration_text(0), "0 ms");
  EXPECT_EQ(duration_text(999), "999 ms");
  EXPECT_EQ(duration_text(1250), "1.2 s");
  EXPECT_EQ(duration_text(48'900), "48 s");
  EXPECT_EQ(duration_text(200'000), "3 min 20 s");
  EXPECT_EQ(duration_text(7'500'000), "2 h 05 min");
  EXPECT_EQ(duration_text(273'600'000), "3 d 4 h");
  EXPECT_EQ(age_text(1000, 0), "-");
  EXPECT_EQ(age_text(1000, 2000), "0 ms");  // a clock that went back
}

TEST(Text, says_sizes_in_binary_units) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(12'595), "12.3 KiB");
  EXPECT_EQ(bytes_text(1048575), "1.0 MiB");
  EXPECT_EQ(bytes_text(1ull << 30), "1.0 GiB");
}

TEST(ProgressBar, is_as_wide_as_asked_whatever_the_fraction) {
  for (const double fraction : {-1.0, 0.0, 0.01, 0.5, 0.999, 1.0, 7.0}) {
    EXPECT_EQ(width(progress_bar(fraction, 20, true)), 20u) << fraction;
    EXPECT_EQ(progress_bar(fraction, 20, false).size(), 20u) << fraction;
  }
  EXPECT_EQ(progress_bar(0.5, 10, false), "[####....]");
  EXPECT_EQ(progress_bar(1, 4, true), "████");
  EXPECT_EQ(progress_bar(0.0 / 1.0, 4, true), "░░░░");
}

TEST(Table, aligns_by_what_is_seen) {
  const Table table{{{"name"}, {"value", Align::right}}, {{"größe", "1"}, {"模型", "22.5"}, {"only"}}};
  const std::vector<std::string> expected = {"name   value", "größe      1", "模型    22.5", "only"};
  EXPECT_EQ(render(table), expected);
}

TEST(Table, cuts_the_widest_left_column_to_the_terminal) {
  const Table table{{{"a"}, {"b", Align::right}}, {{"a long text that does not fit", "123"}}};
  const std::vector<std::string> lines = render(table, 20);
  EXPECT_EQ(lines[1], "a long text th…  123");
  for (const std::string& line : lines) EXPECT_LE(width(line), 20u);
}

TEST(Table, leaves_out_a_title_line_without_titles) {
  EXPECT_EQ(render(Table{{{""}, {""}}, {{"key", "value"}}}), std::vector<std::string>{"key  value"});
  EXPECT_TRUE(render(Table{}).empty());
}

}  // namespace
}  // namespace ns::client
