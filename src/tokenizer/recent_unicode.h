// Unicode data younger or older than the tables of Debian 12's libraries (Unicode 14 and 15).
// Generated from the Unicode Character Database 9.0, 14.0 and 16.0.
#pragma once

#include <array>
#include <cstdint>

namespace pawl {

enum class RecentCategory : std::uint8_t {
  kLu,
  kLl,
  kLm,
  kLo,
  kMn,
  kMc,
  kNd,
  kNo,
  kPd,
  kPo,
  kSm,
  kSo,
  kCf,
  kCount
};

struct RecentRange {
  char32_t first, last;
  RecentCategory category;
};

// Characters that Unicode 15 to 16 added, ascending.
inline constexpr std::array<RecentRange, 126> kRecentRanges = {
    {{0x897, 0x897, RecentCategory::kMn},     {0xCF3, 0xCF3, RecentCategory::kMc},
     {0xECE, 0xECE, RecentCategory::kMn},     {0x1B4E, 0x1B4F, RecentCategory::kPo},
     {0x1B7F, 0x1B7F, RecentCategory::kPo},   {0x1C89, 0x1C89, RecentCategory::kLu},
     {0x1C8A, 0x1C8A, RecentCategory::kLl},   {0x2427, 0x2429, RecentCategory::kSo},
     {0x2FFC, 0x2FFF, RecentCategory::kSo},   {0x31E4, 0x31E5, RecentCategory::kSo},
     {0x31EF, 0x31EF, RecentCategory::kSo},   {0xA7CB, 0xA7CC, RecentCategory::kLu},
     {0xA7CD, 0xA7CD, RecentCategory::kLl},   {0xA7DA, 0xA7DA, RecentCategory::kLu},
     {0xA7DB, 0xA7DB, RecentCategory::kLl},   {0xA7DC, 0xA7DC, RecentCategory::kLu},
     {0x105C0, 0x105F3, RecentCategory::kLo}, {0x10D40, 0x10D49, RecentCategory::kNd},
     {0x10D4A, 0x10D4D, RecentCategory::kLo}, {0x10D4E, 0x10D4E, RecentCategory::kLm},
     {0x10D4F, 0x10D4F, RecentCategory::kLo}, {0x10D50, 0x10D65, RecentCategory::kLu},
     {0x10D69, 0x10D6D, RecentCategory::kMn}, {0x10D6E, 0x10D6E, RecentCategory::kPd},
     {0x10D6F, 0x10D6F, RecentCategory::kLm}, {0x10D70, 0x10D85, RecentCategory::kLl},
     {0x10D8E, 0x10D8F, RecentCategory::kSm}, {0x10EC2, 0x10EC4, RecentCategory::kLo},
     {0x10EFC, 0x10EFF, RecentCategory::kMn}, {0x1123F, 0x11240, RecentCategory::kLo},
     {0x11241, 0x11241, RecentCategory::kMn}, {0x11380, 0x11389, RecentCategory::kLo},
     {0x1138B, 0x1138B, RecentCategory::kLo}, {0x1138E, 0x1138E, RecentCategory::kLo},
     {0x11390, 0x113B5, RecentCategory::kLo}, {0x113B7, 0x113B7, RecentCategory::kLo},
     {0x113B8, 0x113BA, RecentCategory::kMc}, {0x113BB, 0x113C0, RecentCategory::kMn},
     {0x113C2, 0x113C2, RecentCategory::kMc}, {0x113C5, 0x113C5, RecentCategory::kMc},
     {0x113C7, 0x113CA, RecentCategory::kMc}, {0x113CC, 0x113CD, RecentCategory::kMc},
     {0x113CE, 0x113CE, RecentCategory::kMn}, {0x113CF, 0x113CF, RecentCategory::kMc},
     {0x113D0, 0x113D0, RecentCategory::kMn}, {0x113D1, 0x113D1, RecentCategory::kLo},
     {0x113D2, 0x113D2, RecentCategory::kMn}, {0x113D3, 0x113D3, RecentCategory::kLo},
     {0x113D4, 0x113D5, RecentCategory::kPo}, {0x113D7, 0x113D8, RecentCategory::kPo},
     {0x113E1, 0x113E2, RecentCategory::kMn}, {0x116D0, 0x116E3, RecentCategory::kNd},
     {0x11B00, 0x11B09, RecentCategory::kPo}, {0x11BC0, 0x11BE0, RecentCategory::kLo},
     {0x11BE1, 0x11BE1, RecentCategory::kPo}, {0x11BF0, 0x11BF9, RecentCategory::kNd},
     {0x11F00, 0x11F01, RecentCategory::kMn}, {0x11F02, 0x11F02, RecentCategory::kLo},
     {0x11F03, 0x11F03, RecentCategory::kMc}, {0x11F04, 0x11F10, RecentCategory::kLo},
     {0x11F12, 0x11F33, RecentCategory::kLo}, {0x11F34, 0x11F35, RecentCategory::kMc},
     {0x11F36, 0x11F3A, RecentCategory::kMn}, {0x11F3E, 0x11F3F, RecentCategory::kMc},
     {0x11F40, 0x11F40, RecentCategory::kMn}, {0x11F41, 0x11F41, RecentCategory::kMc},
     {0x11F42, 0x11F42, RecentCategory::kMn}, {0x11F43, 0x11F4F, RecentCategory::kPo},
     {0x11F50, 0x11F59, RecentCategory::kNd}, {0x11F5A, 0x11F5A, RecentCategory::kMn},
     {0x1342F, 0x1342F, RecentCategory::kLo}, {0x13439, 0x1343F, RecentCategory::kCf},
     {0x13440, 0x13440, RecentCategory::kMn}, {0x13441, 0x13446, RecentCategory::kLo},
     {0x13447, 0x13455, RecentCategory::kMn}, {0x13460, 0x143FA, RecentCategory::kLo},
     {0x16100, 0x1611D, RecentCategory::kLo}, {0x1611E, 0x16129, RecentCategory::kMn},
     {0x1612A, 0x1612C, RecentCategory::kMc}, {0x1612D, 0x1612F, RecentCategory::kMn},
     {0x16130, 0x16139, RecentCategory::kNd}, {0x16D40, 0x16D42, RecentCategory::kLm},
     {0x16D43, 0x16D6A, RecentCategory::kLo}, {0x16D6B, 0x16D6C, RecentCategory::kLm},
     {0x16D6D, 0x16D6F, RecentCategory::kPo}, {0x16D70, 0x16D79, RecentCategory::kNd},
     {0x18CFF, 0x18CFF, RecentCategory::kLo}, {0x1B132, 0x1B132, RecentCategory::kLo},
     {0x1B155, 0x1B155, RecentCategory::kLo}, {0x1CC00, 0x1CCEF, RecentCategory::kSo},
     {0x1CCF0, 0x1CCF9, RecentCategory::kNd}, {0x1CD00, 0x1CEB3, RecentCategory::kSo},
     {0x1D2C0, 0x1D2D3, RecentCategory::kNo}, {0x1DF25, 0x1DF2A, RecentCategory::kLl},
     {0x1E030, 0x1E06D, RecentCategory::kLm}, {0x1E08F, 0x1E08F, RecentCategory::kMn},
     {0x1E4D0, 0x1E4EA, RecentCategory::kLo}, {0x1E4EB, 0x1E4EB, RecentCategory::kLm},
     {0x1E4EC, 0x1E4EF, RecentCategory::kMn}, {0x1E4F0, 0x1E4F9, RecentCategory::kNd},
     {0x1E5D0, 0x1E5ED, RecentCategory::kLo}, {0x1E5EE, 0x1E5EF, RecentCategory::kMn},
     {0x1E5F0, 0x1E5F0, RecentCategory::kLo}, {0x1E5F1, 0x1E5FA, RecentCategory::kNd},
     {0x1E5FF, 0x1E5FF, RecentCategory::kPo}, {0x1F6DC, 0x1F6DC, RecentCategory::kSo},
     {0x1F774, 0x1F776, RecentCategory::kSo}, {0x1F77B, 0x1F77F, RecentCategory::kSo},
     {0x1F7D9, 0x1F7D9, RecentCategory::kSo}, {0x1F8B2, 0x1F8BB, RecentCategory::kSo},
     {0x1F8C0, 0x1F8C1, RecentCategory::kSo}, {0x1FA75, 0x1FA77, RecentCategory::kSo},
     {0x1FA87, 0x1FA89, RecentCategory::kSo}, {0x1FA8F, 0x1FA8F, RecentCategory::kSo},
     {0x1FAAD, 0x1FAAF, RecentCategory::kSo}, {0x1FABB, 0x1FABF, RecentCategory::kSo},
     {0x1FAC6, 0x1FAC6, RecentCategory::kSo}, {0x1FACE, 0x1FACF, RecentCategory::kSo},
     {0x1FADA, 0x1FADC, RecentCategory::kSo}, {0x1FADF, 0x1FADF, RecentCategory::kSo},
     {0x1FAE8, 0x1FAE9, RecentCategory::kSo}, {0x1FAF7, 0x1FAF8, RecentCategory::kSo},
     {0x1FBCB, 0x1FBEF, RecentCategory::kSo}, {0x2B739, 0x2B739, RecentCategory::kLo},
     {0x2EBF0, 0x2EE5D, RecentCategory::kLo}, {0x31350, 0x323AF, RecentCategory::kLo}}};

struct CharRange {
  char32_t first, last;
};

// Characters that Unicode 10 to 16 added with a combining class or a canonical decomposition (or as
// its second part): in Unicode 9 they are unassigned, so NFC leaves them alone.  U+11A7 is here
// too: utf8proc 2.8 takes it for a trailing consonant and drops it.  Ascending.
inline constexpr std::array<CharRange, 56> kLeftAloneByNfc = {
    {{0x7FD, 0x7FD},     {0x897, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
     {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x11A7, 0x11A7},
     {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
     {0x105C9, 0x105C9}, {0x105E4, 0x105E4}, {0x10D24, 0x10D27}, {0x10D69, 0x10D6D},
     {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
     {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x11383, 0x11383}, {0x11385, 0x11385},
     {0x1138E, 0x1138E}, {0x11391, 0x11391}, {0x113B8, 0x113B8}, {0x113BB, 0x113BB},
     {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113C9}, {0x113CE, 0x113D0},
     {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11938, 0x11938},
     {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34},
     {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
     {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x1611E, 0x16129}, {0x1612F, 0x1612F},
     {0x16D67, 0x16D6A}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
     {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}}};

}  // namespace pawl
