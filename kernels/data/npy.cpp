#include "kernels/data/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

namespace ns::data {
namespace {

using graph::ElementType;

[[noreturn]] void fail(std::string_view array, const std::string& what) {
  throw Error(ErrorCode::invalid, fmt::format("array '{}': {}", array, what));
}

struct DtypeEntry {
  std::string_view code;
  ElementType type;
};

// NumPy's dtype without the byte order.
constexpr std::array<DtypeEntry, 12> kDtypes{{
    {"b1", ElementType::boolean},
    {"u1", ElementType::uint8},
    {"i1", ElementType::int8},
    {"u2", ElementType::uint16},
    {"i2", ElementType::int16},
    {"u4", ElementType::uint32},
    {"i4", ElementType::int32},
    {"u8", ElementType::uint64},
    {"i8", ElementType::int64},
    {"f2", ElementType::float16},
    {"f4", ElementType::float32},
    {"f8", ElementType::float64},
}};

// Only printable ASCII reaches an error sentence.
std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 40)) shown += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  return shown;
}

ElementType element_type(std::string_view array, std::string_view descr) {
  const std::string_view order = descr.substr(0, 1);
  const std::string_view code = descr.empty() ? descr : descr.substr(1);
  if (code.substr(0, 1) == "O") {
    fail(array, "holds pickled Python objects, which are never read; save numbers (for example float32 or uint8)");
  }
  if (order == ">") {
    fail(array, fmt::format("dtype '{}' is big-endian; save it little-endian (array.astype('<{}'))", printable(descr),
                            printable(code)));
  }
  for (const DtypeEntry& entry : kDtypes) {
    if (code != entry.code) continue;
    if (order == "<" || (order == "|" && graph::size_of(entry.type) == 1)) return entry.type;
  }
  fail(array,
       fmt::format("dtype '{}' is not known; use b1, u1, i1, u2, i2, u4, i4, u8, i8, f2, f4 or f8, little-endian",
                   printable(descr)));
}

// The dictionary literal of a header: exactly three known keys, each once.
class HeaderParser {
 public:
  HeaderParser(std::string_view array, std::string_view text) : array_(array), text_(text) {}

  void parse(NpyHeader& header) {
    expect('{');
    while (!accept('}')) {
      parse_entry(header);
      if (accept('}')) break;
      expect(',');
    }
    skip_spaces();
    if (position_ != text_.size()) malformed("nothing after the closing brace");
    if (!descr_ || !order_ || !shape_) malformed("the keys 'descr', 'fortran_order' and 'shape'");
  }

 private:
  void parse_entry(NpyHeader& header) {
    const std::string_view key = string();
    expect(':');
    if (key == "descr" && !descr_) {
      descr_ = true;
      skip_spaces();
      if (peek() == '[') fail(array_, "has a structured dtype; save one array of plain numbers an input");
      header.type = element_type(array_, string());
    } else if (key == "fortran_order" && !order_) {
      order_ = true;
      header.fortran_order = boolean();
    } else if (key == "shape" && !shape_) {
      shape_ = true;
      header.shape = tuple();
    } else {
      malformed(fmt::format("each of 'descr', 'fortran_order' and 'shape' once and no other key (found '{}')",
                            printable(key)));
    }
  }

  [[noreturn]] void malformed(std::string_view wanted) {
    fail(array_, fmt::format("malformed .npy header at byte {}: expected {}", position_, wanted));
  }

  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  void skip_spaces() {
    while (position_ < text_.size() && (peek() == ' ' || peek() == '\n' || peek() == '\t')) ++position_;
  }

  bool accept(char wanted) {
    skip_spaces();
    if (position_ >= text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) malformed(fmt::format("'{}'", wanted));
  }

  std::string_view string() {
    skip_spaces();
    const char quote = peek();
    if (quote != '\'' && quote != '"') malformed("a quoted string");
    const std::size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) malformed("the end of a quoted string");
    const std::string_view content = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return content;
  }

  bool boolean() {
    skip_spaces();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(position_, word.size()) != word) continue;
      position_ += word.size();
      return word == "True";
    }
    malformed("True or False");
  }

  graph::Shape tuple() {
    graph::Shape shape;
    expect('(');
    while (!accept(')')) {
      if (shape.size() == kMaxNpyRank) malformed(fmt::format("at most {} dimensions", kMaxNpyRank));
      shape.push_back(number());
      if (accept(',')) continue;
      if (shape.size() == 1) malformed("',' after the only dimension");
      expect(')');
      break;
    }
    return shape;
  }

  std::int64_t number() {
    skip_spaces();
    std::int64_t value = 0;
    const char* begin = text_.data() + position_;
    const auto [end, status] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (status != std::errc{} || value < 0) malformed("a dimension, at least 0 and below 2^63");
    position_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  std::string_view array_;
  std::string_view text_;
  std::size_t position_ = 0;
  bool descr_ = false, order_ = false, shape_ = false;
};

// Overflow is judged without zero dimensions: what [0, 2^62, 2^62] would need is nobody's business, but numpy itself
// could not have made it.
std::uint64_t bytes_of(std::string_view array, const NpyHeader& header) {
  std::uint64_t product = graph::size_of(header.type);
  bool empty = false;
  for (const std::int64_t size : header.shape) {
    if (size == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, static_cast<std::uint64_t>(size), &product) ||
               product > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      fail(array, fmt::format("shape {} is too large", graph::to_string(header.shape)));
    }
  }
  return empty ? 0 : product;
}

// Fortran order keeps the first axis innermost: element (i0, i1, …) lies at sum(i_k * product(shape[0..k))).
template <std::size_t kSize>
void copy_fortran(const graph::Shape& shape, const std::byte* from, std::byte* to, std::int64_t count) {
  const std::size_t rank = shape.size();
  std::vector<std::int64_t> strides(rank), index(rank, 0);
  std::int64_t stride = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  std::int64_t source = 0;
  for (std::int64_t element = 0; element < count; ++element) {
    std::memcpy(to + element * static_cast<std::int64_t>(kSize), from + source * static_cast<std::int64_t>(kSize),
                kSize);
    for (std::size_t axis = rank; axis-- > 0;) {
      source += strides[axis];
      if (++index[axis] < shape[axis]) break;
      source -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

void copy_elements(const NpyHeader& header, const std::byte* from, graph::Tensor& tensor) {
  auto* to = static_cast<std::byte*>(tensor.bytes());
  if (!header.fortran_order || header.shape.size() < 2) {
    std::memcpy(to, from, static_cast<std::size_t>(header.data_bytes));
    return;
  }
  switch (graph::size_of(header.type)) {
    case 1:
      return copy_fortran<1>(header.shape, from, to, tensor.count());
    case 2:
      return copy_fortran<2>(header.shape, from, to, tensor.count());
    case 4:
      return copy_fortran<4>(header.shape, from, to, tensor.count());
    default:
      return copy_fortran<8>(header.shape, from, to, tensor.count());
  }
}

std::uint8_t byte_at(std::span<const std::byte> bytes, std::size_t position) {
  return std::to_integer<std::uint8_t>(bytes[position]);
}

}  // namespace

std::size_t npy_data_offset(std::string_view array, std::span<const std::byte> preamble) {
  static constexpr std::string_view kMagic = "\x93NUMPY";
  if (preamble.size() < 10 || std::memcmp(preamble.data(), kMagic.data(), kMagic.size()) != 0) {
    fail(array, "is not a .npy array (its magic number is missing)");
  }
  const int major = byte_at(preamble, 6), minor = byte_at(preamble, 7);
  if (major < 1 || major > 3 || minor != 0) {
    fail(array, fmt::format(".npy version {}.{} is not known; 1.0, 2.0 and 3.0 are", major, minor));
  }
  std::size_t length = byte_at(preamble, 8) | static_cast<std::size_t>(byte_at(preamble, 9)) << 8;
  const std::size_t start = major == 1 ? 10 : 12;
  if (major > 1) {
    if (preamble.size() < 12) fail(array, "ends within its header");
    length |= static_cast<std::size_t>(byte_at(preamble, 10)) << 16 | static_cast<std::size_t>(byte_at(preamble, 11))
                                                                          << 24;
  }
  if (length > kMaxNpyHeaderBytes) {
    fail(array, fmt::format("its header claims {} bytes; at most {} are read", length, kMaxNpyHeaderBytes));
  }
  return start + length;
}

NpyHeader parse_npy_header(std::string_view array, std::span<const std::byte> bytes) {
  NpyHeader header;
  header.data_offset = npy_data_offset(array, bytes);
  if (bytes.size() < header.data_offset) fail(array, "ends within its header");
  const std::size_t start = byte_at(bytes, 6) == 1 ? 10 : 12;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + start, header.data_offset - start);
  HeaderParser(array, text).parse(header);
  header.data_bytes = bytes_of(array, header);
  return header;
}

graph::Tensor npy_tensor(std::string_view array, const NpyHeader& header, std::span<const std::byte> data) {
  if (data.size() != header.data_bytes) {
    fail(array, fmt::format("holds {} bytes of data, but shape {} of {} needs {}", data.size(),
                            graph::to_string(header.shape), graph::name_of(header.type), header.data_bytes));
  }
  graph::Tensor tensor(header.type, header.shape);
  if (header.data_bytes == 0) return tensor;
  copy_elements(header, data.data(), tensor);
  if (header.type == ElementType::boolean) {
    auto* bytes = static_cast<std::uint8_t*>(tensor.bytes());
    std::transform(bytes, bytes + tensor.count(), bytes, [](std::uint8_t value) { return value != 0 ? 1 : 0; });
  }
  return tensor;
}

graph::Tensor parse_npy(std::string_view array, std::span<const std::byte> file, std::uint64_t max_bytes) {
  const NpyHeader header = parse_npy_header(array, file);
  if (header.data_bytes > max_bytes) {
    throw Error(ErrorCode::too_large,
                fmt::format("array '{}': {} bytes; at most {} are allowed", array, header.data_bytes, max_bytes));
  }
  return npy_tensor(array, header, file.subspan(header.data_offset));
}

std::string npy_header(std::string_view array, const graph::Tensor& tensor) {
  const auto dtype = std::find_if(kDtypes.begin(), kDtypes.end(),
                                  [&](const DtypeEntry& entry) { return entry.type == tensor.type(); });
  if (dtype == kDtypes.end()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("array '{}' is {}, which .npy files cannot hold", array, graph::name_of(tensor.type())));
  }
  std::string sizes;
  for (const std::int64_t size : tensor.shape()) sizes += fmt::format("{}, ", size);
  std::string text = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                 graph::size_of(tensor.type()) == 1 ? '|' : '<', dtype->code, sizes);
  constexpr std::size_t kPreamble = 10, kAlignment = 64;  // the data begins at a multiple of 64, as numpy's own
  text.resize((kPreamble + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment - kPreamble - 1, ' ');
  text += '\n';
  const auto low = static_cast<char>(text.size() & 0xFF), high = static_cast<char>(text.size() >> 8);
  return std::string("\x93NUMPY\x01\x00", 8) + low + high + text;
}

}  // namespace ns::data
