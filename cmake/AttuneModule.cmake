# attune_module(<folder> [DEPS <modules>] [PRIVATE <libraries>] [EXCLUDE <subfolders>]
#               [NO_UBSAN])
#
# Makes the static library attune_<name> of every .cc file in <folder> and its
# subfolders, except those that are modules of their own or not for this build.
# Code is compiled without exceptions and RTTI. DEPS are modules whose headers
# may appear in this module's headers; PRIVATE libraries may not.
function(attune_module folder)
  cmake_parse_arguments(ARG "NO_UBSAN" "" "DEPS;PRIVATE;EXCLUDE" ${ARGN})
  get_filename_component(name "${folder}" NAME)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cc")
  foreach(excluded IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "/${folder}/${excluded}/")
  endforeach()
  set(target attune_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
    target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti)
    target_link_libraries(${target} PRIVATE attune_warnings ${ARG_PRIVATE})
    if(ARG_NO_UBSAN AND ATTUNE_SANITIZE MATCHES "undefined")
      target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
    endif()
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} "${PROJECT_SOURCE_DIR}/sdk"
                             "${PROJECT_SOURCE_DIR}/sdk/include" "${PROJECT_SOURCE_DIR}/adapters")
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${target} ${scope} attune_${dep})
  endforeach()
endfunction()

# attune_test(<folder> DEPS <modules> [LIBRARIES <libraries>] [TIMEOUT <seconds>])
#
# One executable of every *_test.cc file below tests/<folder>, one CTest entry
# per executable. A folder without test files is an error.
function(attune_test folder)
  cmake_parse_arguments(ARG "" "TIMEOUT" "DEPS;LIBRARIES" ${ARGN})
  string(REPLACE "/" "_" name "${folder}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cc")
  if(NOT sources)
    message(FATAL_ERROR "tests/${folder}: no *_test.cc file")
  endif()
  add_executable(${name} ${sources})
  target_compile_options(${name} PRIVATE -fno-exceptions -fno-rtti)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${name} PRIVATE
    ATTUNE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ATTUNE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${name} PRIVATE attune_${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE attune_warnings attune_testing ${ARG_LIBRARIES})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_test(NAME ${folder} COMMAND ${name})
  set_tests_properties(${folder} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()
