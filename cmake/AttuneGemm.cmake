# Chooses the GEMM provider: Accelerate on Apple, oneDNN where found, else any
# CBLAS. Sets the target attune_gemm, and ATTUNE_GEMM_UNUSED: the folder of the
# provider that is not built.

# Debian's dnnl-config.cmake demands OpenCL, which nothing here uses: look for
# the library itself.
find_path(DNNL_INCLUDE dnnl.h)
find_library(DNNL_LIBRARY dnnl)

set(provider "${ATTUNE_GEMM}")
if(provider STREQUAL "auto")
  if(APPLE)
    set(provider accelerate)
  elseif(DNNL_LIBRARY AND DNNL_INCLUDE)
    set(provider onednn)
  else()
    set(provider cblas)
  endif()
endif()

add_library(attune_gemm INTERFACE)
set(ATTUNE_GEMM_UNUSED gemm/onednn)
if(provider STREQUAL "onednn")
  set(ATTUNE_GEMM_UNUSED gemm/cblas)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_include_directories(attune_gemm SYSTEM INTERFACE "${DNNL_INCLUDE}")
  target_link_libraries(attune_gemm INTERFACE "${DNNL_LIBRARY}" OpenMP::OpenMP_CXX)
elseif(provider STREQUAL "accelerate")
  target_link_libraries(attune_gemm INTERFACE "-framework Accelerate")
  target_compile_definitions(attune_gemm INTERFACE ATTUNE_GEMM_ACCELERATE)
elseif(provider STREQUAL "cblas")
  find_package(BLAS REQUIRED)
  target_link_libraries(attune_gemm INTERFACE BLAS::BLAS)
else()
  message(FATAL_ERROR "ATTUNE_GEMM is '${provider}'; choose auto, onednn, accelerate or cblas")
endif()
message(STATUS "GEMM provider: ${provider}")
