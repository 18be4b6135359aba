#include "vault/compress.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include "base/check.h"
#include "base/strings.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"

namespace attune {
namespace {

// docs/decisions/0012-zstd-on-byte-planes.md has the measurements.
constexpr int kBytesLevel = 3;
constexpr int kPlaneLevel = 1;
constexpr int kPlaneHashLog = 8;
constexpr int kPlaneMinMatch = 7;

// What saves less is not worth decompressing.
constexpr std::size_t kLeastGain = 32;

constexpr std::size_t kMagicBytes = 4;
// Of zstd's blocks: what the largest holds, and what the smallest takes (a header of
// 3 bytes, and one to repeat).
constexpr std::uint64_t kMaxBlockContent = std::uint64_t{1} << 17;
constexpr std::uint64_t kMinBlockBytes = 4;

bool IsWidth(std::uint8_t width) { return width == 1 || width == 2 || width == 4 || width == 8; }

bool Pays(std::size_t made, std::size_t size) {
  return made < size && size - made >= size / kLeastGain;
}

// Room that grows, and is not filled with zeros first, unlike a string's.
class Scratch {
 public:
  char* Room(std::size_t size) {
    if (size > size_) {
      bytes_.reset(new char[size]);
      size_ = size;
    }
    return bytes_.get();
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

// Makes frames, one after the other.
class FrameMaker {
 public:
  explicit FrameMaker(int level) : context_(ZSTD_createCCtx()) {
    ATTUNE_CHECK(context_ != nullptr);
    Set(ZSTD_c_compressionLevel, level);
  }
  void Set(ZSTD_cParameter parameter, int value) {
    ATTUNE_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), parameter, value)));
  }

  // Appends `bytes` to `out` as a frame if that pays.
  bool Append(std::string_view bytes, std::string* out) {
    const std::size_t room = ZSTD_compressBound(bytes.size());
    char* frame = scratch_.Room(room);
    const std::size_t made =
        ZSTD_compress2(context_.get(), frame, room, bytes.data(), bytes.size());
    if (ZSTD_isError(made) || !Pays(made, bytes.size())) return false;
    out->append(frame, made);
    return true;
  }

 private:
  struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
  Scratch scratch_;
};

// Opens frames, one after the other.
class FrameOpener {
 public:
  FrameOpener() : context_(ZSTD_createDCtx()) { ATTUNE_CHECK(context_ != nullptr); }

  // Fills `out`, all of it, from exactly one frame.
  Status Open(std::string_view frame, std::span<char> out) {
    std::uint32_t magic = 0;
    if (frame.size() >= kMagicBytes) magic = ByteReader(frame).Number<std::uint32_t>();
    if (magic != ZSTD_MAGICNUMBER) return DataLoss("compressed bytes: not a zstd frame");
    if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != out.size()) {
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
    const std::size_t made =
        ZSTD_decompressDCtx(context_.get(), out.data(), out.size(), frame.data(), frame.size());
    if (!ZSTD_isError(made) && made == out.size()) return OkStatus();
    return DataLoss(StrCat("compressed bytes: damaged, ", out.size(), " expected"));
  }

 private:
  struct FreeContext {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
};

// Whether a frame of so many bytes can hold `size`: no block of a few bytes holds
// more than 128 KiB. Keeps a lie about the size from sizing an allocation.
bool CanHold(std::size_t frame, std::uint64_t size) {
  return size / kMaxBlockContent <= frame / kMinBlockBytes;
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

// Elements that are split at a time: rows of a matrix differ in scale, so that a
// table for few of them fits better. NOTE: stored files depend on it.
constexpr std::size_t kBlockElements = std::size_t{1} << 14;
constexpr std::size_t kPlaneHeaderBytes = sizeof(std::uint32_t);

// Whether a sample of the plane is spread as evenly as noise; zstd would take longer
// to find that out than everything else takes. Of 1024 even bytes the squares of the
// counts sum up to 5116 with a deviation of 90; what could be coded in 31/32 of its
// length (7.75 bits a byte) comes to 5896 at least.
bool LooksLikeNoise(std::string_view plane) {
  constexpr std::size_t kRuns = 16, kRun = 64;
  constexpr std::uint32_t kLeastSquares = 5560;
  if (plane.size() < 2 * kRuns * kRun) return false;
  std::array<std::uint32_t, 256> counts{};
  for (std::size_t run = 0; run < kRuns; ++run) {
    for (const char c : plane.substr(plane.size() / kRuns * run, kRun)) {
      ++counts[static_cast<std::uint8_t>(c)];
    }
  }
  std::uint32_t squares = 0;
  for (const std::uint32_t count : counts) squares += count * count;
  return squares < kLeastSquares;
}

// Blocks of kBlockElements, the last one shorter, then a rest of less than an
// element. A block is the bytes each of its planes takes, then the planes. A plane
// that takes as many bytes as the block has elements is stored.
void AppendPlanes(std::string_view bytes, std::uint8_t width, FrameMaker* frames, Scratch* scratch,
                  std::string* out) {
  char* planes = scratch->Room(std::min(bytes.size(), kBlockElements * width));
  while (bytes.size() >= width) {
    const std::size_t count = std::min(bytes.size() / width, kBlockElements);
    SplitPlanes(bytes, width, count, planes);
    const std::size_t header = out->size();
    out->append(width * kPlaneHeaderBytes, '\0');
    std::string sizes;
    for (std::size_t p = 0; p < width; ++p) {
      const std::string_view plane(planes + p * count, count);
      const std::size_t start = out->size();
      if (LooksLikeNoise(plane) || !frames->Append(plane, out)) out->append(plane);
      ByteWriter(&sizes).Number(static_cast<std::uint32_t>(out->size() - start));
    }
    out->replace(header, sizes.size(), sizes);
    bytes.remove_prefix(count * width);
  }
  out->append(bytes);
}

// One block of planes.
class BlockOpener {
 public:
  explicit BlockOpener(std::uint8_t width) : width_(width) {}

  // Fills `out`, a whole number of elements.
  Status Open(ByteReader* reader, std::span<char> out) {
    const std::size_t count = out.size() / width_;
    std::array<std::uint32_t, 8> sizes{};
    for (std::size_t p = 0; p < width_; ++p) sizes[p] = reader->Number<std::uint32_t>();
    std::array<const char*, 8> planes{};
    char* room = opened_.Room(out.size());
    for (std::size_t p = 0; p < width_; ++p) {
      const std::string_view plane = reader->Bytes(sizes[p]);
      if (!reader->ok() || sizes[p] > count) {
        return DataLoss(StrCat("plane ", p, ": ", sizes[p], " bytes for ", count, " elements, ",
                               reader->remaining(), " left"));
      }
      planes[p] = plane.data();
      if (plane.size() == count) continue;
      const std::span<char> opened(room + p * count, count);
      ATTUNE_RETURN_IF_ERROR(frames_.Open(plane, opened).WithContext(StrCat("plane ", p)));
      planes[p] = opened.data();
    }
    JoinPlanes(planes, width_, count, out.data());
    return OkStatus();
  }

 private:
  std::uint8_t width_;
  FrameOpener frames_;
  Scratch opened_;
};

Result<std::string> DecompressPlanes(std::string_view bytes, std::uint8_t width,
                                     std::uint64_t size) {
  // However well they compress, planes have their headers.
  const std::uint64_t blocks = size / width / kBlockElements;
  if (blocks > bytes.size() / (width * kPlaneHeaderBytes)) {
    return DataLoss(StrCat("planes: ", bytes.size(), " bytes cannot hold ", size));
  }
  std::string out(static_cast<std::size_t>(size), '\0');
  BlockOpener opener(width);
  ByteReader reader(bytes);
  std::span<char> left(out);
  while (left.size() >= width) {
    const std::size_t count = std::min(left.size() / width, kBlockElements);
    ATTUNE_RETURN_IF_ERROR(opener.Open(&reader, left.first(count * width)));
    left = left.subspan(count * width);
  }
  const std::string_view rest = reader.Bytes(left.size());
  if (!reader.AtEnd()) {
    return DataLoss(StrCat("planes: ", bytes.size(), " bytes, their sizes say otherwise"));
  }
  std::copy(rest.begin(), rest.end(), left.begin());
  return out;
}

Result<std::string> DecompressFrame(std::string_view bytes, std::uint64_t size) {
  if (!CanHold(bytes.size(), size)) {
    return DataLoss(StrCat("compressed bytes: ", bytes.size(), " cannot hold ", size));
  }
  std::string out(static_cast<std::size_t>(size), '\0');
  ATTUNE_RETURN_IF_ERROR(FrameOpener().Open(bytes, out));
  return out;
}

}  // namespace

struct Compressor::Parts {
  FrameMaker bytes{kBytesLevel};
  FrameMaker planes{kPlaneLevel};
  Scratch split;
};

Compressor::Compressor() : parts_(std::make_unique<Parts>()) {
  // A small table and long matches: what compresses a plane are its frequencies.
  parts_->planes.Set(ZSTD_c_strategy, ZSTD_fast);
  parts_->planes.Set(ZSTD_c_hashLog, kPlaneHashLog);
  parts_->planes.Set(ZSTD_c_minMatch, kPlaneMinMatch);
}
Compressor::~Compressor() = default;

Codec Compressor::Append(std::span<const std::byte> bytes, std::uint8_t width, std::string* out) {
  ATTUNE_CHECK(IsWidth(width));
  const std::string_view text = AsText(bytes);
  const std::size_t start = out->size();
  if (width == 1) {
    if (parts_->bytes.Append(text, out)) return Codec::kZstd;
  } else {
    AppendPlanes(text, width, &parts_->planes, &parts_->split, out);
    if (Pays(out->size() - start, text.size())) return Codec::kShuffleZstd;
    out->resize(start);
  }
  out->append(text);
  return Codec::kStored;
}

Compressed Compress(std::span<const std::byte> bytes, std::uint8_t width) {
  Compressed out;
  out.codec = Compressor().Append(bytes, width, &out.bytes);
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
