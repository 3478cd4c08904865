// SHA-256 of bytes and files, as 64 lower-case hexadecimal digits (OpenSSL's libcrypto).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pawl {

std::string Sha256Hex(std::string_view bytes);
Result<std::string> Sha256OfFile(const std::filesystem::path& path);

// The hash of a sequence of pieces; order matters.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Add(std::string_view bytes);
  std::string Hex();  // once, at the end

 private:
  void* context_;
};

}  // namespace pawl
