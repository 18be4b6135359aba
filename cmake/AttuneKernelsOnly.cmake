# The CPU kernels and their tests alone, with nothing but a compiler, the
# Highway headers and the GoogleTest sources: what a cross build can have
# without a foreign copy of every library.

find_path(HWY_HEADERS hwy/highway.h REQUIRED NO_CMAKE_FIND_ROOT_PATH PATHS /usr/include)
# Copied, because its folder holds the host's C library headers as well.
file(COPY "${HWY_HEADERS}/hwy" DESTINATION "${PROJECT_BINARY_DIR}/highway")
add_library(hwy::hwy INTERFACE IMPORTED)
target_include_directories(hwy::hwy SYSTEM INTERFACE "${PROJECT_BINARY_DIR}/highway")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # Only here is the instruction set chosen at run time, by libhwy.
  find_library(HWY_LIBRARY hwy REQUIRED)
  target_link_libraries(hwy::hwy INTERFACE "${HWY_LIBRARY}")
endif()

set(ATTUNE_GOOGLETEST "/usr/src/googletest" CACHE PATH "GoogleTest sources")
if(NOT EXISTS "${ATTUNE_GOOGLETEST}/CMakeLists.txt")
  message(FATAL_ERROR "ATTUNE_GOOGLETEST: no GoogleTest sources in that folder")
endif()
set(INSTALL_GTEST OFF)
add_subdirectory("${ATTUNE_GOOGLETEST}" googletest EXCLUDE_FROM_ALL)
foreach(library gtest gmock)
  # It has run-time type information and our tests do not: not UBSan's vptr.
  target_compile_options(${library} PRIVATE -fno-sanitize=all)
  if(NOT TARGET GTest::${library})
    add_library(GTest::${library} ALIAS ${library})
  endif()
endforeach()

attune_module(sdk/base)
attune_module(sdk/ports           DEPS base)
attune_module(sdk/tensor          DEPS ports)
# Unrolled tiles: with UBSan one file of kernels compiles for minutes on end.
attune_module(adapters/cpu/kernels DEPS tensor PRIVATE hwy::hwy NO_UBSAN)
attune_module(adapters/posix      DEPS ports  PRIVATE Threads::Threads)
enable_testing()
add_subdirectory(tests)
