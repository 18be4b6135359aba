# Language level, warnings, sanitizers and the third-party libraries.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")

option(ATTUNE_BUILD_TESTS "Build the test suites" ON)
option(ATTUNE_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
option(ATTUNE_KERNELS_ONLY "Build only the CPU kernels and their tests (cross builds)" OFF)
set(ATTUNE_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined or thread")
set(ATTUNE_GEMM "auto" CACHE STRING "GEMM provider: auto, onednn, accelerate or cblas")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

add_library(attune_warnings INTERFACE)
target_compile_options(attune_warnings INTERFACE -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor
                       -Wcast-qual -Wimplicit-fallthrough)

if(ATTUNE_SANITIZE)
  add_compile_options(-fsanitize=${ATTUNE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ATTUNE_SANITIZE})
endif()

if(ATTUNE_FUZZ)
  # Coverage for libFuzzer in every module; the targets of tests/fuzz link its main.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(ATTUNE_FUZZ)
  # Coverage for libFuzzer in every module; the targets of tests/fuzz link its main.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
if(ATTUNE_KERNELS_ONLY)
  return()
endif()
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(hwy QUIET)
if(NOT TARGET hwy::hwy)
  pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
  add_library(hwy::hwy ALIAS PkgConfig::HWY)
endif()
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
add_library(attune_pcre2 ALIAS PkgConfig::PCRE2)
add_library(attune_utf8proc ALIAS PkgConfig::UTF8PROC)
include(AttuneGemm)
