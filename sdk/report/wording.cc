#include "report/wording.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/strings.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

// Bytes of the UTF-8 character that `text` begins with; 0: it is none, or one that
// XML does not allow.
std::size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return byte(0) >= 0x20 && byte(0) != 0x7f ? 1 : 0;
  const std::size_t bytes = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < bytes) return 0;
  std::uint32_t code = byte(0) & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  const bool is_none =
      (code & 0xfffe) == 0xfffe || code > 0x10ffff || (code >= 0x80 && code < 0xa0);
  return code < kLeast[bytes] || surrogate || is_none ? 0 : bytes;
}

std::string TwoDigits(std::int64_t number) {
  return number < 10 ? StrCat("0", number) : StrCat(number);
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t bytes = CharacterBytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(bytes, 1));
    text.remove_prefix(character.size());
    if (bytes == 0) {
      out += '?';
    } else if (character == "<") {
      out += "&lt;";
    } else if (character == ">") {
      out += "&gt;";
    } else if (character == "&") {
      out += "&amp;";
    } else if (character == "\"") {
      out += "&quot;";
    } else if (character == "'") {
      out += "&#39;";
    } else {
      out += character;
    }
  }
  return out;
}

std::string Fixed(double number, int digits) {
  char buffer[48];
  const double shown = std::isfinite(number) ? std::clamp(number, -1e15, 1e15) : 0;
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, shown);
  return buffer;
}

std::string DurationText(double seconds) {
  const double clamped = seconds > 0 ? std::min(seconds, 1e12) : 0;
  if (clamped < 9.95) return StrCat(Fixed(clamped, 1), " s");
  const auto whole = static_cast<std::int64_t>(std::llround(clamped));
  if (whole < 60) return StrCat(whole, " s");
  if (whole < 3600) {
    return StrCat(whole / 60, " min", whole % 60 == 0 ? "" : StrCat(" ", whole % 60, " s"));
  }
  const std::int64_t minutes = (whole + 30) / 60;
  return StrCat(minutes / 60, " h", minutes % 60 == 0 ? "" : StrCat(" ", minutes % 60, " min"));
}

std::string EnergyText(double joules) {
  if (!(joules >= 1000)) return StrCat(Fixed(joules, 0), " J");
  return StrCat(Fixed(joules / 1000, joules < 1e5 ? 1 : 0), " kJ (", Fixed(joules / 3600, 2),
                " Wh)");
}

std::string BytesText(std::int64_t bytes) {
  constexpr std::int64_t kMebi = std::int64_t{1} << 20;
  return bytes < kMebi ? StrCat(bytes, " bytes") : StrCat((bytes + kMebi / 2) / kMebi, " MiB");
}

std::string PercentText(double part) {
  return StrCat(part < 0 ? "" : "+", Fixed(part * 100, 1), " %");
}

std::string Counted(std::int64_t count, std::string_view noun) {
  return StrCat(count, " ", noun, count == 1 ? "" : "s");
}

std::string ClockText(const LocalTime& time, bool with_seconds) {
  const std::int32_t second = SecondOfDay(time.unix_seconds, time.utc_offset_seconds);
  return StrCat(TwoDigits(second / 3600), ":", TwoDigits(second / 60 % 60),
                with_seconds ? StrCat(":", TwoDigits(second % 60)) : "");
}

std::string DateText(std::int64_t day) {
  const CivilDate date = DateOf(day);
  return StrCat(date.day, " ", MonthName(date.month).substr(0, 3), " ", date.year);
}

std::string_view MonthName(int month) {
  constexpr std::string_view kNames[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
  return kNames[std::clamp(month, 1, 12) - 1];
}

}  // namespace attune
