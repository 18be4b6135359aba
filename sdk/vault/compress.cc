#include "vault/compress.h"

#include <zstd.h>

#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "base/strings.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"

namespace attune {
namespace {

// docs/decisions/0012-zstd-on-byte-planes.md has the measurements.
constexpr int kPlaneLevel = 1;
constexpr int kBytesLevel = 3;

// What saves less is not worth decompressing.
constexpr std::size_t kLeastGain = 32;

constexpr std::size_t kMagicBytes = 4;
constexpr std::uint64_t kMaxBlockBytes = std::uint64_t{1} << 17;
constexpr std::uint64_t kMinBlockBytes = 4;  // A header of 3, and one byte to repeat.

bool IsWidth(std::uint8_t width) { return width == 1 || width == 2 || width == 4 || width == 8; }

// Room that is not filled with zeros first, unlike a string's.
std::unique_ptr<char[]> Scratch(std::size_t size) {
  return std::unique_ptr<char[]>(new char[size]);
}

// Makes frames of up to `capacity` bytes each.
class FrameMaker {
 public:
  explicit FrameMaker(std::size_t capacity)
      : context_(ZSTD_createCCtx()), room_(ZSTD_compressBound(capacity)), scratch_(Scratch(room_)) {
    ATTUNE_CHECK(context_ != nullptr);
  }

  // Appends `bytes` to `out` as a frame if that pays.
  bool Append(int level, std::string_view bytes, std::string* out) {
    // zstd gives up early on what does not compress if all of it has room.
    const std::size_t made =
        ZSTD_compressCCtx(context_.get(), scratch_.get(), room_, bytes.data(), bytes.size(), level);
    if (ZSTD_isError(made) || !Pays(made, bytes.size())) return false;
    out->append(scratch_.get(), made);
    return true;
  }

  static bool Pays(std::size_t made, std::size_t size) {
    return made < size && size - made >= size / kLeastGain;
  }

 private:
  struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
  std::size_t room_;
  std::unique_ptr<char[]> scratch_;
};

// Fills `out`, all of it, from exactly one frame.
Status OpenFrame(std::string_view frame, std::span<char> out) {
  std::uint32_t magic = 0;
  if (frame.size() >= kMagicBytes) magic = ByteReader(frame).Number<std::uint32_t>();
  if (magic != ZSTD_MAGICNUMBER) return DataLoss("compressed bytes: not a zstd frame");
  const unsigned long long content = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (content != out.size()) {
    return DataLoss(StrCat("compressed bytes: a frame that does not say it holds ", out.size()));
  }
  if (ZSTD_getDictID_fromFrame(frame.data(), frame.size()) != 0) {
    return DataLoss("compressed bytes: a frame with a dictionary");
  }
  const std::size_t length = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(length) || length != frame.size()) {
    return DataLoss(StrCat("compressed bytes: ", frame.size(), " that are not one whole frame"));
  }
  // In one shot zstd looks back into `out` itself: no window of the frame's
  // choosing is allocated.
  const std::size_t made = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  if (ZSTD_isError(made) || made != out.size()) {
    return DataLoss(StrCat("compressed bytes: damaged, ", out.size(), " expected"));
  }
  return OkStatus();
}

// Whether a frame of so many bytes can hold `size`: no block of a few bytes holds
// more than 128 KiB. Keeps a lie about the size from sizing an allocation.
bool CanHold(std::size_t frame, std::uint64_t size) {
  return size / kMaxBlockBytes <= frame / kMinBlockBytes;
}

// Plane p is elements' bytes p, `count` of them.
template <std::size_t kWidth>
void Split(const char* __restrict in, std::size_t count, char* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t p = 0; p < kWidth; ++p) out[p * count + i] = in[i * kWidth + p];
  }
}

template <std::size_t kWidth>
void Join(const std::array<const char*, 8>& planes, std::size_t count, char* __restrict out) {
  const char* in[kWidth];
  for (std::size_t p = 0; p < kWidth; ++p) in[p] = planes[p];
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t p = 0; p < kWidth; ++p) out[i * kWidth + p] = in[p][i];
  }
}

void SplitPlanes(std::string_view in, std::uint8_t width, std::size_t count, char* out) {
  if (width == 2) Split<2>(in.data(), count, out);
  if (width == 4) Split<4>(in.data(), count, out);
  if (width == 8) Split<8>(in.data(), count, out);
}

void JoinPlanes(const std::array<const char*, 8>& planes, std::uint8_t width, std::size_t count,
                char* out) {
  if (width == 2) Join<2>(planes, count, out);
  if (width == 4) Join<4>(planes, count, out);
  if (width == 8) Join<8>(planes, count, out);
}

// The bytes each plane takes | the planes | the rest. A plane that takes as many
// bytes as there are elements is stored.
std::string CompressPlanes(std::string_view bytes, std::uint8_t width) {
  const std::size_t count = bytes.size() / width;
  const std::unique_ptr<char[]> planes = Scratch(count * width);
  SplitPlanes(bytes, width, count, planes.get());
  FrameMaker frames(count);
  std::string table;
  ByteWriter sizes(&table);
  std::string out(width * sizeof(std::uint64_t), '\0');
  for (std::size_t p = 0; p < width; ++p) {
    const std::string_view plane(planes.get() + p * count, count);
    const std::size_t start = out.size();
    if (!frames.Append(kPlaneLevel, plane, &out)) out.append(plane);
    sizes.Number(static_cast<std::uint64_t>(out.size() - start));
  }
  out.replace(0, table.size(), table);
  out.append(bytes.substr(count * width));
  return out;
}

// Where each plane's bytes are, checked against what there is.
struct PlaneLayout {
  std::array<std::string_view, 8> planes;
  std::string_view rest;
  std::size_t compressed = 0;  // How many of the planes.
};

Result<PlaneLayout> ReadLayout(std::string_view bytes, std::uint8_t width, std::uint64_t size) {
  const std::uint64_t count = size / width;
  ByteReader reader(bytes);
  std::array<std::uint64_t, 8> sizes{};
  for (std::size_t p = 0; p < width; ++p) sizes[p] = reader.Number<std::uint64_t>();
  PlaneLayout layout;
  for (std::size_t p = 0; p < width; ++p) {
    layout.planes[p] = reader.Bytes(sizes[p]);
    if (sizes[p] == count) continue;
    ++layout.compressed;
    if (sizes[p] > count || !CanHold(layout.planes[p].size(), count)) {
      return DataLoss(StrCat("plane ", p, ": ", sizes[p], " bytes cannot hold ", count));
    }
  }
  layout.rest = reader.Bytes(size % width);
  if (!reader.AtEnd()) {
    return DataLoss(StrCat("planes: ", bytes.size(), " bytes, their sizes say otherwise"));
  }
  return layout;
}

Result<std::string> DecompressPlanes(std::string_view bytes, std::uint8_t width,
                                     std::uint64_t size) {
  ATTUNE_ASSIGN_OR_RETURN(const PlaneLayout layout, ReadLayout(bytes, width, size));
  const std::size_t count = static_cast<std::size_t>(size) / width;
  const std::unique_ptr<char[]> opened = Scratch(layout.compressed * count);
  std::array<const char*, 8> planes{};
  std::size_t next = 0;
  for (std::size_t p = 0; p < width; ++p) {
    planes[p] = layout.planes[p].data();
    if (layout.planes[p].size() == count) continue;
    const std::span<char> plane(opened.get() + next, count);
    next += count;
    ATTUNE_RETURN_IF_ERROR(OpenFrame(layout.planes[p], plane).WithContext(StrCat("plane ", p)));
    planes[p] = plane.data();
  }
  std::string out(static_cast<std::size_t>(size), '\0');
  JoinPlanes(planes, width, count, out.data());
  std::memcpy(out.data() + count * width, layout.rest.data(), layout.rest.size());
  return out;
}

Result<std::string> DecompressFrame(std::string_view bytes, std::uint64_t size) {
  if (!CanHold(bytes.size(), size)) {
    return DataLoss(StrCat("compressed bytes: ", bytes.size(), " cannot hold ", size));
  }
  std::string out(static_cast<std::size_t>(size), '\0');
  ATTUNE_RETURN_IF_ERROR(OpenFrame(bytes, out));
  return out;
}

}  // namespace

Compressed Compress(std::span<const std::byte> bytes, std::uint8_t width) {
  ATTUNE_CHECK(IsWidth(width));
  const std::string_view text = AsText(bytes);
  Compressed out;
  if (width == 1) {
    if (FrameMaker(text.size()).Append(kBytesLevel, text, &out.bytes)) out.codec = Codec::kZstd;
  } else {
    out.bytes = CompressPlanes(text, width);
    if (FrameMaker::Pays(out.bytes.size(), text.size())) out.codec = Codec::kShuffleZstd;
  }
  if (out.codec == Codec::kStored) out.bytes = text;
  return out;
}

Result<std::string> Decompress(Codec codec, std::string_view bytes, std::uint8_t width,
                               std::uint64_t size) {
  if (!IsWidth(width)) return DataLoss(StrCat("elements of ", width, " bytes, allowed 1, 2, 4, 8"));
  if (codec == Codec::kStored) {
    if (bytes.size() == size) return std::string(bytes);
    return DataLoss(StrCat("stored bytes: ", bytes.size(), ", expected ", size));
  }
  // What does not make it smaller is stored: one form for every content.
  if (bytes.size() >= size) {
    return DataLoss(StrCat("compressed bytes: ", bytes.size(), " for ", size));
  }
  if (codec == Codec::kZstd && width == 1) return DecompressFrame(bytes, size);
  if (codec == Codec::kShuffleZstd && width > 1) return DecompressPlanes(bytes, width, size);
  return DataLoss(StrCat("codec ", static_cast<int>(codec), " for elements of ", width, " bytes"));
}

std::uint64_t PaddedSize(std::uint64_t size) {
  if (size < 2) return size;
  const int exponent = std::bit_width(size) - 1;
  const int kept = std::bit_width(static_cast<unsigned>(exponent));
  const std::uint64_t mask = (std::uint64_t{1} << (exponent - kept)) - 1;
  return (size + mask) & ~mask;
}

}  // namespace attune
