#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <random>

#include "kernels/data/dataset.h"
#include "kernels/data/npy.h"
#include "kernels/data/npz.h"
#include "kernels/graph/graph.h"
#include "tests/kernels/data/archive.h"

namespace ns::data {
namespace {

using graph::ElementType;
using namespace testing;  // NOLINT: archive.h

constexpr std::uint64_t kPlenty = 1 << 20;

graph::Tensor parse(const std::string& file, std::uint64_t max_bytes = kPlenty) {
  return parse_npy("x", as_bytes(file), max_bytes);
}

// The sentence of the refusal, or what came instead.
template <typename Action>
std::string refusal(Action&& action, ErrorCode code = ErrorCode::invalid) {
  try {
    action();
  } catch (const Error& error) {
    return error.code() == code ? error.what() : std::string("another code: ") + error.what();
  }
  return "accepted";
}

std::string npy_refusal(const std::string& file) {
  return refusal([&] { parse(file); });
}
std::string npz_refusal(const std::string& file) {
  return refusal([&] { parse_npz(as_bytes(file), kPlenty); });
}

bool says(const std::string& sentence, std::string_view part) { return sentence.find(part) != std::string::npos; }

TEST(Npy, reads_every_version) {
  for (const int major : {1, 2, 3}) {
    const auto tensor = parse(npy_bytes(npy_header("<f4", "(2, 3)"), bytes_of<float>({0, 1, 2, 3, 4, 5}), major));
    EXPECT_EQ(tensor.shape(), (graph::Shape{2, 3}));
    EXPECT_EQ(tensor.values<float>()[5], 5.0f);
  }
}

TEST(Npy, reads_every_dtype) {
  const std::vector<std::pair<std::string, ElementType>> dtypes{
      {"|b1", ElementType::boolean}, {"|u1", ElementType::uint8},   {"|i1", ElementType::int8},
      {"<u2", ElementType::uint16},  {"<i2", ElementType::int16},   {"<u4", ElementType::uint32},
      {"<i4", ElementType::int32},   {"<u8", ElementType::uint64},  {"<i8", ElementType::int64},
      {"<f2", ElementType::float16}, {"<f4", ElementType::float32}, {"<f8", ElementType::float64}};
  for (const auto& [descr, type] : dtypes) {
    const auto tensor = parse(npy_bytes(npy_header(descr, "(2,)"), std::string(2 * graph::size_of(type), '\1')));
    EXPECT_EQ(tensor.type(), type) << descr;
    EXPECT_EQ(tensor.count(), 2) << descr;
  }
}

TEST(Npy, booleans_become_0_or_1) {
  const auto tensor = parse(npy_bytes(npy_header("|b1", "(3,)"), std::string("\x00\x01\x7f", 3)));
  const auto* bytes = static_cast<const std::uint8_t*>(tensor.bytes());
  EXPECT_EQ((std::vector<int>{bytes[0], bytes[1], bytes[2]}), (std::vector<int>{0, 1, 1}));
}

TEST(Npy, fortran_order_becomes_c_order) {
  // [[0, 1, 2], [3, 4, 5]] stored column by column.
  const auto tensor = parse(npy_bytes(npy_header("<i2", "(2, 3)", true), bytes_of<std::int16_t>({0, 3, 1, 4, 2, 5})));
  const auto values = tensor.values<std::int16_t>();
  EXPECT_EQ(std::vector<int>(values.begin(), values.end()), (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST(Npy, reads_scalars_and_empty_arrays) {
  EXPECT_EQ(parse(npy<float>("<f4", "()", {7})).shape(), graph::Shape{});
  EXPECT_EQ(parse(npy<float>("<f4", "(0, 5)", {})).count(), 0);
}

TEST(Npy, header_may_be_spaced_and_ordered_otherwise) {
  const std::string header = "{ \"shape\":( 2 , ), 'fortran_order' :False,'descr':'|u1'}";
  EXPECT_EQ(parse(npy_bytes(header, "ab")).shape(), (graph::Shape{2}));
}

TEST(Npy, refuses_pickles_structures_and_big_endian_by_name) {
  EXPECT_TRUE(says(npy_refusal(npy_bytes(npy_header("|O", "(1,)"), "xxxxxxxx")), "pickled"));
  EXPECT_TRUE(says(npy_refusal(npy_bytes(npy_header(">f4", "(1,)"), "xxxx")), "big-endian"));
  EXPECT_TRUE(says(npy_refusal(npy_bytes("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "xxxx")),
                   "structured"));
  for (const char* descr : {"<c8", "|S4", "<U4", "<M8[ns]", "", "<", "f4", "|f4", "=f4", "<f16"}) {
    EXPECT_TRUE(says(npy_refusal(npy_bytes(npy_header(descr, "(1,)"), "xxxx")), "is not known")) << descr;
  }
}

TEST(Npy, refuses_malformed_headers) {
  const std::vector<std::string> headers{
      "",
      "{",
      "{}",
      "{'descr': '<f4'}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
      "{'descr: '<f4', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': "
      "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
  };
  for (const std::string& header : headers) {
    EXPECT_TRUE(says(npy_refusal(npy_bytes(header, "xxxx")), "malformed .npy header")) << header;
  }
}

TEST(Npy, refuses_wrong_magic_version_and_length) {
  const std::string good = npy<float>("<f4", "(1,)", {1});
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(npy_refusal(good.substr(0, length)), "accepted") << length;
  }
  EXPECT_TRUE(says(npy_refusal(good + "x"), "holds 5 bytes"));
  std::string other = good;
  other[6] = 4;
  EXPECT_TRUE(says(npy_refusal(other), "version 4.0"));
  other = npy_bytes("", "", 2);
  other[10] = 0x7f;  // a header of 8 MB
  EXPECT_TRUE(says(npy_refusal(other), "at most"));
}

TEST(Npy, refuses_shapes_that_overflow_or_exceed_the_limit) {
  EXPECT_TRUE(says(npy_refusal(npy_bytes(npy_header("<f8", "(4294967296, 4294967296)"), "")), "too large"));
  EXPECT_TRUE(says(npy_refusal(npy_bytes(npy_header("<f8", "(0, 4294967296, 4294967296)"), "")), "too large"));
  EXPECT_TRUE(says(refusal([] { parse(npy_bytes(npy_header("<f4", "(1000000,)"), "")); }, ErrorCode::too_large),
                   "at most 1048576"));
}

TEST(Npz, reads_all_arrays) {
  const auto arrays = parse_npz(as_bytes(zip_bytes({{"image.npy", npy<float>("<f4", "(1, 2)", {3, 4})},
                                                    {"labels.npy", npy<std::int64_t>("<i8", "(1,)", {9})}})),
                                kPlenty);
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays.at("image").values<float>()[1], 4.0f);
  EXPECT_EQ(arrays.at("labels").values<std::int64_t>()[0], 9);
}

TEST(Npz, reads_stored_entries_and_fortran_order) {
  const std::string array = npy_bytes(npy_header("|u1", "(2, 2)", true), std::string("\x00\x02\x01\x03", 4));
  const auto arrays = parse_npz(as_bytes(zip_bytes({{"a.npy", array}}, {.compression = ZIP_CM_STORE})), kPlenty);
  EXPECT_EQ(arrays.at("a").values<std::uint8_t>()[1], 1);
}

TEST(Npz, refuses_what_is_no_archive) {
  EXPECT_TRUE(says(npz_refusal(""), "not a readable .npz"));
  EXPECT_TRUE(says(npz_refusal("PK\x05\x06 nothing"), "not a readable .npz"));
  EXPECT_TRUE(says(npz_refusal(std::string(1000, 'x')), "not a readable .npz"));
}

TEST(Npz, refuses_entries_that_are_no_arrays) {
  EXPECT_TRUE(says(npz_refusal(zip_bytes({{"readme.txt", "hello"}})), "not a .npy array"));
  EXPECT_TRUE(says(npz_refusal(zip_bytes({{".npy", npy<float>("<f4", "()", {1})}})), "not a .npy array"));
  EXPECT_TRUE(says(npz_refusal(zip_bytes({{"a.npy", "short"}})), "shorter than a .npy header"));
  EXPECT_TRUE(
      says(npz_refusal(zip_bytes({{std::string(300, 'n') + ".npy", npy<float>("<f4", "()", {1})}})), "name of"));
  EXPECT_TRUE(says(npz_refusal(zip_bytes({{"a.npy", npy<float>("<f4", "(2,)", {1})}})), "needs 8"));
}

TEST(Npz, refuses_more_bytes_than_allowed) {
  const std::string bomb =
      zip_bytes({{"zeros.npy", npy_bytes(npy_header("|u1", "(2000000,)"), std::string(2000000, '\0'))}});
  EXPECT_LT(bomb.size(), 10000u);
  EXPECT_TRUE(says(refusal([&] { parse_npz(as_bytes(bomb), kPlenty); }, ErrorCode::too_large), "at most") ||
              says(refusal([&] { parse_npz(as_bytes(bomb), kPlenty); }, ErrorCode::too_large), "more than"));
}

// The directory claims a size that the compressed bytes cannot hold: refused before anything is allocated.
TEST(Npz, refuses_a_size_that_compression_cannot_explain) {
  std::string file = zip_bytes({{"a.npy", npy_bytes(npy_header("<f4", "(1,)"), "xxxx")}});
  const std::size_t directory = file.find("PK\x01\x02");
  ASSERT_NE(directory, std::string::npos);
  for (const std::size_t offset : {directory + 24, std::size_t{22}}) {
    file[offset] = file[offset + 1] = '\xff';
    file[offset + 2] = '\x7f';
  }
  const auto message = refusal([&] { parse_npz(as_bytes(file), std::uint64_t{8} << 30); });
  EXPECT_TRUE(says(message, "claims") || says(message, "not a readable")) << message;
}

TEST(Npz, refuses_a_wrong_checksum) {
  std::string file = zip_bytes({{"a.npy", npy<float>("<f4", "(4,)", {1, 2, 3, 4})}}, {.compression = ZIP_CM_STORE});
  const std::size_t data = file.find("shape");
  file[file.find('\n', data) + 3] ^= 1;
  EXPECT_TRUE(says(npz_refusal(file), "CRC")) << npz_refusal(file);
}

TEST(Npz, refuses_encrypted_entries) {
  EXPECT_TRUE(says(npz_refusal(zip_bytes({{"a.npy", npy<float>("<f4", "()", {1})}}, {.encrypt = true})), "encrypted"));
}

TEST(Npz, refuses_too_many_entries) {
  std::vector<std::pair<std::string, std::string>> files;
  for (int i = 0; i < 4097; ++i) files.emplace_back(std::to_string(i) + ".npy", "x");
  EXPECT_TRUE(says(npz_refusal(zip_bytes(files)), "4097 arrays"));
}

// Bytes in, tensors or Error out, whatever the bytes are.
TEST(Npz, survives_damaged_files) {
  const std::string good = zip_bytes({{"image.npy", npy<float>("<f4", "(2, 2)", {1, 2, 3, 4})},
                                      {"labels.npy", npy<std::int64_t>("<i8", "(2,)", {0, 1})}});
  std::mt19937 random(1978);
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = good;
    for (int change = 0; change < 1 + round % 4; ++change) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    if (round % 5 == 0) damaged.resize(random() % damaged.size());
    try {
      parse_npz(as_bytes(damaged), kPlenty);
    } catch (const Error&) {
    }
  }
}

TEST(Npz, reads_files_and_names_them_in_errors) {
  const TemporaryFile good(zip_bytes({{"a.npy", npy<float>("<f4", "()", {1})}}));
  EXPECT_EQ(read_npz(good.path()).size(), 1u);
  const TemporaryFile bad("nonsense");
  EXPECT_TRUE(says(refusal([&] { read_npz(bad.path()); }), bad.path().filename().string()));
  const TemporaryFile empty("");
  EXPECT_TRUE(says(refusal([&] { read_npz(empty.path()); }), "is empty"));
  EXPECT_TRUE(says(refusal([&] { read_npz("/nowhere/at/all.npz"); }, ErrorCode::not_found), "cannot read"));
  EXPECT_TRUE(says(refusal([&] { read_npz(::testing::TempDir()); }), "is not a file"));
  const TemporaryFile single(npy<float>("<f4", "(1,)", {5}), ".npy");
  EXPECT_EQ(read_npz(single.path()).at("array").values<float>()[0], 5.0f);
}

TEST(Npz, reads_what_it_wrote) {
  const std::string pattern = (std::filesystem::temp_directory_path() / "ns-npz-XXXXXX").string();
  std::string folder = pattern;
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::filesystem::path path = std::filesystem::path(folder) / "arrays.npz";
  std::map<std::string, graph::Tensor> arrays;
  arrays["empty"] = graph::Tensor(ElementType::int32, {0, 3});
  arrays["one"] = graph::Tensor::scalar(std::int64_t{-5});
  arrays["row"] = graph::Tensor::from<std::uint8_t>({3}, std::vector<std::uint8_t>{1, 2, 255});
  arrays["table"] = graph::Tensor::from<float>({2, 2}, std::vector<float>{1.5f, -2, 0, 4});
  arrays["truth"] = graph::Tensor::scalar(true);
  write_npz(path, arrays);
  write_npz(path, arrays);  // over what is there
  const auto read = read_npz(path);
  ASSERT_EQ(read.size(), arrays.size());
  for (const auto& [name, tensor] : arrays) EXPECT_TRUE(graph::equal(read.at(name), tensor)) << name;
  EXPECT_TRUE(
      says(refusal([&] { write_npz(std::filesystem::path(folder) / "no" / "such.npz", arrays); }), "cannot write"));
  arrays["half"] = graph::Tensor(ElementType::bfloat16, {1});
  EXPECT_TRUE(says(refusal([&] { write_npz(path, arrays); }, ErrorCode::unsupported), "'half' is bfloat16"));
  EXPECT_EQ(read_npz(path).size(), read.size());  // a failure leaves the old file
  std::filesystem::remove_all(folder);
}

TEST(Npy, data_begins_where_numpy_wants_it) {
  const std::string header = npy_header("x", graph::Tensor(ElementType::float32, {4}));
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_EQ(header.back(), '\n');
  EXPECT_TRUE(says(header, "{'descr': '<f4', 'fortran_order': False, 'shape': (4, ), }"));
}

}  // namespace
}  // namespace ns::data
