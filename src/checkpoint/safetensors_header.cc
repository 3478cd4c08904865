#include "checkpoint/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <tuple>
#include <unordered_set>

namespace pawl {
namespace {

using Sax = nlohmann::json_sax<nlohmann::json>;

// Fills the entries straight from the parser's events: a header of 100 MB of tiny entries then
// costs little more memory than its text, where a tree of values would cost ten times that.
class HeaderEvents : public Sax {
 public:
  explicit HeaderEvents(SafetensorsHeader& header) : header_(header) {}
  const std::string& problem() const { return problem_; }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_unsigned(number_unsigned_t value) override {
    if (where_ != kInShape && where_ != kInOffsets) return Unexpected("a number");
    (where_ == kInShape ? entry_.shape : offsets_).push_back(value);
    return true;
  }
  bool number_float(number_float_t, const string_t& text) override {
    return Unexpected(fmt::format("the number {} (no integer below 2^64)", text.substr(0, 40)));
  }
  bool binary(binary_t&) override { return Unexpected("binary data"); }

  bool string(string_t& value) override {
    if (where_ == kInMetadata) return true;
    if (where_ != kInEntry || key_ != "dtype") return Unexpected("a string");
    const auto dtype = DTypeFromName(value);
    if (!dtype) {
      return Stop(fmt::format("tensor \"{}\": unknown dtype \"{}\"", entry_.name, Short(value)));
    }
    entry_.dtype = *dtype;
    return true;
  }

  bool start_object(std::size_t) override {
    if (where_ == kStart) return Enter(kInHeader);
    if (where_ != kInHeader) return Unexpected("an object");
    if (key_ == "__metadata__") return Enter(kInMetadata);
    entry_ = {};
    entry_.name = key_;
    offsets_.clear();
    has_dtype_ = has_shape_ = has_offsets_ = false;
    return Enter(kInEntry);
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    if (where_ == kInHeader) {
      if (key_ != "__metadata__") return true;
      return Once(seen_metadata_);
    }
    if (where_ == kInMetadata) {
      if (metadata_keys_.insert(key_).second) return true;
      return Stop(fmt::format("key \"{}\" occurs twice in __metadata__", Short(key_)));
    }
    if (key_ == "dtype") return Once(has_dtype_);
    if (key_ == "shape") return Once(has_shape_);
    if (key_ == "data_offsets") return Once(has_offsets_);
    return Stop(fmt::format(
        "tensor \"{}\": unknown key \"{}\", expected \"dtype\", \"shape\", \"data_offsets\"",
        Short(entry_.name), Short(key_)));
  }

  bool end_object() override {
    if (where_ != kInEntry) return Enter(where_ == kInHeader ? kStart : kInHeader);
    if (!has_dtype_ || !has_shape_ || !has_offsets_) {
      return Stop(fmt::format("tensor \"{}\": \"{}\" is missing", Short(entry_.name),
                              !has_dtype_   ? "dtype"
                              : !has_shape_ ? "shape"
                                            : "data_offsets"));
    }
    if (offsets_.size() != 2 || offsets_[0] > offsets_[1]) {
      return Stop(fmt::format(
          "tensor \"{}\": data_offsets must be [begin, end] with begin <= end, found {}",
          Short(entry_.name), offsets_.size() == 2 ? ShapeText(offsets_) : "another form"));
    }
    entry_.offset = offsets_[0];
    entry_.bytes = offsets_[1] - offsets_[0];
    entry_.shape.shrink_to_fit();
    header_.tensors.push_back(std::move(entry_));
    return Enter(kInHeader);
  }

  bool start_array(std::size_t) override {
    if (where_ == kInEntry && key_ == "shape") return Enter(kInShape);
    if (where_ == kInEntry && key_ == "data_offsets") return Enter(kInOffsets);
    return Unexpected("a list");
  }
  bool end_array() override { return Enter(kInEntry); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Stop(fmt::format("not valid JSON at byte {} of the header", position));
  }

 private:
  enum Where { kStart, kInHeader, kInMetadata, kInEntry, kInShape, kInOffsets };

  static std::string Short(const std::string& text) {
    return text.size() <= 80 ? text : text.substr(0, 80) + "...";
  }
  bool Enter(Where where) {
    where_ = where;
    return true;
  }
  bool Stop(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool Once(bool& seen) {
    if (seen) return Stop(fmt::format("key \"{}\" occurs twice", Short(key_)));
    return seen = true;
  }
  bool Unexpected(std::string_view what) {
    const char* expected = "an object of tensors";
    std::string place = "top level";
    switch (where_) {
      case kStart:
        break;
      case kInHeader:
        place = fmt::format("\"{}\"", Short(key_));
        expected = key_ == "__metadata__" ? "an object of strings" : "an object";
        break;
      case kInMetadata:
        place = fmt::format("__metadata__ \"{}\"", Short(key_));
        expected = "a string";
        break;
      case kInEntry:
        place = fmt::format("tensor \"{}\" {}", Short(entry_.name), Short(key_));
        expected = key_ == "dtype" ? "a string" : "a list of integers from 0 on";
        break;
      case kInShape:
      case kInOffsets:
        place = fmt::format("tensor \"{}\" {}", Short(entry_.name), Short(key_));
        expected = "integers from 0 on";
        break;
    }
    return Stop(fmt::format("{}: found {}, expected {}", place, what, expected));
  }

  SafetensorsHeader& header_;
  Where where_ = kStart;
  std::string key_, problem_;
  TensorInfo entry_;
  std::vector<std::size_t> offsets_;
  std::unordered_set<std::string> metadata_keys_;
  bool seen_metadata_ = false, has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
};

// Bytes of a tensor; nothing when they do not fit 64 bits.
std::optional<std::size_t> BytesOf(const TensorInfo& tensor) {
  std::size_t elements = 1;
  for (const std::size_t dimension : tensor.shape) {
    if (__builtin_mul_overflow(elements, dimension, &elements)) return std::nullopt;
  }
  std::size_t bits = 0;
  if (__builtin_mul_overflow(elements, DTypeBytes(tensor.dtype) * 8, &bits)) return std::nullopt;
  return bits / 8;
}

// In order of (begin, end) each tensor starts where the one before ended: no hole, no overlap.
Status CheckLayout(const std::vector<TensorInfo>& tensors, std::size_t data_bytes,
                   const std::string& place) {
  std::size_t end = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.offset != end) {
      return BadFile(
          fmt::format("{}: tensor \"{}\" begins at data byte {}, expected {}: there is a hole or "
                      "an overlap",
                      place, tensor.name, tensor.offset, end));
    }
    const auto bytes = BytesOf(tensor);
    if (!bytes) {
      return BadFile(fmt::format("{}: tensor \"{}\": the size of {} {} overflows", place,
                                 tensor.name, DTypeName(tensor.dtype), ShapeText(tensor.shape)));
    }
    if (*bytes != tensor.bytes) {
      return BadFile(fmt::format(
          "{}: tensor \"{}\": data_offsets span {} bytes, expected {} for {} {}", place,
          tensor.name, tensor.bytes, *bytes, DTypeName(tensor.dtype), ShapeText(tensor.shape)));
    }
    end += tensor.bytes;  // begin + (end - begin): no overflow
  }
  if (end != data_bytes) {
    return BadFile(
        fmt::format("{}: tensors need {} bytes of data, the file has {}; the download is probably "
                    "{}",
                    place, end, data_bytes, end > data_bytes ? "incomplete" : "damaged"));
  }
  return {};
}

}  // namespace

Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view text, std::size_t data_bytes,
                                                 const std::string& place) {
  if (text.empty() || text.front() != '{') {
    return BadFile(place + ": the header does not begin with '{': not a safetensors file");
  }
  // The parser takes a NUL for the end and would ignore whatever follows it.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return BadFile(fmt::format("{}: not valid JSON at byte {} of the header", place, nul + 1));
  }
  SafetensorsHeader header;
  HeaderEvents events(header);
  bool parsed = false;
  try {
    parsed = nlohmann::json::sax_parse(text, static_cast<Sax*>(&events));
  } catch (const nlohmann::json::exception&) {
    parsed = false;
  }
  if (!parsed) {
    return BadFile(place + ": " +
                   (events.problem().empty() ? "the header is not valid JSON" : events.problem()));
  }
  auto& tensors = header.tensors;
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tuple(a.offset, a.bytes, std::string_view(a.name)) <
           std::tuple(b.offset, b.bytes, std::string_view(b.name));
  });
  const auto name_of = [&](std::uint32_t i) -> const std::string& { return tensors[i].name; };
  auto& by_name = header.by_name;
  by_name.resize(tensors.size());
  std::iota(by_name.begin(), by_name.end(), 0u);
  std::sort(by_name.begin(), by_name.end(),
            [&](std::uint32_t a, std::uint32_t b) { return name_of(a) < name_of(b); });
  const auto twice = std::adjacent_find(
      by_name.begin(), by_name.end(),
      [&](std::uint32_t a, std::uint32_t b) { return name_of(a) == name_of(b); });
  if (twice != by_name.end()) {
    return BadFile(fmt::format("{}: tensor \"{}\" occurs twice", place, name_of(*twice)));
  }
  PAWL_TRY(CheckLayout(tensors, data_bytes, place));
  return header;
}

}  // namespace pawl
